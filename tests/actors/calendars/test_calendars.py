"""Opening hours: what is open when, also where the clock is put forward or back."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.calendars.feasts import Holidays, NthWeekday, easter, orthodox_easter
from actors.calendars.hours import Calendar, Interval, is_open, next_change, status
from actors.calendars.reading import CalendarsInvalid, read, read_file
from actors.calendars.wall_clock import LATEST, MomentOutOfRange
from actors.etc_files import etc_file

PARIS = ZoneInfo("Europe/Paris")


def hours(text="", zone="Europe/Paris", known=None, **more):
    """A calendar of the same intervals each day."""
    each = [part for part in text.split(",") if part]
    week = dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), each)
    table = {"zone": zone, "week": week} | more
    return read({"calendar": {"x": table}, "holidays": known or {}})["x"]


def at(text, zone=PARIS, fold=0):
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def changes(calendar, start, end):
    """Each change between two moments, in UTC."""
    found, when = [], start
    while (when := next_change(calendar, when)) is not None and when < end:
        found.append(datetime.fromtimestamp(when, UTC).strftime("%d %H:%M"))
    return found


def test_the_calendars_that_ship_can_be_read():
    calendars = read_file(etc_file("calendars.toml"))
    assert is_open(calendars["sales"], at("2026-11-24T10:00"))
    assert not is_open(calendars["sales"], at("2026-11-24T13:00"))
    assert not is_open(calendars["sales"], at("2026-05-25T10:00"))  # Whit Monday
    assert is_open(calendars["support"], at("2026-05-25T10:00"))
    assert not is_open(calendars["sales"], at("2026-12-24T15:00"))


def test_it_opens_on_the_minute_and_is_closed_on_that_of_its_end():
    calendar = hours("09:00-12:30,13:30-19:00")
    assert [is_open(calendar, at(f"2026-06-01T{time}")) for time in ("08:59:59.9", "09:00")] == [
        False,
        True,
    ]
    assert [is_open(calendar, at(f"2026-06-01T{time}")) for time in ("12:29:59.9", "12:30")] == [
        True,
        False,
    ]
    assert next_change(calendar, at("2026-06-01T10:00")) == at("2026-06-01T12:30")
    assert next_change(calendar, at("2026-06-01T12:30")) == at("2026-06-01T13:30")
    assert next_change(calendar, at("2026-06-01T20:00")) == at("2026-06-02T09:00")


def test_an_interval_goes_on_past_midnight_into_whatever_day_follows():
    calendar = read(
        {
            "calendar": {
                "x": {
                    "zone": "Europe/Paris",
                    "week": {"fri": ["22:00-02:00"]},
                    "closed": ["2026-06-06"],
                }
            }
        }
    )["x"]
    assert is_open(calendar, at("2026-06-06T01:59"))
    assert next_change(calendar, at("2026-06-05T23:00")) == at("2026-06-06T02:00")


def test_intervals_that_touch_are_one():
    calendar = hours("08:00-12:00,12:00-24:00")
    assert next_change(calendar, at("2026-06-01T09:00")) == at("2026-06-02T00:00")


@pytest.mark.parametrize("text", ["00:00-24:00", "00:00-12:00,12:00-00:00", "08:00-08:00"])
def test_what_is_always_open_never_changes(text):
    calendar = hours(text)
    assert is_open(calendar, at("2026-03-29T02:30"))
    assert next_change(calendar, at("2026-06-01T09:00")) is None


def test_what_is_never_open_never_changes():
    assert next_change(hours(""), at("2026-06-01T09:00")) is None
    assert not is_open(hours(""), at("2026-06-01T09:00"))


def test_exception_before_closed_period_before_holiday_before_week():
    known = {"fr": {"fixed": ["07-14"], "dates": ["2026-07-15"]}}
    calendar = hours(
        "09:00-10:00",
        known=known,
        holidays=["fr"],
        on_holidays=["11:00-12:00"],
        closed=["2026-07-15/2026-07-17"],
        days={"2026-07-16": ["15:00-16:00"]},
    )
    found = changes(calendar, utc("2026-07-13T12:00"), utc("2026-07-19T00:00"))
    assert found == ["14 09:00", "14 10:00", "16 13:00", "16 14:00", "18 07:00", "18 08:00"]


# The clock is put forward on 29 March 2026 at 1:00 UTC, and back on 25 October 2026 at 1:00 UTC.


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("01:00-04:00", ["29 00:00", "29 02:00"]),
        ("02:30-04:00", ["29 01:00", "29 02:00"]),
        ("01:00-02:30", ["29 00:00", "29 01:00"]),
        ("02:10-02:50", []),
    ],
)
def test_a_time_that_never_comes_is_the_moment_at_which_the_clock_is_put_forward(text, found):
    assert changes(hours(text), utc("2026-03-28T12:00"), utc("2026-03-29T12:00")) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("01:00-04:00", ["24 23:00", "25 03:00"]),
        ("02:30-04:00", ["25 00:30", "25 03:00"]),
        ("01:00-02:30", ["24 23:00", "25 01:30"]),
        ("02:10-02:50", ["25 00:10", "25 01:50"]),
    ],
)
def test_a_time_that_comes_twice_opens_the_first_time_and_closes_the_second(text, found):
    assert changes(hours(text), utc("2026-10-24T12:00"), utc("2026-10-25T12:00")) == found


def test_a_day_that_a_zone_has_left_out_is_no_day():
    calendar = hours("09:00-17:00", zone="Pacific/Apia")  # there was no 30 December 2011
    zone = ZoneInfo("Pacific/Apia")
    closed = at("2011-12-29T17:00", zone)
    assert next_change(calendar, at("2011-12-29T10:00", zone)) == closed
    assert next_change(calendar, closed) == at("2011-12-31T09:00", zone)


@pytest.mark.parametrize("when", [-1.0, LATEST * 2, float("nan"), float("inf")])
def test_a_moment_out_of_all_calendars_is_refused(when):
    for ask in (is_open, next_change, status):
        with pytest.raises(MomentOutOfRange, match="at: must be"):
            ask(hours("09:00-10:00"), when)


# Holidays


def test_easter_is_when_the_churches_have_it():
    western = ["1961-04-02", "2000-04-23", "2008-03-23", "2011-04-24", "2024-03-31", "2026-04-05"]
    eastern = ["2016-05-01", "2021-05-02", "2024-05-05", "2025-04-20", "2026-04-12", "2027-05-02"]
    assert [easter(int(one[:4])).isoformat() for one in western] == western
    assert [orthodox_easter(int(one[:4])).isoformat() for one in eastern] == eastern


@given(st.integers(1583, 2999))
def test_easter_is_a_sunday_of_spring(year):
    assert easter(year).weekday() == orthodox_easter(year).weekday() == 6
    assert date(year, 3, 22) <= easter(year) <= date(year, 4, 25)
    if year < 2800:
        assert easter(year) <= orthodox_easter(year)


@given(st.integers(1583, 2998), st.integers(0, 6), st.integers(1, 12))
def test_a_weekday_of_a_month_is_where_counting_finds_it(year, weekday, month):
    first = date(year, month, 1)
    days = [first + timedelta(n) for n in range(31)]
    fitting = [day for day in days if day.month == month and day.weekday() == weekday]
    found = [NthWeekday(nth, weekday, month).of(year) for nth in range(1, 6)]
    assert [day for day in found if day] == fitting
    assert NthWeekday(-1, weekday, month).of(year) == fitting[-1]


def test_the_29_of_february_is_a_holiday_where_there_is_one():
    rules = Holidays(fixed=((2, 29),), weekdays=(NthWeekday(-1, 0, 5),))
    assert rules.of(2026) == {date(2026, 5, 25)}
    assert date(2028, 2, 29) in rules.of(2028)


# TOML


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({}, "calendar.x.zone"),
        ({"zone": "Europe/Pariss"}, "calendar.x.zone"),
        ({"zone": "../../etc/passwd"}, "calendar.x.zone"),
        ({"zone": ""}, "calendar.x.zone"),
        ({"zone": 5}, "calendar.x.zone"),
        ({"week": {"mon": ["9:00-12:00"]}}, "calendar.x.week.mon[0]"),
        ({"week": {"mon": ["09:00-24:30"]}}, "calendar.x.week.mon[0]"),
        ({"week": {"mon": "09:00-12:00"}}, "calendar.x.week.mon"),
        ({"week": {"monday": []}}, "calendar.x.week.monday"),
        ({"week": {"tue": ["09:00-12:00", "11:00-13:00"]}}, "calendar.x.week.tue"),
        ({"week": {"tue": ["12:00-13:00", "09:00-10:00"]}}, "calendar.x.week.tue"),
        ({"week": {"tue": ["09:00-10:00"] * 25}}, "calendar.x.week.tue"),
        ({"days": {"24.12.2026": []}}, "calendar.x.days.24.12.2026"),
        ({"days": {"2026-02-29": []}}, "calendar.x.days.2026-02-29"),
        ({"closed": ["2026-08-31/2026-08-01"]}, "calendar.x.closed[0]"),
        ({"closed": ["august"]}, "calendar.x.closed[0]"),
        ({"holidays": ["de"]}, "calendar.x.holidays[0]"),
        ({"holliday": ["fr"]}, "calendar.x.holliday"),
    ],
)
def test_a_mistake_is_named_by_its_key_and_the_rule(table, key):
    if table:
        table = {"zone": "UTC"} | table
    with pytest.raises(CalendarsInvalid) as refused:
        read({"calendar": {"x": table}, "holidays": {"fr": {}}})
    (mistake,) = refused.value.mistakes
    assert mistake.key == key
    assert mistake.rule


@pytest.mark.parametrize(
    ("rules", "key"),
    [
        ({"fixed": ["13-01"]}, "holidays.fr.fixed[0]"),
        ({"fixed": ["1-1"]}, "holidays.fr.fixed[0]"),
        ({"easter": [151]}, "holidays.fr.easter[0]"),
        ({"weekdays": ["sixth mon may"]}, "holidays.fr.weekdays[0]"),
        ({"weekdays": ["last mon"]}, "holidays.fr.weekdays[0]"),
        ({"dates": ["2026-13-01"]}, "holidays.fr.dates[0]"),
    ],
)
def test_a_rule_of_holidays_that_is_none_is_named(rules, key):
    with pytest.raises(CalendarsInvalid, match="must be") as refused:
        read({"holidays": {"fr": rules}})
    assert [mistake.key for mistake in refused.value.mistakes] == [key]


def test_what_is_no_file_of_calendars_is_refused_in_words(tmp_path):
    path = tmp_path / "calendars.toml"
    with pytest.raises(CalendarsInvalid, match="cannot be read"):
        read_file(path)
    path.write_text("x = [")
    with pytest.raises(CalendarsInvalid, match="is not TOML"):
        read_file(path)
    path.write_bytes(b"#" * 1_048_577)
    with pytest.raises(CalendarsInvalid, match="at most"):
        read_file(path)


# Any plan, any zone

ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Paris",
        "America/New_York",
        "Australia/Lord_Howe",  # half an hour
        "Africa/Casablanca",  # twice a year around Ramadan
        "America/Santiago",  # at midnight
        "Asia/Kathmandu",
        "Pacific/Apia",
        "Pacific/Chatham",
    ]
)


@st.composite
def plans(draw):
    """Intervals of a day that do not overlap; the last one may end on the next day."""
    marks = sorted(draw(st.sets(st.integers(0, 1439), max_size=6)))
    pairs = [Interval(start, end) for start, end in zip(marks[::2], marks[1::2], strict=False)]
    if pairs and draw(st.booleans()):
        last = pairs.pop()
        least = pairs[0].start if pairs else last.start
        pairs.append(Interval(last.start, 1440 + draw(st.integers(0, least))))
    return tuple(pairs)


@st.composite
def calendars(draw):
    first = draw(st.dates(date(2026, 1, 1), date(2027, 12, 1)))
    return Calendar(
        name="x",
        zone=ZoneInfo(draw(ZONES)),
        week=tuple(draw(plans()) for _ in range(7)),
        days=draw(st.dictionaries(st.dates(date(2026, 1, 1), date(2027, 12, 31)), plans())),
        closed=((first, first + timedelta(draw(st.integers(0, 20)))),),
        holidays=(Holidays(fixed=((5, 1), (10, 25)), easter=(0, 1)),),
        on_holidays=draw(plans()),
    )


# Around the days on which clocks of the north and of the south are put forward or back.
MOMENTS = st.one_of(
    st.floats(utc("2026-03-06T00:00"), utc("2026-04-06T00:00")),
    st.floats(utc("2026-10-01T00:00"), utc("2026-11-03T00:00")),
    st.floats(utc("2026-01-01T00:00"), utc("2027-06-01T00:00")),
)


SHARES = st.lists(st.floats(0, 1), max_size=20)


def next_change_is_right(calendar, when, share):
    now, then = is_open(calendar, when), next_change(calendar, when)
    if then is None:
        assert all(is_open(calendar, when + 300 * 86_400 * part) is now for part in share)
        return
    assert when < then
    assert is_open(calendar, then) is not now
    for part in share:
        between = when + (then - when) * part
        if between < then:
            assert is_open(calendar, between) is now
            assert status(calendar, when).holds(between)


@settings(max_examples=100, deadline=None)
@given(calendar=calendars(), when=MOMENTS, share=SHARES)
def test_the_next_change_is_where_it_opens_or_closes_and_no_earlier(calendar, when, share):
    next_change_is_right(calendar, when, share)


@pytest.mark.long
@settings(max_examples=5_000, deadline=None)
@given(calendar=calendars(), when=MOMENTS, share=SHARES)
def test_the_next_change_is_right_for_thousands_of_plans(calendar, when, share):
    next_change_is_right(calendar, when, share)


@settings(max_examples=100, deadline=None)
@given(calendar=calendars(), when=MOMENTS)
def test_away_from_a_change_of_the_clock_it_is_open_as_the_wall_says(calendar, when):
    wall = datetime.fromtimestamp(when, calendar.zone)
    near = {
        datetime.fromtimestamp(when + hours * 3_600, calendar.zone).utcoffset()
        for hours in range(-50, 51, 2)
    }
    if len(near) > 1:
        return
    minutes = wall.hour * 60 + wall.minute + (wall.second + wall.microsecond / 1e6) / 60
    today, yesterday = calendar.on(wall.date()), calendar.on(wall.date() - timedelta(1))
    said = any(one.start <= minutes < one.end for one in today) or any(
        one.start <= minutes + 1440 < one.end for one in yesterday
    )
    assert is_open(calendar, when) is said
