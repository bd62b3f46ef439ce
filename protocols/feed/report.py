"""What a feed says of itself when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from protocols.feed.latency import LatencySummary, summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from protocols.feed.comparison import Difference
    from protocols.feed.records import Ledger

MAX_DIFFERENCES = 100

_COUNTS = (
    *("frames", "answered", "lost", "doubled", "repeated", "unasked", "late", "skipped", "held"),
    *("answered_after_resume", "given_up", "refused", "about_refused", "acked"),
    *("not_durable", "redecided"),
    *("resumed", "resume_lost", "resent", "asked_again"),
)
"""What ledger and report call the same."""


class AnswerCount(Struct, frozen=True):
    """How often an answer was given."""

    target: str
    rtype: str
    reason: str
    count: int


class Comparison(Struct, frozen=True, kw_only=True):
    """The ledger beside vigie's sessions.

    Attributes:
        compared: calls looked at.
        different: how many differences there are.
        differences: the first of them.
    """

    compared: int
    different: int
    differences: Sequence[Difference]


class FeedReport(Struct, frozen=True, kw_only=True):
    """The result of a feed.

    Attributes:
        seconds: from the start to the last answer or loss.
        frames: all frames sent, requests and events.
        sent: route and reroute requests sent.
        answered: of them, answered in any way, `error` included.
        lost: of them, not answered within `wait_s` though the link was there all the time.
        answered_after_resume: of the answered, those that saw the link end meanwhile.
        not_durable: answers that said of themselves that a crash may take them back.
        redecided: other answers that came after one of these, or after a `route.end` for want of
            time, when the link had been resumed meanwhile.
        given_up: not answered within `wait_s` in which the link had ended.
        refused: of the answered, those with `error`.
        about_refused: `error` 404 frames about calls whose request was refused: vigie has no
            session of these. Any other 404 is about a call that it has lost.
        doubled: answers that contradict the one given for the same xref before.
        repeated: answers given again, the same.
        unasked: answers to what was never asked, or was counted as lost.
        late: answered after `late_ms`.
        skipped: frames not sent: too many wait already, or no target to fill in.
        held: frames that were due while there was no link, sent after the next resume.
        resumed: how often the link session went on over a new connection.
        resume_lost: how often it could not, so that a new one began.
        resent: frames sent again.
        asked_again: of the requests those sent once more after a resume, for vigie had them
            acknowledged and their answer did not come.
        acked: frames that vigie has said to be durable.
        unacked: frames of which it has not, at the end.
        contradictions: the first of the doubled.
        faults: what it sent against the contract, for which the feed ended the link.
        reconnects: how often the link had to be made again.
        errors: `error` frames by code.
        rate: requests a second, from the first to the last.
        latency: of answers, from the write of the request.
        latency_from_schedule: from when it was due, so that a stalled feed hides nothing.
        comparison: None when no sessions could be fetched.
        answers: kinds of answers and how often, when asked for.
    """

    seconds: float
    frames: int
    sent: int
    answered: int
    lost: int
    doubled: int
    repeated: int
    unasked: int
    late: int
    skipped: int
    reconnects: int
    errors: dict[str, int]
    rate: float
    latency: LatencySummary
    latency_from_schedule: LatencySummary
    comparison: Comparison | None = None
    answers: Sequence[AnswerCount] | None = None
    answered_after_resume: int = 0
    not_durable: int = 0
    redecided: int = 0
    given_up: int = 0
    refused: int = 0
    about_refused: int = 0
    held: int = 0
    resumed: int = 0
    resume_lost: int = 0
    resent: int = 0
    asked_again: int = 0
    acked: int = 0
    unacked: int = 0
    contradictions: Sequence[str] = ()
    faults: Sequence[str] = ()


def make_report(
    ledger: Ledger,
    *,
    seconds: float,
    reconnects: int,
    comparison: Comparison | None,
    with_answers: bool,
) -> FeedReport:
    """Sum up a ledger; `seconds` is how long the feed ran."""
    counts: dict[str, int] = {name: getattr(ledger, name) for name in _COUNTS}
    return FeedReport(
        **counts,
        seconds=round(seconds, 3),
        sent=ledger.requests,
        reconnects=reconnects,
        unacked=len(ledger.unacked) + len(ledger.unnumbered),
        contradictions=ledger.contradictions[:MAX_DIFFERENCES],
        faults=ledger.faults[:MAX_DIFFERENCES],
        errors=dict(ledger.errors),
        rate=round(_rate(ledger), 1),
        latency=summary(ledger.from_write),
        latency_from_schedule=summary(ledger.from_schedule),
        comparison=comparison,
        answers=_answers(ledger) if with_answers else None,
    )


def make_comparison(compared: int, differences: Sequence[Difference]) -> Comparison:
    """Sum up what `compare` found."""
    return Comparison(
        compared=compared, different=len(differences), differences=differences[:MAX_DIFFERENCES]
    )


def _rate(ledger: Ledger) -> float:
    if ledger.first_request is None or ledger.last_request is None:
        return 0.0
    span = ledger.last_request - ledger.first_request
    return (ledger.requests - 1) / span if span > 0 else 0.0


def _answers(ledger: Ledger) -> list[AnswerCount]:
    ordered = sorted(ledger.answers.items(), key=lambda kind: (-kind[1], kind[0]))
    return [AnswerCount(*kind, count) for kind, count in ordered]
