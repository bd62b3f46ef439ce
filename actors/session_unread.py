"""Sessions as they came from the process before: each is read when somebody first speaks of it.

Whoever takes a session in has read it once, to know that it can be, and what it is called. Most of
many sessions wait for long then. Kept as it came, one takes a fifth of the memory of what it is
made of; and while nothing has happened to it, it goes back as it came, whatever the version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.session_data import Session


class Form(Struct, frozen=True):
    """How sessions are written that came together.

    Attributes:
        version: of their schema.
        read: makes one of what came; it has done so before, and does the same again.
    """

    version: int
    read: Callable[[bytes], Session]


class Unread(Struct, frozen=True, eq=False, gc=False):
    """In the place of a session's data.

    Attributes:
        body: as it came.
        form: that it is written in.
    """

    body: bytes
    form: Form

    def read(self) -> Session:
        """The session."""
        return self.form.read(self.body)


def known(data: Any) -> Any:
    """The data of a session, read where they have not been.

    Args:
        data: of a session, or what stands in their place.
    """
    return data.read() if type(data) is Unread else data
