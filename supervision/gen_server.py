"""GenServer: OTP's gen_server in Python's manner.

A server is a class with ``init``, ``handle_call``, ``handle_cast``, ``handle_info`` and
``terminate``; its state is ``self.state``, one typed record. It handles one message at a time. An
exception in a handler ends it, with ``terminate`` and a crash report, and fails its callers at
once; whoever supervises it decides what follows. Handlers may be ``async def``: while one waits,
only system messages get through.
"""

from __future__ import annotations

from collections import deque
from inspect import isawaitable
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from supervision.behaviour import NO_REPLY, Behaviour, undefined
from supervision.eventloop.calls import CoroutineCall, PendingCall
from supervision.eventloop.managed import Cast, Continue, Continued, Info, Stop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

    from supervision.reasons import Reason

_NO_ANSWERS = {
    CoroutineCall: "make it async, and await the call",
    Continue: "continue_with goes on after an answer",
    Info: "only init returns one",
    Stop: "stop ends a server, with an answer or without",
}
"""What callers must never be given, and what was meant: mistakes that would else go unseen."""


class GenServer(Behaviour):
    """A server; override the callbacks that it needs (gen_server(3)).

    Attributes:
        state: whatever ``init`` sets: plain typed data, apart from behaviour.
    """

    state: Any = None
    _continuing: deque[Any] | None = None

    # Callbacks

    def init(self, args: Any) -> Any:
        """Set ``self.state`` from the start arguments; may be ``async def``.

        Returns:
            None to run; IGNORE to be left out; Stop(reason) to refuse, as an exception does;
            Info(value) to tell something to whoever starts it; Continue(term) to go on in
            ``handle_continue`` before any message.
        """

    def handle_call(self, request: Any, from_: PendingCall) -> Any:
        """Answer a call: return the answer, or NO_REPLY to give it later with ``reply``."""
        raise undefined(self, "handle_call", request)

    def handle_cast(self, request: Any) -> Any:
        """Do what is asked without an answer."""
        raise undefined(self, "handle_cast", request)

    def handle_info(self, message: Any, sender: Any) -> Any:
        """Take any other message: Response, Timeout, Down, Exit, what other actors send."""
        self.kernel.report(
            "unexpected",
            self.address.path,
            message=type(message).__name__,
            sender=str(sender),
        )

    def handle_continue(self, term: Any) -> Any:
        """Go on with what ``continue_with``, or ``init`` with Continue, asked for."""
        raise undefined(self, "handle_continue", term)

    def terminate(self, reason: Reason) -> Any:
        """Clean up before the end; may be ``async def``; not called when killed.

        Returns:
            None, or Stop(reason) to end with another reason (``exit/1`` in ``terminate/2``).
        """

    def code_change(self, old_vsn: Any, state: Any, extra: Any) -> Any:
        """Convert the state of an older version to this one's; may be ``async def``.

        The default walks ``conversions``. In a takeover the state is plain data (what
        ``msgspec.to_builtins`` makes) and nothing can be awaited.

        Returns:
            The new state, typed or plain. An exception refuses the change.
        """
        del extra
        return self.converted("code_change", state, old_vsn, self.version)

    def downgrade(self, new_vsn: Any, state: Any, extra: Any) -> Any:
        """Convert the state to what the code of ``new_vsn``, an older one, takes on.

        The default walks ``conversions``; as ``code_change``.

        Returns:
            The new state. An exception refuses the change.
        """
        del extra
        return self.converted("downgrade", state, self.version, new_vsn)

    def system_code_change(self, old_vsn: Any, extra: Any) -> Any:
        """Run ``code_change``, or ``downgrade`` where ``old_vsn`` is ``("down", version)``."""
        match old_vsn:
            case ("down", version):
                changed = self.downgrade(version, self.system_get_state(), extra)
                return self.system_replace_state(lambda _: changed)
            case _:
                changed = self.code_change(old_vsn, self.system_get_state(), extra)
        if isawaitable(changed):
            return self._changed_later(changed)
        return self._changed(changed)

    def _changed(self, new: Any) -> Any:
        typed = self.of_own_type(new)
        return self.system_replace_state(lambda _: typed)

    async def _changed_later(self, changed: Awaitable[Any]) -> Any:
        return self._changed(await changed)

    # Going on

    def continue_with(self, term: Any) -> None:
        """Have ``handle_continue(term)`` run before any message, when this callback has ended.

        One form for every callback: ``handle_call`` still returns its answer as it is, and
        callbacks that never go on pay nothing. Several are run in the order they were asked for.

        Args:
            term: what is left to be done.
        """
        if self._continuing is not None:
            self._continuing.append(term)
            return
        self.wake_up()
        self._continuing = deque()
        self._go_on(term)

    def _go_on(self, term: Any) -> None:
        cell = self._myRef
        cell.kernel.deliver_first(cell, Continued(term), cell.address)

    def on_continue(self, term: Any) -> Any:
        """Run ``handle_continue``."""
        if self._continuing:
            self._go_on(self._continuing.popleft())
        else:
            self._continuing = None
        return self.handle_continue(term)

    # How messages reach them

    def on_start(self, args: Any) -> Any:
        """Run ``init``."""
        return self.init(args)

    def on_finish(self, reason: Reason) -> Any:
        """Run ``terminate``."""
        return self.terminate(reason)

    def receiveMessage(self, msg: Any, sender: Any) -> Any:
        """Hand a message to its callback."""
        if not isinstance(msg, PendingCall):
            return (
                self.handle_cast(msg.request)
                if type(msg) is Cast
                else self.handle_info(msg, sender)
            )
        due = msg.deadline
        if msg.settled or (due is not None and due < self._myRef.kernel.now):
            msg.expire()  # its caller gave up while it waited its turn, or is about to
            return None
        answer = self.handle_call(msg.request, msg)
        if answer is NO_REPLY:
            self._defer(msg)
        elif type(answer) is CoroutineType:
            return self._answer_later(msg, answer)
        elif type(answer) in _NO_ANSWERS:
            raise self._no_answer(answer)
        elif not msg.reply(answer):
            self.kernel.late_replies += 1
        return None

    async def _answer_later(self, call: PendingCall, coro: Coroutine[Any, Any, Any]) -> None:
        cell = self._myRef
        if cell.task is not None:
            cell.task.deadline = call.deadline  # what the handler asks ends with it
        answer = await coro
        if answer is NO_REPLY:
            self._defer(call)
        elif type(answer) in _NO_ANSWERS:
            raise self._no_answer(answer)
        else:
            self.reply(call, answer)

    def _no_answer(self, value: Any) -> TypeError:
        kind, meant = type(value).__name__, _NO_ANSWERS[type(value)]
        return TypeError(f"{type(self).__name__}.handle_call returned a {kind}: {meant}")
