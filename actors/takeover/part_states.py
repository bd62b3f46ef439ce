"""How the state of a part that is one record is written for another release, and read from one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from supervision.release.versions import SAME

if TYPE_CHECKING:
    from supervision.release.carrier import Part

_T = TypeVar("_T", bound=msgspec.Struct)


def written(part: Part, state: msgspec.Struct, version: int) -> bytes:
    """Write a state.

    Args:
        part: whose it is.
        state: of the version that the part has.
        version: that the other side reads.

    Raises:
        NoConversion: no way leads to that version.
        ConversionFailed: a step towards it failed.
    """
    if version == part.version:
        return msgspec.msgpack.encode(state)
    plain = msgspec.to_builtins(state, builtin_types=(bytes,))
    ways = part.conversions or SAME
    converted = ways.convert(part.name, plain, have=part.version, want=version)
    return msgspec.msgpack.encode(converted)


def read(part: Part, decoder: msgspec.msgpack.Decoder[_T], version: int, body: bytes) -> _T:
    """Read a state.

    Args:
        part: whose it is.
        decoder: of the state that the part has; made beforehand, for that takes time.
        version: that the body is of.
        body: as the other side wrote it.

    Raises:
        NoConversion: no way leads from that version.
        ConversionFailed: a step on it failed.
        ValueError: it is no such state.
    """
    if version == part.version:
        return decoder.decode(body)
    plain = msgspec.msgpack.decode(body)
    ways = part.conversions or SAME
    converted = ways.convert(part.name, plain, have=version, want=part.version)
    return msgspec.convert(converted, decoder.type)


def there_and_back(part: Part, shape: type[msgspec.Struct], version: int, body: bytes) -> Any:
    """Convert a state to the version that the part has, and back, for a dry run; none is taken in.

    Args:
        part: whose it is.
        shape: of the state that the part has: what it has no field for is lost there.
        version: that the body is of.
        body: as the other side wrote it.

    Returns:
        What came back, plain data.

    Raises:
        NoConversion: no way leads there, or back.
        ConversionFailed: a step failed.
        ValueError: it is no such state.
    """
    state = read(part, msgspec.msgpack.Decoder(shape), version, body)
    return msgspec.msgpack.decode(written(part, state, version))
