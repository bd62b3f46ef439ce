"""The books of a feed: what was sent, what was answered, how long that took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from protocols.cti.messages import RouteEnd, RouteSelect
from protocols.feed.latency import Latencies, add

if TYPE_CHECKING:
    from collections.abc import Mapping

    from protocols.cti.messages import Error

MAX_ANSWER_KINDS = 1_000


class CallEntry(Struct, gc=False):
    """What the feed knows of a call.

    Attributes:
        session: vigie's session of it, once an answer named it.
        target: the last that was selected.
        last_event: `ev` of the last call event that was sent.
    """

    call: str
    ani: str
    rp: str
    session: str | None = None
    target: str | None = None
    last_event: str | None = None


class Dialogue(Struct, gc=False):
    """One routing dialogue.

    Attributes:
        due: when its last request was scheduled; sent: when it was written, monotonic seconds.
        target: the last answer's.
    """

    xref: str
    call: str
    due: float
    sent: float
    target: str | None = None


class Ledger(Struct, kw_only=True):
    """All that is counted; see `FeedReport` for what the counts mean.

    Attributes:
        late_s: answers that took longer are late, seconds.
        wait_s: a request unanswered for so long is lost, seconds.
        keep: calls and dialogues remembered; the oldest are forgotten first.
        open: the dialogues that wait for an answer, in the order in which they asked.
    """

    late_s: float
    wait_s: float
    keep: int = 100_000
    frames: int = 0
    requests: int = 0
    answered: int = 0
    lost: int = 0
    doubled: int = 0
    repeated: int = 0
    unasked: int = 0
    late: int = 0
    skipped: int = 0
    first_request: float | None = None
    last_request: float | None = None
    errors: dict[str, int] = field(default_factory=dict)
    answers: dict[tuple[str, str, str], int] = field(default_factory=dict)
    from_write: Latencies = field(default_factory=Latencies)
    from_schedule: Latencies = field(default_factory=Latencies)
    calls: dict[str, CallEntry] = field(default_factory=dict)
    dialogues: dict[str, Dialogue] = field(default_factory=dict)
    open: dict[str, Dialogue] = field(default_factory=dict)


def note_sent(ledger: Ledger, frame: Mapping[str, Any], due: float, now: float) -> None:
    """A frame was written.

    Args:
        ledger: the books.
        frame: a valid frame of section 3.
        due: when it was scheduled, monotonic seconds.
        now: when it was written.
    """
    ledger.frames += 1
    match frame["t"]:
        case "route.request":
            _open_dialogue(ledger, frame, due, now)
        case "reroute.request":
            _reopen_dialogue(ledger, frame["xref"], due, now)
        case "call.event":
            entry = ledger.calls.get(frame["call"])
            if entry is not None:
                entry.last_event = frame["ev"]


def note_select(ledger: Ledger, answer: RouteSelect, now: float) -> None:
    """A `route.select` came."""
    dialogue = ledger.dialogues.get(answer.xref)
    if dialogue is None:
        ledger.unasked += 1
        return
    if answer.xref not in ledger.open:
        _note_again(ledger, dialogue, answer)
        return
    _answer(ledger, dialogue, now)
    dialogue.target = answer.target
    _count_answer(ledger, (answer.target, answer.rtype, answer.reason))
    entry = ledger.calls.get(dialogue.call)
    if entry is not None:
        entry.target, entry.session = answer.target, answer.session


def note_end(ledger: Ledger, end: RouteEnd, now: float) -> None:
    """Vigie ended the dialogue: an answer without a target."""
    dialogue = ledger.open.get(end.xref)
    if dialogue is None:
        ledger.unasked += 1
        return
    _answer(ledger, dialogue, now)
    _count_answer(ledger, ("", "route.end", end.cause))


def note_error(ledger: Ledger, error: Error, xref: str | None, now: float) -> None:
    """A frame was refused; `xref` is that of the request in it, if it had one."""
    ledger.errors[str(error.code)] = ledger.errors.get(str(error.code), 0) + 1
    dialogue = ledger.open.get(xref) if xref is not None else None
    if dialogue is not None:
        _answer(ledger, dialogue, now)


def note_disconnected(ledger: Ledger) -> None:
    """The link is gone: what waits for an answer gets none."""
    ledger.lost += len(ledger.open)
    ledger.open.clear()


def expire(ledger: Ledger, now: float) -> None:
    """Count what waited too long as lost; called now and then."""
    while ledger.open:
        oldest = next(iter(ledger.open.values()))
        if oldest.sent + ledger.wait_s > now:
            return
        _lose(ledger, oldest.xref)


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
    ledger.answered += 1
    ledger.late += now - dialogue.sent > ledger.late_s
    add(ledger.from_write, now - dialogue.sent)
    add(ledger.from_schedule, now - dialogue.due)


def _lose(ledger: Ledger, xref: str) -> None:
    if ledger.open.pop(xref, None) is not None:
        ledger.lost += 1


def _note_again(ledger: Ledger, dialogue: Dialogue, answer: RouteSelect) -> None:
    """An answer to what waits for none: lost before, the same again, or another one (doubled)."""
    if dialogue.target is None:
        ledger.unasked += 1
    elif dialogue.target == answer.target:
        ledger.repeated += 1
    else:
        ledger.doubled += 1


def _count_answer(ledger: Ledger, kind: tuple[str, str, str]) -> None:
    if kind in ledger.answers or len(ledger.answers) < MAX_ANSWER_KINDS:
        ledger.answers[kind] = ledger.answers.get(kind, 0) + 1
