"""Effects: when they run, in which order, and what one that fails does to the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_kit import OutboxItem, opened

from supervision.testing import Kit

KEYS = st.sampled_from("abc")
STEPS = st.one_of(
    st.tuples(st.just("put"), KEYS),
    st.tuples(st.just("append")),
    st.tuples(st.just("after")),
    st.tuples(st.just("turn")),
    st.tuples(st.just("time")),
    st.tuples(st.just("step")),
    st.tuples(st.just("fail")),
    st.tuples(st.just("heal")),
    st.tuples(st.just("crash")),
)


@pytest.fixture
def kit():
    with Kit() as one:
        yield one


def durable_of(writer):
    """The latest value of each key and the count of the outbox, as they are on the disk."""
    values = {key: writer.value("session", key) or 0 for key in "abc"}
    return {**values, "outbox": len(writer.outbox())}


class Play:
    """A journal under random steps; each effect notes what it may rely on, and checks it."""

    def __init__(self, kit):
        self.kit = kit
        self.journal, self.writer = opened(kit, retry_s=0.5)
        self.writer.hold()
        self.put = dict.fromkeys([*"abc", "outbox"], 0)
        self.asked = 0
        self.ran = []

    def do(self, step):
        match step:
            case ("put", key):
                self.put[key] += 1
                self.journal.put("session", key, self.put[key])
            case ("append",):
                self.put["outbox"] += 1
                self.journal.append(OutboxItem("s", "c", None, 0))
            case ("after",):
                self.ask()
            case ("turn",):
                self.kit.settle()
            case ("time",):
                self.kit.advance(0.6)
            case ("step",) if self.writer.waiting:
                self.writer.step()
            case ("fail",):
                self.writer.fail("disk I/O error")
            case ("heal",):
                self.writer.heal()
            case ("crash",) if self.journal._working:
                self.writer.crash()
                self.kit.run(self.journal.open())
            case _:
                pass

    def ask(self):
        number, relied_on = self.asked, dict(self.put)
        self.asked += 1

        def effect():
            self.ran.append(number)
            durable = durable_of(self.writer)
            assert all(durable[key] >= value for key, value in relied_on.items())

        self.journal.after(effect)


@given(st.lists(STEPS, max_size=40))
def test_effects_run_in_order_and_never_before_what_they_rely_on_is_durable(steps) -> None:
    with Kit() as kit:
        play = Play(kit)
        for step in steps:
            play.do(step)
            assert play.ran == sorted(play.ran)
        play.writer.heal()
        play.writer.release()
        kit.advance(5.0)
        assert play.ran == list(range(play.asked))
        assert durable_of(play.writer) == play.put
        assert (play.journal.waiting, play.journal.effects) == (0, 0)
        assert play.journal.outbox_rows == play.put["outbox"]
        crashes = [report for report in kit.reports if report.kind == "crash"]
        assert crashes == []


def test_an_effect_that_fails_is_reported_and_the_next_one_runs(kit) -> None:
    one, _ = opened(kit)
    done = []
    one.put("session", "a", 1)
    one.after(lambda: 1 / 0)
    one.after(lambda: done.append(1))
    kit.settle()
    assert done == [1]
    (report,) = [report for report in kit.reports if report.kind == "crash"]
    assert report.path == "journal"
    assert report.data["reason"] == "ZeroDivisionError('division by zero')"


def test_what_effects_ask_for_comes_after_those_that_wait(kit) -> None:
    one, _ = opened(kit)
    done = []

    def first():
        one.after(lambda: done.append("asked by the first"))
        done.append("first")

    one.put("session", "a", 1)
    one.after(first)
    one.after(lambda: done.append("second"))
    kit.settle()
    assert done == ["first", "second", "asked by the first"]


def test_many_effects_let_the_loop_go_round(kit) -> None:
    one, _ = opened(kit)
    done = []

    def slow(number):
        done.append(number)
        kit.clock.advance(0.004)

    one.put("session", "a", 1)
    for number in range(6):
        one.after(lambda number=number: slow(number))
    kit.loop.call_soon(lambda: kit.loop.call_soon(lambda: kit.loop.call_soon(done.append, "loop")))
    kit.settle()
    assert sorted(done, key=str) == [0, 1, 2, 3, 4, 5, "loop"]
    assert done.index("loop") < 6


def test_what_waits_is_counted_against_the_limit(kit) -> None:
    one, writer = opened(kit, queue_limit=10)
    writer.hold()
    for key in range(8):
        one.put("session", str(key), 1)
    one.after(lambda: None)
    assert one.load == pytest.approx(0.9)
    kit.settle()
    for key in range(3):
        one.put("session", str(key), 2)
    assert one.load == pytest.approx(1.2)
    writer.release()
    kit.advance(0.1)
    assert one.load == 0


def test_a_value_that_cannot_be_encoded_is_reported(kit) -> None:
    one, writer = opened(kit)
    one.put("session", "a", object())
    one.put("session", "b", 1)
    kit.settle()
    assert writer.value("session", "b") == 1
    assert one.statistics().unwritable == 1
    (report,) = [report for report in kit.reports if report.kind == "crash"]
    assert report.data["message"] == "the session a"
