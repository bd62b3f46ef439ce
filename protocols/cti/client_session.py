"""What of a CTI's link session survives its connections: what it sent, and waits for.

A frame is kept until vigie has acknowledged it; more than vigie's window of them wait to be sent.
What has no effect (heartbeats) and what was refused is not kept: in a repetition it is void.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from protocols.cti import framing
from protocols.cti.messages import Void
from protocols.cti.parsing import to_frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REQUESTS = frozenset({"route.request", "reroute.request"})

_LONGEST_NUMBER = 2**64 - 1


class Asked(Struct, frozen=True):
    """A request of the client's.

    Attributes:
        xref: its dialogue.
        i: its number, 0 while it waits to be sent.
        at: when it was given to the client, monotonic seconds.
        frame: itself, without number.
    """

    xref: str
    i: int
    at: float
    frame: Mapping[str, Any]


class Held(Struct, frozen=True):
    """A frame that waits to be sent, and its request where it is one."""

    frame: Mapping[str, Any]
    asked: Asked | None


class ClientSession(Struct, kw_only=True):
    """A link session as its CTI knows it.

    Attributes:
        id: as vigie named it; empty before the first hello has been answered.
        next_out: the number of the next frame sent.
        acked: vigie has every frame up to it for good.
        last_in: the last frame of vigie's that was handled.
        kept: frames sent and not acknowledged, by number.
        settled: numbers of those that are requests and wait for their answer no more: vigie's
            window does not count them.
        held: frames to be sent.
        asked: requests sent that wait for their answer, by number.
        waiting: the latest request of each dialogue that waits for its answer.
    """

    id: str = ""
    next_out: int = 1
    acked: int = 0
    last_in: int = 0
    kept: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    settled: set[int] = field(default_factory=set)
    held: deque[Held] = field(default_factory=deque)
    asked: dict[int, Asked] = field(default_factory=dict)
    waiting: dict[str, Asked] = field(default_factory=dict)


def hold(session: ClientSession, frame: Mapping[str, Any], now: float) -> None:
    """Take a frame that is to be sent after all those before it."""
    asked = None
    if frame.get("t") in REQUESTS:
        forget(session, frame["xref"])
        asked = Asked(frame["xref"], 0, now, frame)
        session.waiting[asked.xref] = asked
    session.held.append(Held(frame, asked))


def release(session: ClientSession, window: int, max_bytes: int) -> bytes:
    """Number and make the bytes of the frames that may be sent now.

    Args:
        session: whose they are.
        window: how many may be sent and neither answered nor acknowledged.
        max_bytes: longest payload.

    Raises:
        FramingError: the first of them is too long; it stays where it is, no number was used.
    """
    parts: list[bytes] = []
    while session.held and len(session.kept) - len(session.settled) < window:
        held = session.held[0]
        i = session.next_out
        parts.append(number(session, held.frame, max_bytes))
        session.held.popleft()
        session.kept[i] = held.frame
        _note_sent(session, held.asked, i)
    return b"".join(parts)


def number(session: ClientSession, frame: Mapping[str, Any], max_bytes: int) -> bytes:
    """Make the bytes of a frame with the next number."""
    data = framing.encode({**frame, "i": session.next_out}, max_bytes=max_bytes)
    session.next_out += 1
    return data


def check_length(frame: Mapping[str, Any], max_bytes: int) -> None:
    """Find out whether a frame can be sent, whatever its number.

    Raises:
        FramingError: it is too long.
    """
    framing.encode({**frame, "i": _LONGEST_NUMBER}, max_bytes=max_bytes)


def again(session: ClientSession, last_i: int, max_bytes: int) -> Iterator[bytes]:
    """Make again all that was sent after frame `last_i`, with the numbers that it had."""
    for i in range(last_i + 1, session.next_out):
        frame = session.kept.get(i)
        if frame is None:
            yield framing.encode(to_frame(Void(i=i)))
        else:
            yield framing.encode({**frame, "i": i}, max_bytes=max_bytes)


def may_acknowledge(session: ClientSession, last_i: int) -> bool:
    """Tell whether vigie can acknowledge frames up to `last_i`.

    It cannot take back what it acknowledged, nor acknowledge what was never sent.
    """
    return session.acked <= last_i < session.next_out


def acknowledged(session: ClientSession, last_i: int) -> list[Mapping[str, Any]]:
    """Keep frames up to `last_i` no more.

    Returns:
        Those that were kept, in their order.
    """
    numbers = range(session.acked + 1, last_i + 1)
    session.acked = last_i
    session.settled.difference_update(numbers)
    frames = (session.kept.pop(i, None) for i in numbers)
    return [frame for frame in frames if frame is not None]


def forget(session: ClientSession, xref: str) -> None:
    """Wait no more for the answer to this dialogue."""
    settle(session, xref)
    asked = session.waiting.pop(xref, None)
    if asked is not None:
        session.asked.pop(asked.i, None)


def settle(session: ClientSession, xref: str) -> None:
    """The request of this dialogue counts no more in vigie's window: it has been answered."""
    asked = session.waiting.get(xref)
    if asked is not None and asked.i in session.kept:
        session.settled.add(asked.i)


def refused(session: ClientSession, i: int) -> Asked | None:
    """Take the request of a frame that was refused; such a frame must not be sent again."""
    session.kept.pop(i, None)
    session.settled.discard(i)
    asked = session.asked.get(i)
    if asked is not None:
        forget(session, asked.xref)
    return asked


def lost(session: ClientSession) -> tuple[list[Mapping[str, Any]], list[Asked]]:
    """Begin anew: vigie does not know this link session any more.

    Returns:
        The frames that it has not acknowledged, in the order in which they were given to the
        client, sent or not; and the requests that it acknowledged and did not answer.
    """
    frames = [*session.kept.values(), *(held.frame for held in session.held)]
    unanswered = acked_unanswered(session)
    fresh = ClientSession()
    for name in session.__struct_fields__:
        setattr(session, name, getattr(fresh, name))
    return frames, unanswered


def acked_unanswered(session: ClientSession) -> list[Asked]:
    """The requests that vigie acknowledged and has not answered, the first asked first."""
    return [asked for asked in session.waiting.values() if 0 < asked.i <= session.acked]


def _note_sent(session: ClientSession, asked: Asked | None, i: int) -> None:
    # One that was forgotten or asked anew while it was held is waited for no more.
    if asked is not None and session.waiting.get(asked.xref) is asked:
        sent = Asked(asked.xref, i, asked.at, asked.frame)
        session.waiting[asked.xref] = session.asked[i] = sent
