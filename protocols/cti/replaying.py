"""What a peer that resumes gets again of vigie's frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from protocols.cti import framing
from protocols.cti.link_session import FOR_EVER, MAX_NUMBER, MAX_RECENT, Kept
from protocols.cti.messages import Error, Void
from protocols.cti.parsing import to_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocols.cti.link_session import LinkSession


def reaches(session: LinkSession, last_i: int) -> bool:
    """Tell whether a peer that has handled vigie's frames up to `last_i` can resume."""
    if session.next_out == 0:
        highest = max((message.i for message in session.recent), default=0)
        return highest - session.limits.replay_frames <= last_i < MAX_NUMBER
    behind = session.next_out - 1 - last_i
    return last_i >= session.floor and 0 <= behind <= session.limits.replay_frames


def replay(session: LinkSession, last_i: int, now: float) -> Iterator[bytes]:
    """Make again what came after vigie's frame `last_i`, which `reaches` has allowed.

    Yields:
        The bytes of each frame.
    """
    if session.next_out == 0:
        _number_again(session, last_i)
    for i in range(last_i + 1, session.next_out):
        kept = session.lasting.get(i) or session.answers.get(i)
        if kept is not None and kept.until > now:
            yield kept.data
        else:
            yield framing.encode(to_frame(Void(i=i)))


def settled(session: LinkSession, now: float) -> set[int]:
    """The numbers of the requests whose answer the peer has, gets by `replay`, or will get."""
    kept = (*session.answers.values(), *session.lasting.values())
    told = {frame.ref for frame in kept if frame.ref and frame.until > now}
    return told.union(one.error.ref for one in session.withheld)


def _number_again(session: LinkSession, last_i: int) -> None:
    """Give a restored session its numbers.

    What it knows of keeps its own; refusals that may not have been sent get the next ones.
    """
    session.floor = last_i
    highest = max([last_i, *(message.i for message in session.recent)])
    told = [message for message in session.recent if message.i]
    untold = [message for message in session.recent if not message.i]
    fresh = [structs.replace(one, i=highest + n) for n, one in enumerate(untold, 1)]
    session.recent = [*told, *fresh][-MAX_RECENT:]
    for message in (*told, *fresh):
        if message.i > last_i:
            data = framing.encode(to_frame(message), max_bytes=session.limits.max_frame_bytes)
            ref = message.ref if isinstance(message, Error) else 0
            session.lasting[message.i] = Kept(data, FOR_EVER, ref)
            session.kept_bytes += len(data)
    session.next_out = max([last_i, *session.lasting]) + 1
