"""Faults on purpose: what a test does to actors that should be survived."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervision.eventloop.managed import ManagedActor, Stop
from supervision.reasons import KILLED, Reason, error

if TYPE_CHECKING:
    from supervision._thespian import Actor, ActorAddress
    from supervision.eventloop.cell import Cell
    from supervision.eventloop.kernel import Kernel, Target


class InjectedFault(Exception):  # noqa: N818 - what happened, not whose error it is
    """What ``crash_next`` raises unless it is told otherwise."""


REFUSED = error("refused")


class Faults:
    """Kills, crashes and refusals, carried out on one node.

    Nothing runs here: effects show when the kit settles.

    Args:
        kernel: the node.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._refusals: dict[str, tuple[int | None, Reason]] = {}
        self._spawn = kernel.spawn
        kernel.spawn = self._spawn_or_refuse  # type: ignore[method-assign]

    def kill(self, target: Target) -> None:
        """End an actor at once, without its ``terminate`` (``exit(Pid, kill)``)."""
        self.exit(target, KILLED)

    def exit(self, target: Target, reason: Reason) -> None:
        """Have an actor end as if it had decided so itself, with ``reason``."""
        self._kernel.exit(self._cell(target), reason)

    def crash_next(self, target: Target, exception: BaseException | None = None) -> None:
        """Have ``exception`` raised in the place of handling the next message."""
        actor: Any = self._cell(target).actor
        if isinstance(actor, ManagedActor):
            actor.wake_up()

        def crash(msg: Any, sender: Any) -> None:
            del msg, sender, actor.receiveMessage
            raise exception if exception is not None else InjectedFault("crash_next")

        actor.receiveMessage = crash

    def refuse_starts(self, path: str, times: int | None = 1, reason: Reason = REFUSED) -> None:
        """Have the next starts of an actor fail.

        Args:
            path: of the actor, for example ``top/worker``.
            times: how many starts fail; None is all of them, 0 ends a refusal.
            reason: what its supervisor is told.
        """
        self._refusals[path] = (times, reason)

    def _cell(self, target: Target) -> Cell:
        cell = self._kernel.cell_of(target)
        if cell is None or cell.actor is None:
            raise LookupError(f"no actor is behind {target!r}")
        return cell

    def _spawn_or_refuse(self, actor: Actor, args: Any, **options: Any) -> Any:
        address: ActorAddress = options["address"]
        reason = self._refusal(str(address.addressDetails))
        if reason is not None:
            # In the place of init, so that a refusal takes every step of a real one.
            actor.on_start = lambda _: Stop(reason)  # type: ignore[attr-defined]
        return self._spawn(actor, args, **options)

    def _refusal(self, path: str) -> Reason | None:
        times, reason = self._refusals.get(path, (0, REFUSED))
        if times == 0:
            return None
        if times is not None:
            self._refusals[path] = (times - 1, reason)
        return reason
