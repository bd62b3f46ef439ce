"""What a node is to those in it, as far as it needs no word for actors: time, signals, reports.

``cell.Node`` adds the actors to it. The modules below the kernel name these, not the kernel, which
stands on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from supervision._thespian import ActorAddress
    from supervision.clock import Clock
    from supervision.eventloop.latency import Histogram
    from supervision.eventloop.reports import Reports
    from supervision.eventloop.timekeeping import SchedulerLimits
    from supervision.eventloop.timers import Expiring, Timer


class Ground(Protocol):
    """The part of a node that is there before there are actors; see ``Kernel`` for each.

    Attributes:
        loop: the asyncio loop it lives on.
        clock: what tells the time.
        limits: the bounds of a turn.
        now: monotonic seconds of the message that is handled now.
        monotonic: reads the clock.
        wall: reads it too.
        thread: the loop's.
        reports: who hears reports.
        latencies: how long handlers took, by the classes of their actors.
    """

    loop: asyncio.AbstractEventLoop
    clock: Clock
    limits: SchedulerLimits
    now: float
    monotonic: Callable[[], float]
    wall: Callable[[], float]
    thread: int
    reports: Reports
    latencies: dict[type, Histogram]

    def present(self) -> float:
        """Monotonic seconds."""

    def set_timer(
        self, after_s: float, fire: Callable[[Timer], None], owner: Any, payload: Any
    ) -> Timer:
        """Have ``fire`` called with the timer in ``after_s`` seconds."""

    def forget_timer(self, timer: Timer) -> None:
        """Take a timer out of its actor's list."""

    def cancel_timer(self, timer: Timer) -> bool:
        """Cancel a timer; return whether it was still pending."""

    def set_deadline(self, seconds: float, entry: Expiring) -> None:
        """Have ``entry`` expire ``seconds`` after ``now`` unless it is settled before."""

    def set_deadline_at(self, due: float, entry: Expiring) -> None:
        """Have ``entry`` expire at ``due`` unless it is settled before."""

    def signal(self, function: Callable[..., object], *args: Any) -> None:
        """Run ``function`` before any further message."""

    def send(self, to: ActorAddress, message: Any, sender: Any) -> None:
        """Send a message; to nobody it is a dead letter."""

    def post(self, to: ActorAddress, message: Any, sender: Any) -> None:
        """Send from another thread."""

    def post_call(self, function: Callable[..., object], *args: Any) -> None:
        """Run ``function`` on the loop's thread; callable from every thread."""

    def dead_letter(self, address: Any, message: Any, sender: Any, reason: str) -> None:
        """Account for a message that found nobody."""

    def report(self, kind: str, path: str, **data: Any) -> None:
        """Publish a report; plain data only."""
