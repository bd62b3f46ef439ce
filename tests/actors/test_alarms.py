import json

import pytest
from prometheus_client import generate_latest

from actors import metrics
from actors.alarms import Alarms
from actors.log_records import from_report, line
from actors.node_reports import to_events
from actors.web.event_hub import EventHub
from supervision.testing import Kit

PATH = "node/callSup/contextStore"


@pytest.fixture
def kit():
    with Kit() as kit:
        yield kit


@pytest.fixture
def told(kit):
    reports = []
    kit.kernel.reports.subscribe(reports.append)
    return reports


@pytest.fixture
def alarms(kit):
    return Alarms(kit.kernel)


def states(told):
    return [(one.kind, one.path, one.data["name"], one.data["state"]) for one in told]


def test_an_alarm_is_told_when_it_is_raised_and_when_it_is_cleared(alarms, told):
    alarms.raised("disk-low", PATH, "1 % left")
    assert [alarm.name for alarm in alarms.active()] == ["disk-low"]
    alarms.cleared("disk-low")
    assert alarms.active() == []
    assert states(told) == [
        ("alarm", PATH, "disk-low", "raised"),
        ("alarm", PATH, "disk-low", "cleared"),
    ]


def test_an_alarm_that_is_raised_again_is_counted_and_told_once(alarms, told, kit):
    alarms.raised("disk-low", PATH, "2 % left")
    since = kit.kernel.clock.wall()
    kit.advance(5.0)
    alarms.raised("disk-low", PATH, "1 % left")
    (alarm,) = alarms.active()
    assert (alarm.repeats, alarm.text, alarm.since) == (1, "1 % left", since)
    assert alarm.at == pytest.approx(since + 5.0)
    assert len(told) == 1


def test_an_alarm_that_becomes_worse_is_told_again(alarms, told):
    alarms.raised("disk-low", PATH, "5 % left", "minor")
    alarms.raised("disk-low", PATH, "none left", "critical")
    assert [one.data["severity"] for one in told] == ["minor", "critical"]


def test_clearing_what_is_not_active_tells_nothing(alarms, told):
    alarms.cleared("disk-low")
    assert told == []
    assert "disk-low" not in alarms


def test_an_alarm_is_an_event_of_its_kind(alarms, kit):
    hub = EventHub("ab")
    kit.kernel.reports.subscribe(to_events(hub))
    alarms.raised("disk-low", PATH, "1 % left", "minor")
    (event,) = hub.latest(["alarm"])
    assert event.data == {
        "path": PATH,
        "name": "disk-low",
        "state": "raised",
        "severity": "minor",
        "text": "1 % left",
        "since": event.at,
    }


@pytest.mark.parametrize(
    ("severity", "level"),
    [("critical", "FATAL"), ("major", "ERROR"), ("minor", "WARN"), ("warning", "WARN")],
)
def test_the_log_is_as_severe_as_the_alarm_and_calm_when_it_is_over(alarms, told, severity, level):
    alarms.raised("disk-low", PATH, "1 % left", severity)
    alarms.cleared("disk-low")
    raised, cleared = (json.loads(line(from_report(one, {}))) for one in told)
    assert raised["SeverityText"] == level
    assert raised["Body"] == f"alarm: {PATH}: disk-low: raised: 1 % left"
    assert raised["Attributes"]["vigie.name"] == "disk-low"
    assert cleared["SeverityText"] == "INFO"


def test_the_metric_is_1_while_the_alarm_is_active(alarms):
    alarms.raised("disk-low", PATH, "1 % left")
    assert 'vigie_alarms_active{name="disk-low"} 1.0' in generate_latest(metrics.REGISTRY).decode()
    alarms.cleared("disk-low")
    assert 'vigie_alarms_active{name="disk-low"} 0.0' in generate_latest(metrics.REGISTRY).decode()
