"""What the session of a call saves, and what it tells others once that is durable.

After every event that has changed the state or the data, both go to the journal; what the event
has others told leaves after the commit. What is told of a session that is not saved yet waits too:
nobody hears what a crash would take back. A frame of a link is applied once, however often it is
handed over, and confirmed each time.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from actors.call_messages import FrameHandled
from actors.call_names import link_name
from actors.session_data import is_applied, with_frame
from actors.session_unread import Unread, known
from supervision import Reply, StateMachine, Transition
from supervision.gen_statem.actions import AGAIN, SAME

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from actors.call_messages import SessionArgs
    from actors.call_promises import Caller, Promise
    from actors.journal.records import OutboxItem
    from actors.session_data import Session
    from supervision.eventloop.calls import PendingCall
    from supervision.eventloop.cell import LocalAddress
    from supervision.eventloop.kernel import Kernel

KIND = "session"
"""Of sessions in the journal."""


class SavedCall(StateMachine):
    """The saving of one call's session; ``CallSession`` is the whole of it."""

    # Slots: what is set now and then would make the dictionary of every instance its own, which
    # costs each of many sessions 270 bytes.
    __slots__ = (
        *("_asked_at", "_callers", "_effects", "_frame", "_item", "_promises", "_questions"),
    )

    data: Session
    _args: SessionArgs

    def __init__(self) -> None:
        super().__init__()
        # What the event that is handled now leaves to be done once it is saved.
        self._effects: list[Callable[[], None]] | None = None
        self._item: OutboxItem | None = None
        self._frame: tuple[str, int] | None = None
        # Callers that wait for an IVR's routing: they are told at once should this incarnation
        # end, so they need not be part of the data that outlives it. What was promised to links
        # leaves when it is durable; who asks again is answered by the next incarnation.
        self._callers: dict[str, Caller] | None = None
        self._promises: dict[str, Promise] | None = None
        self._questions = 0
        # When the router was asked last, by the request's number: for what a decision took.
        self._asked_at: tuple[int, float] | None = None

    @abstractmethod
    def handled(self, kind: Any, event: Any, state: str, data: Session) -> Transition:
        """Answer an event."""

    @abstractmethod
    def repeated(self, event: Any, data: Session) -> Transition:
        """Answer a frame that has been applied already."""

    @property
    def promised(self) -> bool:
        """Whether a decision has been made that somebody has not been told."""
        return bool(self._promises)

    @property
    def unsettled(self) -> bool:
        """Whether somebody waits for this incarnation."""
        return bool(self._promises or self._callers)

    def unpacked(self) -> Any:
        """The data, read where they have not been; they stay as they are."""
        return known(super().unpacked())

    # Saving

    def handle_event(self, kind: Any, event: Any, state: str, data: Any) -> Transition:
        """Answer an event, save what it has changed, then have others told of it."""
        if type(data) is Unread:
            data = self.data = data.read()
        transition = self.handled(kind, event, state, data)
        after, reached = transition.data, transition.state
        if after is SAME:
            after = data
        if reached is SAME or reached is AGAIN:
            reached = state
        waits = after is not data or reached != state
        if self._frame is not None:  # alone it is nothing to be saved: it is told again or not
            after, self._frame = with_frame(after, *self._frame), None
        if waits:
            self._put(reached, after)
        elif not self._is_saved(data):
            waits = True
        actions = transition.actions
        if waits and kind == "call":
            actions = self._held_back(actions)
        if self._effects is not None:
            self._let_go(self._effects, waits, data.session)
        return Transition(transition.state, after, actions, transition.stop)

    def _put(self, state: str, data: Session) -> None:
        journal = self._args.settings.journal
        journal.put(KIND, data.session, (state, data))
        if self._item is not None:
            journal.append(self._item)
            self._item = None

    def _is_saved(self, data: Session) -> bool:
        return self._args.settings.journal.clean(KIND, data.session)

    def _held_back(self, actions: tuple[Any, ...]) -> tuple[Any, ...]:
        """Of the answers to a call, which nothing else has: they leave later."""
        others = []
        for action in actions:
            if type(action) is Reply:
                self._later(partial(self._give, action.to, action.value))
            else:
                others.append(action)
        return tuple(others)

    def _let_go(self, effects: list[Callable[[], None]], waits: bool, session: str) -> None:
        self._effects = None
        if not waits:
            _do_all(effects)
        elif len(effects) == 1:
            self._args.settings.journal.after(effects[0], (KIND, session))
        else:
            self._args.settings.journal.after(partial(_do_all, effects), (KIND, session))

    # Frames of links

    def _frame_of(self, event: Any, state: str, data: Session, handle: Any) -> Transition:
        """Apply a frame, unless that has been done."""
        link, i = event.link, event.message.i
        if link and i:
            if data.applied and is_applied(data, link, i):
                return self.repeated(event, data)
            self._frame = (link, i)
        if data.orphan is not None:  # its CTI has the call after all
            data = replace(data, orphan=None)
        transition: Transition = handle(self, event, state, data)
        return transition

    # Telling others

    def _later(self, effect: Callable[[], None]) -> None:
        """Have something done once what is known now is durable."""
        if self._effects is None:
            self._effects = [effect]
        else:
            self._effects.append(effect)

    def _tell(self, link: str, message: Any) -> None:
        """Tell a link, once what is known now is durable."""
        self._later(partial(tell, self.kernel, self.address, link_name(link), message))

    def _confirm(self, link: str | None, i: int) -> None:
        """Have a link know that a frame of it is handled."""
        if not (link and i):
            return
        confirm = self._args.settings.confirm
        if confirm is None:
            self._tell(link, FrameHandled(i))
        else:
            self._later(partial(confirm, link, i))

    def _give(self, caller: PendingCall, answer: Any) -> None:
        if not caller.settled:  # else it has given up, or has been told that we were killed
            self.reply(caller, answer)


def tell(kernel: Kernel, sender: LocalAddress, name: Hashable, message: Any) -> None:
    """Send to whoever has a name; who is between two lives hears it in the next.

    Args:
        kernel: the node.
        sender: who tells.
        name: that of the receiver.
        message: what is told.
    """
    address = kernel.registry.whereis(name)
    if address is None:
        kernel.dead_letter(name, message, sender, "dead")
    else:
        kernel.send(address, message, sender)


def _do_all(effects: list[Callable[[], None]]) -> None:
    for effect in effects:
        effect()
