"""Watching one actor: it gets a class of its own that tells of everything it does.

An actor that nobody watches costs nothing: neither its class nor any other actor changes. The
class of a watched actor is derived from its own, has the same name and layout, and overrides what
messages pass through; when nobody watches any more the actor has its own class back.
"""

from __future__ import annotations

from threading import get_ident
from time import perf_counter
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from supervision.eventloop.calls import PendingCall, given_up
from supervision.eventloop.latency import Histogram
from supervision.introspection.errors import ActionRefused
from supervision.introspection.events import Seen, SystemEvent, cut, text_of
from supervision.introspection.machines import Word
from supervision.introspection.overrides import arrival, caller_of, overrides_of
from supervision.message_shape import shape_of
from supervision.reasons import Reason, crashed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from supervision._thespian import Actor
    from supervision.eventloop.cell import Cell
    from supervision.introspection.events import Sink, SinkName, SystemEventKind


_NOTHING = object()


class Timed:
    """Adds up how long a coroutine holds the loop, its waits apart.

    Attributes:
        seconds: until now.
    """

    def __init__(self, coro: CoroutineType[Any, Any, Any]) -> None:
        self._coro = coro
        self.seconds = 0.0

    def __await__(self) -> Generator[Any, Any, Any]:
        """Go through the coroutine step by step."""
        error: BaseException | None = None
        while True:
            begun = perf_counter()
            try:
                awaited = self._coro.send(None) if error is None else self._coro.throw(error)
            except StopIteration as stop:
                return stop.value
            finally:
                self.seconds += perf_counter() - begun
            error = None
            try:
                yield awaited
            except GeneratorExit:
                self._coro.close()
                raise
            except BaseException as thrown:  # noqa: BLE001 - the coroutine's to handle
                error = thrown


class Watch:
    """What one actor is watched for (sys's debug options).

    Attributes:
        cell: the actor's cell.
        sinks: what takes its events, by name, in the order they came.
        answer: what the callback of the call that is handled now has returned.
    """

    def __init__(self, cell: Cell, actor: Actor) -> None:
        self.cell = cell
        self.sinks: dict[SinkName, Sink] = {}
        self.path = cell.address.path
        self._actor = actor
        self.answer: Any = None
        self._answered = False

    # What the overridden methods call

    def handle(self, receive: Callable[[Any, Any, Any], Any], msg: Any, sender: Any) -> Any:
        """Tell of a message, have it handled, tell what came of it."""
        kind, request, way = arrival(msg)
        asked = isinstance(msg, PendingCall) and not given_up(msg, self.cell.kernel.now)
        open_call = msg if asked else None
        self._answered, self.answer = False, None
        self.say(kind, request, way, sender)
        result = _NOTHING
        begun = perf_counter()
        try:
            result = receive(self._actor, msg, sender)
        finally:
            if type(result) is not CoroutineType:
                self._handled(request, open_call, perf_counter() - begun)
        if type(result) is CoroutineType:
            return self._handle_later(result, request, open_call)
        return result

    async def _handle_later(
        self, coro: CoroutineType[Any, Any, Any], request: Any, open_call: PendingCall | None
    ) -> Any:
        timed = Timed(coro)
        try:
            return await timed
        finally:
            self._handled(request, open_call, timed.seconds)

    def _handled(self, request: Any, open_call: PendingCall | None, seconds: float) -> None:
        """A handler has ended: tell the answer that did not pass through ``reply``, or of none."""
        if open_call is not None and open_call.settled and not self._answered:
            self.say("reply", self.answer, "", caller_of(open_call))
        elif not self._answered:
            self.say("noreply", request)
        self.answer = None
        for sink in tuple(self.sinks.values()):
            sink.spent(request, seconds)

    def replied(self, call: PendingCall, value: Any) -> None:
        """Tell of an answer that is about to be given."""
        self._answered = True
        self.say("reply", value, "late" if call.settled else "", caller_of(call))

    def say(
        self,
        kind: SystemEventKind,
        message: Any,
        way: str = "",
        other: Any = None,
        seconds: float | None = None,
    ) -> None:
        """Hand an event to whoever watches; one that fails or has seen enough is removed."""
        kernel = self.cell.kernel
        if get_ident() != kernel.thread:  # a plain actor may send from threads of its own
            kernel.post_call(self.say, kind, message, way, other, seconds)
            return
        seen = Seen(kind, message, way, other, seconds, self._translate)
        for name, sink in tuple(self.sinks.items()):
            if self._take(name, sink, seen):
                self.remove(name, sink)

    def _take(self, name: SinkName, sink: Sink, seen: Seen) -> bool:
        try:
            return sink.take(seen)
        except Exception as exception:  # noqa: BLE001 - a probe's crash is not the actor's
            self.cell.kernel.report(
                "probe", self.path, probe=str(name), error=str(crashed(exception))
            )
            return True

    def _translate(self, seen: Seen) -> SystemEvent:
        return SystemEvent(
            at=self.cell.kernel.clock.wall(),
            path=self.path,
            event=seen.kind,
            message=self._words(seen.message),
            way=seen.way,
            other=text_of(seen.other),
            seconds=seen.seconds,
        )

    def _words(self, message: Any) -> str:
        if isinstance(message, Reason | Word):
            return cut(str(message))
        formatter = getattr(self._actor, "format_message", shape_of)
        try:
            return cut(str(formatter(message)))
        except Exception:  # noqa: BLE001 - what cannot be formatted is told by its shape
            return shape_of(message)

    # Who watches

    def names(self) -> list[str]:
        """What the actor is watched for, in words."""
        return [name if isinstance(name, str) else f"probe {name[1]}" for name in self.sinks]

    def remove(self, name: SinkName, sink: Sink | None = None) -> bool:
        """Stop watching for one thing; the last one gives the actor its own class back.

        Args:
            name: of the sink.
            sink: remove it only if it is this one.

        Returns:
            Whether it was there.
        """
        known = self.sinks.get(name)
        if known is None or (sink is not None and known is not sink):
            return False
        del self.sinks[name]
        if not self.sinks:
            _detach(self)
        known.close()
        return True

    def ended(self) -> None:
        """The actor has ended: nobody is to be told of it any more."""
        sinks, self.sinks = self.sinks, {}
        _detach(self)
        for sink in sinks.values():
            sink.close()

    @property
    def actor(self) -> Actor:
        """The actor."""
        return self._actor


_watches: dict[int, Watch] = {}
"""By the identity of the actor: an attribute of the actor would cost every other of its class."""

_classes: dict[type, tuple[type, list[Cell]]] = {}
"""The derived class of each class that has watched actors, and which they are."""


def watch_of(cell: Cell) -> Watch | None:
    """What an actor is watched for; None where it is not."""
    return _watches.get(id(cell.actor))


def watch(cell: Cell) -> Watch:
    """Begin to watch an actor, or go on; whoever asks adds a sink at once.

    Raises:
        ActionRefused: its class cannot be derived from.
    """
    known = watch_of(cell)
    if known is not None:
        return known
    actor = cell.actor
    assert actor is not None
    found = Watch(cell, actor)
    try:
        _put_on(cell, actor)
    except Exception as mistake:  # noqa: BLE001 - whatever its class has against one derived
        raise ActionRefused(found.path, f"cannot be watched: {mistake}") from None
    _watches[id(actor)] = found
    cell.at_end = [*(cell.at_end or ()), found.ended]
    return found


def watched(kernel: Any) -> int:
    """How many actors of a node are watched."""
    return sum(one.cell.kernel is kernel for one in _watches.values())


def class_of(actor: object) -> type:
    """The class of an actor, whether it is watched or not."""
    kind = type(actor)
    return kind.__mro__[1] if id(actor) in _watches else kind


def _put_on(cell: Cell, actor: Actor) -> None:
    kind = type(actor)
    derived, cells = _classes.get(kind) or (_derive(kind), [])
    actor.__class__ = derived
    cells.append(cell)
    _classes[kind] = (derived, cells)
    # Handlers' times are kept by class: those of a watched actor are its class's.
    latencies = cell.kernel.latencies
    latencies[derived] = latencies.setdefault(kind, Histogram())


def _derive(kind: type) -> type:
    names = {"__slots__": (), "__module__": kind.__module__, "__qualname__": kind.__qualname__}
    return type(kind)(kind.__name__, (kind,), {**names, **overrides_of(kind, _watches)})


def _detach(watch: Watch) -> None:
    if _watches.pop(id(watch.actor), None) is None:
        return
    derived = type(watch.actor)
    kind = derived.__mro__[1]
    watch.actor.__class__ = kind
    cell = watch.cell
    cell.at_end = [one for one in cell.at_end or () if one != watch.ended] or None
    _, cells = _classes[kind]
    cells.remove(cell)
    if not any(one.kernel is cell.kernel for one in cells):
        cell.kernel.latencies.pop(derived, None)
    if not cells:
        del _classes[kind]
