"""Steering one actor: suspend, resume, restart, terminate, change its state or its code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervision.introspection.between import TIMEOUT_S, between, end_of, settled_within
from supervision.introspection.changing import Changing
from supervision.introspection.errors import ActionRefused, StillBusy
from supervision.introspection.finding import NOBODY, Asked
from supervision.management import CycleChild, DeleteChild, Refused, TerminateChild
from supervision.reasons import KILLED, SHUTDOWN, Reason

if TYPE_CHECKING:
    from collections.abc import Callable


class Steering(Changing):
    """What an operator does to one actor; each deed is told in a report, with who and why."""

    async def suspend(self, path: str, asked: Asked = NOBODY, within_s: float = TIMEOUT_S) -> None:
        """Have an actor keep its messages until it is resumed (``sys:suspend/2``).

        System messages get through: it can be looked at, changed, and told to end. Who calls it
        meanwhile waits, and gives up at his own deadline. Suspending it again changes nothing.

        Args:
            path: of the actor.
            asked: who asks, and why.
            within_s: seconds that the handler which runs now has to end.

        Raises:
            NoSuchActor: nothing runs at this path.
            StillBusy: its handler goes on; it will take no other message, for it is suspended.
        """
        cell = self._running(path)
        if not cell.suspended:
            cell.suspended = True
            self._note("suspend", path, asked)
        await between(cell, path, within_s)

    async def resume(self, path: str, asked: Asked = NOBODY) -> None:
        """Undo ``suspend``; nothing happens to an actor that is not suspended.

        Raises:
            NoSuchActor: nothing runs at this path.
            ActionRefused: its code is being changed.
        """
        cell = self._running(path)
        if cell in self._changing:
            raise ActionRefused(path, "its code is being changed")
        if cell.suspended:
            self._kernel.resume(cell)
            self._note("resume", path, asked)

    # The end

    async def kill(self, path: str, asked: Asked = NOBODY) -> None:
        """End an actor at once; its supervisor sees it as a crash.

        Raises:
            NoSuchActor: nothing runs at this path.
        """
        cell = self._running(path)
        self._note("kill", path, asked)
        self._kernel.exit(cell, KILLED)

    async def stop(
        self,
        path: str,
        asked: Asked = NOBODY,
        reason: Reason = SHUTDOWN,
        within_s: float = TIMEOUT_S,
    ) -> None:
        """Have an actor end in order, through its own ``terminate`` (``sys:terminate/3``).

        Its supervisor sees an end with this reason and does what the child's restart type says.

        Args:
            path: of the actor.
            asked: who asks, and why.
            reason: with which it ends.
            within_s: seconds to wait for the end.

        Raises:
            NoSuchActor: nothing runs at this path.
            StillBusy: it has not ended in time; it goes on to.
        """
        cell = self._running(path)
        self._note("stop", path, asked)
        self._kernel.exit(cell, reason)
        if not await settled_within(end_of(cell), within_s):
            raise StillBusy(path, within_s)

    # By its supervisor

    async def restart(self, path: str, asked: Asked = NOBODY) -> None:
        """Have the supervisor stop an actor in order and start it again.

        Raises:
            NoSuchActor: nothing has this path.
            ActionRefused: it has no supervisor, or it did not start again.
        """
        await self._manage("restart", path, asked, CycleChild)

    async def terminate(self, path: str, asked: Asked = NOBODY) -> None:
        """Have the supervisor stop an actor and leave it stopped (``terminate_child/2``).

        Raises:
            NoSuchActor: nothing has this path.
            ActionRefused: it has no supervisor, or this does not do that.
        """
        await self._manage("terminate", path, asked, TerminateChild)

    async def delete(self, path: str, asked: Asked = NOBODY) -> None:
        """Have the supervisor forget an actor that is stopped (``delete_child/2``).

        Raises:
            NoSuchActor: nothing has this path.
            ActionRefused: it has no supervisor, it runs, or it is one of a pool.
        """
        await self._manage("delete", path, asked, DeleteChild)

    async def _manage(
        self, action: str, path: str, asked: Asked, request: Callable[[str], Any]
    ) -> None:
        child, parent = self._supervised(path)
        self._note(action, path, asked)
        answer = await self._kernel.call(parent.address, request(child.id), timeout=None)
        if isinstance(answer, Refused):
            raise ActionRefused(path, _in_words(answer))


def _in_words(refused: Refused) -> str:
    """Why a supervisor did not do what an operator wanted."""
    if refused.why == "temporary":
        return "temporary: it cannot be started again, as its start arguments are not kept"
    return refused.why if refused.detail is None else f"{refused.why}: {refused.detail}"
