"""Alarms: what is wrong now and needs somebody, known by name until it is over.

Whoever notices raises an alarm and clears it; raising one that is active already is counted and
tells nobody again, unless it has become worse or better. Severities: ITU-T X.733, 8.1.2.3.
The core is pure; `Alarms` publishes what changes as reports of kind ``alarm``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from msgspec import Struct
from msgspec.structs import replace

from actors import metrics
from supervision import Report

if TYPE_CHECKING:
    from supervision.eventloop.kernel import Kernel

Severity: TypeAlias = Literal["critical", "major", "minor", "warning"]

AlarmName: TypeAlias = Literal[
    "breaker-open",
    "database-down",
    "descriptors",
    "disk-low",
    "ivr-app-unknown",
    "journal-damaged",
    "journal-failing",
    "journal-log",
    "journal-off",
    "journal-shortfall",
    "outbox-filling",
    "outbox-full",
    "overload",
    "primary-missing",
    "schema-refused",
]
"""Every alarm that there is; docs/operations.md says of each what to do."""

_NAMES = frozenset(get_args(AlarmName))

KIND = "alarm"
"""Kind of the reports, and of the events made of them."""


class Alarm(Struct, frozen=True, kw_only=True):
    """Something that is wrong now.

    Attributes:
        name: What it is known by: letters, digits and hyphens, always the same for the same thing.
        path: Of the actor that raised it.
        severity: How bad it is.
        text: What is wrong, and where it helps what to do, for people; the latest word on it.
        since: When it was raised, seconds since the epoch.
        at: When it was raised last.
        repeats: How often it was raised again since.
    """

    name: str
    path: str
    severity: Severity
    text: str
    since: float
    at: float
    repeats: int = 0


Active: TypeAlias = Mapping[str, Alarm]
"""The alarms that are active, by name, in the order in which they were raised."""


def with_alarm(active: Active, alarm: Alarm) -> tuple[Active, bool]:
    """Raise an alarm.

    Args:
        active: The alarms before.
        alarm: The one that is raised; of one that is active already its beginning is kept.

    Returns:
        The alarms after, and whether there is something to tell: a new alarm or another severity.
    """
    known = active.get(alarm.name)
    if known is not None:
        alarm = replace(alarm, since=known.since, repeats=known.repeats + 1)
    return {**active, alarm.name: alarm}, known is None or known.severity != alarm.severity


def without_alarm(active: Active, name: str) -> tuple[Active, Alarm | None]:
    """Clear an alarm.

    Args:
        active: The alarms before.
        name: The one that is over.

    Returns:
        The alarms after, and the one that was cleared; None when it was not active.
    """
    cleared = active.get(name)
    return {key: alarm for key, alarm in active.items() if key != name}, cleared


def _longer(before: Alarm, alarm: Alarm) -> Alarm:
    """An alarm that was raised here too, since when it was raised there."""
    repeats = before.repeats + alarm.repeats + 1
    return replace(alarm, since=min(before.since, alarm.since), repeats=repeats)


class Alarms:
    """The alarms of one node. Used on the node's loop only.

    Args:
        kernel: The node, whose reports tell of them.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._active: Active = {}

    def raised(self, name: AlarmName, path: str, text: str, severity: Severity = "major") -> None:
        """Say that something is wrong; again and again does no harm.

        Args:
            name: What it is known by.
            path: Of the actor that says so.
            text: What is wrong, for people.
            severity: How bad it is.
        """
        now = self._kernel.clock.wall()
        alarm = Alarm(name=name, path=path, severity=severity, text=text, since=now, at=now)
        self._active, news = with_alarm(self._active, alarm)
        metrics.ALARMS_ACTIVE.labels(name).set(1)
        if news:
            self._tell("raised", self._active[name], now)

    def adopt(self, alarms: Iterable[Alarm]) -> None:
        """Take over what another process has raised; nobody is told again.

        Args:
            alarms: active there, the oldest first; one that this release does not know is left out,
                for nobody would clear it.
        """
        adopted = {alarm.name: alarm for alarm in alarms if alarm.name in _NAMES}
        for name, alarm in self._active.items():
            before = adopted.get(name)
            adopted[name] = alarm if before is None else _longer(before, alarm)
        self._active = adopted
        for name in adopted:
            metrics.ALARMS_ACTIVE.labels(name).set(1)

    def cleared(self, name: AlarmName) -> None:
        """Say that it is over; nothing happens when it was not active.

        Args:
            name: What it is known by.
        """
        self._active, alarm = without_alarm(self._active, name)
        if alarm is None:
            return
        metrics.ALARMS_ACTIVE.labels(name).set(0)
        self._tell("cleared", alarm, self._kernel.clock.wall())

    def active(self) -> list[Alarm]:
        """The alarms that are active, the oldest first."""
        return list(self._active.values())

    def text(self, name: str) -> str:
        """The latest word on an alarm; empty where it is not active."""
        alarm = self._active.get(name)
        return "" if alarm is None else alarm.text

    def __contains__(self, name: str) -> bool:
        """Whether an alarm is active."""
        return name in self._active

    def _tell(self, state: Literal["raised", "cleared"], alarm: Alarm, at: float) -> None:
        data: dict[str, Any] = {
            "name": alarm.name,
            "state": state,
            "severity": alarm.severity,
            "text": alarm.text,
            "since": alarm.since,
        }
        self._kernel.reports.publish(Report(KIND, alarm.path, at, data))
