"""``handle_continue``, idle timeouts, and what stops a server from inside (reference 2.1)."""

from __future__ import annotations

import asyncio

import pytest

from supervision import NO_REPLY, Continue, GenServer, MailboxPolicy, ServerDied, Timeout, reasons
from supervision.testing import NotStarted


class Worker(GenServer):
    """Writes down what it handles; its requests are the terms that it goes on with."""

    def init(self, args):
        self.state = []
        return args

    def go_on(self, terms):
        for term in terms:
            self.continue_with(term)

    def handle_call(self, request, from_):
        self.state.append(("call", request))
        self.go_on(request)
        return "answered"

    def handle_cast(self, request):
        self.state.append(("cast", request))
        self.go_on(request)

    def handle_info(self, message, sender):
        self.state.append(("info", message))
        if isinstance(message, tuple):
            self.go_on(message)

    def handle_continue(self, term):
        self.state.append(("continue", term))
        if isinstance(term, list):
            self.go_on(term)


class SlowWorker(Worker):
    """The same with coroutines, a second each."""

    async def init(self, args):
        await asyncio.sleep(1.0)
        return super().init(args)

    async def handle_call(self, request, from_):
        await asyncio.sleep(1.0)
        return super().handle_call(request, from_)

    async def handle_continue(self, term):
        await asyncio.sleep(1.0)
        super().handle_continue(term)


both = pytest.mark.parametrize("kind", [Worker, SlowWorker])


def begin(kit, actor, args=None):
    """Start without waiting; return the address."""
    address = kit.kernel.child_address(None, "begun")
    kit.loop.run(lambda: kit.kernel.spawn(actor, args, parent=None, address=address))
    return address


@both
def test_init_goes_on_before_any_message(kit, kind):
    worker = kind()
    address = begin(kit, worker, Continue("the rest"))
    kit.send(address, "early")
    kit.advance(10.0)
    assert worker.state == [("continue", "the rest"), ("info", "early")]


def test_a_start_does_not_wait_for_what_init_goes_on_with(kit):
    class Opening(SlowWorker):
        def init(self, args):
            self.state = []
            return Continue("opening")

    address = kit.start(Opening)
    assert (kit.actor(address).state, kit.clock.elapsed) == ([], 0.0)


@both
@pytest.mark.parametrize("how", ["call", "cast", "info"])
def test_every_callback_can_go_on_before_the_messages_that_wait(kit, kind, how):
    worker = kit.start(kind)
    if how == "call":
        kit.loop.run(kit.base.call, worker, ("a",), None)
    elif how == "cast":
        kit.cast(worker, ("a",))
    else:
        kit.send(worker, ("a",))
    kit.send(worker, "waits")
    kit.advance(10.0)
    assert kit.actor(worker).state == [(how, ("a",)), ("continue", "a"), ("info", "waits")]


def test_an_answer_is_there_before_what_the_server_goes_on_with(kit):
    worker = kit.start(SlowWorker)
    answer = kit.loop.run(kit.base.call, worker, ("a",), None)
    kit.advance(1.0)
    assert answer.result() == "answered"
    assert kit.actor(worker).state == [("call", ("a",))]


@both
def test_several_terms_are_handled_in_the_order_they_were_asked_for(kit, kind):
    worker = kit.start(kind)
    kit.cast(worker, ("a", ["b", ["c"]], "d"))
    kit.send(worker, "waits")
    kit.advance(20.0)
    handled = [what for how, what in kit.actor(worker).state if how == "continue"]
    assert handled == ["a", ["b", ["c"]], "d", "b", ["c"], "c"]
    assert kit.actor(worker).state[-1] == ("info", "waits")


def test_what_a_server_goes_on_with_is_never_lost_to_a_full_mailbox(kit):
    class Narrow(SlowWorker):
        mailbox = MailboxPolicy(limit=2, overflow="drop_oldest")

    worker = kit.start(Narrow)
    kit.loop.run(kit.base.call, worker, ("a",), None)
    kit.advance(1.5)
    for number in range(5):
        kit.send(worker, number)
    kit.advance(10.0)
    assert ("continue", "a") in kit.actor(worker).state


def test_a_crash_in_handle_continue_names_the_term(kit):
    class Failing(Worker):
        def handle_continue(self, term):
            raise LookupError(term)

    worker = kit.start(Failing)
    kit.cast(worker, ("a",))
    kit.settle()
    [report] = kit.reported("crash")
    assert (report.data["message"], report.data["reason"]) == ("str", "error: LookupError: a")
    assert not kit.alive(worker)


def test_a_server_that_ends_goes_on_with_nothing(kit):
    class Ending(Worker):
        def handle_cast(self, request):
            self.continue_with("more")
            self.stop()

    worker = kit.start(Ending)
    actor = kit.actor(worker)
    kit.cast(worker, "end")
    kit.settle()
    assert actor.state == []
    assert kit.kernel.dead_letters.total == 0


# Idle timeouts


class Idle(GenServer):
    """Wants to be told after two seconds without a message."""

    def init(self, args):
        self.state = []
        self.idle_timeout(2.0, "quiet")

    def handle_info(self, message, sender):
        self.state.append((message, self.kernel.clock.elapsed))
        if message == "again":
            self.idle_timeout(2.0, "quiet")
        if message == "no more":
            self.idle_timeout(None)

    async def handle_call(self, request, from_):
        self.idle_timeout(2.0, "after a call")
        await asyncio.sleep(request)
        self.idle_timeout(2.0, "after a wait")


def told(kit, idle):
    return [one for one in kit.actor(idle).state if isinstance(one[0], Timeout)]


def test_a_server_is_told_once_that_no_message_came(kit):
    idle = kit.start(Idle)
    kit.advance(10.0)
    assert told(kit, idle) == [(Timeout(None, "quiet"), 2.0)]


def test_any_message_cancels_an_idle_timeout(kit):
    idle = kit.start(Idle)
    kit.advance(1.9)
    kit.send(idle, "anything")
    kit.advance(10.0)
    assert told(kit, idle) == []


def test_an_idle_timeout_that_is_asked_for_again_begins_again(kit):
    idle = kit.start(Idle)
    for _ in range(5):
        kit.advance(1.5)
        kit.send(idle, "again")
    kit.advance(10.0)
    assert told(kit, idle) == [(Timeout(None, "quiet"), 9.5)]
    assert kit.kernel.statistics().timers == 0


def test_an_idle_timeout_can_be_taken_back(kit):
    idle = kit.start(Idle)
    kit.actor(idle).idle_timeout(None)
    kit.advance(10.0)
    assert told(kit, idle) == []


def test_an_idle_timeout_begins_when_an_asynchronous_handler_has_ended(kit):
    idle = kit.start(Idle)
    assert kit.call(idle, 1.0) is None
    kit.advance(10.0)
    assert told(kit, idle) == [(Timeout(None, "after a wait"), 3.0)]


def test_a_handler_that_is_at_work_is_not_idle(kit):
    class Busy(Idle):
        async def handle_call(self, request, from_):
            self.idle_timeout(2.0, "quiet")
            await asyncio.sleep(request)

    busy = kit.start(Busy)
    kit.call(busy, 3.0)
    kit.advance(10.0)
    assert told(kit, busy) == [(Timeout(None, "quiet"), 4.0)]


def test_an_idle_timeout_goes_with_its_server(kit):
    idle = kit.start(Idle)
    kit.stop(idle)
    kit.advance(10.0)
    assert kit.kernel.dead_letters.total == 0
    assert kit.kernel.statistics().timers == 0


# Stopping from callbacks


class Leaving(GenServer):
    """Ends from whatever callback it is told to, with a reason."""

    def init(self, args):
        self.state = args
        if args == "init":
            self.stop(reasons.shutdown(args))

    def leave(self, what):
        if self.state == what:
            self.stop(reasons.shutdown(what))

    def handle_call(self, request, from_):
        self.leave("call")
        if self.state == "reply first":
            self.reply(from_, "goodbye")
            self.leave("reply first")
            return NO_REPLY
        return NO_REPLY if self.state == "no answer" else "goodbye"

    def handle_cast(self, request):
        self.leave("cast")
        self.continue_with(request)

    def handle_info(self, message, sender):
        self.leave("info")

    def handle_continue(self, term):
        self.leave("continue")


@pytest.mark.parametrize("where", ["cast", "info", "continue"])
def test_a_server_can_stop_in_every_callback(kit, where):
    watcher, leaving = kit.probe(), kit.start(Leaving, where)
    watcher.monitor(leaving)
    kit.send(leaving, "message")
    kit.cast(leaving, "request")
    kit.settle()
    assert [down.reason for down in watcher.messages] == [reasons.shutdown(where)]
    assert kit.reported("crash") == []


@pytest.mark.parametrize("where", ["call", "reply first"])
def test_a_server_can_answer_and_stop(kit, where):
    leaving = kit.start(Leaving, where)
    assert kit.call(leaving, "question") == "goodbye"
    assert not kit.alive(leaving)


def test_a_server_that_stops_without_an_answer_fails_its_caller(kit):
    class Silent(Leaving):
        def handle_call(self, request, from_):
            self.stop(reasons.shutdown("no answer"))
            return NO_REPLY

    with pytest.raises(ServerDied) as failure:
        kit.call(kit.start(Silent), "question")
    assert failure.value.reason == reasons.shutdown("no answer")


def test_a_crash_in_what_init_goes_on_with_is_no_failed_start(kit):
    class Late(GenServer):
        def init(self, args):
            return Continue("more")

        def handle_continue(self, term):
            raise LookupError(term)

    outcome = kit.loop.run(lambda: kit.kernel.start_root(Late(), None, "late", lambda: None))
    kit.settle()
    assert type(outcome.result()).__name__ == "Started"
    assert not kit.alive(outcome.result().address)


def test_a_server_without_handle_continue_that_begins_with_one_ends_in_words(kit):
    class Forgetful(GenServer):
        def init(self, args):
            return Continue(7)

    try:
        kit.start(Forgetful)
    except NotStarted:
        pytest.fail("init was fine")
    [report] = kit.reported("crash")
    assert "Forgetful takes no int: it has no handle_continue" in report.data["reason"]
