"""Crash reports: what they tell, what they leave out, and that nothing makes them large."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from supervision import GenServer, ServerDied, Stop, reasons
from supervision.eventloop.plain import plain
from supervision.testing import NotStarted


class Account(msgspec.Struct):
    number: int
    pin: str


class Bank(GenServer):
    """Crashes when it is asked for something; shows no pins."""

    def init(self, args):
        self.state = Account(7, "4711")
        self.register("bank")
        self.join("banks")

    def handle_info(self, message, sender):
        raise LookupError(message)

    def format_status(self, state):
        return msgspec.structs.replace(state, pin="****")


def crash(kit, actor, **kept):
    """Have an actor crash; return what its report told."""
    kit.send(actor, "boom", **kept)
    kit.settle()
    [report] = kit.reported("crash")
    return report.data


def test_a_crash_report_tells_who_crashed_on_what_and_what_it_was_tied_to(kit):
    above, client = kit.start(GenServer, name="above"), kit.probe("client")
    bank = kit.start(Bank, name="bank", parent=above)
    client.link(bank)
    kit.send(bank, "boom", sender=client.address)
    kit.send(bank, "one that waits")
    kit.settle()
    [report] = kit.reported("crash")
    traceback = report.data.pop("traceback")
    assert "LookupError: boom" in traceback
    assert report.path == "above/bank"
    assert report.data == {
        "actor": "Bank",
        "incarnation": 1,
        "message": "str",
        "reason": "error: LookupError: boom",
        "client": "client",
        "names": ["bank"],
        "ancestors": ["above"],
        "mailbox": 1,
        "links": ["client"],
        "handled": 1,
        "state": {"number": 7, "pin": "****"},
    }


def test_a_format_status_that_fails_does_not_hide_the_crash(kit):
    class Odd(Bank):
        def format_status(self, state):
            raise ValueError("cannot be shown")

    data = crash(kit, kit.start(Odd))
    assert data["reason"] == "error: LookupError: boom"
    assert data["state"] == "format_status failed: error: ValueError: cannot be shown"


def test_a_crash_report_is_small_whatever_the_state(kit):
    class Hoarder(Bank):
        def init(self, args):
            self.state = {number: ["x" * 10_000] * 1_000 for number in range(1_000)}

        def handle_info(self, message, sender):
            raise LookupError("y" * 1_000_000)

        def format_status(self, state):
            return state

    hoarder = kit.start(Hoarder)
    for number in range(100):
        kit.actor(hoarder).register(number)
    data = crash(kit, hoarder)
    data.pop("traceback")
    assert len(data["names"]) == 10
    assert len(repr(data)) < 80_000


def test_a_state_that_is_deep_and_wide_is_cut_soon():
    value = 1
    for _ in range(10):
        value = [value] * 32
    counted = repr(plain(value)).count(",")
    assert 200 < counted < 600


def test_an_exception_that_cannot_be_written_down_is_a_crash_like_any_other(kit):
    class UnspeakableError(Exception):
        def __str__(self):
            raise ValueError("no words")

    class Odd(GenServer):
        def handle_call(self, request, from_):
            raise UnspeakableError

    odd = kit.start(Odd)
    with pytest.raises(ServerDied, match="UnspeakableError: <exception str"):
        kit.call(odd, "question")
    assert not kit.alive(odd)
    assert kit.reported("crash", reason="error: UnspeakableError: <exception str() failed>")


def test_a_crash_in_init_and_one_in_terminate_say_where(kit):
    class Failing(GenServer):
        def init(self, args):
            self.state = args
            if args == "init":
                raise LookupError("init")

        def terminate(self, reason):
            raise ValueError("terminate")

    with pytest.raises(NotStarted):
        kit.start(Failing, "init")
    kit.stop(kit.start(Failing, "lives"))
    first, second = kit.reported("crash")
    assert (first.data["message"], first.data["state"]) == ("init", "init")
    assert (second.data["message"], second.data["ending"]) == ("terminate", "shutdown")


class Ending(GenServer):
    """Ends in the way that it is told by the name of a method."""

    def handle_cast(self, request):
        getattr(self, request)()

    def stops_twice(self):
        self.stop(reasons.error("first"))
        self.stop(reasons.error("second"))

    def stops_and_crashes(self):
        self.stop(reasons.error("first"))
        raise ValueError("second")

    def changes_its_mind(self):
        self.stop()
        self.stop(reasons.error("second"))

    def is_done_and_crashes(self):
        self.stop()
        raise ValueError("second")

    def says_another_reason(self):
        self.state = Stop(reasons.error("first"))
        self.stop()

    def crashes_and_says_another_reason(self):
        self.state = Stop(reasons.error("second"))
        raise ValueError("first")

    def terminate(self, reason):
        return self.state


class SlowlyEnding(Ending):
    """The same, with asynchronous callbacks."""

    async def handle_cast(self, request):
        await asyncio.sleep(0)
        super().handle_cast(request)

    async def terminate(self, reason):
        await asyncio.sleep(0)
        return super().terminate(reason)


@pytest.mark.parametrize("kind", [Ending, SlowlyEnding])
@pytest.mark.parametrize(
    ("way", "message", "reason"),
    [
        ("stops_twice", "stop", "error: first"),
        ("stops_and_crashes", "stop", "error: first"),
        ("says_another_reason", "terminate", "error: first"),
        ("crashes_and_says_another_reason", "str", "error: ValueError: first"),
    ],
)
def test_an_end_with_an_error_is_one_crash_report(kit, kind, way, message, reason):
    kit.cast(kit.start(kind), way)
    kit.advance(1.0)
    [report] = kit.reported("crash")
    assert (report.data["message"], report.data["reason"]) == (message, reason)


@pytest.mark.parametrize("kind", [Ending, SlowlyEnding])
@pytest.mark.parametrize("way", ["changes_its_mind", "is_done_and_crashes"])
def test_an_end_in_order_is_none(kit, kind, way):
    kit.cast(kit.start(kind), way)
    kit.advance(1.0)
    assert kit.reported("crash") == []


@pytest.mark.parametrize("kind", [Ending, SlowlyEnding])
@pytest.mark.parametrize("way", ["stops_and_crashes", "is_done_and_crashes"])
def test_an_exception_after_the_end_was_decided_is_told(kit, kind, way):
    kit.cast(kit.start(kind, name="late"), way)
    kit.advance(1.0)
    [report] = kit.reported("unexpected")
    assert (report.path, report.data) == ("late", {"error": "str: error: ValueError: second"})


@pytest.mark.parametrize("suspended", [False, True])
def test_a_stop_from_outside_with_an_error_is_a_crash_report(kit, suspended):
    bank = kit.start(Bank)
    bank.cell.suspended = suspended
    kit.loop.run(kit.kernel.stop_call, bank, reasons.error("no money"))
    kit.settle()
    [report] = kit.reported("crash")
    assert (report.data["message"], report.data["reason"]) == ("stop", "error: no money")


def test_everyone_whom_a_crash_takes_along_is_a_crash_report(kit):
    first, second = kit.start(Bank, name="first"), kit.start(Ending, name="second")
    kit.actor(second).link(first)
    kit.send(first, "boom")
    kit.settle()
    reports = kit.reported("crash")
    assert [(one.path, one.data["message"]) for one in reports] == [
        ("first", "str"),
        ("second", "stop"),
    ]
    assert {one.data["reason"] for one in reports} == {"error: LookupError: boom"}


def test_a_crash_after_a_crash_is_told_as_well(kit):
    class Twice(Bank):
        def terminate(self, reason):
            raise ValueError("while it ended")

    watcher, twice = kit.probe(), kit.start(Twice)
    watcher.monitor(twice)
    kit.send(twice, "boom")
    kit.settle()
    first, second = kit.reported("crash")
    assert first.data["reason"] == "error: LookupError: boom"
    assert second.data["ending"] == "error: LookupError: boom"
    assert [down.reason.detail for down in watcher.messages] == ["ValueError: while it ended"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(None, None, id="none"),
        pytest.param(True, True, id="bool"),
        pytest.param(1.5, 1.5, id="float"),
        pytest.param("x" * 201, "x" * 200 + "...", id="long text"),
        pytest.param(b"secret", "<6 bytes>", id="bytes"),
        pytest.param(object(), "<object>", id="object"),
        pytest.param((1, {2}), [1, [2]], id="sequences"),
        pytest.param({("a", 1): 2, 3: 4}, {"<tuple>": 2, "3": 4}, id="keys"),
        pytest.param(Account(1, "2"), {"number": 1, "pin": "2"}, id="record"),
        pytest.param([[[[[1]]]]], [[[["..."]]]], id="deep"),
        pytest.param(list(range(33)), [*range(32), "..."], id="long list"),
        pytest.param(
            {n: n for n in range(33)},
            {**{str(n): n for n in range(32)}, "...": 1},
            id="long mapping",
        ),
    ],
)
def test_a_value_is_shown_as_bounded_plain_data(value, shown):
    assert plain(value) == shown
