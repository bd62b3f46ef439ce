"""The operation that lists what is wrong now."""

from __future__ import annotations

from actors.alarms import Alarm
from actors.web.api import Call, Operation, Reply, operation
from actors.web.lists import select
from actors.web.parameters import LOOK, PageParameters
from protocols.http import paging
from protocols.http.paging import Key, Page, Selection

ALARM_COLUMNS = ("since", "name", "severity", "at", "repeats")

_WORST_FIRST = {"critical": 0, "major": 1, "minor": 2, "warning": 3}


@operation("GET", "/api/v1/alarms", scopes=LOOK, query=PageParameters, response=Page[Alarm])
async def list_alarms(call: Call[PageParameters, None]) -> Reply:
    """The alarms that are active, the oldest first unless asked otherwise."""
    selection: Selection[Alarm] = Selection(
        paging.parse(call.parameters, ALARM_COLUMNS),
        key_of=_column,
        name_of=lambda alarm: alarm.name,
        text_of=lambda alarm: f"{alarm.name} {alarm.path} {alarm.text}",
    )
    services = call.services
    return Reply(value=await select(services.alarms(), selection, services.introspection.pace))


def _column(alarm: Alarm, column: str) -> Key:
    if column == "severity":
        return _WORST_FIRST[alarm.severity]
    key: Key = getattr(alarm, column)
    return key


OPERATIONS: tuple[Operation, ...] = (list_alarms,)
