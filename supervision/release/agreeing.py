"""What the two sides of a takeover agree on before anything travels: pure, no sockets here.

The side that takes says which versions it has; the side that gives offers what it will write; the
side that takes says whether it can read that. A part that one side alone knows is refused, unless
the newer side has said that the other one need not know it.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from supervision.release.carrier import Bulk, NoConversion
from supervision.release.wire import FORMAT, Offer, PartHead, TakeoverRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from supervision.release.carrier import Part
    from supervision.release.wire import Hello


def heads(parts: Iterable[Part]) -> dict[str, PartHead]:
    """The parts of a side as it introduces them."""
    return {
        part.name: PartHead(part.version, part.optional, isinstance(part, Bulk), part.types())
        for part in parts
    }


def offered(
    hello: Hello, secret: str, parts: Sequence[Part], release: str, dropped: Sequence[str] = ()
) -> Offer:
    """What the side that gives offers to one that says hello.

    Args:
        hello: what that one says.
        secret: that it has to know.
        parts: of this side, in order.
        release: of this side.
        dropped: parts of the other side that this one, the newer, does without.

    Raises:
        TakeoverRefused: the two cannot take over from each other; the message says why.
    """
    if hello.format != FORMAT:
        raise TakeoverRefused(f"format {hello.format} of a takeover: this release speaks {FORMAT}")
    if not hmac.compare_digest(hello.secret.encode(), secret.encode()):
        raise TakeoverRefused("the secret is wrong")
    own = heads(parts)
    travelling = [part for part in parts if part.name in hello.parts]
    versions = {part.name: _version(part, hello.parts[part.name]) for part in travelling}
    for part in travelling:
        _agree(part, hello.parts[part.name].types)
    return Offer(
        release,
        versions,
        {part.name: own[part.name].types for part in travelling},
        _alone(own, hello.parts, hello.dropped, "takes over"),
        _alone(hello.parts, own, dropped, "gives"),
    )


def _agree(part: Part, theirs: dict[str, int]) -> None:
    try:
        part.agree(theirs)
    except NoConversion as none:
        raise TakeoverRefused(f"{part.name}: {none}") from none


def _version(part: Part, other: PartHead) -> int:
    """What a part is written in: the older of the two versions, if this code can write it."""
    if isinstance(part, Bulk) != other.bulk:
        raise TakeoverRefused(f"{part.name}: travels in slices on one side only")
    if other.version < part.version and part.writes(other.version):
        return other.version
    return part.version


def _alone(
    here: Mapping[str, PartHead],
    there: Mapping[str, PartHead],
    done_without: Sequence[str],
    side: str,
) -> tuple[str, ...]:
    """The parts that one side alone knows.

    Raises:
        TakeoverRefused: one of them may not be lost.
    """
    alone = [name for name in here if name not in there]
    for name in alone:
        if not (here[name].optional or name in done_without):
            raise TakeoverRefused(f"{name}: no such part on the side that {side}")
    return tuple(alone)


def check_readable(offer: Offer, parts: Mapping[str, Part]) -> None:
    """Whether the side that takes can read all that is offered.

    Raises:
        TakeoverRefused: no way leads from a version that is offered to this code's.
    """
    for name, version in offer.parts.items():
        part = parts.get(name)
        if part is None:
            raise TakeoverRefused(f"{name}: no such part on the side that takes over")
        if not part.reads(version):
            raise TakeoverRefused(
                f"{name}: no way leads from version {version} to version {part.version}"
            )
        _agree(part, offer.types.get(name, {}))
