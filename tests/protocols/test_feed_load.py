import itertools
import json
import random

import phonenumbers
import pytest

from protocols.cti.parsing import parse
from protocols.feed.arrivals import CONTACT_CENTRE_DAY, DAY_S, arrivals, intensity
from protocols.feed.callers import ORIGINS, Origin, draw_callers
from protocols.feed.calls import LIFE_CYCLES, MEAN_S, Call, Step, plan_call
from protocols.feed.file import FeedLineError, read_steps
from protocols.feed.schedule import Load, generate

REQUEST = {"t": "route.request", "xref": "x", "call": "c", "rp": "sales", "ts": 1.0}


def line(at, frame) -> str:
    return json.dumps({"at": at, "frame": frame})


# Arrivals


def test_the_average_rate_is_the_one_asked_for_at_any_time_of_day():
    for start_s in (0.0, 4 * 3_600.0, 23.5 * 3_600.0):
        times = list(arrivals(100, 100, random.Random(1), start_s=start_s))
        assert len(times) == pytest.approx(10_000, rel=0.05)
        assert times == sorted(times)
        assert 0 <= times[0] < times[-1] < 100


def test_a_day_passed_in_a_minute_has_the_shape_of_the_profile():
    times = list(arrivals(2_000, 60, random.Random(2), start_s=0.0, day_factor=DAY_S / 60))
    by_hour = [0] * 24
    for at in times:
        by_hour[int(at * 24 / 60)] += 1
    for hour, seen in enumerate(by_hour):
        minutes = range(hour * 60, hour * 60 + 60)
        weight = sum(intensity(CONTACT_CENTRE_DAY, minute * 60.0) for minute in minutes) / 60
        expected = len(times) * weight / sum(CONTACT_CENTRE_DAY)
        assert seen == pytest.approx(expected, abs=5 * expected**0.5)


def test_gaps_between_arrivals_are_exponential():
    times = list(arrivals(100, 200, random.Random(3)))
    gaps = sorted(b - a for a, b in itertools.pairwise(times))
    assert gaps[len(gaps) // 2] == pytest.approx(0.00693, rel=0.05)  # ln 2 / 100


def test_the_intensity_is_the_hours_weight_in_its_middle_and_goes_round_midnight():
    profile = tuple(range(24))
    assert intensity(profile, 10.5 * 3_600) == 10
    assert intensity(profile, 11 * 3_600) == 10.5
    assert intensity(profile, 0) == intensity(profile, DAY_S) == 11.5


def test_arrivals_without_an_end_go_on():
    times = arrivals(1_000, None, random.Random(4))
    assert len(list(itertools.islice(times, 5_000))) == 5_000


# Callers and calls


@pytest.mark.parametrize("origin", ORIGINS, ids=lambda origin: origin.region)
def test_every_caller_has_a_valid_number_of_its_region(origin):
    for caller in draw_callers(200, random.Random(5), [origin]):
        number = phonenumbers.parse(caller.ani)
        assert phonenumbers.is_valid_number(number)
        assert number.country_code == phonenumbers.country_code_for_region(origin.region)


def test_callers_come_from_the_origins_by_their_weights():
    callers = draw_callers(5_000, random.Random(6))
    share = sum(caller.ani.startswith("+33") for caller in callers) / len(callers)
    assert share == pytest.approx(0.7, abs=0.03)
    assert len({caller.ani for caller in callers}) > 4_500


def test_a_region_without_a_numbering_plan_is_refused():
    with pytest.raises(ValueError, match="ZZ"):
        draw_callers(1, random.Random(0), [Origin("ZZ", "en", 1, 1.0)])


@pytest.mark.parametrize("life", LIFE_CYCLES, ids=lambda life: life.name)
def test_every_life_cycle_begins_with_its_request_and_ends(life):
    call = Call(id="c1", at=3.0, caller=None, dnis="3900", rp="sales")
    steps = plan_call(call, life, random.Random(7), speed=1.0)
    assert (steps[0].at, steps[0].frame["t"]) == (3.0, "route.request")
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    assert steps[-1].frame["ev"] in {"cleared", "abandoned", "failed"}
    numbers = [step.frame["seq"] for step in steps if "seq" in step.frame]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("life", LIFE_CYCLES, ids=lambda life: life.name)
def test_every_step_is_a_valid_frame_once_its_blanks_are_filled(life):
    (caller,) = draw_callers(1, random.Random(8))
    call = Call(id="c1", at=0.0, caller=caller, dnis="3900", rp="sales")
    for step in plan_call(call, life, random.Random(9), speed=1.0):
        blanks = {step.fill: "7001"} if step.fill else {}
        parse(step.frame | blanks | {"ts": 1.0})


def test_times_have_their_means_and_the_speed_divides_them():
    rng = random.Random(10)
    call = Call(id="c1", at=0.0, caller=None, dnis="3900", rp="sales")
    (answered,) = (life for life in LIFE_CYCLES if life.name == "answered at once")
    plans = [plan_call(call, answered, rng, speed=10.0) for _ in range(4_000)]
    talk = sum(steps[-1].at - steps[-2].at for steps in plans) / len(plans)
    assert talk == pytest.approx(MEAN_S["cleared"] / 10, rel=0.06)


# The schedule


def test_the_same_seed_gives_the_same_load_and_another_seed_another():
    def first(seed: int) -> list[Step]:
        return list(itertools.islice(generate(Load(rate=5, seconds=60, seed=seed), run="r"), 200))

    assert first(1) == first(1)
    assert first(1) != first(2)


def test_steps_come_in_the_order_of_their_times_and_every_call_ends_in_the_tail():
    steps = list(generate(Load(rate=20, seconds=30, tail_s=20.0), run="r"))
    times = [step.at for step in steps]
    assert times == sorted(times)
    assert times[-1] == pytest.approx(50.0)
    begun = {step.frame["call"] for step in steps if step.frame["t"] == "route.request"}
    last = ("cleared", "abandoned", "failed")
    ended = {step.frame["call"] for step in steps if step.frame.get("ev") in last}
    assert begun == ended


def test_the_tail_is_not_faster_than_the_load_itself():
    steps = list(generate(Load(rate=50, seconds=20, tail_s=0.1), run="r"))
    tail = [step for step in steps if step.at >= 20]
    assert len(tail) / (steps[-1].at - 20) <= 50 * 6 * 1.01


def test_requests_alone_when_no_life_cycles_are_wanted():
    steps = list(generate(Load(rate=50, seconds=10, life_cycles=False), run="r"))
    assert {step.frame["t"] for step in steps} == {"route.request"}
    assert len({step.frame["xref"] for step in steps}) == len(steps)


def test_some_callers_withhold_their_number():
    load = Load(rate=100, seconds=20, life_cycles=False, withheld=0.5)
    frames = [step.frame for step in generate(load, run="r")]
    assert sum("ani" in frame for frame in frames) / len(frames) == pytest.approx(0.5, abs=0.06)


# Files


def test_a_file_is_read_in_the_order_of_its_times():
    end = {"t": "route.end", "xref": "x", "cause": "ok"}
    steps = read_steps([line(2, end), "", line(0.5, REQUEST), line(2.0, REQUEST), "  \n"])
    assert steps == [Step(0.5, REQUEST), Step(2.0, end), Step(2.0, REQUEST)]


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ("{", "line"),
        ("[" * 100_000, "line"),
        ("[]", "line"),
        ("3", "line"),
        (json.dumps({"frame": REQUEST}), "at"),
        (line("now", REQUEST), "at"),
        (line(True, REQUEST), "at"),
        (line(-1, REQUEST), "at"),
        (line(float("nan"), REQUEST), "at"),
        (line(float("inf"), REQUEST), "at"),
        (line(0, None), "frame"),
        (line(0, REQUEST | {"i": 3}), "frame.i"),
        (line(0, {"t": "hb", "ts": 1}), "frame.t"),
        (line(0, {"t": "nonsense"}), "frame.t"),
        (line(0, REQUEST | {"ts": "x"}), "frame.ts"),
        (line(0, REQUEST | {"reply_ms": 5}), "frame.reply_ms"),
        (line(0, {"t": "route.request"}), "frame.xref"),
    ],
)
def test_a_bad_line_is_refused_by_its_number_field_and_rule(bad, field):
    with pytest.raises(FeedLineError) as refused:
        read_steps([line(0, REQUEST), "", bad])
    assert (refused.value.line, refused.value.field) == (3, field)
    assert refused.value.rule
    assert str(refused.value).startswith(f"line 3: {field}: ")
