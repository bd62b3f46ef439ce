"""Opening hours: periods, days, zones, and the days on which clocks change."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.routing_core.opening import local_time, opening
from actors.routing_core.rules import Calendar

PARIS = ZoneInfo("Europe/Paris")
OFFICE = opening(
    Calendar(
        zone="Europe/Paris",
        week={
            "mon": ("08:00-12:00", "13:30-18:00"),
            "fri": ("22:00-06:00",),
            "sun": ("00:00-24:00",),
        },
        holidays=("05-01", "2026-11-30"),
        days={"12-21": ("10:00-11:00",), "2027-12-20": ("09:00-09:30",)},
    )
)


def at(text: str, zone: ZoneInfo = PARIS) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-23T07:59:59", False),
        ("2026-11-23T08:00", True),
        ("2026-11-23T11:59:59", True),
        ("2026-11-23T12:00", False),
        ("2026-11-23T13:30", True),
        ("2026-11-24T10:00", False),
        ("2026-11-27T21:59", False),
        ("2026-11-27T22:00", True),
        ("2026-11-28T05:59", True),
        ("2026-11-28T06:00", False),
        ("2026-11-29T00:00", True),
        ("2026-11-29T23:59:59", True),
        ("2026-11-30T10:00", False),
        ("2026-12-07T10:00", True),
        ("2026-12-21T09:00", False),
        ("2026-12-21T10:30", True),
        ("2027-12-20T09:15", True),
        ("2027-12-20T10:00", False),
    ],
)
def test_it_is_open_in_its_periods_and_closed_on_holidays(moment, expected):
    assert OFFICE.is_open(at(moment)) is expected


def test_the_wall_clock_counts_on_the_days_on_which_clocks_change():
    night = opening(Calendar(zone="Europe/Paris", week={"sun": ("02:00-03:00",)}))
    winter = datetime(2026, 10, 25, tzinfo=UTC).timestamp()
    minutes = [night.is_open(winter + 60 * minute) for minute in range(24 * 60)]
    assert sum(minutes) == 120
    summer = datetime(2026, 3, 29, tzinfo=UTC).timestamp()
    assert not any(night.is_open(summer + 60 * minute) for minute in range(24 * 60))


def test_a_zone_has_its_own_day():
    tokyo = opening(Calendar(zone="Asia/Tokyo", week={"tue": ("00:00-01:00",)}))
    assert tokyo.is_open(at("2026-11-23T16:30"))
    assert not tokyo.is_open(at("2026-11-24T00:30"))


def test_a_calendar_without_days_is_never_open():
    assert not opening(Calendar()).is_open(0.0)


def test_the_moment_is_said_as_the_zone_reads_it():
    assert local_time(OFFICE, at("2026-11-23T08:00")) == "2026-11-23 08:00 CET"


@given(
    st.dates(date(1971, 1, 1), date(2200, 1, 1)),
    st.integers(0, 1439),
    st.integers(0, 1440),
)
def test_a_period_holds_for_as_many_minutes_as_it_says(day, start, end):
    if end in (start, 0):
        return
    period = f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    hours = opening(
        Calendar(week=dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), (period,)))
    )
    midnight = datetime.combine(day, time(), UTC)
    probes = (start - 1, start, end - 1, end)
    for minute in probes:
        inside = start <= minute % 1440 < end if start < end else not end <= minute % 1440 < start
        assert hours.is_open((midnight + timedelta(minutes=minute)).timestamp()) is inside
