"""Operations that watch one actor: statistics, the log of its system events, probes."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, structs

from actors.web.api import Call, Operation, Reply, operation
from actors.web.parameters import ACT, ACTOR, LOOK, Reason
from actors.web.problems import (
    ACTION_REFUSED,
    LIMIT_REACHED,
    NO_SUCH_ACTOR,
    NO_SUCH_PROBE,
    NOT_RUNNING,
)
from actors.web.shown import shown
from actors.web.steering_operations import asked
from supervision.introspection import LogRow, NoSuchProbe, ProbeRow, StatisticsRow

_UNKNOWN = (NO_SUCH_ACTOR, NOT_RUNNING)
_REFUSED = (NO_SUCH_ACTOR, NOT_RUNNING, ACTION_REFUSED, LIMIT_REACHED)
LOG_EVENTS = 10


class Switched(Reason, frozen=True, kw_only=True):
    """Whether it is to be on."""

    on: bool


class LogSwitch(Reason, frozen=True, kw_only=True):
    """Whether a log is kept, how many events it keeps, and whether a file is written as well."""

    on: bool
    size: Annotated[int, Meta(ge=1)] = LOG_EVENTS
    file: bool = False


class NewProbe(Reason, frozen=True, kw_only=True):
    """A probe that is built in: `count` by type or `slow` handlers; how long it stays.

    `over_s` is the time from which a handler is slow, `scheduler.hold_limit_ms` when left out.
    """

    name: str
    seconds: Annotated[float, Meta(gt=0)]
    over_s: Annotated[float, Meta(ge=0)] | None = None


class Probes(Struct, frozen=True):
    """The probes of an actor and what they have found out."""

    items: list[ProbeRow]


@operation("GET", f"{ACTOR}/statistics", scopes=LOOK, response=StatisticsRow, problems=_UNKNOWN)
async def get_statistics(call: Call[None, None]) -> Reply:
    """What an actor has done since its statistics were switched on."""
    return Reply(value=call.services.introspection.statistics(call.path["path"]))


@operation(
    "POST",
    f"{ACTOR}/statistics",
    scopes=ACT,
    request=Switched,
    response=StatisticsRow,
    problems=_REFUSED,
)
async def switch_statistics(call: Call[None, Switched]) -> Reply:
    """Switch the statistics of an actor on or off."""
    path, why = call.path["path"], asked(call, call.body.reason)
    statistics = call.services.introspection.statistics
    return Reply(value=statistics(path, "on" if call.body.on else "off", why))


@operation("GET", f"{ACTOR}/log", scopes=LOOK, response=LogRow, problems=_UNKNOWN)
async def get_actor_log(call: Call[None, None]) -> Reply:
    """The latest system events of an actor."""
    return Reply(value=call.services.introspection.log(call.path["path"]))


@operation(
    "POST", f"{ACTOR}/log", scopes=ACT, request=LogSwitch, response=LogRow, problems=_REFUSED
)
async def switch_actor_log(call: Call[None, LogSwitch]) -> Reply:
    """Keep the latest system events of an actor, in a file of bounded size too, or stop that."""
    path, body = call.path["path"], call.body
    why, tree = asked(call, body.reason), call.services.introspection
    tree.log(path, "on" if body.on else "off", body.size, why)
    writing = tree.log(path).file is not None
    wanted = body.on and body.file
    if wanted != writing:
        tree.log_to_file(path, "on" if wanted else "off", why)
    return Reply(value=tree.log(path))


@operation("GET", f"{ACTOR}/probes", scopes=LOOK, response=Probes, problems=_UNKNOWN)
async def list_probes(call: Call[None, None]) -> Reply:
    """The probes of an actor and what they have found out."""
    rows = call.services.introspection.probes(call.path["path"])
    return Reply(value=Probes([structs.replace(row, state=shown(row.state)) for row in rows]))


@operation(
    "POST", f"{ACTOR}/probes", scopes=ACT, request=NewProbe, response=ProbeRow, problems=_REFUSED
)
async def install_probe(call: Call[None, NewProbe]) -> Reply:
    """Install a probe that is built in; it ends by itself and tells its result as an event."""
    body = call.body
    row = call.services.introspection.install_built_in(
        call.path["path"], body.name, body.seconds, body.over_s, asked(call, body.reason)
    )
    return Reply(value=row)


@operation(
    "DELETE",
    f"{ACTOR}/probes/{{probe}}",
    scopes=ACT,
    status=204,
    problems=(*_UNKNOWN, NO_SUCH_PROBE),
)
async def remove_probe(call: Call[None, None]) -> Reply:
    """Remove a probe."""
    path, probe = call.path["path"], call.path["probe"]
    if not call.services.introspection.remove(path, probe, asked(call, "")):
        raise NoSuchProbe(path, probe)
    return Reply()


@operation(
    "POST",
    f"{ACTOR}/no_debug",
    scopes=ACT,
    request=Reason,
    request_optional=True,
    status=204,
    problems=_UNKNOWN,
)
async def no_debug(call: Call[None, Reason]) -> Reply:
    """Stop everything that an actor is watched for."""
    why = asked(call, call.body.reason)
    call.services.introspection.no_debug(call.path["path"], why)
    return Reply()


OPERATIONS: tuple[Operation, ...] = (
    get_statistics,
    switch_statistics,
    get_actor_log,
    switch_actor_log,
    list_probes,
    install_probe,
    remove_probe,
    no_debug,
)
