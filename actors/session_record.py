"""How sessions lie in the journal: JSON, with what it takes to read their clocks elsewhere.

Deadlines of pending dialogues are readings of the monotonic clock, which begins anew when the
machine does. With each record goes how far the wall clock was ahead of it then; who reads the
record moves its readings by what that has become. Where the wall clock was set meanwhile, none of
them lies in the future afterwards that had been in the past: a deadline is never further away than
it was given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors.dialogues import Asker, Dialogue
from actors.journal.records import Codec
from actors.routing import Marks
from actors.session_api import SessionState
from actors.session_data import Session

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = 1
"""Of the schema of ``Session`` and all that is in it."""

SHARED = 10_000
"""Decisions that are kept to be shared by the sessions that were routed alike."""


class Record(Struct, frozen=True, array_like=True):
    """A session in the journal.

    Attributes:
        state: of its machine.
        ahead: seconds that the wall clock was ahead of the monotonic clock.
        session: its data.
    """

    state: SessionState
    ahead: float
    session: Session


class SessionRecords:
    """Writes and reads (state, data) of sessions.

    Args:
        wall: tells seconds since the epoch.
        monotonic: tells the seconds that deadlines are readings of.
    """

    def __init__(self, wall: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._encoder = msgspec.json.Encoder(enc_hook=repr)  # user data may hold anything
        self._decoder = msgspec.json.Decoder(Record)
        self._shared: dict[Any, Any] = {}

    def codec(self) -> Codec:
        """The codec for the journal."""
        return Codec(VERSION, self.encode, self.decode)

    def encode(self, value: tuple[str, Session]) -> bytes:
        """Write a session."""
        state, session = value
        ahead = self._wall() - self._monotonic()
        return self._encoder.encode((state, ahead, session))

    def decode(self, body: bytes, version: int) -> tuple[str, Session]:
        """Read a session.

        Raises:
            ValueError: it is none, or of another version.
        """
        if version != VERSION:
            raise ValueError(f"a session of schema {version} where {VERSION} is known")
        record = self._decoder.decode(body)
        session = record.session
        if session.dialogues or session.applied or session.routing is not None:
            session = self._moved(session, record.ahead)
        return record.state, session

    def _moved(self, session: Session, ahead: float) -> Session:
        now = self._monotonic()
        by = ahead - (self._wall() - now)
        dialogues = tuple(
            (xref, self._dialogue(dialogue, by, now)) for xref, dialogue in session.dialogues
        )
        pairs = zip(session.applied[::2], session.applied[1::2], strict=True)
        applied = tuple(part for link, frames in pairs for part in (self._one(link), frames))
        routing = session.routing
        if routing is not None:
            routing = replace(routing, target=self._one(routing.target), why=self._one(routing.why))
        return replace(session, dialogues=dialogues, applied=applied, routing=routing)

    def _dialogue(self, dialogue: Dialogue, by: float, now: float) -> Dialogue:
        by = min(by, now - dialogue.asked_at)  # it was asked in the past, whatever clocks say
        since = dialogue.silent_since
        return replace(
            dialogue,
            askers=tuple(_asker(asker, by, now) for asker in dialogue.askers),
            asked_at=dialogue.asked_at + by,
            request_id=None,
            decision=None if dialogue.decision is None else self._one(dialogue.decision),
            silent_since=None if since is None else min(since + by, now),
        )

    def _one(self, value: Any) -> Any:
        """The one of equal values that is kept: sessions have them in common while they live."""
        known = self._shared.get(value)
        if known is None:
            known = value
            if len(self._shared) < SHARED:
                self._shared[value] = value
        return known


def _asker(asker: Asker, by: float, now: float) -> Asker:
    by = min(by, now - asker.marks.read_at)
    marks = asker.marks
    moved = Marks(
        marks.read_at + by,
        marks.late_at + by,
        marks.default_at + by,
        marks.guard_at + by,
        marks.expires_at + by,
    )
    return replace(asker, marks=moved)
