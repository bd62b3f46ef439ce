"""A handler in its manager: how it begins, is converted, is packed and is shown."""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any

from supervision.behaviour import NO_REPLY
from supervision.eventloop import packing
from supervision.eventloop.managed import Stop
from supervision.eventloop.plain import plain
from supervision.gen_event.handler import HIBERNATE, EventHandler, HandlerFailed
from supervision.reasons import Reason, crashed, error

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from supervision.eventloop.calls import PendingCall

SHOWN_CHARS = 200
"""Characters that are shown of what a handler returned and should not have."""


def begin(
    handler_id: Hashable, handler: EventHandler | type[EventHandler] | None, args: Any
) -> tuple[EventHandler, bool] | Reason:
    """Make a handler begin; return it and whether it wants to hibernate, or why it refused."""
    if handler is None:
        handler = handler_id[0] if isinstance(handler_id, tuple) else handler_id  # type: ignore[assignment]
    try:
        made = handler() if isinstance(handler, type) else handler
        if not isinstance(made, EventHandler):
            return error(("bad_handler", type(made).__name__))
        result = made.init(args)
    except Exception as exception:  # noqa: BLE001 - told to whoever wanted the handler
        return crashed(exception)
    if isinstance(result, Stop):
        return result.reason
    if result is None or result is HIBERNATE:
        return made, result is HIBERNATE
    return bad_return(result)


def converted(handler: EventHandler, old_vsn: Any, extra: Any) -> Any:
    """The state of a handler in the layout of another version."""
    match old_vsn:
        case ("down", version):
            return handler.downgrade(version, handler.state, extra)
    return handler.code_change(old_vsn, handler.state, extra)


def bad_return(value: Any) -> Reason:
    """The reason of a handler that returned what none may."""
    if isinstance(value, CoroutineType):
        value.close()  # handlers are not asynchronous; it must not be heard of again
    return error(("bad_return_value", repr(value)[:SHOWN_CHARS]))


def fail(from_: PendingCall, what: Hashable, reason: Reason) -> Any:
    """Tell a caller that nothing can be answered for a handler, or to a request."""
    from_.fail(HandlerFailed(f"{what!r}: {reason}", reason))
    return NO_REPLY


def shown(handler: EventHandler) -> Any:
    """What of a handler may be shown; its own words must not hide the crash."""
    try:
        return plain(handler.status())
    except Exception as exception:  # noqa: BLE001 - user code, which crashes where a state is odd
        return f"status failed: {crashed(exception)}"


def repack(handlers: Iterable[EventHandler], by: Callable[[EventHandler], Any]) -> None:
    """Give every handler whose state has a type what ``by`` makes of it; all of them or none."""
    typed = [one for one in handlers if one.state_type is not None]
    states = [by(handler) for handler in typed]
    for handler, state in zip(typed, states, strict=True):
        handler.state = state


def packed(handler: EventHandler) -> Any:
    """The state of a handler in a few bytes."""
    return packing.pack(handler.state, handler.state_type)


def unpacked(handler: EventHandler) -> Any:
    """The state of a handler again."""
    return packing.unpack(handler.state, handler.state_type)
