"""Timers and deadlines: the pure cores, and the timers of actors."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision import ChildSpec, GenServer, SupervisorFlags, Timeout
from supervision.eventloop import timers
from supervision.eventloop.timers import DeadlineQueues, Timer, TimerHeap


def armed(heap, when, fired=None):
    timer = Timer(when, (fired if fired is not None else []).append, None, None)
    heap.add(timer)
    return timer


def expire_due(queues, now):
    for entry in queues.pop_due(now):
        entry.expire()


class Entry:
    def __init__(self, settled=False):
        self.settled = settled
        self.expired = 0

    def expire(self):
        self.expired += 1
        self.settled = True


class Waker(GenServer):
    def init(self, args):
        self.state = []

    def handle_info(self, message, sender):
        self.state.append(message)

    def handle_call(self, request, from_):
        after_s, payload = request
        return self.start_timer(after_s, payload)


# The heap


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans())), st.integers(0, 20))
def test_the_heap_gives_what_is_due_in_order_and_nothing_cancelled(plan, now):
    heap = TimerHeap()
    made = [(armed(heap, when), cancelled) for when, cancelled in plan]
    for timer, cancelled in made:
        if cancelled:
            assert heap.cancel(timer)
    due = list(heap.pop_due(now))
    expected = [timer for timer, cancelled in made if not cancelled and timer.when <= now]
    assert due == sorted(expected, key=lambda timer: timer.when)
    assert len(heap) == sum(not cancelled for _, cancelled in made) - len(due)


def test_timers_of_one_instant_fire_in_the_order_they_were_set():
    heap = TimerHeap()
    made = [armed(heap, 5.0) for _ in range(10)]
    assert list(heap.pop_due(5.0)) == made


def test_a_timer_is_cancelled_once():
    heap = TimerHeap()
    timer = armed(heap, 5.0)
    assert heap.cancel(timer)
    assert not heap.cancel(timer)
    assert heap.next_due == timers.NEVER


def test_cancelled_timers_do_not_fill_the_heap():
    heap = TimerHeap()
    kept = armed(heap, 1_000.0)
    for _ in range(100):
        for timer in [armed(heap, 500.0) for _ in range(1_000)]:
            heap.cancel(timer)
    assert len(heap) == 1
    assert len(heap._heap) <= 3 * timers.COMPACT_FROM
    assert heap.next_due == kept.when


# Deadlines


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 60), st.booleans()), max_size=80),
    st.integers(0, 70),
)
def test_what_is_not_settled_by_its_deadline_expires_once(plan, until):
    queues, now, made = DeadlineQueues(), 0, []
    for wait, duration, settled in plan:
        now += wait
        entry = Entry()
        queues.add(now, duration, entry)
        made.append((now + duration, entry))
        entry.settled = settled
    pending = [due for due, entry in made if not entry.settled]
    assert queues.next_due == min(pending, default=timers.NEVER)
    assert len(queues) == len(pending)
    expire_due(queues, now + until)
    expire_due(queues, now + until)
    for (due, entry), (_, _, settled) in zip(made, plan, strict=True):
        assert entry.expired == (due <= now + until and not settled)


def test_settled_deadlines_do_not_fill_the_queues():
    queues = DeadlineQueues()
    for number in range(50_000):
        queues.add(float(number), 100_000.0, Entry(settled=True))
    assert len(queues._queues[100_000.0]) <= timers.COMPACT_FROM


def test_ever_new_durations_do_not_make_ever_new_queues():
    queues = DeadlineQueues()
    for number in range(50_000):
        queues.add(0.0, 5.0 + number, Entry(settled=number % 10 != 0))
    assert len(queues._queues) <= timers.MOST_DURATIONS
    assert len(queues._heap) <= 2 * 5_000 + timers.COMPACT_FROM
    assert queues.next_due == 5.0
    expire_due(queues, 5_000.0 + 5.0)
    assert queues.next_due == 5_015.0


def test_the_first_deadline_of_all_is_the_next():
    queues = DeadlineQueues()
    for duration in random.Random(1).sample(range(1, 1_000), 500):
        queues.add(0.0, float(duration), Entry())
    queues.add(0.0, 0.5, first := Entry())
    assert queues.next_due == 0.5
    expire_due(queues, 0.5)
    assert first.expired == 1


# Timers of actors


def test_a_timer_comes_when_it_is_due_with_its_payload(kit):
    waker = kit.start(Waker)
    timer = kit.call(waker, (2.0, "tick"))
    kit.advance(1.999)
    assert kit.actor(waker).state == []
    kit.advance(0.001)
    assert kit.actor(waker).state == [Timeout(timer, "tick")]


def test_timers_come_in_the_order_of_their_times(kit):
    waker = kit.start(Waker)
    for after_s in (3.0, 1.0, 2.0, 1.0):
        kit.call(waker, (after_s, after_s))
    kit.advance(3.0)
    assert [timeout.payload for timeout in kit.actor(waker).state] == [1.0, 1.0, 2.0, 3.0]


def test_a_timer_without_delay_comes_at_once(kit):
    waker = kit.start(Waker)
    kit.call(waker, (0.0, "now"))
    kit.call(waker, (-5.0, "overdue"))
    assert [timeout.payload for timeout in kit.actor(waker).state] == ["now", "overdue"]
    assert kit.clock.elapsed == 0.0


def test_a_cancelled_timer_does_not_come(kit):
    waker = kit.start(Waker)
    timer = kit.call(waker, (2.0, "tick"))
    assert kit.actor(waker).cancel_timer(timer)
    assert not kit.actor(waker).cancel_timer(timer)
    kit.advance(5.0)
    assert kit.actor(waker).state == []


def test_a_timer_that_has_fired_cannot_be_cancelled(kit):
    waker = kit.start(Waker)
    timer = kit.call(waker, (2.0, "tick"))
    kit.advance(2.0)
    assert not kit.actor(waker).cancel_timer(timer)


@pytest.mark.parametrize("cancelled", range(5))
def test_the_timers_of_an_actor_end_with_it_whichever_were_cancelled(kit, cancelled):
    waker = kit.start(Waker)
    made = [kit.call(waker, (10.0 + number, number)) for number in range(5)]
    kit.actor(waker).cancel_timer(made[cancelled])
    other = kit.start(Waker)
    kit.call(other, (20.0, "stays"))
    assert kit.kernel.statistics().timers == 5
    kit.faults.kill(waker)
    kit.settle()
    assert kit.kernel.statistics().timers == 1
    kit.advance(30.0)
    assert [timeout.payload for timeout in kit.actor(other).state] == ["stays"]
    assert kit.kernel.dead_letters.total == 0


def test_the_timers_of_an_old_incarnation_never_reach_the_new_one(kit):
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("waker", Waker)])
    waker = kit.address("top/waker")
    kit.call(waker, (5.0, "old"))
    kit.faults.kill(waker)
    kit.advance(10.0)
    assert (waker.incarnation, kit.actor(waker).state) == (2, [])


def test_a_step_of_the_wall_clock_moves_no_timer(kit):
    waker = kit.start(Waker)
    kit.call(waker, (5.0, "tick"))
    kit.clock.set_wall(0.0)
    kit.advance(4.0)
    assert kit.actor(waker).state == []
    kit.advance(1.0)
    assert len(kit.actor(waker).state) == 1


# Timers whose time moves


class Watch(GenServer):
    """Is told of a silence; what it hears puts that off."""

    def init(self, args):
        self.state = []
        self.quiet_at = self.now() + 10.0
        self.timer = self.start_moving_timer(lambda: self.quiet_at, "quiet")

    def handle_info(self, message, sender):
        self.state.append(message)


def test_a_timer_whose_time_has_moved_comes_at_the_new_time_and_once(kit):
    watch = kit.actor(address := kit.start(Watch))
    for _ in range(3):
        kit.advance(9.0)
        watch.quiet_at = watch.now() + 10.0
    kit.advance(9.999)
    assert watch.state == []
    handled = watch._myRef.handled
    kit.advance(0.001)
    assert watch.state == [Timeout(watch.timer, "quiet")]
    assert watch._myRef.handled == handled + 1, "no message before the time has come"
    kit.advance(100.0)
    assert len(watch.state) == 1
    assert kit.actor(address) is watch


def test_a_timer_that_has_no_time_any_more_ends_in_silence(kit):
    watch = kit.actor(kit.start(Watch))
    watch.quiet_at = None
    kit.advance(100.0)
    assert watch.state == []
    assert watch._myRef.timers is None
    assert watch.start_moving_timer(lambda: None, "never") is None


def test_a_timer_that_has_moved_can_be_cancelled_and_ends_with_its_actor(kit):
    cancelled, ended = kit.actor(kit.start(Watch)), kit.actor(kit.start(Watch))
    for watch in (cancelled, ended):
        watch.quiet_at = watch.now() + 20.0
    kit.advance(15.0)
    assert cancelled.cancel_timer(cancelled.timer)
    ended.stop()
    kit.advance(100.0)
    assert cancelled.state == ended.state == []
    assert not ended.timer.pending


def test_a_call_of_the_loop_that_comes_too_early_disturbs_no_later_timer(kit):
    waker = kit.start(Waker)
    early = kit.call(waker, (1.0, "early"))
    kit.call(waker, (5.0, "late"))
    kit.actor(waker).cancel_timer(early)
    kit.advance(4.999)
    assert kit.actor(waker).state == []
    kit.advance(0.001)
    assert [timeout.payload for timeout in kit.actor(waker).state] == ["late"]
