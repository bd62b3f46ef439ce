"""StateMachine: OTP's gen_statem in Python's manner.

A machine is a state (a word), data (one immutable typed record) and callbacks, which answer an
event with a transition. Because the data is replaced and never changed in place, a supervisor can
keep the last handled state at no cost and give it back to the next incarnation.

One event is carried to its end in this order (gen_statem(3), Transition Options): the actions of
its transition, replies at once; the ``enter`` event of the new state with its own actions; the
event's timer is cancelled, after a change of state the state's timer too; postponed events come
before those that wait if the state has changed, inserted events before both; timers are set. What
waits inside the machine is handled before any message, then timeouts of no time, oldest first: an
event timeout only where nothing was before it. Handlers are synchronous: an answer that has to be
awaited would leave the machine between two states.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from supervision._thespian import ActorSystemMessage
from supervision.eventloop.calls import PendingCall
from supervision.eventloop.hibernation import Asleep
from supervision.eventloop.managed import IGNORE, Cast, Stop
from supervision.gen_statem.actions import (
    Action,
    SetTimeout,
    Snapshot,
    type_of,
)
from supervision.gen_statem.engine import Machine, Steps, closed
from supervision.gen_statem.timers import Fired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from supervision.reasons import Reason


class StateMachine(Machine):
    """A state machine; override ``init`` and ``handle_event`` or one method for each state."""

    kind = "statem"

    # Callbacks

    def init(self, args: Any) -> Any:
        """Return (state, data, *actions), or a Snapshot to go on from; IGNORE; or Stop(reason).

        There is no event to postpone yet; inserted events, timeouts of no time and the first
        ``enter`` come when the machine has started, before any message.
        """
        raise TypeError(f"{type(self).__name__} has no init")

    def restore(self, args: Any, state: str, data: Any) -> Any:
        """Begin from what the supervisor kept of the last incarnation; as ``init``.

        Timers do not survive an incarnation: set them again here, from times kept in the data.
        Neither do callbacks that were swapped in: where the state is one of theirs, return the
        action again.
        """
        del args
        return state, data

    def terminate(self, reason: Reason) -> Any:
        """Clean up before the end; may be ``async def``; not called when killed."""

    def code_change(self, old_vsn: Any, state: str, data: Any, extra: Any) -> tuple[str, Any]:
        """Convert state and data of an older version to this one's.

        Timers and postponed events stay as they are; no ``enter`` follows. The default walks
        ``conversions``, which take and return a pair of state and data; in a takeover the data
        are plain.

        Returns:
            The new (state, data). An exception refuses the change.
        """
        del extra
        pair = self.converted("code_change", [state, data], old_vsn, self.version)
        return (*pair,)

    def downgrade(self, new_vsn: Any, state: str, data: Any, extra: Any) -> tuple[str, Any]:
        """Convert state and data to what the code of ``new_vsn``, an older one, takes on."""
        del extra
        pair = self.converted("downgrade", [state, data], self.version, new_vsn)
        return (*pair,)

    # What operators and releases see

    def status(self) -> dict[str, Any]:
        """The scrubbed state and data, with the timers and the postponed events where there are."""
        shown = {"state": self.state, "data": self._top().format_status(self.unpacked())}
        now = self.now()
        if timers := self.timers_left():
            shown["timeouts"] = {str(left.name): round(left.at - now, 3) for left in timers}
        if self._postponed:
            shown["postponed"] = [f"{kind} {type_of(kind, it)}" for kind, it in self._postponed]
        return shown

    def snapshot(self) -> Snapshot:
        """All that the machine is, as data; ``init`` may begin with it."""
        postponed = tuple(self._postponed_still())
        return Snapshot(self.state, self.unpacked(), self.timers_left(), postponed)

    def hand_over(self) -> Snapshot:
        """What travels to another version: a ``Snapshot``; by default all that the machine is."""
        return self.snapshot()

    def adopt(self, state: Snapshot) -> None:
        """Go on from what the other version's machine was; no ``enter`` follows."""
        self.wake_up()
        for name in (*(self._timers or ()), *(self._due or ())):
            self._cancel_timeout(name)
        self._go_on_from(state)
        self._keep((self.state, self.data))
        if self._due is not None:
            self.kernel.deliver_first(self._myRef, _Begun(None), self.address)

    def system_get_state(self) -> tuple[str, Any]:
        """State and data (``sys:get_state``)."""
        return self.state, self.unpacked()

    def system_replace_state(
        self, function: Callable[[tuple[str, Any]], tuple[str, Any]]
    ) -> tuple[str, Any]:
        """Put what ``function`` makes of (state, data) in their place; it is no transition."""
        return self._replace(function(self.system_get_state()), "replace_state")

    def system_code_change(self, old_vsn: Any, extra: Any) -> tuple[str, Any]:
        """Run ``code_change``, or ``downgrade`` where ``old_vsn`` is ``("down", version)``."""
        top, now = self._top(), self.system_get_state()
        match old_vsn:
            case ("down", version):
                changed = top.downgrade(version, *now, extra)
            case _:
                changed = top.code_change(old_vsn, *now, extra)
                if top is self and isinstance(changed, tuple):
                    changed = (changed[0], *map(self.of_own_type, changed[1:]))
        return self._replace(changed, "code_change")

    def _replace(self, changed: Any, where: str) -> tuple[str, Any]:
        if not isinstance(changed, tuple) or len(changed) != 2:  # noqa: PLR2004 - a pair
            raise self._bad((where, None), f"bad_return_from_{where}", changed)
        self.wake_up()
        self.state, self.data = changed
        self._keep((self.state, self.data))
        return changed

    # Hibernation

    def fall_asleep(self, *, swept: bool = False) -> None:
        """Pack the data, also those that the supervisor keeps."""
        super().fall_asleep(swept=swept)
        self._keep((self.state, Packed(self.data)))

    def wake_up(self) -> None:
        """Unpack the data, if they are packed."""
        if type(self.receiveMessage) is Asleep:  # else what is kept may be older, for good reason
            super().wake_up()
            self._keep((self.state, self.data))

    # Beginning and ending

    def on_start(self, args: Any) -> Any:
        """Run ``init``, or ``restore`` where the supervisor kept a state."""
        keeper = self._myRef.keeper
        if keeper is not None and keeper.kept is not None:
            state, data = keeper.kept
            data = self.unpack(data.packed) if type(data) is Packed else data
            begun = self.restore(args, state, data)
        else:
            begun = self.init(args)
        if isinstance(begun, Snapshot):
            self._go_on_from(begun)
        elif isinstance(begun, tuple) and len(begun) > 1:
            self._begin(*begun)
        elif begun is IGNORE or isinstance(begun, Stop):
            return begun
        else:
            raise self._bad(("init", args), "bad_return_from_init", closed(begun))
        self._keep((self.state, self.data))
        return None

    def go_on_as(self, state: str, data: Any, timers: Iterable[tuple[Any, float]]) -> None:
        """Be what this machine was in another process; no callback runs, and no event comes of it.

        Args:
            state: the state.
            data: its data.
            timers: name and monotonic seconds of each that runs; their events have no content.
        """
        self.state, self.data = state, data
        self._carry(timers)
        self._keep((state, data))

    def go_on_with(self, data: Any, *actions: Action) -> None:
        """Take up what waited for the moment in which this process has taken over.

        Args:
            data: the new data.
            actions: as those that ``restore`` returns.
        """
        self._begin(self.state, data, *actions)
        self._keep((self.state, self.data))

    def _begin(self, state: str, data: Any, *actions: Action) -> None:
        self.state, self.data = state, data
        steps = Steps(("init", None))
        self._act(actions, steps, steps.event)
        steps.postpone = False
        if self._top().state_enter or steps.inserted:
            self.kernel.deliver_first(self._myRef, _Begun(steps), self.address)
            return
        self._settle(steps, None, moved=False)
        if self._due is not None:
            self.kernel.deliver_first(self._myRef, _Begun(None), self.address)

    def _go_on_from(self, begun: Snapshot) -> None:
        self.state, self.data = begun.state, begun.data
        self._set_timers([SetTimeout(one.name, one.at, one.content, True) for one in begun.timers])
        self._postponed = list(begun.postponed) or None
        for kind, event in begun.postponed:
            if kind == "call":
                self._defer(event[1])  # its caller is told at once should this machine end

    def _started(self, steps: Steps | None) -> None:
        """The machine runs: enter its first state, insert events."""
        queue = None
        if steps is not None:
            if self._top().state_enter and self._enter(self.state, steps):
                return
            queue = self._settle(steps, None, moved=False)
        self._go_on(queue)

    def on_finish(self, reason: Reason) -> Any:
        """Run ``terminate``."""
        if reason.kind == "normal":
            self._keep(None)  # it has done its work, whoever said so: the next one begins anew
        if self._callbacks is None:
            return self.terminate(reason)
        return self._callbacks[-1].terminate(reason, self.state, self.data)

    # How messages reach them

    def receiveMessage(self, msg: Any, sender: Any) -> None:
        """Hand a message to the callback of the state."""
        del sender
        if isinstance(msg, PendingCall):
            if not self._given_up(msg, self._myRef.kernel.now):
                self._defer(msg)
                self._go_on(self._handle("call", (msg.request, msg), None))
        elif type(msg) is Cast:
            self._go_on(self._handle("cast", msg.request, None))
        elif type(msg) is Fired:
            if self._has_fired(msg):
                self._go_on(self._handle("timeout", (msg.name, msg.content), None))
        elif type(msg) is _Begun:
            self._started(msg.steps)
        else:
            self._go_on(self._handle("info", msg, None))


class Packed(msgspec.Struct, frozen=True):
    """The data of a hibernating machine, where its supervisor keeps them."""

    packed: Any


class _Begun(ActorSystemMessage):  # type: ignore[misc]
    """A machine has started and has something to do before its first message."""

    __slots__ = ("steps",)

    def __init__(self, steps: Steps | None) -> None:
        self.steps = steps
