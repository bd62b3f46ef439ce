"""The part ``answers``: what was done to the node under an `Idempotency-Key` is known afterwards.

A client that got no answer, or whose connection ended, sends its request again, and it may well be
the one that asked for the upgrade: on the other side it is answered as before, not done again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from actors.session_api import IdempotentKey
from actors.web.exchange import ApiResponse
from actors.web.once import Kept
from supervision.release.carrier import NoConversion, Packed, Part

if TYPE_CHECKING:
    from actors.web.once import Requests

NAME = "answers"
VERSION = 1


class AnswerState(Struct, kw_only=True):
    """An answer, as `actors.web.exchange.ApiResponse`, and what was asked.

    Attributes:
        key: whose request it was, not to be read by anybody.
        fingerprint: of its content.
        at: when it was answered, monotonic seconds of the machine.
    """

    key: str
    fingerprint: str
    at: float
    status: int
    media_type: str
    body: bytes
    headers: dict[str, str]


_DECODER = msgspec.msgpack.Decoder(list[AnswerState])  # made now: at the freeze it would take time


class AnswersPart(Part):
    """The answers that a node keeps for requests that are sent again.

    Args:
        requests: of the node.
    """

    name = NAME
    version = VERSION
    optional = True  # a release without it answers what it is asked

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    def pack(self, version: int) -> Packed:
        """The answers, the oldest first."""
        _check(version)
        kept = self._requests.kept()
        return Packed(msgspec.msgpack.encode([_written(*one) for one in kept if _whole(one[1])]))

    def copy(self, version: int) -> bytes:
        """As they are now."""
        return self.pack(version).body

    def unpack(self, version: int, body: bytes, descriptors: tuple[int, ...]) -> None:
        """Know them.

        Raises:
            NoConversion: they are of another version.
            ValueError: they are no answers.
        """
        del descriptors
        _check(version)
        self._requests.carry([_read(state) for state in _DECODER.decode(body)])


def _check(version: int) -> None:
    if version != VERSION:
        raise NoConversion(f"{NAME}: version {version} is unknown, this is {VERSION}")


def _whole(kept: Kept) -> bool:
    """Whether all of an answer is there: a stream is what its source says while it is read."""
    return kept.answer.stream is None


def _written(once: IdempotentKey, kept: Kept) -> AnswerState:
    answer: ApiResponse = kept.answer
    return AnswerState(
        key=once.key,
        fingerprint=once.fingerprint,
        at=kept.at,
        status=answer.status,
        media_type=answer.media_type,
        body=answer.body,
        headers=dict(answer.headers),
    )


def _read(state: AnswerState) -> tuple[IdempotentKey, Kept]:
    answer = ApiResponse(
        status=state.status,
        media_type=state.media_type,
        body=state.body,
        headers=state.headers,
    )
    return IdempotentKey(state.key, state.fingerprint), Kept(state.fingerprint, state.at, answer)
