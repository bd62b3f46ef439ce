"""Operations that act on one actor; who asked and why goes with each of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from actors.web.api import Call, Operation, Reply, operation
from actors.web.parameters import ACT, ACTOR, Reason
from actors.web.problems import (
    ACTION_REFUSED,
    ACTOR_BUSY,
    CALLBACK_FAILED,
    NO_SUCH_ACTOR,
    NOT_RUNNING,
    NOT_SUSPENDED,
    STATE_NOT_PLAIN,
)
from actors.web.shown import shown
from supervision.introspection import ActionRefused, Asked
from supervision.introspection.patching import named

_RUNNING = (NO_SUCH_ACTOR, NOT_RUNNING)

logger = logging.getLogger(__name__)

ActorAction: TypeAlias = Literal[
    "suspend", "resume", "restart", "kill", "stop", "terminate", "delete"
]

_Act: TypeAlias = Callable[[str, Asked], Coroutine[Any, Any, None]]

_acting: set[asyncio.Task[None]] = set()
"""Actions under way; the loop itself keeps no reference."""


class ActionDone(Struct, frozen=True, kw_only=True):
    """What was done to an actor, by whom, why and when (seconds since the epoch)."""

    path: str
    action: ActorAction | Literal["change_code"]
    reason: str
    by: str
    at: float


class StatePatch(Reason, frozen=True, kw_only=True):
    """Fields of a state and their new values; `dry_run` only shows what would come of it."""

    patch: dict[str, Any]
    dry_run: bool = False


class StateReplaced(Struct, frozen=True, kw_only=True):
    """The state of an actor after a patch, without secrets; by whom, why and when."""

    path: str
    dry_run: bool
    state: Any
    reason: str
    by: str
    at: float


class CodeChange(Reason, frozen=True, kw_only=True):
    """The version that an actor's state has, and what its `code_change` is told besides.

    With `down` it is the version of the older code that the state is made for.
    """

    old_vsn: int | str | None
    extra: Any = None
    down: bool = False


def asked(call: Call[Any, Any], reason: str) -> Asked:
    """Who asks, and why."""
    return Asked(reason.strip(), call.who)


def _action(action: ActorAction, summary: str) -> Operation:
    async def act(call: Call[None, Reason]) -> Reply:
        path, why = call.path["path"], asked(call, call.body.reason)
        do: _Act = getattr(call.services.introspection, action)
        logger.info("%s asks to %s %s: %s", call.who, action, path, why.reason)
        await _done(do(path, why), call.leaving)
        return Reply(value=_told(call, action, why))

    act.__name__, act.__doc__ = f"{action}_actor", summary
    return operation(
        "POST",
        f"{ACTOR}/{action}",
        scopes=ACT,
        request=Reason,
        request_optional=True,
        response=ActionDone,
        problems=(*_RUNNING, ACTION_REFUSED, ACTOR_BUSY),
    )(act)


def _told(
    call: Call[None, Any], action: ActorAction | Literal["change_code"], why: Asked
) -> ActionDone:
    reason = why.reason or f"{action} by {why.by}"
    at = call.services.wall()
    return ActionDone(path=call.path["path"], action=action, reason=reason, by=why.by, at=at)


async def _done(action: Coroutine[Any, Any, None], leaving: asyncio.Event | None) -> None:
    """Wait until it is done, or until that would wait for its own answer: it goes on then."""
    if leaving is None:
        await action
        return
    acting, closing = asyncio.create_task(action), asyncio.create_task(leaving.wait())
    _acting.add(acting)
    acting.add_done_callback(_settled)
    try:
        await asyncio.wait({acting, closing}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        closing.cancel()
    if acting.done():
        await acting


def _settled(acting: asyncio.Task[None]) -> None:
    """Log a refusal, which nobody may be left to be told."""
    _acting.discard(acting)
    if not acting.cancelled() and (error := acting.exception()):
        logger.warning("refused: %s", error)


@operation(
    "POST",
    f"{ACTOR}/replace_state",
    scopes=("admin",),
    request=StatePatch,
    response=StateReplaced,
    problems=(
        NO_SUCH_ACTOR,
        NOT_RUNNING,
        ACTION_REFUSED,
        ACTOR_BUSY,
        CALLBACK_FAILED,
        STATE_NOT_PLAIN,
    ),
)
async def replace_state(call: Call[None, StatePatch]) -> Reply:
    """Merge a patch into the plain fields of an actor's state (RFC 7396)."""
    path, body = call.path["path"], call.body
    why = asked(call, body.reason)
    state = await _patched(call, why)
    done = StateReplaced(
        path=path,
        dry_run=body.dry_run,
        state=shown(state),
        reason=why.reason,
        by=why.by,
        at=call.services.wall(),
    )
    return Reply(value=done)


async def _patched(call: Call[None, StatePatch], why: Asked) -> Any:
    """Patch a state, and log whether that was tried, done or refused."""
    path, body = call.path["path"], call.body
    fields = ", ".join(named(body.patch))
    try:
        state = await call.services.introspection.patch_state(
            path, body.patch, why, dry_run=body.dry_run
        )
    except ActionRefused as refusal:
        logger.warning("refused %s a patch of %s: %s", why.by, fields, refusal)
        raise
    done = "tried to patch" if body.dry_run else "patched"
    logger.info("%s %s %s of %s: %s", why.by, done, fields, path, why.reason)
    return state


@operation(
    "POST",
    f"{ACTOR}/change_code",
    scopes=("admin",),
    request=CodeChange,
    response=ActionDone,
    problems=(
        NO_SUCH_ACTOR,
        NOT_RUNNING,
        ACTION_REFUSED,
        NOT_SUSPENDED,
        ACTOR_BUSY,
        CALLBACK_FAILED,
    ),
)
async def change_code(call: Call[None, CodeChange]) -> Reply:
    """Have a suspended actor convert its state to the layout of the code that runs."""
    path, body = call.path["path"], call.body
    why = asked(call, body.reason)
    logger.info("%s changes the code of %s from %s", call.who, path, body.old_vsn)
    old_vsn = ("down", body.old_vsn) if body.down else body.old_vsn
    await call.services.introspection.change_code(path, old_vsn, body.extra, why)
    return Reply(value=_told(call, "change_code", why))


OPERATIONS: tuple[Operation, ...] = (
    _action("suspend", "Let the actor take system messages only."),
    _action("resume", "Let a suspended actor go on."),
    _action("restart", "End the actor in order; its supervisor starts it again."),
    _action("kill", "End the actor at once; its supervisor sees a crash."),
    _action("stop", "End the actor in order; its restart type says what follows."),
    _action("terminate", "Have its supervisor stop the actor and leave it stopped."),
    _action("delete", "Have its supervisor forget an actor that is stopped."),
    replace_state,
    change_code,
)
