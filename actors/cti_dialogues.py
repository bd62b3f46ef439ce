"""What a CTI link has been asked and has not answered yet; a pure core.

A link answers a request once and only while its peer waits. The session decides; should it be
mute past its own deadline, the link's guard answers with the routing point's default target.
"""

from __future__ import annotations

from msgspec import Struct

from actors.routing import Marks
from protocols.cti.messages import Message, RerouteRequest, RouteRequest

_REQUESTS = (RouteRequest, RerouteRequest)


class Question(Struct):
    """A route or reroute request that waits for its answer.

    Attributes:
        message: as it came.
        marks: its deadlines.
        session: the id of the call's session, or of the one that is being opened for it.
        handed: whether the session was asked; not while it is being opened.
    """

    message: RouteRequest | RerouteRequest
    marks: Marks
    session: str = ""
    handed: bool = False


class Counts(Struct):
    """What a link has answered.

    Attributes:
        answered: answers accepted for writing in time.
        late: of these, after the late mark.
        guarded: of these, by the guard.
        expired: requests whose time ran out: nothing was sent.
        refused: requests that got an error.
    """

    answered: int = 0
    late: int = 0
    guarded: int = 0
    expired: int = 0
    refused: int = 0


class Questions:
    """The open questions of one link, by xref."""

    def __init__(self) -> None:
        self.open: dict[str, Question] = {}
        self.counts = Counts()

    def ask(self, question: Question) -> None:
        """Note a request; one with the same xref starts its clock anew."""
        self.open[question.message.xref] = question

    def answer(self, xref: str, now: float) -> Question | None:
        """Take the question that an answer is for; None where nothing may be sent any more.

        Args:
            xref: of the dialogue.
            now: monotonic seconds.
        """
        question = self.open.pop(xref, None)
        if question is None:
            return None
        if now >= question.marks.expires_at:
            self.counts.expired += 1
            return None
        self.counts.answered += 1
        if now >= question.marks.late_at:
            self.counts.late += 1
        return question

    def asked(self, message: Message) -> Question | None:
        """The open question of this very frame."""
        question = self.open.get(message.xref) if isinstance(message, _REQUESTS) else None
        return question if question is not None and question.message.i == message.i else None

    def refuse(self, message: Message) -> Question | None:
        """Take the question of a frame that gets an error."""
        question = self.asked(message)
        if question is not None:
            del self.open[question.message.xref]
            self.counts.refused += 1
        return question

    def mute(self, now: float) -> list[Question]:
        """The questions whose guard is due, the first asked first."""
        return [question for question in self.open.values() if question.marks.guard_at <= now]

    @property
    def next_guard(self) -> float | None:
        """Monotonic seconds of the earliest guard.

        Requests of one link carry nearly the same deadlines and come in order, but for those with
        a ``reply_ms`` of their own.
        """
        return min((question.marks.guard_at for question in self.open.values()), default=None)
