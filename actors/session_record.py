"""How sessions lie in the journal and travel to another process; their schema and its versions.

In the journal they are JSON, with what it takes to read their clocks elsewhere. Deadlines of
pending dialogues are readings of the monotonic clock, which begins anew when the machine does. With
each record goes how far the wall clock was ahead of it then; who reads the record moves its
readings by what that has become. Where the wall clock was set meanwhile, none of them lies in the
future afterwards that had been in the past: a deadline is never further away than it was given.

To the process that takes over from this one they travel as msgpack: it has the same clocks.

Both are converted by the same functions, which see ``[state, session]`` as plain data.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import force_setattr, replace

from actors.dialogues import Asker, Dialogue
from actors.journal.records import Codec
from actors.routing import Marks
from actors.session_api import SessionState
from actors.session_data import Session
from actors.session_unread import Form
from supervision.release.versions import Conversions
from supervision.supervisor.carrying import Past

if TYPE_CHECKING:
    from collections.abc import Callable

KIND = "session"
"""The type of state, where its versions are told."""

VERSION = 3
"""Of the schema of ``Session`` and all that is in it."""


def _as_it_is(value: Any) -> Any:
    """Of the next version: all that is new has a default."""
    return value


def _untreated(value: Any) -> Any:
    """Of version 1: no snapshots were known, no priority, and decisions were targets alone."""
    _, session = value
    for field in ("cti", "orphan"):
        session.pop(field, None)
    for _, dialogue in session.get("dialogues", ()):
        dialogue.pop("prio", None)
        for key in ("treat", "send", "stale"):
            (dialogue.get("decision") or {}).pop(key, None)
    return value


def _unlinked(value: Any) -> Any:
    """Of version 2: nobody counted routings, and calls were not linked with others."""
    for field in ("routings", "traced", "prev_call", "ucid"):
        value[1].pop(field, None)
    return value


WAYS = Conversions(up={1: _as_it_is, 2: _as_it_is}, down={2: _untreated, 3: _unlinked})
"""Between the versions of the schema: each function gets and returns ``[state, session]``."""

SHARED = 10_000
"""Decisions that are kept to be shared by the sessions that were routed alike."""


class Schema(Struct, frozen=True):
    """What sessions are made of in a release.

    Attributes:
        version: grows by one with each change of shape.
        record: the type of their data: ``Session``.
        ways: between the versions.
    """

    version: int
    record: type[Session]
    ways: Conversions


SCHEMA = Schema(VERSION, Session, WAYS)
"""Of this release."""


class SessionRecords:
    """Writes and reads (state, data) of sessions.

    Args:
        wall: tells seconds since the epoch.
        monotonic: tells the seconds that deadlines are readings of.
        schema: that is written and read.
    """

    def __init__(
        self,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
        schema: Schema = SCHEMA,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._schema = schema
        self._encoder = msgspec.json.Encoder(enc_hook=repr)  # user data may hold anything
        record = tuple[SessionState, float, schema.record]  # type: ignore[name-defined]
        self._decoder = msgspec.json.Decoder(record)
        self._shared = Shared()

    def codec(self) -> Codec:
        """The codec for the journal."""
        version, ways = self._schema.version, self._schema.ways
        older = {one: partial(_converted_text, ways, one, one + 1) for one in ways.up}
        down = {one: partial(_converted_text, ways, one, one - 1) for one in ways.down}
        return Codec(version, self.encode, self.decode, older, down)

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
        if version != self._schema.version:
            known = self._schema.version
            raise ValueError(f"a session of schema {version} where {known} is known")
        state, ahead, session = self._decoder.decode(body)
        if session.dialogues or session.applied or session.routing is not None:
            self._shared.share(session)
        if session.dialogues:
            session = self._moved(session, ahead)
        return state, session

    def _moved(self, session: Session, ahead: float) -> Session:
        now = self._monotonic()
        by = ahead - (self._wall() - now)
        dialogues = tuple(
            (xref, self._dialogue(dialogue, by, now)) for xref, dialogue in session.dialogues
        )
        return replace(session, dialogues=dialogues)

    def _dialogue(self, dialogue: Dialogue, by: float, now: float) -> Dialogue:
        by = min(by, now - dialogue.asked_at)  # it was asked in the past, whatever clocks say
        since = dialogue.silent_since
        return replace(
            dialogue,
            askers=tuple(_asker(asker, by, now) for asker in dialogue.askers),
            asked_at=dialogue.asked_at + by,
            request_id=None,
            silent_since=None if since is None else min(since + by, now),
        )


def _converted_text(ways: Conversions, have: int, want: int, body: bytes) -> bytes:
    """Make of the row of one version that of another."""
    step = ways.way(KIND, have, want)
    state, ahead, session = msgspec.json.decode(body)
    state, session = step([state, session])
    return msgspec.json.encode([state, ahead, session])


class Carried(Protocol):
    """A session on its way to the process that takes over.

    Attributes:
        state: of its machine.
        session: its data.
        due: when it is idle for too long, or has lingered, monotonic seconds; None where it is
            between two lives.
        past: what its supervisor remembers of it, where there is something.
    """

    state: str
    session: Session
    due: float | None
    past: Past | None


Parts = tuple[str, Any, "float | None", "Past | None"]
"""What ``Carried`` is made of."""


class CarriedSessions:
    """Writes and reads sessions on their way to the process that takes over.

    Args:
        schema: that is written and read.
    """

    def __init__(self, schema: Schema = SCHEMA) -> None:
        self._schema = schema
        self._encode = msgspec.msgpack.Encoder(enc_hook=repr).encode
        # A type of its own, for what it takes to read one is worked out once for each.
        parts: Any = (SessionState, schema.record, float | None, Past | None)
        fields = list(zip(Carried.__annotations__, parts, strict=True))
        self._form: Any = msgspec.defstruct("Carried", fields, frozen=True, array_like=True)
        self._decode: Callable[[bytes], Any] = msgspec.msgpack.Decoder(self._form).decode

    def encoder(self, version: int) -> Callable[[Parts], bytes]:
        """What writes sessions in the schema of a version.

        Raises:
            NoConversion: no way leads there.
        """
        if version == self._schema.version:
            return self._encode
        step = self._schema.ways.way(KIND, self._schema.version, version)
        encode = self._encode

        def converted(carried: Parts) -> bytes:
            state, session, due, past = carried
            plain = msgspec.to_builtins(session, enc_hook=repr)
            state, session = step([state, plain])
            return encode((state, session, due, past))

        return converted

    def decoder(self, version: int) -> Callable[[bytes], Carried]:
        """What reads sessions of a version; it raises ``ValueError`` where it reads none.

        Raises:
            NoConversion: no way leads from there.
        """
        if version == self._schema.version:
            return self._decode
        step = self._schema.ways.way(KIND, version, self._schema.version)
        form, plain, convert = self._form, msgspec.msgpack.Decoder().decode, msgspec.convert

        def converted(body: bytes) -> Carried:
            read = plain(body)
            if type(read) is list:  # else what follows says what it is
                read[:2] = step(read[:2])
            carried: Carried = convert(read, form)
            return carried

        return converted

    def form(self, version: int) -> Form:
        """How sessions are kept that came in a version and are not read yet.

        Raises:
            NoConversion: no way leads from there.
        """
        decode, share = self.decoder(version), Shared().share

        def read(body: bytes) -> Session:
            session = decode(body).session
            share(session)
            return session

        return Form(version, read)


class Shared:
    """Values that sessions have in common while they live: the one of those that are equal."""

    def __init__(self) -> None:
        self._known: dict[Any, Any] = {}

    def share(self, session: Session) -> None:
        """Have a session that has just been read share what others have too."""
        get, one, applied = self._known.get, self._one, session.applied
        if len(applied) == 2:  # noqa: PLR2004 - one link and its frames, as most have
            link, frames = applied
            force_setattr(session, "applied", (get(link) or one(link), frames))
        elif applied:
            links = [part if at % 2 else one(part) for at, part in enumerate(applied)]
            force_setattr(session, "applied", tuple(links))
        for _, dialogue in session.dialogues:
            decision = dialogue.decision
            if decision is not None:
                force_setattr(dialogue, "decision", get(decision) or one(decision))
        routing = session.routing
        if routing is not None:
            target, why = routing.target, routing.why
            force_setattr(routing, "target", get(target) or one(target))
            force_setattr(routing, "why", get(why) or one(why))

    def _one(self, value: Any) -> Any:
        known = self._known.get(value)
        if known is None:
            known = value
            if len(self._known) < SHARED:
                self._known[value] = value
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
