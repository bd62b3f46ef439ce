"""Machines of OTP's gen_statem cases, by the names of their states and events."""

from __future__ import annotations

from supervision import (
    IGNORE,
    EventTimeout,
    Hibernate,
    Keep,
    Next,
    NextEvent,
    Postpone,
    Reply,
    StateMachine,
    Stop,
    StopMachine,
    reasons,
)


class MapMachine(StateMachine):
    """Made of functions: its start argument maps states to them, and ``init`` to its beginning."""

    def init(self, args):
        self.states = args
        return args["init"]

    def handle_event(self, kind, event, state, data):
        return self.states[state](kind, event, data)


class EnteringMapMachine(MapMachine):
    state_enter = True


class StateFunctions(StateMachine):
    """The machine of most cases: connects, answers, stops."""

    callback_mode = "state_functions"

    def init(self, args):
        if args in {"ignore", "stop"}:
            return IGNORE if args == "ignore" else Stop(reasons.error("stopped"))
        if args == "hiber_now":
            return "hiber_idle", [], Hibernate()
        return ("hiber_idle", []) if args == "hiber" else ("idle", args)

    def terminate(self, reason):
        if self.data == "crash_terminate":
            raise RuntimeError("crash in terminate")

    def format_status(self, data):
        return "format_status_called"

    def code_change(self, old_vsn, state, data, extra):
        self.callback_mode = extra
        return state, (old_vsn, data, extra)

    def common(  # noqa: PLR0911 - one for each request of the suite
        self, kind, event, state, data, otherwise
    ):
        request, from_ = event if kind == "call" else (event, None)
        match request:
            case "get_callback_mode":
                return Keep(data, Reply(from_, self.callback_mode))
            case "get":
                return Keep(data, Reply(from_, (state, data)))
            case "alive?" if from_ is not None:
                return Keep(data, Reply(from_, "yes"))
            case ("alive?", probe):
                self.send(probe, "yes")
                return Keep()
            case ("stop", reason):
                return StopMachine(reason, data, Reply(from_, "stopped"))
            case "badreturn":
                return "badreturn"
            case ("badaction", action):
                return Keep(data, action)
        return otherwise

    def in_idle(self, kind, event, data):  # noqa: PLR0911 - one for each event
        match kind, event:
            case "cast", ("connect", probe):
                self.send(probe, "accept")
                return Next("wfor_conf", data)
            case "call", ("connect", from_):
                self.reply(from_, "accept")
                return Next("wfor_conf", data)
            case "call", (("delayed_answer", after_s), from_):
                return Keep(from_, EventTimeout(after_s, "answer"))
            case "timeout", ("event", "answer"):
                return Keep("data", Reply(data, "delayed"))
            case "call", (("timeout", after_s), from_):
                return Next("timeout", (from_, after_s), EventTimeout(after_s, "idle"))
            case "cast", "next_event":
                inserted = [NextEvent("internal", one) for one in "abc"]
                return Next("next_events", ["a", "b", "c"], *inserted)
        otherwise = Keep(data, Reply(event[1], "eh?")) if kind == "call" else "unexpected"
        return self.common(kind, event, "idle", data, otherwise)

    def in_timeout(self, kind, event, data):
        match kind, event:
            case "timeout", ("event", "idle"):
                timer = self.start_timer(data[1], "ok")
                return Keep((data[0], timer), EventTimeout(0, 0))
            case "timeout", ("event", 0):
                cancelled = EventTimeout(0.001, "should_be_cancelled")
                return Next("timeout2", data, cancelled, Postpone())
        return Keep()

    def in_timeout2(self, kind, event, data):
        match kind, event:
            case "timeout", ("event", 0):
                return Keep()
            case "timeout", ("event", reason):
                return StopMachine(reasons.error(reason))
            case "info", fired if fired.ref is data[1]:
                self.reply(data[0], fired.payload)
                return Next("idle", "state")
        return Keep()

    def in_wfor_conf(self, kind, event, data):
        match kind, event:
            case "call", ("confirm", from_):
                return Next("connected", data, Reply(from_, "yes"))
            case "cast", ("ping", *_):
                return Keep(data, Postpone())
            case "cast", "confirm":
                return Next("connected", data)
        return self.common(kind, event, "wfor_conf", data, Keep())

    def in_connected(self, kind, event, data):
        match kind, event:
            case "call", (("msg", ref), from_):
                return Keep(data, Reply(from_, ("ack", ref)))
            case "cast", ("msg", probe, ref):
                self.send(probe, ("ack", ref))
                return Keep()
            case "call", ("disconnect", from_):
                return Next("idle", data, Reply(from_, "yes"))
            case "cast", "disconnect":
                return Next("idle", data)
            case "cast", ("ping", probe, tag):
                self.send(probe, ("pong", tag))
                return Keep()
        return self.common(kind, event, "connected", data, Keep())

    def in_next_events(self, kind, event, data):
        if kind == "internal" and event == data[0]:
            return Keep(data[1:])
        return self.common(kind, event, "next_events", data, Keep())

    def in_hiber_idle(self, kind, event, data):
        match kind, event:
            case "call", ("hibernate_sync", from_):
                return Next("hiber_wakeup", data, Reply(from_, "hibernating"), Hibernate())
            case "call", ("alive?", from_):
                return Keep(data, Reply(from_, "alive!"))
            case "cast", "hibernate_async":
                return Next("hiber_wakeup", data, Hibernate())
            case "info", "hibernate_now":
                return Keep(data, Hibernate())
        return self.common(kind, event, "hiber_idle", data, Keep())

    def in_hiber_wakeup(self, kind, event, data):
        match kind, event:
            case "call", ("wakeup_sync", from_):
                return Next("hiber_idle", data, Reply(from_, "good_morning"))
            case "call", ("snooze_sync", from_):
                return Keep(data, Reply(from_, "please_just_five_more"), Hibernate())
            case "cast", "wakeup_async":
                return Next("hiber_idle", data)
            case "cast", "snooze_async":
                return Keep(data, Hibernate())
        return self.common(kind, event, "hiber_wakeup", data, Keep())


class HandleEvent(StateFunctions):
    """The same with one function for all states."""

    callback_mode = "handle_event_function"

    def handle_event(self, kind, event, state, data):
        return getattr(self, f"in_{state}")(kind, event, data)
