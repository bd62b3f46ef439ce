"""The books of a feed: what was sent, what was answered, how long that took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from protocols.cti.messages import RouteEnd, RouteSelect
from protocols.feed.latency import add
from protocols.feed.records import CallEntry, Dialogue, Ledger, Sent, Unanswered

if TYPE_CHECKING:
    from protocols.cti.messages import Error

NOT_FOUND = 404
MAX_ANSWER_KINDS = 1_000
REQUESTS = frozenset({"route.request", "reroute.request"})

MAX_UNANSWERED = 10_000
MAX_RECENT = 10_000
"""Acknowledged frames that are remembered: as many as vigie keeps of its own for a resume."""


def note_sent(
    ledger: Ledger, frame: Mapping[str, Any], due: float, now: float, *, held: bool = False
) -> None:
    """A frame was given to the link.

    Args:
        ledger: the books.
        frame: a valid frame of section 3.
        due: when it was scheduled, monotonic seconds.
        now: when it was written, or would have been.
        held: whether there is no link to write it to now.
    """
    ledger.frames += 1
    ledger.held += held
    sent = Sent(frame, held=held)
    ledger.unnumbered.append(sent)
    match frame["t"]:
        case "route.request":
            _open_dialogue(ledger, frame, due, now)
        case "reroute.request":
            _reopen_dialogue(ledger, frame["xref"], due, now)
        case "call.event":
            _note_event(ledger, sent)
    if held and (dialogue := ledger.open.get(frame.get("xref", ""))) is not None:
        dialogue.broken = True


def note_sent_again(ledger: Ledger, sent: Sent) -> None:
    """A frame was given to the link once more, to get a new number."""
    ledger.resent += not sent.held
    sent.held = False
    ledger.unnumbered.append(sent)


def note_numbered(ledger: Ledger, i: int) -> None:
    """The first frame that had no number yet has got one: it is on its way."""
    ledger.unacked[i] = ledger.unnumbered.popleft()


def note_acked(ledger: Ledger, last_i: int) -> None:
    """Vigie said that every frame up to this number is durable."""
    while ledger.unacked and (i := next(iter(ledger.unacked))) <= last_i:
        sent = ledger.recent[i] = ledger.unacked.pop(i)
        ledger.acked += 1
        if sent.entry is not None:
            sent.entry.acked += 1
    while len(ledger.recent) > MAX_RECENT:
        del ledger.recent[next(iter(ledger.recent))]


def note_resumed(ledger: Ledger, last_i: int) -> None:
    """The link session goes on; what is not durable is sent again."""
    ledger.resumed += 1
    note_acked(ledger, last_i)
    for sent in (*ledger.unacked.values(), *ledger.unnumbered):
        ledger.resent += not sent.held
        sent.held = False


def note_resume_lost(ledger: Ledger) -> list[Sent]:
    """The link session is lost: a new one begins, with numbers from 1.

    Returns:
        The frames that vigie has not said to be durable, to be sent again.
    """
    ledger.resume_lost += 1
    unacked = [*ledger.unacked.values(), *ledger.unnumbered]
    ledger.next_i = 1
    ledger.unnumbered.clear()
    ledger.unacked.clear()
    ledger.recent.clear()
    return unacked


def note_select(ledger: Ledger, answer: RouteSelect, now: float) -> None:
    """A `route.select` came."""
    dialogue = ledger.dialogues.get(answer.xref)
    if dialogue is None:
        ledger.unasked += 1
        return
    if answer.target in dialogue.tried:
        # What was answered before the reroute, repeated: a reroute gets a target not yet tried.
        ledger.repeated += 1
        return
    if answer.xref not in ledger.open:
        _note_again(ledger, dialogue, answer)
        return
    _answer(ledger, dialogue, now)
    _note_target(ledger, dialogue, answer)
    _count_answer(ledger, (answer.target, answer.rtype, answer.reason))


def note_end(ledger: Ledger, end: RouteEnd, now: float) -> None:
    """Vigie ended the dialogue: an answer without a target."""
    dialogue = ledger.open.get(end.xref)
    if dialogue is None:
        ledger.unasked += 1
        return
    _answer(ledger, dialogue, now)
    dialogue.ended, dialogue.life = f"route.end {end.cause}", _life(ledger)
    dialogue.durable = end.cause != "timeout"
    _count_answer(ledger, ("", "route.end", end.cause))


def note_error(ledger: Ledger, error: Error, xref: str | None, now: float) -> None:
    """A frame was refused; `xref` is that of the request in it, if it had one."""
    ledger.errors[str(error.code)] = ledger.errors.get(str(error.code), 0) + 1
    sent = _note_refused(ledger, error.ref)
    if error.code == NOT_FOUND and sent is not None and _is_of_refused(ledger, sent.frame):
        ledger.about_refused += 1
    dialogue = ledger.open.get(xref) if xref is not None else None
    if dialogue is not None:
        ledger.refused += 1
        _answer(ledger, dialogue, now)
        entry = ledger.calls.get(dialogue.call)
        if entry is not None:
            entry.refused = entry.session is None


def note_disconnected(ledger: Ledger) -> None:
    """The link is gone; what waits for an answer may get it after a resume."""
    for dialogue in ledger.open.values():
        dialogue.broken = True


def expire(ledger: Ledger, now: float) -> list[str]:
    """Give up what waited too long; called now and then.

    Returns:
        The dialogues that are given up, or lost where the link was there all the time.
    """
    gone: list[str] = []
    while ledger.open:
        oldest = next(iter(ledger.open.values()))
        if oldest.sent + ledger.wait_s > now:
            break
        _lose(ledger, oldest.xref)
        gone.append(oldest.xref)
    return gone


def _note_event(ledger: Ledger, sent: Sent) -> None:
    entry = ledger.calls.get(sent.frame["call"])
    if entry is not None:
        sent.entry, sent.place = entry, len(entry.events)
        entry.events.append(sent.frame["ev"])


def _note_refused(ledger: Ledger, i: int) -> Sent | None:
    sent = ledger.unacked.pop(i, None)
    if sent is None and (sent := ledger.recent.pop(i, None)) is not None:
        ledger.acked -= 1
        if sent.entry is not None:
            sent.entry.acked -= 1
    if sent is not None and sent.entry is not None:
        sent.entry.events[sent.place] = ""
    return sent


def _is_of_refused(ledger: Ledger, frame: Mapping[str, Any]) -> bool:
    """Whether vigie has refused the call that a frame is about, and so knows nothing of it."""
    dialogue = ledger.dialogues.get(frame.get("xref", ""))
    call = frame.get("call") or (dialogue.call if dialogue is not None else "")
    entry = ledger.calls.get(call)
    return entry is not None and entry.refused


def _note_target(ledger: Ledger, dialogue: Dialogue, answer: RouteSelect) -> None:
    dialogue.target, dialogue.answered, dialogue.ended = answer.target, True, ""
    dialogue.durable, dialogue.life = answer.durable is not False, _life(ledger)
    ledger.not_durable += not dialogue.durable
    entry = ledger.calls.get(dialogue.call)
    if entry is not None:
        entry.target = answer.target if dialogue.durable else None
        entry.session, entry.refused = answer.session, False


def _open_dialogue(ledger: Ledger, frame: Mapping[str, Any], due: float, now: float) -> None:
    xref, call = frame["xref"], frame["call"]
    _lose(ledger, xref)
    _make_room(ledger)
    ledger.dialogues[xref] = Dialogue(xref=xref, call=call, due=due, sent=now)
    if call not in ledger.calls:
        ledger.calls[call] = CallEntry(call=call, ani=frame.get("ani", ""), rp=frame["rp"])
    _count_request(ledger, ledger.dialogues[xref], now)


def _reopen_dialogue(ledger: Ledger, xref: str, due: float, now: float) -> None:
    dialogue = ledger.dialogues.get(xref)
    if dialogue is not None and xref not in ledger.open:
        dialogue.due, dialogue.sent = due, now
        dialogue.answered = dialogue.broken = False
        dialogue.ended = ""
        if dialogue.target is not None:
            dialogue.tried = (*dialogue.tried, dialogue.target)
        _count_request(ledger, dialogue, now)


def _count_request(ledger: Ledger, dialogue: Dialogue, now: float) -> None:
    ledger.open[dialogue.xref] = dialogue
    ledger.requests += 1
    if ledger.first_request is None:
        ledger.first_request = now
    ledger.last_request = now


def _make_room(ledger: Ledger) -> None:
    if len(ledger.calls) >= ledger.keep:
        del ledger.calls[next(iter(ledger.calls))]
    if len(ledger.dialogues) >= ledger.keep:
        oldest = next(iter(ledger.dialogues))
        _lose(ledger, oldest)
        del ledger.dialogues[oldest]


def _answer(ledger: Ledger, dialogue: Dialogue, now: float) -> None:
    del ledger.open[dialogue.xref]
    dialogue.answered = True
    ledger.answered += 1
    ledger.answered_after_resume += dialogue.broken
    ledger.late += now - dialogue.sent > ledger.late_s
    add(ledger.from_write, now - dialogue.sent)
    add(ledger.from_schedule, now - dialogue.due)


def _lose(ledger: Ledger, xref: str) -> None:
    dialogue = ledger.open.pop(xref, None)
    if dialogue is not None:
        ledger.given_up += dialogue.broken
        ledger.lost += not dialogue.broken
        if len(ledger.unanswered) < MAX_UNANSWERED:
            one = Unanswered(xref, dialogue.sent, dialogue.broken)
            ledger.unanswered.append(one)
        entry = ledger.calls.get(dialogue.call)
        if entry is not None:
            # Vigie may have decided all the same, which nobody has heard.
            entry.target = None


def _note_again(ledger: Ledger, dialogue: Dialogue, answer: RouteSelect) -> None:
    """An answer to what waits for none: given up before, the same again, or another (doubled)."""
    if not dialogue.answered:
        ledger.unasked += 1
        _note_target(ledger, dialogue, answer)
    elif dialogue.target == answer.target and not dialogue.ended:
        ledger.repeated += 1
    elif not dialogue.durable and dialogue.life != _life(ledger):
        # The first answer was given without promise, and there was a break since.
        ledger.redecided += 1
        _note_target(ledger, dialogue, answer)
    else:
        ledger.doubled += 1
        before = dialogue.ended or dialogue.target
        ledger.contradictions.append(f"{answer.xref}: {before}, then {answer.target}")


def _life(ledger: Ledger) -> int:
    return ledger.resumed + ledger.resume_lost


def _count_answer(ledger: Ledger, kind: tuple[str, str, str]) -> None:
    if kind in ledger.answers or len(ledger.answers) < MAX_ANSWER_KINDS:
        ledger.answers[kind] = ledger.answers.get(kind, 0) + 1
