"""What travels in a takeover: the parts of a node, as the old one gives and the new one takes them.

A part has a name, by which both sides know it, and the version of the schema of its state. Small
parts travel once, at the freeze; a `Bulk` travels in slices while the old node serves, and what
changes meanwhile travels again. Whichever side knows both versions converts: the new code on the
way up (`code_change`), the newer code, which gives, on the way down (`downgrade`).

The order of the calls, over all parts in their order:

    gives:  begin* take*  ready  drain  hold  idle...  stop  take* pack  | resume (reversed)
    takes:  give*  unpack                                                | switch
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from supervision.release.versions import NoConversion

if TYPE_CHECKING:
    from supervision.release.versions import Conversions

__all__ = ["Bulk", "NoConversion", "NotCarried", "Packed", "Part", "Slice"]


class NotCarried(Exception):  # noqa: N818 - a state of affairs
    """A value that cannot travel; the message says where it is and what it is."""


class Packed(Struct, frozen=True):
    """A small part at the freeze.

    Attributes:
        body: its state, as the part itself writes it.
        descriptors: open descriptors that travel with it, in an order that the body knows; they
            stay open on this side until the process ends, or `resume`.
    """

    body: bytes
    descriptors: tuple[int, ...] = ()


class Slice(Struct, frozen=True, array_like=True):
    """Some items of a bulk.

    Attributes:
        items: key and state of what is new or has changed, as the bulk itself writes it.
        dropped: keys of what has ended since it travelled.
    """

    items: tuple[tuple[str, bytes], ...] = ()
    dropped: tuple[str, ...] = ()


class Part(ABC):
    """A part of a node that travels at the freeze.

    Attributes:
        name: the same in every release.
        version: of the schema of its state.
        conversions: the steps between its versions, where there are some.
        optional: whether a node of another release need not know this part: what is in it may be
            lost, and begin empty.
    """

    name: str
    version: int = 1
    conversions: Conversions | None = None
    optional: bool = False

    # Both sides, when they meet

    def writes(self, version: int) -> bool:
        """Whether this code can write the state in a version."""
        return version == self.version or self._leads(self.version, version)

    def reads(self, version: int) -> bool:
        """Whether this code can take in a state that is written in a version."""
        return version == self.version or self._leads(version, self.version)

    def _leads(self, have: int, want: int) -> bool:
        return self.conversions is not None and self.conversions.leads(have, want)

    def types(self) -> dict[str, int]:
        """The versions of the kinds of state inside it, by name; the other side is told."""
        return {}

    def agree(self, theirs: dict[str, int]) -> None:  # noqa: B027 - most have nothing to compare
        """Know what the other side's ``types`` are, before anything travels.

        Raises:
            NoConversion: no way leads between two of them.
        """

    # The side that gives

    async def ready(self) -> None:  # noqa: B027 - most have nothing to do beforehand
        """Until all is done that has to be before the freeze; the node serves meanwhile."""

    async def drain(self, until: float) -> None:  # noqa: B027 - most have nothing under way
        """Let what is under way end, and begin nothing new of that kind; the node still serves.

        Args:
            until: monotonic seconds at which that is over.
        """

    def hold(self) -> None:  # noqa: B027 - most take no input from outside
        """Take no more input from outside; what has been read is still handled."""

    def idle(self) -> bool:
        """Whether all that has been taken in is done with."""
        return True

    def stragglers(self) -> list[str]:
        """Name what is not done with when the time is over; for operators."""
        return []

    async def stop(self) -> None:  # noqa: B027 - most have nothing that only one process may have
        """No actor runs any more: let go of what only one process may have (files, locks)."""

    @abstractmethod
    def pack(self, version: int) -> Packed:
        """Write the state in the schema of a version, that of the side that takes.

        Raises:
            NoConversion: this code does not know how.
            NotCarried: something in it cannot travel.
        """

    async def resume(self) -> None:  # noqa: B027 - most have changed nothing
        """The takeover is off: go on as if nothing had been, from whatever has been called."""

    def copy(self, version: int) -> bytes | None:
        """The state as it is now, while the node serves, for a dry run or a shadow.

        Returns:
            What `unpack` takes, without descriptors; None where that makes no sense.

        Raises:
            NoConversion, NotCarried: as `pack`.
        """
        del version
        return None

    def tells(self) -> dict[str, Any]:
        """Plain data for the history of releases: asked after `pack`, and after `switch`."""
        return {}

    # The side that takes

    @abstractmethod
    def unpack(self, version: int, body: bytes, descriptors: tuple[int, ...]) -> None:
        """Take the state in; nothing is read, written or told to anybody before `switch`.

        Args:
            version: that it is written in; older than this code's, it is converted.
            body: as `pack` wrote it.
            descriptors: now this process's own.

        Raises:
            NoConversion: this code does not know how.
            ValueError: it is no such state.
        """

    def trials(self, version: int, body: bytes) -> dict[str, tuple[str, str]] | None:
        """Convert a state that was copied there and back, for a dry run; nothing is taken in.

        Args:
            version: that it is written in.
            body: as `copy` wrote it.

        Returns:
            By kind of state ``equal``, ``lossy`` or ``failed``, and in words where; None where the
            part does not know: `unpack` is tried then.
        """
        del version, body
        return None

    async def switch(self) -> None:  # noqa: B027 - most have nothing to begin
        """From now on this node serves."""


class Bulk(Part):
    """A part of many items, which travels in slices before the freeze, and what is left then."""

    # The side that gives

    @abstractmethod
    def begin(self) -> None:
        """From now on note what changes; everything is due once."""

    @abstractmethod
    def take(self, limit: int, version: int) -> Slice:
        """The next items that are due, at most `limit`, in the schema of a version.

        Raises:
            NoConversion: this code does not know how.
            NotCarried: something in one of them cannot travel.
        """

    @property
    @abstractmethod
    def due(self) -> int:
        """How many items are due now."""

    @abstractmethod
    def end(self) -> None:
        """Note changes no longer: all has been given, or the takeover is off."""

    @abstractmethod
    def count(self) -> int:
        """How many items there are, on either side; they have to agree at the freeze."""

    # The side that takes

    @abstractmethod
    def give(self, version: int, items: Slice) -> Any:
        """Take some items in; may be called any number of times for one key, the last one holds.

        Returns:
            None, or an awaitable that is done when more can be taken.

        Raises:
            NoConversion: this code does not know how.
            ValueError: one of them is no such state.
        """

    def tried(self, version: int, body: bytes) -> bytes | None:
        """Convert an item there and back, for a dry run; nothing is taken in.

        Args:
            version: that it is written in.
            body: as `take` wrote it.

        Returns:
            The item written in that version again; None where the part does not know: `give` is
            tried then.

        Raises:
            NoConversion: this code does not know how.
            ValueError: it is no such state.
        """
        del version, body
        return None

    def pack(self, version: int) -> Packed:
        """Nothing besides its items."""
        del version
        return Packed(b"")

    def unpack(self, version: int, body: bytes, descriptors: tuple[int, ...]) -> None:
        """Nothing besides its items."""
        del version, body, descriptors
