"""sys's debug options for every actor: statistics, logs, probes; all bounded, all removable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import quote

from supervision.introspection.errors import ActionRefused, LimitReached, check
from supervision.introspection.finding import NOBODY, Finder
from supervision.introspection.probes import BUILT_IN, BuiltIn
from supervision.introspection.sinks import Log, LogFile, Probe, Statistics
from supervision.introspection.system_records import LogRow, ProbeRow, StatisticsRow
from supervision.introspection.watching import watch, watch_of, watched

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from pathlib import Path

    from supervision.eventloop.cell import Cell
    from supervision.introspection.events import Seen, Sink, SinkName
    from supervision.introspection.finding import Asked
    from supervision.introspection.watching import Watch

Switch = Literal["on", "off", "get"]

LOG_EVENTS = 10
"""Events that a log keeps unless it is told otherwise, as in OTP."""

MOST_NAME_CHARS = 200
"""Characters of a log file's name."""

_STATISTICS, _LOG, _FILE = "statistics", "log", "log_to_file"

_S = TypeVar("_S", bound="Sink")


class Debugging(Finder):
    """Switches on what an actor is to be watched for; an actor that is not watched pays nothing.

    What is watched belongs to one incarnation: it ends with the actor. Each change is told in a
    report, with who asked for it and why.
    """

    # Statistics and logs

    def statistics(self, path: str, switch: Switch = "get", asked: Asked = NOBODY) -> StatisticsRow:
        """Switch statistics on or off, or get them (``sys:statistics/2``).

        Args:
            path: of the actor.
            switch: on again changes nothing; off forgets what was counted.
            asked: who asks, and why.

        Raises:
            NoSuchActor: nothing runs at this path.
            LimitReached: as many actors are watched as may be.
        """
        cell = self._running(path)
        if switch == "on" and _sink(cell, _STATISTICS, Statistics) is None:
            self._add(cell, _STATISTICS, Statistics(self._kernel.clock))
        elif switch == "off":
            _drop(cell, _STATISTICS)
        if switch != "get":
            self._note(f"statistics_{switch}", path, asked)
        known = _sink(cell, _STATISTICS, Statistics)
        return StatisticsRow(path=path, on=False) if known is None else known.row(path)

    def log(
        self,
        path: str,
        switch: Switch = "get",
        size: int = LOG_EVENTS,
        asked: Asked = NOBODY,
    ) -> LogRow:
        """Keep the latest system events of an actor, or get them (``sys:log/2``).

        Args:
            path: of the actor.
            switch: on again changes the size and keeps the latest events.
            size: events to keep.
            asked: who asks, and why.

        Raises:
            NoSuchActor, LimitReached: as for ``statistics``.
            OutOfBounds: so many are not kept.
        """
        cell = self._running(path)
        if switch == "on":
            check("size", size, self.limits.log_events)
            known = _sink(cell, _LOG, Log)
            if known is None:
                self._add(cell, _LOG, Log(size))
            else:
                known.resize(size)
        elif switch == "off":
            _drop(cell, _LOG)
        if switch != "get":
            self._note(f"log_{switch}", path, asked)
        return self._log_row(cell, path)

    def _log_row(self, cell: Cell, path: str) -> LogRow:
        log, file = _sink(cell, _LOG, Log), _sink(cell, _FILE, LogFile)
        return LogRow(
            path=path,
            on=log is not None,
            size=0 if log is None else log.size,
            file=None if file is None else str(file.path),
            events=[] if log is None else list(log.events),
        )

    def log_to_file(self, path: str, switch: Switch = "get", asked: Asked = NOBODY) -> LogRow:
        """Write the system events of an actor to a file as well (``sys:log_to_file/2``).

        The file is in the directory of the limits, named after the path, and ends by itself at
        its bound.

        Args:
            path: of the actor.
            switch: on again begins a new file.
            asked: who asks, and why.

        Raises:
            NoSuchActor, LimitReached: as for ``statistics``.
            ActionRefused: there is no directory for such files, or it cannot be written to.
        """
        cell = self._running(path)
        if switch != "get":
            _drop(cell, _FILE)
        if switch == "on":
            self._add(cell, _FILE, self._log_file(path))
        if switch != "get":
            self._note(f"log_to_file_{switch}", path, asked)
        return self._log_row(cell, path)

    def _log_file(self, path: str) -> LogFile:
        directory: Path | None = self.limits.directory
        if directory is None:
            raise ActionRefused(path, "this node has no directory for such files")
        name = f"sys-{quote(path, safe='')[-MOST_NAME_CHARS:]}.log"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            return LogFile(directory / name, self.limits.log_file_bytes)
        except OSError as error:
            raise ActionRefused(path, f"{name} cannot be written: {error.strerror}") from None

    # Probes

    def install(
        self,
        path: str,
        probe: Hashable,
        function: Callable[[Any, Seen], Any],
        state: Any = None,
        asked: Asked = NOBODY,
    ) -> bool:
        """Put a function into the path of an actor's messages (``sys:install/2``).

        Args:
            path: of the actor.
            probe: the probe's name; one that is there already is left as it is.
            function: given its state and each ``Seen``; returns its new state, or DONE to be
                removed. One that raises is removed and reported; the actor never notices.
            state: what it begins with.
            asked: who asks, and why.

        Returns:
            Whether it was not there already.

        Raises:
            NoSuchActor: nothing runs at this path.
            LimitReached: as many actors are watched, or the actor has as many probes, as may be.
        """
        installed = self._install(self._running(path), probe, Probe(function, state))
        if installed:
            self._note("install_probe", path, asked, probe=str(probe))
        return installed

    def install_built_in(
        self,
        path: str,
        name: str,
        seconds: float,
        over_s: float | None = None,
        asked: Asked = NOBODY,
    ) -> ProbeRow:
        """Install a probe by its name: ``count`` messages by type, or ``slow`` handlers.

        It ends by itself after ``seconds``; a report of kind ``trace`` has its result.

        Args:
            path: of the actor.
            name: ``count`` or ``slow``, which is the probe's id too.
            seconds: how long it stays.
            over_s: seconds from which a handler is slow; None is the scheduler's limit.
            asked: who asks, and why.

        Raises:
            NoSuchActor, LimitReached: as for ``install``.
            OutOfBounds: there is no such probe, or it may not stay for so long.
            ActionRefused: it is installed already.
        """
        check("seconds", seconds, self.limits.trace_seconds, 0.001)
        limit = self._kernel.limits.hold_limit_s if over_s is None else over_s
        probe = BUILT_IN[name](limit)
        cell = self._running(path)
        if not self._install(cell, name, probe):
            raise ActionRefused(path, f"has a probe {name} already")
        timer = self._kernel.loop.call_later(seconds, _drop, cell, ("probe", name))
        probe.at_close(lambda: self._built_in_ended(path, name, probe, timer.cancel))
        self._note(f"install_{name}", path, asked)
        return ProbeRow(id=name, state=probe.state)

    def _built_in_ended(
        self, path: str, name: str, probe: BuiltIn, cancel: Callable[[], None]
    ) -> None:
        cancel()
        self._kernel.report("trace", path, probe=name, result=probe.state)

    def _install(self, cell: Cell, name: Hashable, sink: Sink) -> bool:
        known = watch_of(cell)
        probes = () if known is None else _probes(known)
        if ("probe", name) in probes:
            return False
        if len(probes) >= self.limits.probes:
            raise LimitReached("probes of an actor", self.limits.probes)
        self._add(cell, ("probe", name), sink)
        return True

    def remove(self, path: str, probe: Hashable, asked: Asked = NOBODY) -> bool:
        """Take a probe away (``sys:remove/2``); return whether it was there.

        Raises:
            NoSuchActor: nothing runs at this path.
        """
        removed = _drop(self._running(path), ("probe", probe))
        if removed:
            self._note("remove_probe", path, asked, probe=str(probe))
        return removed

    def probes(self, path: str) -> list[ProbeRow]:
        """The probes of an actor and what they know, in the order they came.

        Raises:
            NoSuchActor: nothing runs at this path.
        """
        known = watch_of(self._running(path))
        names = () if known is None else _probes(known)
        return [
            ProbeRow(id=str(name[1]), state=getattr(known.sinks[name], "state", None))
            for name in names
            if known is not None
        ]

    def no_debug(self, path: str, asked: Asked = NOBODY) -> None:
        """Drop everything that an actor is watched for (``sys:no_debug/1``).

        Raises:
            NoSuchActor: nothing runs at this path.
        """
        known = watch_of(self._running(path))
        if known is not None:
            for name in tuple(known.sinks):
                known.remove(name)
        self._note("no_debug", path, asked)

    # Watching

    def _add(self, cell: Cell, name: SinkName, sink: Sink) -> Watch:
        if watch_of(cell) is None and watched(self._kernel) >= self.limits.watched_actors:
            raise LimitReached("watched actors", self.limits.watched_actors)
        known = watch(cell)
        known.sinks[name] = sink
        return known


def _drop(cell: Cell, name: SinkName) -> bool:
    known = watch_of(cell)
    return known is not None and known.remove(name)


def _sink(cell: Cell, name: SinkName, kind: type[_S]) -> _S | None:
    known = watch_of(cell)
    sink = None if known is None else known.sinks.get(name)
    return sink if isinstance(sink, kind) else None


def _probes(known: Watch) -> list[tuple[str, Hashable]]:
    return [name for name in known.sinks if isinstance(name, tuple) and name[0] == "probe"]
