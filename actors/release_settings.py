"""How a node stands among releases: what it was told by the anchor, and how it tells the anchor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from actors.permanence import Permanence
from actors.release_handler import Standing
from actors.releases.port import Ask, nobody
from actors.standby import Standby

if TYPE_CHECKING:
    from supervision.anchor.inheritance import Inherited


class ReleaseSettings(Struct, frozen=True):
    """The release of one node.

    Attributes:
        standing: its version, and whether it is permanent.
        standby: whether it serves yet.
        failed: tells the anchor why it failed its probation.
        permanence: whether it is permanent yet, and who waits for that.
        permanent_states: schema versions that a crash of this node brings back, by type of state;
            empty where that is this release itself.
        ask: asks the anchor: (operation, arguments) -> result.
    """

    standing: Standing
    standby: Standby
    failed: Callable[[str], None]
    permanence: Permanence
    permanent_states: dict[str, int] = {}
    ask: Ask = nobody

    @classmethod
    def of(
        cls,
        inherited: Inherited,
        version: str,
        failed: Callable[[str], None],
        ask: Ask = nobody,
    ) -> ReleaseSettings:
        """What the anchor has told this node.

        Args:
            inherited: from the anchor.
            version: of the code; the name of a release that no anchor has named.
            failed: tells the anchor why it failed its probation.
            ask: asks the anchor.
        """
        told = inherited.release
        standing = Standing(
            vsn=version if told is None else told.vsn,
            permanent=version if told is None else told.permanent,
            provisional=told is not None and told.provisional,
            generation=inherited.incarnation,
        )
        standby = Standby(waiting=inherited.takeover is not None)
        provisional = told is not None and told.provisional
        states = dict(told.permanent_states) if told is not None and provisional else {}
        return cls(standing, standby, failed, Permanence(provisional=provisional), states, ask)

    @classmethod
    def alone(cls, version: str) -> ReleaseSettings:
        """A node that is started by hand, of a release that is permanent."""
        standing = Standing(version, version, provisional=False, generation=1)
        return cls(standing, Standby(), lambda _: None, Permanence())
