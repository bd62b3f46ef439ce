"""Which versions rows are written in: those that a release that may come back can read.

Two releases tell each other the versions of the kinds of rows that they know. The one that is
provisional writes what the permanent one reads; the one that hands over to an older release writes
what that one reads, and writes again what it has written otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from actors.journal.records import Codec
from supervision.release.carrier import NoConversion

if TYPE_CHECKING:
    from supervision.release.versions import Conversions

Codecs: TypeAlias = Mapping[str, Codec]
Writing: TypeAlias = Mapping[str, "Codec | None"]
"""What writes each kind; None where the other release does not know the kind: it is kept back."""

Step: TypeAlias = Callable[[bytes], bytes]


def steps(kind: str, ways: Conversions) -> tuple[dict[int, Step], dict[int, Step]]:
    """What converts texts of a kind, from conversions of plain data.

    Args:
        kind: of the rows.
        ways: between the versions of their values.

    Returns:
        ``older`` and ``down`` of the kind's codec.
    """
    older: dict[int, Step] = {one: partial(_step, kind, ways, one, one + 1) for one in ways.up}
    down: dict[int, Step] = {one: partial(_step, kind, ways, one, one - 1) for one in ways.down}
    return older, down


def _step(kind: str, ways: Conversions, have: int, want: int, body: bytes) -> bytes:
    plain: Any = msgspec.json.decode(body)
    return msgspec.json.encode(ways.convert(kind, plain, have, want))


def of(codecs: Codecs) -> dict[str, int]:
    """The versions of rows that a release writes, by kind."""
    return {kind: codec.version for kind, codec in codecs.items()}


def writing_for(codecs: Codecs, theirs: Mapping[str, int]) -> dict[str, Codec | None]:
    """What writes rows that another release reads.

    Args:
        codecs: of this release.
        theirs: versions of the rows that the other one knows, by kind.

    Raises:
        NoConversion: rows of a kind cannot be written so; the message names it.
    """
    written: dict[str, Codec | None] = {}
    for kind, codec in codecs.items():
        version = theirs.get(kind)
        if version is not None and version < codec.version and not codec.writes(version):
            raise NoConversion(
                f"rows of kind {kind}: no downgrade from version {codec.version} to {version}"
            )
        written[kind] = None if version is None else codec.writing(min(version, codec.version))
    return written


def refuse_unreadable(codecs: Codecs, theirs: Mapping[str, int]) -> None:
    """Refuse rows that another release has written, where they will not be written anew.

    A kind that this one does not know is kept back by the other one, which does.

    Args:
        codecs: of this release.
        theirs: versions of the rows of the other one, by kind.

    Raises:
        NoConversion: this release cannot read a kind; the message names it.
    """
    for kind, version in theirs.items():
        codec = codecs.get(kind)
        if codec is not None and version < codec.version and not codec.knows(version):
            raise NoConversion(
                f"rows of kind {kind}: no code_change from version {version} to {codec.version}"
            )
