"""What a behaviour says to others: messages, casts, calls, requests, and what ends another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervision.eventloop import admission, stopping
from supervision.eventloop.calls import OpenCalls
from supervision.eventloop.cell import LocalAddress
from supervision.eventloop.collecting import Collection
from supervision.eventloop.managed import Cast
from supervision.reasons import NORMAL

if TYPE_CHECKING:
    from collections.abc import Coroutine, Hashable, Iterable

    from supervision._thespian import ActorAddress
    from supervision.eventloop.calls import PendingCall, Waiter
    from supervision.eventloop.collecting import MultiAnswer
    from supervision.eventloop.kernel import Inhabitant, Target
    from supervision.reasons import Reason


class Asking:
    """The part of a behaviour that sends and asks."""

    _myRef: Inhabitant

    # Sending

    def send(self, targetAddr: ActorAddress, msg: Any) -> None:
        """Send a message: at most once, in order between two actors."""
        me = self._myRef
        if type(targetAddr) is LocalAddress and (cell := targetAddr.cell) is not None:
            me.kernel.deliver(cell, msg, me.address)
        else:
            me.kernel.send(targetAddr, msg, me.address)

    async def send_wait(self, target: ActorAddress, message: Any) -> None:
        """Send, waiting for room where the receiver's mailbox policy is ``wait``.

        Raises:
            NoProc: the receiver ended while this waited.
        """
        cell = self._myRef
        await admission.send_wait(cell.kernel, target, message, cell.address)

    def cast(self, target: Target, request: Any) -> None:
        """Send a request that wants no answer; to nobody it is a dead letter."""
        cell = self._myRef
        cell.kernel.cast(target, Cast(request), cell.address)

    def abcast(self, group: Hashable, request: Any) -> int:
        """Cast to every member of a group (``gen_server:abcast``).

        Returns:
            How many there were.
        """
        members = list(self._myRef.kernel.registry.members(group))
        for member in members:
            self.cast(member, request)
        return len(members)

    # Asking

    def call(
        self,
        target: Target,
        request: Any,
        timeout: float | None = 5.0,
        *,
        within: PendingCall | None = None,
    ) -> Waiter:
        """Ask and await the answer; only asynchronous handlers can.

        While an asynchronous ``handle_call`` runs, nothing that it asks is waited for longer than
        its own caller waits. That holds for the handler itself: a task of the loop that it has made
        (``create_task``, a task group) asks for itself, and says ``within`` where it does not.

        Args:
            target: an address or a registered name.
            request: what is asked; its deadline travels with it.
            timeout: seconds; None waits for ever.
            within: a call on behalf of which this one is made: it ends with that one's deadline.

        Raises (when awaited):
            CallTimeout, NoProc, ServerDied, MailboxFull; CallingSelf, where the target waits for
            this very handler.
        """
        cell = self._myRef
        return cell.kernel.coroutine_call(cell, target, request, timeout, within)

    def request(
        self,
        target: Target,
        request: Any,
        timeout: float | None = 5.0,
        *,
        within: PendingCall | None = None,
    ) -> int:
        """Ask without waiting: the answer is a ``Response`` with the number returned here.

        ``gen_server:send_request/2``. A response always comes, also for a timeout or a death.

        Args:
            target: an address or a registered name.
            request: what is asked.
            timeout: seconds; None waits for ever.
            within: a call on behalf of which this one is made: it ends with that one's deadline.
        """
        cell = self._myRef
        return cell.kernel.message_call(cell, target, request, timeout, within)

    def asking(self, timeout: float | None = 5.0) -> Collection:
        """An empty collection of calls, whose answers come as they are given.

        For asynchronous handlers (``gen_server:send_request/4``, ``receive_response/3``).

        Args:
            timeout: seconds that each call waits; None is for ever.
        """
        return Collection(self._myRef, timeout)

    def multi_call(
        self, targets: Iterable[Target], request: Any, timeout: float | None = 5.0
    ) -> Coroutine[Any, Any, MultiAnswer]:
        """Ask many the same and wait for all of them (``gen_server:multi_call/4``).

        Args:
            targets: addresses or registered names, each of them once.
            request: what each of them is asked.
            timeout: seconds for all of them together, as they are asked at once.

        Returns:
            Who answered what, and who did not and why; nothing is raised for one that fails.

        Raises:
            ValueError: a target is listed twice; nobody is asked.
        """
        asked, all_of_them = self.asking(timeout), list(targets)
        if len(set(all_of_them)) < len(all_of_them):
            raise ValueError("multi_call: a target is listed twice")
        for target in all_of_them:
            asked.add(target, target, request)
        return asked.all()

    def reply(self, from_: PendingCall, value: Any) -> bool:
        """Answer a call for which ``handle_call`` returned NO_REPLY.

        Returns:
            False where the caller has given up; the answer is dropped and counted.
        """
        cell = self._myRef
        if cell.deferred is not None:
            cell.deferred.pop(from_, None)
            if not cell.deferred:
                cell.deferred = None  # an empty dictionary keeps the room of what was in it
        delivered = from_.reply(value)
        if not delivered:
            cell.kernel.late_replies += 1
        return delivered

    def time_left(self, from_: PendingCall) -> float | None:
        """Seconds for which the caller still waits; None is for ever, 0 that it has given up."""
        if from_.settled:
            return 0.0
        if from_.deadline is None:
            return None
        return max(0.0, from_.deadline - self._myRef.kernel.present())

    def _defer(self, call: PendingCall) -> None:
        if call.settled:
            return
        cell = self._myRef
        if cell.deferred is None:
            cell.deferred = OpenCalls()
        cell.deferred.add(call)

    # Ending others

    def stop_actor(
        self, target: Target, reason: Reason = NORMAL, timeout: float | None = None
    ) -> Waiter:
        """Have another actor end in order, and await its end (``gen_server:stop/3``).

        It handles what waits in its mailbox first; its supervisor takes the end as any other.

        Args:
            target: an address or a registered name.
            reason: what its ``terminate`` is told.
            timeout: seconds to wait; None is for ever. It goes on ending when they are over.

        Raises (when awaited):
            CallTimeout, NoProc; ServerDied with the reason, where it ended with another one;
            CallingSelf, for ``stop`` is what ends the actor itself.
        """
        cell = self._myRef
        return stopping.stop(cell.kernel, target, reason, timeout, cell)
