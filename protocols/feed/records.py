"""What the books of a feed are made of: calls, dialogues, frames, and the sums."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from protocols.feed.latency import Latencies


class CallEntry(Struct):
    """What the feed knows of a call.

    Attributes:
        session: vigie's session of it, once an answer named it.
        target: the last that was selected.
        events: `ev` of each call event in the order of their sending; "" for a refused one.
        acked: how many of them vigie has said to be durable.
        refused: whether its route request was refused, so that it need have no session.
    """

    call: str
    ani: str
    rp: str
    session: str | None = None
    target: str | None = None
    events: list[str] = field(default_factory=list)
    acked: int = 0
    refused: bool = False

    @property
    def last_event(self) -> str | None:
        """`ev` of the last call event that was sent and not refused."""
        return next((ev for ev in reversed(self.events) if ev), None)

    @property
    def applied(self) -> int:
        """How many events vigie should have applied once all are acknowledged."""
        return len(self.events) - self.events.count("")


class Dialogue(Struct):
    """One routing dialogue.

    Attributes:
        due: when its last request was scheduled; sent: when it was written, monotonic seconds.
        target: the last answer's.
        durable: whether that answer was: one that was not may be forgotten by a node that is
            killed; so may a route.end for want of time, which is given without asking anybody.
        life: how often the link had been resumed when it came.
        ended: why vigie ended it, when that was its last answer.
        tried: targets of the answers before a reroute.
        answered: whether its last request has been answered, given up or not.
        broken: whether there was a time without a link since its last request was due.
    """

    xref: str
    call: str
    due: float
    sent: float
    target: str | None = None
    durable: bool = True
    life: int = 0
    ended: str = ""
    tried: tuple[str, ...] = ()
    answered: bool = False
    broken: bool = False


class Sent(Struct):
    """A frame that was given to the link.

    Attributes:
        frame: without its number.
        entry: the call that it is an event of.
        place: of the event among those of the call.
        held: whether there was no link to write it to.
    """

    frame: Mapping[str, Any]
    entry: CallEntry | None = None
    place: int = 0
    held: bool = False


class Unanswered(Struct, frozen=True):
    """A request that got no answer in time.

    Attributes:
        sent: when, monotonic seconds.
        broken: whether there was a time without a link since.
    """

    xref: str
    sent: float
    broken: bool


class Ledger(Struct, kw_only=True):
    """All that is counted; see `FeedReport` for what the counts mean.

    Attributes:
        late_s: answers that took longer are late, seconds.
        wait_s: a request unanswered for so long is lost, seconds.
        keep: calls and dialogues remembered; the oldest are forgotten first.
        open: the dialogues that wait for an answer, in the order in which they asked.
        unnumbered: frames given to the link that wait to be sent, in their order.
        next_i: the number after the greatest that is known to be in use.
        unacked: frames sent that vigie has not said to be durable, by their number.
        recent: the latest that it has: they may yet turn out to have been refused.
        contradictions: the dialogues that got two different answers, and these answers.
        unanswered: those that got none, lost or given up, and when they were sent.
        faults: what vigie has sent against the contract, for which the link was ended.
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
    held: int = 0
    resumed: int = 0
    resume_lost: int = 0
    resent: int = 0
    asked_again: int = 0
    acked: int = 0
    refused: int = 0
    about_refused: int = 0
    answered_after_resume: int = 0
    not_durable: int = 0
    redecided: int = 0
    given_up: int = 0
    first_request: float | None = None
    last_request: float | None = None
    errors: dict[str, int] = field(default_factory=dict)
    answers: dict[tuple[str, str, str], int] = field(default_factory=dict)
    from_write: Latencies = field(default_factory=Latencies)
    from_schedule: Latencies = field(default_factory=Latencies)
    calls: dict[str, CallEntry] = field(default_factory=dict)
    dialogues: dict[str, Dialogue] = field(default_factory=dict)
    open: dict[str, Dialogue] = field(default_factory=dict)
    unnumbered: deque[Sent] = field(default_factory=deque)
    next_i: int = 1
    unacked: dict[int, Sent] = field(default_factory=dict)
    recent: dict[int, Sent] = field(default_factory=dict)
    contradictions: list[str] = field(default_factory=list)
    unanswered: list[Unanswered] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
