"""How the session of a call answers those who ask where it goes, as a part of its machine.

An answer leaves when the decision is durable. Until then the timer of its default answer stays
set: when that is due and the journal has not taken the decision, ``journal.on_stall`` says whether
the default target is answered without that promise, or whether the request is refused.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from actors import dialogues, metrics, session_data
from actors.call_messages import RouteAnswered, RouteRefused
from actors.call_names import link_name, once_name
from actors.call_promises import Promise
from actors.call_saving import SavedCall, tell
from actors.call_timings import JOURNAL, slowest
from actors.dialogues import Asker, Dialogue
from actors.router_messages import NAME as ROUTER
from actors.routing import LATE, late_default
from actors.session_api import NotDurable
from actors.session_data import Once, Session, dialogue_of, with_dialogue, with_once
from supervision import CancelTimeout, Keep, NameTaken, SetTimeout, Transition

if TYPE_CHECKING:
    from actors.routing import Decision
    from actors.session_data import Took
    from protocols.cti.messages import ErrorCode

NOT_DURABLE = "the journal does not take the decision in time"


class AnsweringCall(SavedCall):
    """The answers of one call; ``CallSession`` is the whole session."""

    # A decision

    def _decided(
        self,
        data: Session,
        xref: str,
        dialogue: Dialogue,
        decision: Decision,
        took: Took = (),
    ) -> Transition:
        now = self.now()
        askers = dialogue.askers
        dialogue = replace(
            dialogue, decision=decision, request_id=None, askers=(), silent_since=now
        )
        if dialogue.tried:
            dialogue = replace(dialogue, before=data.routing)
        data = session_data.routed(data, dialogue, now, self.wall(), took)
        if dialogues.are_applications(askers):
            data = self._noted(with_dialogue(data, xref, None), xref, decision)
            over: Any = CancelTimeout(("abandon", xref))
        else:
            data = with_dialogue(data, xref, dialogue)
            abandon_s = self._args.settings.routing.abandon_timeout_ms / 1000
            over = SetTimeout(("abandon", xref), abandon_s)
        timers = self._promised(data, xref, Promise(dialogue, list(askers), now, took=took))
        return Keep(data, over, *timers)  # where it is to be asked again, that finds it decided

    def _until_abandoned(self, xref: str, dialogue: Dialogue) -> SetTimeout:
        assert dialogue.silent_since is not None
        due = dialogue.silent_since + self._args.settings.routing.abandon_timeout_ms / 1000
        return SetTimeout(("abandon", xref), due - self.now())

    def _promised(self, data: Session, xref: str, promise: Promise) -> tuple[Any, ...]:
        """Have those who wait told when the decision is durable; return what their timer does."""
        askers = promise.askers
        if not askers:
            return (CancelTimeout(("default", xref)),)
        if self._args.settings.journal.failing:
            self._answer_now(data, xref, promise)
            return (CancelTimeout(("default", xref)),)
        for asker in askers:
            self._promise(data, xref, promise, asker)
        if dialogues.first_default(askers) > promise.made_at:
            return ()  # it is set
        last = dialogues.last_moment(askers) - promise.made_at
        return (SetTimeout(("default", xref), last),)

    def _promise(self, data: Session, xref: str, promise: Promise, asker: Asker) -> None:
        known = self._promises
        self._promises = {xref: promise} if known is None else {**known, xref: promise}
        answer = self._answer(data, xref, promise.dialogue, asker)
        self._later(partial(self._fulfil, xref, promise, asker, answer))

    def _fulfil(self, xref: str, promise: Promise, asker: Asker, answer: Any) -> None:
        """Tell somebody what has become durable; this incarnation may have ended since."""
        if promise.void:
            return
        promise.told = True
        promise.askers.remove(asker)
        if type(answer) is RouteAnswered and self.now() >= asker.marks.late_at:
            journal_ms = (self.now() - promise.made_at) * 1000
            answer = replace(answer, waited_for=slowest(promise.took, journal_ms))
        self._answer_one(xref, asker, answer)
        if not promise.askers:
            self._forget_promise(xref, promise)
            self._cancel_timeout(("default", xref))

    def _forget_promise(self, xref: str, promise: Promise) -> None:
        known = self._promises
        if known is not None and known.get(xref) is promise:
            left = None  # nearly always
            if len(known) > 1:
                left = {key: one for key, one in known.items() if key != xref}
            self._promises = left

    def _answer_one(self, xref: str, asker: Asker, answer: Any) -> None:
        if asker.link is not None:
            tell(self.kernel, self.address, link_name(asker.link), answer)
            return
        callers = self._callers or {}
        if xref in callers:
            self._callers = {key: one for key, one in callers.items() if key != xref} or None
            for call in callers[xref].calls:
                self._give(call, answer)

    def _answer_again(
        self, data: Session, xref: str, dialogue: Dialogue, asker: Asker
    ) -> Transition:
        """Give an answer that has been given, or is about to be."""
        promise = (self._promises or {}).get(xref)
        if promise is None:
            if self._is_saved(data):
                assert asker.link is not None
                self._tell(asker.link, self._answer(data, xref, dialogue, asker))
                return Keep()
            promise = Promise(dialogue, [], self.now(), told=True)
        if self._args.settings.journal.failing:
            self._answer_now(data, xref, replace(promise, askers=[asker]))
            return Keep()
        promise.askers.append(asker)
        self._promise(data, xref, promise, asker)
        due = dialogues.first_default(promise.askers) - self.now()
        return Keep(data, SetTimeout(("default", xref), due))

    # The journal is late

    def _promise_due(self, xref: str, promise: Promise, data: Session) -> Transition:
        """The default answer is due, and the decision is not durable."""
        if dialogues.are_guarded(promise.askers, self.now()):
            return Keep(data)  # their links have answered in our place, and are about to tell so
        last = dialogues.last_moment(promise.askers)
        fresh = promise.made_at > 2 * dialogues.first_default(promise.askers) - last
        if fresh and self.now() < last and not self._args.settings.journal.stalled(self.now()):
            return Keep(data, SetTimeout(("default", xref), last - self.now()))
        self._forget_promise(xref, promise)
        sent = promise.dialogue.decision
        # A default answer stays what it is, with the reason that it has had first.
        somewhere = sent is not None and bool(sent.target) and sent.reason != LATE
        if somewhere and not promise.told and self._args.settings.on_stall == "answer":
            rp, tried = promise.dialogue.rp, promise.dialogue.tried
            decision = late_default(self._args.settings.table, rp, JOURNAL, tried)
            data, promise = self._superseded(data, xref, promise, decision)
        self._answer_now(data, xref, promise)
        promise.void = True
        return Keep(data)

    def _superseded(
        self, data: Session, xref: str, promise: Promise, decision: Decision
    ) -> tuple[Session, Promise]:
        """Put another decision in the place of one that nobody has been told."""
        promise.void = True
        now = self.now()
        dialogue = replace(promise.dialogue, decision=decision, silent_since=now)
        data = session_data.routed(data, dialogue, now, self.wall())
        if dialogue_of(data, xref) is not None:
            data = with_dialogue(data, xref, dialogue)
        data = self._noted(data, xref, decision)
        return data, Promise(dialogue, list(promise.askers), now)

    def _answer_now(self, data: Session, xref: str, promise: Promise) -> None:
        """Answer without the promise that a crash will not take it back, or refuse."""
        if self._args.settings.on_stall == "refuse":
            for asker in promise.askers:
                self._answer_one(xref, asker, _refusal(xref, asker))
            return
        for asker in promise.askers:
            answer = self._answer(data, xref, promise.dialogue, asker, durable=False)
            self._answer_one(xref, asker, answer)
            self._confirm(asker.link, asker.i)
        metrics.ANSWERS_NOT_DURABLE.inc(len(promise.askers))

    def _answer(
        self,
        data: Session,
        xref: str,
        dialogue: Dialogue,
        asker: Asker,
        *,
        durable: bool | None = None,
    ) -> Any:
        decision, session, rev = dialogue.decision, data.session, data.rev
        assert decision is not None
        lists = self._args.settings.send_lists
        along = lists.along(data, dialogue.rp) if decision.target else None
        if asker.link is None:
            return dialogues.for_application(decision, session, rev, along, durable=durable)
        message = dialogues.for_link(decision, xref, session, rev, along, durable=durable)
        waited_for = ROUTER if durable is None else JOURNAL
        return RouteAnswered(message, asker.i, decision.reason, dialogue.rp, waited_for)

    # Refusals and keys

    def _refuse(self, link: str, xref: str, i: int, code: ErrorCode, msg: str) -> None:
        """Refuse a frame: nothing of it is kept, should it come again it is looked at anew."""
        self._frame = None
        self._tell(link, RouteRefused(xref, i, code, msg, "xref"))

    def _noted(self, data: Session, xref: str, decision: Decision) -> Session:
        """Note what an application that asked under an idempotency key is answered."""
        caller = (self._callers or {}).get(xref)
        if caller is None or caller.once is None:
            return data
        along = self._args.settings.send_lists.along(data, data.rp or "")
        answer = dialogues.for_application(decision, data.session, data.rev, along)
        return self._with_once(data, Once(caller.once, "route", answer=answer))

    def _with_once(self, data: Session, once: Once) -> Session:
        """Remember a request; whoever looks for its key finds this session."""
        try:
            self.register(once_name(once.key.key))
        except NameTaken:
            if self.whereis(once_name(once.key.key)) is not self.address:
                return data
        noted = with_once(data, once)
        for forgotten in data.once:
            if session_data.once_of(noted, forgotten.key.key) is None:
                self.unregister(once_name(forgotten.key.key))
        return noted


def _refusal(xref: str, asker: Asker) -> NotDurable | RouteRefused:
    if asker.link is None:
        return NotDurable()
    return RouteRefused(xref, asker.i, 503, NOT_DURABLE, "xref")
