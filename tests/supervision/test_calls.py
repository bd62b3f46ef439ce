"""Calls: answers, deadlines, and every way in which an answer may not come."""

from __future__ import annotations

import asyncio

import pytest

from supervision import (
    NO_REPLY,
    CallTimeout,
    ChildSpec,
    GenServer,
    NoProc,
    PendingCall,
    Response,
    ServerDied,
    SupervisorFlags,
    reasons,
)


class Desk(GenServer):
    """Answers at once, later, after a while or never, as it is asked to."""

    def init(self, args):
        self.open = []
        self.handled = []

    def handle_call(self, request, from_):
        self.handled.append(request)
        if request == "crash":
            raise LookupError("crash")
        if request == "later":
            self.open.append(from_)
            return NO_REPLY
        if request == "slow":
            return self._slow()
        return f"answer to {request}"

    async def _slow(self):
        await asyncio.sleep(10.0)
        return "slow answer"

    def handle_cast(self, request):
        for call in self.open:
            self.reply(call, request)


class Asker(GenServer):
    """Asks without waiting and keeps what comes back."""

    def init(self, args):
        self.state = []

    def handle_cast(self, request):
        target, what, timeout = request
        self.state.append(self.request(target, what, timeout))

    def handle_info(self, message, sender):
        self.state.append(message)


@pytest.fixture
def desk(kit):
    return kit.start(Desk, name="desk")


def begin(kit, target, request, timeout=5.0):
    future = kit.loop.run(kit.base.call, target, request, timeout)
    kit.settle()
    return future


def test_a_call_by_address_or_by_name_is_answered(kit, desk):
    kit.actor(desk).register("reception")
    assert kit.call(desk, "one") == "answer to one"
    assert kit.call("reception", "two") == "answer to two"


def test_a_call_can_be_answered_later(kit, desk):
    answer = begin(kit, desk, "later")
    kit.advance(3.0)
    assert not answer.done()
    kit.cast(desk, "at last")
    kit.settle()
    assert answer.result() == "at last"


def test_a_call_that_is_not_answered_in_time_fails(kit, desk):
    with pytest.raises(CallTimeout, match="no answer in time"):
        kit.call(desk, "later", timeout=3.0)
    assert kit.clock.elapsed == 3.0
    assert kit.alive(desk)


def test_a_late_reply_is_dropped_and_counted(kit, desk):
    with pytest.raises(CallTimeout):
        kit.call(desk, "later", timeout=3.0)
    kit.cast(desk, "too late")
    kit.settle()
    assert kit.kernel.statistics().late_replies == 1


def test_a_late_answer_of_an_asynchronous_handler_is_counted(kit, desk):
    with pytest.raises(CallTimeout):
        kit.call(desk, "slow", timeout=3.0)
    kit.advance(10.0)
    assert kit.kernel.statistics().late_replies == 1


def test_a_call_that_was_given_up_while_it_waited_is_not_handled(kit, desk):
    begin(kit, desk, "slow", timeout=None)
    with pytest.raises(CallTimeout):
        kit.call(desk, "in the queue", timeout=3.0)
    kit.advance(10.0)
    assert kit.actor(desk).handled == ["slow"]


def test_a_call_without_a_timeout_waits_for_ever(kit, desk):
    answer = begin(kit, desk, "later", timeout=None)
    kit.advance(1_000_000.0)
    assert not answer.done()


def test_a_call_to_nobody_fails_at_once(kit, desk):
    kit.stop(desk)
    for target in (desk, "nobody"):
        with pytest.raises(NoProc, match="no such actor"):
            kit.call(target, "question")
    assert kit.clock.elapsed == 0.0


def test_the_caller_of_a_crash_is_told_at_once_why(kit, desk):
    with pytest.raises(ServerDied, match="LookupError: crash") as failure:
        kit.call(desk, "crash")
    assert failure.value.reason.kind == "error"
    assert kit.clock.elapsed == 0.0
    assert not kit.alive(desk)


@pytest.mark.parametrize(
    "reason", [reasons.NORMAL, reasons.SHUTDOWN, reasons.KILLED, reasons.error("x")], ids=str
)
def test_every_open_call_fails_at_once_when_the_server_ends(kit, desk, reason):
    calls = [begin(kit, desk, "later", None), begin(kit, desk, "slow", None)]
    calls += [begin(kit, desk, f"queued {number}", None) for number in range(3)]
    kit.faults.exit(desk, reason)
    kit.settle()
    assert [type(call.exception()) for call in calls] == [ServerDied] * 5
    assert {call.exception().reason for call in calls} == {reason}
    assert kit.clock.elapsed == 0.0


def test_calls_to_a_server_that_is_ending_fail_when_it_has_ended(kit):
    class Lingering(Desk):
        async def terminate(self, reason):
            await asyncio.sleep(2.0)

    desk = kit.start(Lingering)
    kit.faults.exit(desk, reasons.SHUTDOWN)
    kit.settle()
    with pytest.raises(ServerDied):
        kit.call(desk, "question")
    assert kit.clock.elapsed == 2.0


def test_calls_that_are_given_up_and_never_answered_do_not_gather(kit, desk):
    for _ in range(2_000):
        begin(kit, desk, "later", timeout=0.001).add_done_callback(lambda call: call.exception())
        kit.advance(0.001)
    assert len(desk.cell.deferred) < 200


def test_calls_that_are_open_are_all_kept_however_many_there_are(kit, desk):
    calls = [begin(kit, desk, "later", timeout=None) for _ in range(1_000)]
    kit.faults.kill(desk)
    kit.settle()
    assert all(isinstance(call.exception(), ServerDied) for call in calls)


# Requests, whose answers are messages


def test_a_request_is_answered_by_a_message_with_its_number(kit, desk):
    asker = kit.start(Asker)
    for what in ("one", "two"):
        kit.cast(asker, (desk, what, 5.0))
    kit.settle()
    first, second, *responses = kit.actor(asker).state
    assert responses == [
        Response(first, "answer to one", None),
        Response(second, "answer to two", None),
    ]


def test_a_response_always_comes_and_only_one(kit, desk):
    asker = kit.start(Asker)
    kit.cast(asker, ("nobody", "question", 5.0))
    kit.cast(asker, (desk, "later", 2.0))
    kit.cast(asker, (desk, "crash", 5.0))
    kit.advance(10.0)
    kit.cast(desk, "too late")
    kit.settle()
    responses = [one for one in kit.actor(asker).state if isinstance(one, Response)]
    errors = {type(response.error) for response in responses}
    assert len(responses) == 3
    assert errors == {NoProc, ServerDied}


def test_a_request_that_times_out_is_answered_by_its_timeout(kit, desk):
    asker = kit.start(Asker)
    kit.cast(asker, (desk, "later", 2.0))
    kit.advance(1.9)
    assert len(kit.actor(asker).state) == 1
    kit.advance(0.1)
    number, response = kit.actor(asker).state
    assert (response.request_id, response.value) == (number, None)
    assert isinstance(response.error, CallTimeout)


def test_an_answer_to_an_old_incarnation_never_reaches_the_new_one(kit, desk):
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("asker", Asker)])
    asker = kit.address("top/asker")
    kit.cast(asker, (desk, "later", 60.0))
    kit.settle()
    kit.faults.kill(asker)
    kit.settle()
    kit.cast(desk, "for the one before")
    kit.settle()
    assert (asker.incarnation, kit.actor(asker).state) == (2, [])
    assert [letter.message for letter in kit.kernel.dead_letters.recent] == ["Response"]


def test_answers_come_in_the_order_they_were_given(kit):
    probe, asker = kit.probe(), kit.start(Asker)
    for number in range(10):
        kit.cast(asker, (probe.address, number, 5.0))
    kit.settle()
    for one in reversed(probe.received):
        probe.reply(one.call, one.message)
    kit.settle()
    answers = [one.value for one in kit.actor(asker).state if isinstance(one, Response)]
    assert answers == list(reversed(range(10)))


class Relative(Desk):
    """Asks another server in each way in which an actor can."""

    async def handle_cast(self, target):
        await self.call(target, "awaited")
        await self.multi_call([target], "of many")
        self.request(target, "by message", None)


def test_whoever_asks_a_server_is_shown_what_is_asked_and_until_when(kit):
    class Curious(GenServer):
        def handle_call(self, request, from_):
            seen.append((isinstance(from_, PendingCall), from_.request, from_.deadline))
            assert from_.wanted
            return "answer"

    seen, now = [], kit.clock.monotonic()
    curious = kit.start(Curious)
    kit.cast(kit.start(Relative), curious)
    kit.call(curious, "from outside", 2.0)
    assert sorted(seen, key=lambda one: one[1]) == [
        (True, "awaited", now + 5.0),
        (True, "by message", None),
        (True, "from outside", now + 2.0),
        (True, "of many", now + 5.0),
    ]
