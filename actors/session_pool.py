"""The sessions that live: a table of the node that outlives the supervisor of sessions.

Sessions and their supervisor may die; what the table keeps of each session, its last handled
state, is there for the next ones (as a table of ``ets`` with an heir would be).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.session_data import Session
    from supervision.eventloop.cell import LocalAddress
    from supervision.strategy import Child


class SessionPool:
    """The table, by session id.

    Attributes:
        children: what the supervisor of sessions knows of each; its own dictionary.
        recovered: state and data of those that the journal has given back and that nobody has
            started again yet.
        ready: whether those of the last process have been started.
        when_up: called as soon as the supervisor of sessions runs, once; for who waits.
    """

    def __init__(self) -> None:
        self.children: dict[str, Child] = {}
        self.recovered: dict[str, tuple[str, Session]] = {}
        self.ready = False
        self.when_up: list[Callable[[], object]] = []

    def address_of(self, session: str) -> LocalAddress | None:
        """Where a session lives, also while it is being restarted."""
        child = self.children.get(session)
        return None if child is None else child.address

    def count(self) -> int:
        """How many sessions there are, closed ones that linger included."""
        return len(self.children)
