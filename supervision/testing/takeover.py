"""Two nodes in virtual time, one of which takes over from the other: how upgrades are tested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from supervision.release import stragglers
from supervision.release.actors_part import ActorsPart
from supervision.testing.clock import VirtualClock
from supervision.testing.kit import Kit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType


class Takeover:
    """An old and a new node on one clock; the new one starts its tree before it takes anything.

    Args:
        old_config: the configuration of the old node.
        new_config: of the new one.
        extra: what the release has to say to the conversions.

    Attributes:
        old: the node that gives.
        new: the node that takes.
        took: the part of the new node.
    """

    def __init__(
        self,
        *,
        old_config: Mapping[str, Any] | None = None,
        new_config: Mapping[str, Any] | None = None,
        extra: Any = None,
    ) -> None:
        self.clock = VirtualClock()
        self.old, self.new = Kit(clock=self.clock), Kit(clock=self.clock)
        self.clock.advance(0.001)  # the new process is the younger one
        self.new.kernel.hold_timers()
        self.gave = ActorsPart(self.old.kernel, config=old_config, extra=extra)
        self.took = ActorsPart(self.new.kernel, taking=True, config=new_config, extra=extra)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.new.close()
        self.old.close()

    def take_over(self) -> None:
        """All that a takeover does with the actors of two nodes."""
        self.copy()
        self.switch()

    def copy(self) -> bytes:
        """Freeze the old node, and let the new one take all of it in; return what has travelled."""
        self.gave.agree(self.took.types())
        self.took.agree(self.gave.types())
        self.old.kernel.freeze()
        stragglers.treat(self.old.kernel)
        packed = self.gave.pack(self.took.version)
        self.new.settle()
        self.new.kernel.freeze()
        self.took.unpack(self.took.version, packed.body, ())
        self.new.settle()
        return packed.body

    def switch(self) -> None:
        """Let the new node serve."""
        self.new.loop.run(self.took.put)
        self.new.kernel.thaw()
        self.new.kernel.release_timers()
        self.new.settle()
