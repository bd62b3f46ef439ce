"""gen_server's contract (reference 2.1): callbacks, replies, unknown messages, what is shown."""

from __future__ import annotations

import asyncio

import pytest

from supervision import NO_REPLY, NORMAL, Continue, GenServer, ServerDied, Stop, reasons
from supervision.testing import NotStarted


class Ledger(GenServer):
    """A server with synchronous handlers."""

    def init(self, args):
        self.state = {"balance": args, "secret": "4711"}

    def handle_call(self, request, from_):
        match request:
            case "balance":
                return self.state["balance"]
            case "reply first":
                self.reply(from_, "early")
                self.state["balance"] += 1
                return NO_REPLY
            case "twice":
                self.reply(from_, "first")
                return "second"
            case "stop":
                self.stop(reasons.shutdown("asked"))
                return "stopping"
        raise LookupError(request)

    def handle_cast(self, request):
        self.state["balance"] += request

    def handle_info(self, message, sender):
        self.send(sender, ("got", message))

    def format_status(self, state):
        return {name: value for name, value in state.items() if name != "secret"}


class Slow(GenServer):
    """A server with asynchronous handlers."""

    async def init(self, args):
        await asyncio.sleep(1.0)
        self.state = args

    async def handle_call(self, request, from_):
        await asyncio.sleep(1.0)
        if request == "later":
            self.state = from_
            return NO_REPLY
        return request

    async def handle_cast(self, request):
        await asyncio.sleep(1.0)
        self.reply(self.state, request)

    async def handle_info(self, message, sender):
        await asyncio.sleep(1.0)
        self.send(sender, message)


@pytest.fixture
def ledger(kit):
    return kit.start(Ledger, 10)


def test_calls_casts_and_other_messages_reach_their_callbacks(kit, ledger):
    probe = kit.probe()
    kit.cast(ledger, 5)
    assert kit.call(ledger, "balance") == 15
    probe.send(ledger, "hello")
    kit.settle()
    assert probe.messages == [("got", "hello")]


def test_messages_are_handled_in_the_order_they_were_sent(kit, ledger):
    probe = kit.probe()
    for number in range(100):
        probe.send(ledger, number)
    kit.settle()
    assert probe.messages == [("got", number) for number in range(100)]


def test_asynchronous_callbacks_do_the_same(kit):
    probe, slow = kit.probe(), kit.start(Slow, None)
    assert kit.call(slow, "question") == "question"
    probe.send(slow, "hello")
    kit.advance(1.0)
    assert probe.messages == ["hello"]
    answer = kit.loop.run(kit.base.call, slow, "later", None)
    kit.cast(slow, "at last")
    kit.advance(2.0)
    assert answer.result() == "at last"


def test_an_answer_can_be_given_before_the_handler_ends(kit, ledger):
    assert kit.call(ledger, "reply first") == "early"
    assert kit.call(ledger, "balance") == 11


def test_only_the_first_answer_counts(kit, ledger):
    assert kit.call(ledger, "twice") == "first"
    assert kit.kernel.statistics().late_replies == 1


def test_an_answer_and_an_end_go_together(kit, ledger):
    watcher = kit.probe()
    watcher.monitor(ledger)
    assert kit.call(ledger, "stop") == "stopping"
    assert [down.reason for down in watcher.messages] == [reasons.shutdown("asked")]


def test_an_exception_ends_the_server_and_its_callers_know_why(kit, ledger):
    with pytest.raises(ServerDied, match="LookupError: nonsense"):
        kit.call(ledger, "nonsense")
    assert not kit.alive(ledger)


def test_a_server_without_handle_call_ends_in_words(kit):
    plain = kit.start(GenServer)
    with pytest.raises(ServerDied, match="GenServer answers no int"):
        kit.call(plain, 7)
    assert not kit.alive(plain)


def test_a_server_without_handle_cast_ends_in_words(kit):
    plain = kit.start(GenServer)
    kit.cast(plain, 7)
    kit.settle()
    assert "GenServer takes no int" in kit.reported("crash")[0].data["reason"]
    assert not kit.alive(plain)


def test_an_unexpected_message_is_reported_and_dropped(kit):
    plain = kit.start(GenServer, name="plain")
    kit.send(plain, 7)
    kit.settle()
    [report] = kit.reported("unexpected")
    assert (report.path, report.data["message"]) == ("plain", "int")
    assert kit.alive(plain)


def test_a_server_need_not_have_an_init(kit):
    assert kit.alive(kit.start(GenServer))


def test_what_is_shown_leaves_secrets_out(kit, ledger):
    assert kit.actor(ledger).status() == {"balance": 10}


def test_a_server_that_fails_in_init_never_had_callers(kit):
    class Failing(GenServer):
        async def init(self, args):
            await asyncio.sleep(1.0)
            raise LookupError("no")

    with pytest.raises(NotStarted, match="LookupError: no"):
        kit.start(Failing)


def test_messages_that_come_before_an_asynchronous_init_ends_are_handled_after_it(kit):
    made = Slow()
    address = kit.kernel.child_address(None, "slow")
    kit.loop.run(lambda: kit.kernel.spawn(made, "args", parent=None, address=address))
    assert kit.call(address, "early") == "early"
    assert (made.state, kit.clock.elapsed) == ("args", 2.0)


def test_callers_of_a_server_whose_init_fails_are_told_so(kit):
    class Failing(GenServer):
        async def init(self, args):
            await asyncio.sleep(1.0)
            raise LookupError("no")

    address = kit.kernel.child_address(None, "failing")
    kit.loop.run(lambda: kit.kernel.spawn(Failing(), None, parent=None, address=address))
    with pytest.raises(ServerDied, match="LookupError: no"):
        kit.call(address, "early")


def test_time_is_the_nodes(kit, ledger):
    actor = kit.actor(ledger)
    kit.advance(12.5)
    assert actor.now() == kit.clock.monotonic()
    assert actor.wall() == kit.clock.wall()


# What releases and operators do with the state (sys(3))


class Versioned(GenServer):
    """Version 2 keeps a list where version 1 had one value."""

    version = 2

    def init(self, args):
        self.state = args

    def code_change(self, old_vsn, state, extra):
        if old_vsn != 1:
            raise LookupError(old_vsn)
        return [state, extra]

    def downgrade(self, new_vsn, state, extra):
        return (new_vsn, state[0])


class VersionedSlowly(Versioned):
    async def code_change(self, old_vsn, state, extra):
        await asyncio.sleep(1.0)
        return super().code_change(old_vsn, state, extra)


def test_a_state_can_be_read_and_replaced(kit, ledger):
    actor = kit.actor(ledger)
    assert actor.system_get_state() == {"balance": 10, "secret": "4711"}
    assert actor.system_replace_state(lambda state: {**state, "balance": 3})["balance"] == 3
    assert kit.call(ledger, "balance") == 3


def test_a_function_that_fails_replaces_nothing(kit, ledger):
    with pytest.raises(ZeroDivisionError):
        kit.actor(ledger).system_replace_state(lambda state: 1 / 0)
    assert kit.call(ledger, "balance") == 10


def test_a_state_is_converted_up_and_down(kit):
    actor = kit.actor(kit.start(Versioned, "one"))
    assert actor.system_code_change(1, "extra") == ["one", "extra"]
    assert actor.system_code_change(("down", 1), None) == (1, "one")
    assert actor.state == (1, "one")


def test_a_state_can_be_converted_by_a_coroutine(kit):
    actor = kit.actor(kit.start(VersionedSlowly, "one"))
    assert kit.run(actor.system_code_change(1, "extra")) == ["one", "extra"]
    assert actor.state == ["one", "extra"]


def test_a_conversion_that_is_refused_leaves_the_old_state(kit):
    actor, slow = (kit.actor(kit.start(kind, "one")) for kind in (Versioned, VersionedSlowly))
    with pytest.raises(LookupError):
        actor.system_code_change(7, None)
    with pytest.raises(LookupError):
        kit.run(slow.system_code_change(7, None))
    assert (actor.state, slow.state) == ("one", "one")


def test_a_server_without_code_change_refuses_in_words(kit, ledger):
    actor = kit.actor(ledger)
    with pytest.raises(TypeError, match="Ledger has no code_change from 1"):
        actor.system_code_change(1, None)
    with pytest.raises(TypeError, match="Ledger has no downgrade to 0"):
        actor.system_code_change(("down", 0), None)
    with pytest.raises(TypeError, match="Probe has no code_change"):
        kit.probe().system_code_change(1, None)


class Mistaken(GenServer):
    def init(self, args):
        self.state = args

    def handle_call(self, request, from_):
        match request:
            case "forgets to await":
                return self.call("elsewhere", "question")
            case "stops as init does":
                return Stop(NORMAL)
            case "goes on as init does":
                return Continue("more")


class MistakenLater(Mistaken):
    async def handle_call(self, request, from_):
        return super().handle_call(request, from_)


@pytest.mark.parametrize("kind", [Mistaken, MistakenLater])
@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ("forgets to await", "returned a CoroutineCall: make it async, and await the call"),
        ("stops as init does", "returned a Stop: stop ends a server"),
        ("goes on as init does", "returned a Continue: continue_with goes on"),
    ],
)
def test_what_was_not_meant_to_be_an_answer_is_none(kit, kind, request_, why):
    kit.probe("elsewhere", answer=lambda _: "answer")
    with pytest.raises(ServerDied, match=why):
        kit.call(kit.start(kind), request_)
