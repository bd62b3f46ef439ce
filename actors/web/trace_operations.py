"""Operations on traces: none can be asked for without both its limits."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from actors.web.api import Call, Operation, Reply, operation
from actors.web.parameters import ACT, ACTOR, LOOK, Reason
from actors.web.problems import (
    ACTION_REFUSED,
    LIMIT_REACHED,
    NO_SUCH_ACTOR,
    NO_SUCH_TRACE,
    NOT_RUNNING,
)
from actors.web.steering_operations import asked
from supervision.introspection import TraceEvents, TraceRow
from supervision.introspection.trace import MOST_WAIT_S

_TRACE = "/api/v1/traces/{trace}"


class NewTrace(Reason, frozen=True, kw_only=True):
    """A trace: events and seconds after which it ends, and whom it is of.

    With `under` it is of the actors below the path as well, those of one `class` only where that
    is given, and of `actors` of them at most.
    """

    messages: Annotated[int, Meta(ge=1)]
    seconds: Annotated[float, Meta(gt=0)]
    under: bool = False
    of_class: str | None = field(name="class", default=None)
    actors: Annotated[int, Meta(ge=1)] | None = None


class Traces(Struct, frozen=True):
    """The traces that run, and the latest that have ended."""

    items: list[TraceRow]


class TraceQuery(Struct, frozen=True, kw_only=True):
    """Which events: those after so many, waited for so long where there is none."""

    after: Annotated[int, Meta(ge=0)] = 0
    wait_s: Annotated[float, Meta(ge=0, le=MOST_WAIT_S)] = 0.0


@operation(
    "POST",
    f"{ACTOR}/trace",
    scopes=ACT,
    request=NewTrace,
    response=TraceRow,
    problems=(NO_SUCH_ACTOR, NOT_RUNNING, ACTION_REFUSED, LIMIT_REACHED),
)
async def trace_actor(call: Call[None, NewTrace]) -> Reply:
    """Have the system events of an actor told, as events of kind `trace`, within limits."""
    body = call.body
    row = await call.services.introspection.trace(
        call.path["path"],
        body.messages,
        body.seconds,
        asked(call, body.reason),
        under=body.under,
        of_class=body.of_class,
        actors=body.actors,
    )
    return Reply(value=row)


@operation("GET", "/api/v1/traces", scopes=LOOK, response=Traces)
async def list_traces(call: Call[None, None]) -> Reply:
    """The traces that run, and the latest that have ended."""
    return Reply(value=Traces(call.services.introspection.traces()))


@operation(
    "GET",
    _TRACE,
    scopes=LOOK,
    query=TraceQuery,
    response=TraceEvents,
    problems=(NO_SUCH_TRACE,),
)
async def get_trace(call: Call[TraceQuery, None]) -> Reply:
    """The events of a trace, the next of which may be waited for."""
    query = call.query
    told = await call.services.introspection.trace_events(
        call.path["trace"], query.after, query.wait_s
    )
    return Reply(value=told)


@operation("DELETE", _TRACE, scopes=ACT, response=TraceRow, problems=(NO_SUCH_TRACE,))
async def stop_trace(call: Call[None, None]) -> Reply:
    """End a trace before its limits do."""
    row = call.services.introspection.stop_trace(call.path["trace"], asked(call, ""))
    return Reply(value=row)


OPERATIONS: tuple[Operation, ...] = (trace_actor, list_traces, get_trace, stop_trace)
