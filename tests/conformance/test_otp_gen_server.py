"""OTP's gen_server cases (gen_server_SUITE); a test's name begins with the name of its case.

Which case is held where, and which ones do not apply, stands in ``otp_behaviours.md``.
"""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from supervision import (
    IGNORE,
    NO_REPLY,
    CallTimeout,
    Continue,
    Failed,
    GenServer,
    Ignored,
    NoProc,
    Requests,
    ServerDied,
    Stop,
    Timeout,
    reasons,
)
from supervision.report_text import format_report
from supervision.testing import NotStarted


class State(msgspec.Struct):
    """What the server of the suite keeps."""

    text: str = ""


class Server(GenServer):
    """The server of the suite: answers at once, later, badly or never, as it is asked to."""

    state_type = State

    def init(self, args):
        self.state = State(args if isinstance(args, str) else "")
        self.waiting = None
        if args == "hibernate":
            self.hibernate()
        return args if not isinstance(args, str) else None

    def handle_call(self, request, from_):  # noqa: PLR0911 - one for each thing it is asked
        match request:
            case "started?":
                return "ok"
            case ("delayed answer", seconds):
                self.waiting = from_
                self.idle_timeout(seconds, "answer")
                return NO_REPLY
            case ("call within", seconds):
                self.state.text = "call within"
                self.idle_timeout(seconds, "too late")
                return "ok"
            case "next call":
                within, self.state.text = self.state.text == "call within", ""
                return within
            case "hibernate":
                self.hibernate()
                return True
            case "stop":
                self.stop(reasons.shutdown("stopped"))
                return "ok"
            case ("stop", reason):
                self.stop(reason)
                return NO_REPLY
            case "crash":
                raise RuntimeError("crashed")
        return super().handle_call(request, from_)

    def handle_cast(self, request):
        match request:
            case (to, "handle cast"):
                self.send(to, "handled cast")
            case (to, "delayed cast", seconds):
                self.idle_timeout(seconds, (to, "delayed"))
            case "hibernate":
                self.hibernate()
            case (to, "stop"):
                self.stop(reasons.shutdown((to, "stopped")))

    def handle_info(self, message, sender):
        match message:
            case Timeout(None, "answer"):
                self.reply(self.waiting, "delayed")
            case Timeout(None, "too late"):
                self.state.text = ""
            case Timeout(None, (to, what)):
                self.send(to, what)
            case (to, "handle info"):
                self.send(to, "handled info")
            case (to, "delayed info", seconds):
                self.idle_timeout(seconds, (to, "delayed info"))
            case (to, "stop"):
                self.stop(reasons.shutdown((to, "stopped info")))

    def terminate(self, reason):
        if isinstance(reason.detail, tuple):
            to, what = reason.detail
            self.send(to, what)
        if self.state.text == "crash in terminate":
            raise RuntimeError("crash, terminate")

    def format_status(self, state):
        return f"formatted {state.text}"


class Named(Server):
    """Takes the name it is started with, and then what is left of its arguments."""

    def init(self, args):
        name, rest = args
        self.register(name)
        return super().init(rest)


class Caller(GenServer):
    """Calls on behalf of a test: runs the coroutine function that it is called with."""

    async def handle_call(self, script, from_):
        return await script(self)


@pytest.fixture
def server(kit):
    return kit.start(Server)


@pytest.fixture
def run(kit):
    """Run a coroutine function in a handler."""
    caller = kit.start(Caller, name="caller")
    return lambda script: kit.call(caller, script, None)


def outcome(kit, kind, args):
    """Why a server did not start."""
    with pytest.raises(NotStarted) as failure:
        kit.start(kind, args)
    return failure.value.outcome


def told(kit, kind, **data):
    """The reports of a kind, one line each."""
    return [format_report(one, single_line=True) for one in kit.reported(kind, **data)]


# start


def test_start_a_server_answers_until_it_is_stopped(kit, server):
    assert kit.call(server, "started?") == "ok"
    assert kit.call(server, "stop") == "ok"
    with pytest.raises(NoProc):
        kit.call(server, "started?")


def test_start_with_a_timeout_ends_an_init_that_takes_longer(kit):
    class Sleepy(Server):
        start_timeout_s = 0.1

        async def init(self, args):
            await asyncio.sleep(1.0)

    assert outcome(kit, Sleepy, None) == Failed(reasons.error("timeout"))
    assert kit.clock.elapsed == pytest.approx(0.1)


def test_start_can_be_ignored_or_stopped(kit):
    assert outcome(kit, Server, IGNORE) == Ignored()
    stopped = reasons.error("stopped")
    assert outcome(kit, Server, Stop(stopped)) == Failed(stopped)
    assert kit.reported("crash") == []


def test_start_linked_tells_the_end_to_who_is_linked(kit, server):
    starter = kit.probe()
    starter.link(server)
    kit.call(server, "stop")
    [told_exit] = starter.messages
    assert (told_exit.address, told_exit.reason) == (server, reasons.shutdown("stopped"))


def test_start_under_a_name_that_is_taken_says_whose_it_is(kit):
    first = kit.start(Named, ("name", None))
    assert kit.call("name", "started?") == "ok"
    assert outcome(kit, Named, ("name", None)).reason.detail == ("already_started", first)
    kit.call("name", "stop")
    with pytest.raises(NoProc):
        kit.call("name", "started?")
    kit.start(Named, ("name", None))


# stop


def test_stop1_a_server_ends_with_normal_and_is_gone(kit, server, run):
    watcher = kit.probe()
    watcher.monitor(server)

    async def script(self):
        await self.stop_actor(server)
        with pytest.raises(NoProc):
            await self.stop_actor(server)

    run(script)
    assert [down.reason for down in watcher.messages] == [reasons.NORMAL]


def test_stop2_a_server_ends_with_another_reason(kit, server, run):
    watcher = kit.probe()
    watcher.monitor(server)
    run(lambda self: self.stop_actor(server, reasons.error("other reason"), None))
    assert [down.reason for down in watcher.messages] == [reasons.error("other reason")]


def test_stop3_a_timeout_that_is_none_stops_nothing(kit, server, run):
    async def script(self):
        for invalid in ("soon", -1.0, float("nan")):
            with pytest.raises((TypeError, ValueError)):
                await self.stop_actor(server, reasons.NORMAL, invalid)

    run(script)
    assert kit.alive(server)


def test_stop4_a_server_is_stopped_by_its_name(kit, run):
    named = kit.start(Named, ("to stop", None))

    async def script(self):
        await self.stop_actor("to stop")
        with pytest.raises(NoProc):
            await self.stop_actor("to stop")

    run(script)
    assert not kit.alive(named)


# crash


@pytest.mark.parametrize("reason", [reasons.SHUTDOWN, reasons.shutdown("reason")], ids=str)
def test_crash_is_not_what_an_end_with_shutdown_is(kit, server, reason):
    with pytest.raises(ServerDied) as failure:
        kit.call(server, ("stop", reason))
    assert failure.value.reason == reason
    assert kit.reports == []


def test_crash_is_reported_with_the_state_as_it_may_be_shown(kit):
    server = kit.start(Server, "state4", name="server")
    with pytest.raises(ServerDied, match="RuntimeError: crashed"):
        kit.call(server, "crash")
    [report] = kit.reports
    assert (
        report.data.items()
        >= {
            "actor": "Server",
            "message": "str",
            "reason": "error: RuntimeError: crashed",
            "state": "formatted state4",
        }.items()
    )
    assert "in handle_call" in report.data["traceback"]


# call


def test_call_can_be_answered_later(kit, server):
    assert kit.call(server, ("delayed answer", 0.001)) == "delayed"


def test_call_within_the_time_that_a_server_waits_cancels_its_timeout(kit, server):
    kit.call(server, ("call within", 1.0))
    kit.advance(0.5)
    assert kit.call(server, "next call") is True
    kit.call(server, ("call within", 1.0))
    kit.advance(1.5)
    assert kit.call(server, "next call") is False


def test_call_fails_when_its_time_is_over_and_the_server_goes_on(kit, server):
    assert kit.call(server, ("delayed answer", 0.001), timeout=0.03) == "delayed"
    with pytest.raises(CallTimeout):
        kit.call(server, ("delayed answer", 0.03), timeout=0.001)
    kit.advance(1.0)
    assert kit.kernel.statistics().late_replies == 1
    assert kit.call(server, "started?") == "ok"


# send_request


def test_send_request_and_receive_the_response(kit, server, run):
    async def script(self):
        asked = self.asking()
        asked.add("request", server, "started?")
        return await asked.next()

    assert run(script).value == "ok"


def test_send_request_to_nobody_or_to_a_server_that_dies_is_answered_with_the_reason(
    kit, server, run
):
    async def script(self):
        asked = self.asking()
        asked.add("nobody", "nobody", "started?")
        asked.add("crash", server, "crash")
        return [answered async for answered in asked]

    nobody, crash = run(script)
    assert (nobody.label, type(nobody.error)) == ("nobody", NoProc)
    assert (crash.label, str(crash.error.reason)) == ("crash", "error: RuntimeError: crashed")


def test_send_request_receive_reqid_collection_takes_responses_as_they_come(kit, run):
    servers = [kit.start(Server) for _ in range(3)]

    async def script(self):
        asked = self.asking()
        for seconds, one in zip((0.3, 0.1, 0.2), servers, strict=True):
            asked.add(seconds, one, ("delayed answer", seconds))
        return [(answered.label, answered.value) async for answered in asked]

    assert run(script) == [(0.1, "delayed"), (0.2, "delayed"), (0.3, "delayed")]


def test_send_request_check_reqid_collection_knows_its_responses_from_other_messages(kit, server):
    requests, probe = Requests(), kit.probe()
    requests.add(probe.request(server, "started?"), "label")
    kit.send(probe.address, "something else")
    kit.settle()
    checked = [requests.check(message) for message in probe.messages]
    assert {one and (one.label, one.value) for one in checked} == {("label", "ok"), None}
    assert len(requests) == 0


# cast, info


def test_cast_reaches_its_callback_at_once_or_after_a_timeout_and_can_stop(kit, server):
    probe = kit.probe()
    for request, answer in [
        ((probe.address, "handle cast"), "handled cast"),
        ((probe.address, "delayed cast", 0.001), "delayed"),
        ((probe.address, "stop"), "stopped"),
    ]:
        kit.cast(server, request)
        kit.advance(0.001)
        assert probe.take() == [answer]
    assert not kit.alive(server)


def test_cast_fast_returns_at_once_also_to_nobody(kit):
    probe = kit.probe()
    probe.cast("nobody", "request")
    probe.cast(kit.kernel.child_address(None, "nowhere"), "request")
    assert kit.clock.elapsed == 0.0
    assert kit.kernel.dead_letters.total == 2


def test_info_reaches_its_callback_at_once_or_after_a_timeout_and_can_stop(kit, server):
    probe = kit.probe()
    for message, answer in [
        ((probe.address, "handle info"), "handled info"),
        ((probe.address, "delayed info", 0.001), "delayed info"),
        ((probe.address, "stop"), "stopped info"),
    ]:
        kit.send(server, message)
        kit.advance(0.001)
        assert probe.take() == [answer]
    assert not kit.alive(server)


# Going on


def test_continue_comes_before_every_message_from_every_callback(kit):
    class Going(GenServer):
        def init(self, args):
            self.state = ["init"]
            self.send(self.address, "to itself")
            return Continue(["continue"])

        def handle_call(self, request, from_):
            self.state.append("call")
            self.continue_with(request)
            return True

        def handle_cast(self, request):
            self.state.append("cast")
            self.continue_with(request)

        def handle_info(self, message, sender):
            self.state.append("info")
            self.continue_with(["after info"])

        def handle_continue(self, term):
            word, *more = term
            self.state.append(word)
            if more:
                self.continue_with(more)

    going = kit.start(Going)
    kit.loop.run(kit.base.call, going, ["after call", "again"])
    kit.cast(going, ["after cast"])
    kit.settle()
    assert kit.actor(going).state == [
        *("init", "continue", "info", "after info"),
        *("call", "after call", "again", "cast", "after cast"),
    ]


# abcast, multicall


def test_abcast_casts_to_all(kit):
    class Member(Server):
        def init(self, args):
            super().init(None)
            self.join("members")

    probe, members = kit.probe(), [kit.start(Member) for _ in range(2)]
    assert probe.abcast("members", (probe.address, "handle cast")) == 2
    kit.settle()
    assert probe.take() == ["handled cast"] * 2
    probe.abcast("members", (probe.address, "stop"))
    kit.settle()
    assert probe.take() == ["stopped"] * 2
    assert not any(kit.alive(member) for member in members)


def test_multicall_gathers_the_answers_of_all(kit, run):
    servers = [kit.start(Server) for _ in range(2)]
    answers = run(lambda self: self.multi_call(servers, ("delayed answer", 0.1)))
    assert answers.replies == dict.fromkeys(servers, "delayed")
    assert answers.failed == {}
    assert kit.clock.elapsed == pytest.approx(0.1)


def test_multicall_down_lists_those_that_are_not_there(kit, server, run):
    answers = run(lambda self: self.multi_call(["test01", server], "started?", 3.0))
    assert answers.replies == {server: "ok"}
    assert [(name, type(why)) for name, why in answers.failed.items()] == [("test01", NoProc)]
    assert kit.clock.elapsed == 0.0


@pytest.mark.parametrize("by", ["name", "address"])
def test_call_remote1_a_call_to_one_that_was_killed_fails_at_once(kit, by):
    named = kit.start(Named, ("hubba", None))
    target = "hubba" if by == "name" else named
    assert kit.call(target, "started?", None) == "ok"
    kit.faults.exit(named, reasons.error("boom"))
    with pytest.raises((NoProc, ServerDied)):
        kit.call(target, "started?", None)
    kit.settle()
    with pytest.raises(NoProc):
        kit.call(target, "started?", None)


# hibernate


def test_hibernate_from_init_and_from_every_callback_until_the_next_message(kit):
    server = kit.actor(kit.start(Server, "hibernate"))
    kit.settle()
    assert server.hibernating
    assert kit.call(server.address, "started?") == "ok"
    assert not server.hibernating
    assert kit.call(server.address, "hibernate") is True
    assert server.hibernating
    kit.cast(server.address, "anything else")
    kit.settle()
    assert not server.hibernating
    kit.cast(server.address, "hibernate")
    kit.settle()
    assert server.hibernating
    kit.call(server.address, "stop")
    assert not kit.alive(server.address)


def test_hibernate_lasts_while_a_server_is_suspended_and_resumed(kit):
    server = kit.actor(kit.start(Server, "hibernate"))
    kit.settle()
    server.address.cell.suspended = True
    kit.settle()
    assert server.hibernating
    kit.loop.run(kit.kernel.resume, server.address.cell)
    kit.settle()
    assert server.hibernating
    assert kit.call(server.address, "started?") == "ok"


def test_auto_hibernate_after_a_time_without_messages(kit):
    class Drowsy(Server):
        hibernate_after_s = 0.1

    drowsy = kit.actor(kit.start(Drowsy, "state"))
    kit.advance(0.2)
    assert drowsy.hibernating
    assert kit.call(drowsy.address, "started?") == "ok"
    assert not drowsy.hibernating
    kit.advance(0.2)
    assert drowsy.hibernating
    assert drowsy.system_get_state() == State("state")


# otp_7669


@pytest.mark.parametrize("declined", [IGNORE, Stop(reasons.error("stopped"))], ids=repr)
def test_otp_7669_a_server_that_declines_to_start_leaves_no_name(kit, declined):
    outcome(kit, Named, ("name", declined))
    assert kit.base.whereis("name") is None


# format_status


def test_call_format_status_scrubs_what_is_shown(kit):
    assert kit.actor(kit.start(Server, "secret")).status() == "formatted secret"


def test_error_format_status_scrubs_the_report_of_a_crash(kit):
    server = kit.start(Server, "called format_status")
    with pytest.raises(ServerDied):
        kit.call(server, "crash")
    assert kit.reported("crash", state="formatted called format_status")


def test_terminate_crash_format_scrubs_the_report_of_a_crash_in_terminate(kit):
    server = kit.start(Server, "crash in terminate")
    watcher = kit.probe()
    watcher.monitor(server)
    assert kit.call(server, "stop") == "ok"
    [down] = watcher.messages
    assert down.reason.detail == "RuntimeError: crash, terminate"
    assert kit.reported("crash", message="terminate", state="formatted crash in terminate")


# get_state, replace_state


def test_get_state_is_the_state_also_of_a_suspended_server(kit):
    server = kit.actor(kit.start(Server, "state"))
    assert server.system_get_state() == State("state")
    server.address.cell.suspended = True
    assert server.system_get_state() == State("state")


def test_replace_state_replaces_it_also_in_a_suspended_server(kit):
    server = kit.actor(kit.start(Server, "state"))
    assert server.system_replace_state(lambda _: State("replaced")) == State("replaced")
    server.address.cell.suspended = True
    server.system_replace_state(lambda state: State(f"{state.text} again"))
    assert server.system_get_state() == State("replaced again")


def test_replace_state_changes_nothing_where_the_function_fails(kit):
    server = kit.actor(kit.start(Server, "state"))
    with pytest.raises(ZeroDivisionError):
        server.system_replace_state(lambda _: 1 / 0)
    assert server.system_get_state() == State("state")


# call_with_huge_message_queue


def test_call_with_huge_message_queue_costs_what_it_costs_with_an_empty_one(kit, run):
    """The caller's mailbox is not looked at: an answer goes to the handler that waits for it."""
    caller, server = kit.address("caller"), kit.start(Server)

    async def script(self):
        turns = []
        await self.call(server, "started?")  # from here on its own call counts as handled
        for _ in range(2):
            before = self.kernel.total_handled
            for _ in range(100):
                await self.call(server, "started?")
            turns.append(self.kernel.total_handled - before)
            for number in range(100_000):
                self.send(caller, number)
        return turns, len(caller.cell.mailbox)

    kit.actor(caller).handle_info = lambda message, sender: None
    assert run(script) == ([100, 100], 200_000)


# undef_*


@pytest.mark.parametrize(
    ("callback", "send", "words"),
    [
        ("handle_call", "call", "Bare answers no int: it has no handle_call for it"),
        ("handle_cast", "cast", "Bare takes no int: it has no handle_cast for it"),
        ("handle_continue", "continue", "Bare takes no int: it has no handle_continue for it"),
    ],
)
def test_undef_callbacks_end_the_server_and_are_named(kit, callback, send, words):
    """undef_handle_call, undef_handle_cast, undef_handle_continue."""

    class Bare(GenServer):
        pass

    bare = kit.start(Bare)
    match send:
        case "call":
            with pytest.raises(ServerDied, match=words):
                kit.call(bare, 7)
        case "cast":
            kit.cast(bare, 7)
        case _:
            kit.actor(bare).continue_with(7)
    kit.settle()
    assert not kit.alive(bare)
    [report] = kit.reported("crash", message="int")
    assert words in report.data["reason"]


def test_undef_handle_info_is_told_and_the_message_dropped(kit):
    bare = kit.start(GenServer, name="bare")
    kit.send(bare, "hej")
    kit.settle()
    assert kit.alive(bare)
    assert "UNEXPECTED REPORT bare: str from" in told(kit, "unexpected")[0]


def test_undef_init_begins_without_a_state(kit):
    bare = kit.start(GenServer)
    assert kit.actor(bare).system_get_state() is None


def test_undef_code_change_is_refused_and_the_server_goes_on(kit, server):
    actor = kit.actor(server)
    with pytest.raises(TypeError, match="Server has no code_change from 1"):
        actor.system_code_change(1, None)
    assert kit.call(server, "started?") == "ok"


def test_undef_terminate1_a_server_without_terminate_ends_as_it_is_told(kit):
    assert kit.stop(kit.start(GenServer), reasons.NORMAL) == reasons.NORMAL
    assert kit.reports == []


def test_undef_terminate2_a_server_without_terminate_ends_with_the_reason_of_its_crash(kit):
    watcher, bare = kit.probe(), kit.start(GenServer)
    watcher.monitor(bare)
    kit.faults.crash_next(bare, LookupError("test"))
    kit.send(bare, "message")
    kit.settle()
    assert [down.reason.detail for down in watcher.messages] == ["LookupError: test"]


def test_undef_in_terminate_what_terminate_misses_is_the_reason_of_the_end(kit):
    class Missing(GenServer):
        def terminate(self, reason):
            self.not_there()

    ended = kit.stop(kit.start(Missing), reasons.NORMAL)
    assert "has no attribute 'not_there'" in ended.detail
    assert kit.reported("crash", message="terminate", ending="normal")


def test_undef_in_handle_info_is_a_crash_and_no_missing_callback(kit):
    class Missing(GenServer):
        def handle_info(self, message, sender):
            self.not_there()

    missing = kit.start(Missing)
    kit.send(missing, "message")
    kit.settle()
    assert not kit.alive(missing)
    assert "has no attribute 'not_there'" in kit.reported("crash")[0].data["reason"]


# format_log


def crash_report(kit):
    """What is told of a crash."""
    with pytest.raises(ServerDied):
        kit.call(kit.start(Server, "state", name="server"), "crash")
    return kit.reports[0]


def test_format_log_1_writes_everything_on_lines_of_their_own(kit):
    text = format_report(crash_report(kit))
    assert text.startswith("CRASH REPORT server: Server crashed on str: error: RuntimeError")
    assert "\n  state: formatted state\n" in text
    assert text.splitlines()[-1] == "    RuntimeError: crashed"


def test_format_log_2_writes_one_line_within_depth_and_limit(kit):
    report = crash_report(kit)
    assert "\n" not in format_report(report, single_line=True)
    assert len(format_report(report, chars_limit=60)) == 60
    deep = msgspec.structs.replace(report, data={**report.data, "state": {"a": {"b": 1}}})
    assert "state: {a: ...}" in format_report(deep, depth=1)
