"""Traces: what passes through an actor, told as it happens, never without limits (recon_trace)."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Literal

from msgspec import structs

from supervision.introspection.debugging import Debugging
from supervision.introspection.errors import (
    ActionRefused,
    LimitReached,
    NoSuchTrace,
    OutOfBounds,
    check,
)
from supervision.introspection.events import Sink
from supervision.introspection.finding import NOBODY
from supervision.introspection.trace_records import TraceEvents, TraceRow
from supervision.introspection.watching import class_of, watch_of

if TYPE_CHECKING:
    from supervision.eventloop.cell import Cell
    from supervision.eventloop.kernel import Kernel
    from supervision.introspection.events import Seen, SystemEvent
    from supervision.introspection.finding import Asked
    from supervision.introspection.watching import Watch

WHY_ENDED = Literal["messages", "seconds", "stopped", "actors"]

EVENTS_AT_ONCE = 500
"""Events of one answer."""

MOST_WAIT_S = 5.0
"""Seconds that a reader may wait for news."""

_NAME = "trace"
_QUIET = frozenset({"noreply", "consume"})
"""What a trace leaves out: that a message which was told of has been handled."""


class Trace:
    """One trace: its limits, who is watched, what was seen.

    Args:
        kernel: the node.
        row: what was asked for.
    """

    def __init__(self, kernel: Kernel, row: TraceRow) -> None:
        self.row = row
        self.events: list[SystemEvent] = []
        self.ended: WHY_ENDED | None = None
        self.watches: list[tuple[Watch, Sink]] = []
        self.more = False
        self._kernel = kernel
        self._news = asyncio.Event()
        self._timer = kernel.loop.call_later(row.seconds, self.end, "seconds")

    def add(self, seen: Seen) -> None:
        """Tell of an event; the last one that may be told ends the trace."""
        if self.ended is not None:
            return
        event = seen.shown
        self.events.append(event)
        self._tell(event)
        self._news.set()
        if len(self.events) >= self.row.messages:
            self.end("messages")

    def _tell(self, event: SystemEvent) -> None:
        said = {"event": event.event, "message": event.message, "way": event.way}
        more = {"other": event.other, "seconds": event.seconds}
        number = len(self.events)
        self._kernel.report("trace", event.path, trace=self.row.id, number=number, **said, **more)

    def left(self, watch: Watch) -> None:
        """An actor is no longer watched; without any the trace has ended."""
        self.watches = [pair for pair in self.watches if pair[0] is not watch]
        if not self.watches:
            self.end("actors")

    def end(self, why: WHY_ENDED) -> None:
        """End the trace, for whatever reason comes first."""
        if self.ended is not None:
            return
        self.ended = why
        self._timer.cancel()
        for watch, sink in self.watches:
            watch.remove(_NAME, sink)
        told = len(self.events)
        self._kernel.report("trace", self.row.path, trace=self.row.id, ended=why, events=told)
        self._news.set()

    async def news(self, after: int, wait_s: float) -> None:
        """Wait until there is more than ``after`` events, or the end, or ``wait_s`` are over."""
        while len(self.events) <= after and self.ended is None:
            self._news.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._news.wait()
            except TimeoutError:
                return


class _Tracing(Sink):
    """A trace's place at one actor."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self.watch: Watch | None = None

    def take(self, seen: Seen) -> bool:
        """Hand an event to the trace."""
        if seen.kind not in _QUIET:
            self._trace.add(seen)
        return False

    def close(self) -> None:
        """The actor has ended, or is to be watched no more."""
        if self.watch is not None:
            self._trace.left(self.watch)


class Tracing(Debugging):
    """Traces of actors: each with both its limits, and a bounded number of them."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._traces: dict[str, Trace] = {}
        self._traces_made = 0

    async def trace(
        self,
        path: str,
        messages: int,
        seconds: float,
        asked: Asked = NOBODY,
        *,
        under: bool = False,
        of_class: str | None = None,
        actors: int | None = None,
    ) -> TraceRow:
        """Have the system events of an actor told as reports of kind ``trace``.

        Args:
            path: of the actor.
            messages: events after which it ends.
            seconds: after which it ends.
            asked: who asks, and why.
            under: trace those below the path as well, itself included.
            of_class: trace those of this class only, by its name; with ``under``.
            actors: how many are watched at most; those found first. None is as many as may be.

        Raises:
            NoSuchActor: nothing runs at this path.
            OutOfBounds: a limit is missing or greater than what is allowed, or a class is given
                without ``under``.
            LimitReached: as many traces run, or actors are watched, as may.
            ActionRefused: the actor is traced already, or there is none to be traced.
        """
        limits = self.limits
        if of_class is not None and not under:
            raise OutOfBounds("class", "left out without under: one actor has one class")
        check("messages", messages, limits.trace_messages)
        check("seconds", seconds, limits.trace_seconds, 0.001)
        most = limits.traced_actors if actors is None else actors
        check("actors", most, limits.traced_actors)
        cell = self._running(path)
        if not under and _traced(cell):
            raise ActionRefused(path, "is traced already")
        trace = self._new_trace(path, messages, seconds, asked, under, of_class)
        with ExitStack() as undo:  # also where whoever asked is gone before all are watched
            undo.callback(self._forget, trace)
            if under:
                await self._watch_below(trace, path, of_class, most)
            else:
                self._watch_for(trace, cell)
            if not trace.watches and trace.ended is None:
                raise ActionRefused(path, "there is nobody here to be traced")
            undo.pop_all()
        self._note("trace", path, asked, trace=trace.row.id, messages=messages, seconds=seconds)
        return _row(trace)

    def _new_trace(  # noqa: PLR0917 - one call site
        self,
        path: str,
        messages: int,
        seconds: float,
        asked: Asked,
        under: bool,
        of_class: str | None,
    ) -> Trace:
        running = sum(one.ended is None for one in self._traces.values())
        if running >= self.limits.traces:
            raise LimitReached("traces", self.limits.traces)
        ended = [key for key, one in self._traces.items() if one.ended is not None]
        for key in ended[: max(0, len(ended) + 1 - self.limits.traces)]:
            del self._traces[key]
        self._traces_made += 1
        row = TraceRow(
            id=f"t{self._traces_made}",
            path=path,
            messages=messages,
            seconds=seconds,
            under=under,
            of_class=of_class,
            started=self._kernel.clock.wall(),
            by=asked.by,
            reason=asked.reason,
        )
        trace = self._traces[row.id] = Trace(self._kernel, row)
        return trace

    async def _watch_below(self, trace: Trace, path: str, of_class: str | None, most: int) -> None:
        async for found in self.pace.sliced(self._walk(self._find(path))):
            cell = found.address.cell
            if cell is None or cell.actor is None or _traced(cell):
                continue
            if of_class is not None and class_of(cell.actor).__name__ != of_class:
                continue
            if len(trace.watches) >= most or trace.ended is not None:
                trace.more = True
                return
            self._watch_for(trace, cell)

    def _watch_for(self, trace: Trace, cell: Cell) -> None:
        sink = _Tracing(trace)
        sink.watch = self._add(cell, _NAME, sink)
        trace.watches.append((sink.watch, sink))

    def _forget(self, trace: Trace) -> None:
        trace.end("stopped")
        self._traces.pop(trace.row.id, None)

    # Reading

    def traces(self) -> list[TraceRow]:
        """The traces that run, and the latest that have ended."""
        return [_row(trace) for trace in self._traces.values()]

    async def trace_events(self, trace: str, after: int = 0, wait_s: float = 0.0) -> TraceEvents:
        """The events of a trace from a number on, the next of which may be waited for.

        Args:
            trace: its id.
            after: how many of its events are known already.
            wait_s: seconds to wait where there is none yet, 5 at most.

        Raises:
            NoSuchTrace: it never was, or is forgotten.
            OutOfBounds: so long nobody may wait.
        """
        check("wait_s", wait_s, MOST_WAIT_S, 0.0)
        known = self._known(trace)
        if wait_s > 0:
            await known.news(after, wait_s)
        items = known.events[after : after + EVENTS_AT_ONCE]
        return TraceEvents(trace=_row(known), items=items, next=after + len(items))

    def stop_trace(self, trace: str, asked: Asked = NOBODY) -> TraceRow:
        """End a trace before its limits do.

        Raises:
            NoSuchTrace: it never was, or is forgotten.
        """
        known = self._known(trace)
        if known.ended is None:
            known.end("stopped")
            self._note("stop_trace", known.row.path, asked, trace=trace)
        return _row(known)

    def _known(self, trace: str) -> Trace:
        known = self._traces.get(trace)
        if known is None:
            raise NoSuchTrace(trace)
        return known


def _traced(cell: Cell) -> bool:
    known = watch_of(cell)
    return known is not None and _NAME in known.sinks


def _row(trace: Trace) -> TraceRow:
    return structs.replace(
        trace.row,
        actors=len(trace.watches),
        more=trace.more,
        events=len(trace.events),
        ended=trace.ended,
    )
