"""Media types of the API: JSON and MessagePack, chosen by `Accept` and `Content-Type`.

Negotiation follows RFC 9110 (12.5.1, 8.3). What is accepted as a body is I-JSON (RFC 7493): UTF-8,
unique names, no lone surrogates, finite numbers; the same rules hold for MessagePack, so that a
value that came in by one format can always leave by the other. Nothing here raises anything but
`HttpProblem`, whatever the bytes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NoReturn, TypeAlias, TypeVar

import msgpack
import msgspec
from msgspec import inspect

from protocols.http import problem
from protocols.http.problem import HttpProblem

JSON = "application/json"
MSGPACK = "application/msgpack"
EVENT_STREAM = "text/event-stream"
BODY_TYPES = (JSON, MSGPACK)

T = TypeVar("T")
Plain: TypeAlias = dict[str, Any] | list[Any] | str | int | float | bool | None
"""What JSON can say, decoded."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_QUALITY = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")
_STEP = re.compile(r"[^.\[\]]+|\[[^\]]*\]")
_INTEGERS = range(-(2**63), 2**64)
_AT = re.compile(r"(?P<rule>.*?) - at `(?:key` in `)?\$\.?(?P<path>[^`]*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")


def negotiate(accept: str | None, offered: Sequence[str]) -> str:
    """Choose the media type of an answer.

    Parameters of a media range other than `q` are ignored: what is offered has no variants.

    Args:
        accept: The header `Accept`, or None when there is none.
        offered: Media types, the preferred one first.

    Returns:
        One of `offered`, that of the greatest quality; the first of them on equal quality.

    Raises:
        HttpProblem: 400 when the header is malformed, 406 when nothing offered is acceptable.
    """
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [_media_range(part) for part in accept.split(",") if part.strip()]
    best = max(offered, key=lambda media: _quality(media, ranges))
    if _quality(best, ranges) == 0:
        raise HttpProblem(
            problem.NOT_ACCEPTABLE,
            f"offered here: {', '.join(offered)}",
            field="Accept",
            rule="one of the media types offered",
            extra={"offered": list(offered)},
        )
    return best


def _media_range(part: str) -> tuple[str, str, float]:
    media, *parameters = (piece.strip() for piece in part.split(";"))
    kind, slash, subtype = media.lower().partition("/")
    if not (slash and _TOKEN.fullmatch(kind) and _TOKEN.fullmatch(subtype)):
        raise problem.invalid("Accept", "a list of media ranges (RFC 9110, 12.5.1)")
    quality = 1.0
    for name, value in map(_parameter, parameters):
        if name == "q":
            if not _QUALITY.fullmatch(value):
                raise problem.invalid("Accept", "a quality from 0 to 1 with three decimals")
            quality = float(value)
    return kind, subtype, quality


def _parameter(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip().lower(), value.strip().strip('"')


def _quality(media: str, ranges: list[tuple[str, str, float]]) -> float:
    """The quality of the most specific range that matches, 0 when none does."""
    kind, _, subtype = media.partition("/")
    for wanted in ((kind, subtype), (kind, "*"), ("*", "*")):
        for range_kind, range_subtype, quality in ranges:
            if (range_kind, range_subtype) == wanted:
                return quality
    return 0.0


def text_type(content_type: str | None, known: Collection[str]) -> str | None:
    """Read the header `Content-Type` of a body that may be text.

    Args:
        content_type: The header, or None.
        known: Media types of text.

    Returns:
        One of `known`, None for another type.

    Raises:
        HttpProblem: 400 for a charset other than UTF-8.
    """
    if not known:
        return None
    media, *parameters = (piece.strip() for piece in (content_type or "").split(";"))
    if media.lower() not in known:
        return None
    for name, value in map(_parameter, parameters):
        if name == "charset" and value.lower() != "utf-8":
            raise problem.invalid("Content-Type", "charset utf-8 or none")
    return media.lower()


def text(body: bytes) -> str:
    """Decode a body that is text.

    Args:
        body: The bytes.

    Raises:
        HttpProblem: 400 where they are not UTF-8.
    """
    try:
        return body.decode()
    except UnicodeDecodeError:
        _refuse("text is UTF-8")


def body_type(content_type: str | None) -> str:
    """Read the header `Content-Type` of a request with a body.

    Args:
        content_type: The header, or None: then the body is taken for JSON.

    Returns:
        `JSON` or `MSGPACK`.

    Raises:
        HttpProblem: 415 for another media type, 400 for a charset other than UTF-8.
    """
    if content_type is None or content_type == JSON:
        return JSON
    media, *parameters = (piece.strip() for piece in content_type.split(";"))
    if media.lower() not in BODY_TYPES:
        raise HttpProblem(
            problem.UNSUPPORTED_MEDIA_TYPE,
            f"understood here: {', '.join(BODY_TYPES)}",
            field="Content-Type",
            rule="one of the media types understood",
            headers={"Accept": ", ".join(BODY_TYPES)},
        )
    for name, value in map(_parameter, parameters):
        if name == "charset" and value.lower() != "utf-8":
            raise problem.invalid("Content-Type", "charset utf-8 or none (RFC 8259, 8.1)")
    return media.lower()


def encode(value: object, media: str) -> bytes:
    """Encode a record or plain data.

    Args:
        value: Anything msgspec can encode.
        media: `JSON` or `MSGPACK`.
    """
    encoder: Callable[[object], bytes] = (
        msgspec.msgpack.encode if media == MSGPACK else msgspec.json.encode
    )
    return encoder(value)


def decode(body: bytes, media: str, record: type[T], *, max_depth: int = 16) -> T:
    """Decode a body into a typed record; unknown fields are ignored.

    Args:
        body: The bytes; their number is the transport's limit, not this function's.
        media: `JSON` or `MSGPACK`.
        record: A msgspec Struct or any type msgspec converts to.
        max_depth: Greatest number of nested arrays and objects.

    Raises:
        HttpProblem: 400, naming the field and the rule where one can be named.
    """
    return convert(plain(body, media, max_depth=max_depth), record)


def plain(body: bytes, media: str, *, max_depth: int = 16) -> Plain:
    """Decode a body into plain data: dict, list, str, int, float, bool and None.

    Args:
        body: The bytes.
        media: `JSON` or `MSGPACK`.
        max_depth: Greatest number of nested arrays and objects.

    Raises:
        HttpProblem: 400 with the rule of RFC 7493 that the body breaks.
    """
    if not body:
        _refuse("a body is required")
    try:
        value = _unpack(body) if media == MSGPACK else _parse(body)
    except (RecursionError, msgpack.StackError):
        _refuse(f"at most {max_depth} nested arrays and objects")
    except UnicodeDecodeError:
        _refuse("text is UTF-8")
    except (ValueError, msgpack.UnpackException):
        _refuse(f"one complete value of {media}")
    _check(value, max_depth)
    return value


def convert(value: object, record: type[T], *, strict: bool = True) -> T:
    """Convert plain data into a typed record.

    Args:
        value: What `plain` returned, or the parameters of a query.
        record: A msgspec Struct or any type msgspec converts to.
        strict: False for values that came as text: "2" is then an integer where one is wanted.

    Raises:
        HttpProblem: 400 naming the field and the rule.
    """
    try:
        return msgspec.convert(value, record, strict=strict)
    except msgspec.ValidationError as error:
        raise _broken_rule(str(error), record) from None


def _broken_rule(message: str, record: Any) -> HttpProblem:
    """Split a message of msgspec, which tells the place only in words, into field and rule."""
    place = _AT.fullmatch(message)
    rule = (place["rule"] if place else message).replace("`", "")
    path = place["path"] if place else ""
    if missing := _MISSING.match(message):
        return problem.invalid(f"{path}.{missing['name']}".lstrip("."), "given")
    if message.startswith("Invalid enum value") and (values := _choices(record, path)):
        return problem.invalid(path or "body", f"one of {values}")
    rule = rule[:1].lower() + rule[1:]
    field = path or "body"
    return HttpProblem(problem.INVALID_VALUE, f"{field}: {rule}", field=field, rule=rule)


def _choices(record: Any, path: str) -> str:
    """The values that a place may have, where its type lists them; empty where it does not."""
    kind: Any = inspect.type_info(record)
    for step in _STEP.findall(path):
        kind = _below(kind, step)
    options = getattr(kind, "types", (kind,))
    literals = [option for option in options if isinstance(option, inspect.LiteralType)]
    return ", ".join(str(value) for literal in literals for value in literal.values)


def _below(kind: Any, step: str) -> Any:
    """The type of one field, element or value of a type; None where it has no such place."""
    for option in getattr(kind, "types", (kind,)):
        if isinstance(option, inspect.StructType):
            return {field.encode_name: field.type for field in option.fields}.get(step)
        for name in ("item_type", "value_type"):
            if hasattr(option, name):
                return getattr(option, name)
    return None


def _parse(body: bytes) -> Plain:
    text = body.decode("utf-8")
    value: Plain = _JSON.decode(text)
    return value


def _unpack(body: bytes) -> Plain:
    value: Plain = msgpack.unpackb(body, object_pairs_hook=_unique)
    return value


def _unique(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        _refuse("names within an object are unique")
    for name in members:
        if not isinstance(name, str):
            _refuse("names within an object are text")
    return members


def _not_a_number(_: str) -> NoReturn:
    _refuse("numbers are finite")


_JSON = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_not_a_number)


def _check(value: Plain, max_depth: int) -> None:
    """Check every scalar and name of `value`, without recursion."""
    if not isinstance(value, dict | list):
        _check_leaf(value)
        return
    stack: list[tuple[dict[str, Any] | list[Any], int]] = [(value, 1)]
    while stack:
        item, depth = stack.pop()
        if depth > max_depth:
            _refuse(f"at most {max_depth} nested arrays and objects")
        members: Iterable[Any] = item
        if isinstance(item, dict):
            members = item.values()
            for name in item:
                _check_leaf(name)
        for member in members:
            if isinstance(member, dict | list):
                stack.append((member, depth + 1))
            else:
                _check_leaf(member)


def _check_leaf(leaf: object) -> None:
    if isinstance(leaf, str):
        # PostgreSQL stores no U+0000, in text or in jsonb.
        if not leaf.isascii() and any("\ud800" <= char <= "\udfff" for char in leaf):
            _refuse("text has no lone surrogates")
        if "\0" in leaf:
            _refuse("text has no U+0000")
    elif isinstance(leaf, float):
        if not math.isfinite(leaf):
            _refuse("numbers are finite")
    elif isinstance(leaf, int):
        if leaf not in _INTEGERS:
            _refuse("integers fit in 64 bits")
    elif leaf is not None:
        _refuse("values are text, numbers, booleans, null, arrays and objects")


def _refuse(rule: str) -> NoReturn:
    raise HttpProblem(
        problem.MALFORMED_BODY, f"the body breaks a rule: {rule}", field="body", rule=rule
    )
