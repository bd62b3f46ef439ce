"""From frames to messages and back: every rule that a single frame must keep.

A frame that breaks a rule is refused with `error`, which names the field and the rule; the link
goes on. What the types cannot say is checked here: text without control characters, data that JSON
can carry, the size of user data, the shortest `reply_ms`.
"""

from __future__ import annotations

import math
import re
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, cast, get_args

import msgpack
import msgspec
from msgspec import inspect

from protocols.cti.messages import (
    DataUpdate,
    ErrorCode,
    Inbound,
    Message,
    Outbound,
    RerouteRequest,
    RouteRequest,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_DATA_DEPTH = 8
ICM_KEY_CHARS = 32
ICM_VALUE_CHARS = 210

_place = re.compile(r" - at `(?:key` in `|value` in `)?\$\.?(?P<field>[A-Za-z_]*)[^`]*`$")
_missing = re.compile(r"missing required field `(?P<field>[^`]+)`")
_control = re.compile(r"[\x00-\x1f\x7f]")


def _by_tag(union: Any) -> dict[str, type[Any]]:
    return {record.__struct_config__.tag: record for record in get_args(union)}


# msgspec prepares a record type once but a union anew at each conversion (8 microseconds).
_encoder = msgspec.msgpack.Encoder()
_INBOUND = _by_tag(Inbound)
_REQUESTS = (RouteRequest, RerouteRequest)
_OUTBOUND = _by_tag(Outbound)

packed: Final[Callable[[Message], bytes]] = _encoder.encode
"""Makes the msgpack map of a message, at once: a fifth of what a map in between costs."""


class MessageLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one message may ask for.

    Attributes:
        min_reply_ms: the shortest time that a request may give for its answer, milliseconds.
        max_user_data_bytes: the most that `ud` may take, bytes of its msgpack form.
    """

    min_reply_ms: int = 20
    max_user_data_bytes: int = 16_384


DEFAULT_LIMITS = MessageLimits()


class FrameRefused(Exception):  # noqa: N818 - the peer's mistake, not an error of ours
    """A frame breaks a rule; the link stays open.

    Args:
        code: as in contract 3.
        msg: the rule, for the peer.
        field: the field that breaks it; None when it is the frame itself.
        ref: the frame's `i`, 0 when it has none.
    """

    def __init__(self, code: ErrorCode, msg: str, field: str | None = None, ref: int = 0) -> None:
        super().__init__(code, msg, field, ref)
        self.code: ErrorCode = code
        self.msg = msg
        self.field = field
        self.ref = ref


def parse(frame: Mapping[str, Any], limits: MessageLimits = DEFAULT_LIMITS) -> Inbound:
    """Make the typed message of a frame that came from a CTI.

    Args:
        frame: a map as `framing` unpacks it; fields that its type does not know are ignored.
        limits: see `MessageLimits`.

    Raises:
        FrameRefused: 400, an unknown `t`, a field that is missing, of another type or out of its
            range; 413, user data over its limit.
    """
    message: Inbound = _convert(frame, _INBOUND)
    if isinstance(message, _REQUESTS):
        if message.reply_ms is not None:
            _check_time(message, message.reply_ms, limits)
        if isinstance(message, RouteRequest) and message.ud:
            _check_size(message.ud, "ud", message.i, limits)
    elif isinstance(message, DataUpdate):
        _check_update(message, limits)
    return message


def parse_outbound(frame: Mapping[str, Any]) -> Outbound:
    """Make the typed message of a frame that came from vigie.

    Raises:
        FrameRefused: as `parse`.
    """
    message: Outbound = _convert(frame, _OUTBOUND)
    return message


def to_frame(message: Message) -> dict[str, Any]:
    """Make the map of a message; fields at their defaults are left out."""
    return cast("dict[str, Any]", msgspec.to_builtins(message))


def not_icm_portable(user_data: Mapping[str, Any]) -> list[str]:
    """Name the keys that Cisco ICM's call variables could not carry.

    Returns:
        Keys over 32 characters, and keys whose value is not a scalar or shows as more than 210
        characters; in the order of the data.
    """
    if not user_data:
        return []
    return [
        key
        for key, value in user_data.items()
        if len(key) > ICM_KEY_CHARS
        or isinstance(value, list | dict)
        or len(str(value)) > ICM_VALUE_CHARS
    ]


def reference(frame: Mapping[str, Any]) -> int:
    """The `i` by which an `error` refers to this frame, 0 when it has no valid one."""
    i = frame.get("i")
    return i if type(i) is int and i > 0 else 0


def _convert(frame: Mapping[str, Any], types: Mapping[str, type[Any]]) -> Any:
    tag = frame.get("t")
    record = types.get(tag) if isinstance(tag, str) else None
    if record is None:
        raise FrameRefused(400, "not a type that this end serves", "t", reference(frame))
    try:
        message = msgspec.convert(frame, record)
    except msgspec.ValidationError as error:
        raise _refusal(str(error), frame) from None
    for name, value in frame.items():
        kind = type(value)
        if kind is str:
            if value.isprintable():
                continue  # nearly every text
        elif kind is not dict and kind is not list:
            continue
        rule = _broken_rule(value)
        if rule is not None and name in message.__struct_encode_fields__:
            raise FrameRefused(400, rule, name, reference(frame))
    return message


def _refusal(text: str, frame: Mapping[str, Any]) -> FrameRefused:
    """Turn msgspec's sentence into the rule and the field it is about."""
    found = _place.search(text) or _missing.search(text)
    field = (found["field"] if found else None) or None
    rule = _place.sub("", text)
    if rule.startswith("Invalid enum value"):
        # msgspec names the value, which is the peer's own and may be as long as the frame.
        rule = f"Expected one of {', '.join(_choices(frame['t'], field))}"
    return FrameRefused(400, rule, field, reference(frame))


def _choices(tag: str, field: str | None) -> list[str]:
    """What a field that is an enumeration may be."""
    record = inspect.type_info(_INBOUND.get(tag) or _OUTBOUND[tag])
    assert isinstance(record, inspect.StructType)
    types = next(known.type for known in record.fields if known.name == field)
    options = types.types if isinstance(types, inspect.UnionType) else (types,)
    literals = (option for option in options if isinstance(option, inspect.LiteralType))
    return [str(value) for literal in literals for value in literal.values]


def _check_time(message: Message, reply_ms: int, limits: MessageLimits) -> None:
    if reply_ms < limits.min_reply_ms:
        rule = f"reply_ms of {reply_ms}: at least {limits.min_reply_ms} is needed"
        raise FrameRefused(400, rule, "reply_ms", message.i)


def _check_update(message: DataUpdate, limits: MessageLimits) -> None:
    if (message.session is None) == (message.call is None):
        raise FrameRefused(400, "session or call is needed, one of them", "session", message.i)
    _check_size(message.set, "set", message.i, limits)


def _check_size(data: Mapping[str, Any], field: str, i: int, limits: MessageLimits) -> None:
    size = len(msgpack.packb(data))
    if size > limits.max_user_data_bytes:
        rule = f"user data of {size} bytes: at most {limits.max_user_data_bytes} are allowed"
        raise FrameRefused(413, rule, field, i)


def _broken_rule(value: str | dict[Any, Any] | list[Any]) -> str | None:
    """The rule that a field's value breaks, if any; its type has been checked before."""
    if isinstance(value, str):
        return "control character" if _control.search(value) else None
    return _broken_data_rule(value, 1)


def _broken_data_rule(data: dict[Any, Any] | list[Any], depth: int) -> str | None:
    """As `_broken_rule` for free data: what is inside must be what JSON can carry."""
    if depth > MAX_DATA_DEPTH:
        return f"nested deeper than {MAX_DATA_DEPTH} levels"
    for item in chain(data, data.values()) if isinstance(data, dict) else data:
        kind = type(item)
        if kind is str:
            rule = "NUL character" if "\0" in item else None
        elif kind is dict or kind is list:
            rule = _broken_data_rule(item, depth + 1)
        elif kind is float:
            rule = None if math.isfinite(item) else "not a finite number"
        else:
            rule = "bytes are not text" if kind is bytes else None
        if rule is not None:
            return rule
    return None
