"""Handlers of OTP's gen_event cases, by the words of their events (``dummy_h``, ``dummy1_h``)."""

from __future__ import annotations

from supervision import EventHandler, Stop, reasons
from supervision.gen_event import HIBERNATE, REMOVE, Answer, Swap


class Parent:
    """Who adds handlers: hears from them, and as a probe from the manager."""

    def __init__(self, probe):
        self.probe = probe
        self.address = probe.address
        self.heard = []


class Dummy(EventHandler):
    """Tells its parent what it hears; hands its state over when it is swapped."""

    def init(self, args):
        match args:
            case "make_error":
                return Stop(reasons.error("my_error"))
            case ("swap", (handed, name)):
                self.state = handed
                self.tell(("swapped", name))
                return None
            case (parent, "hibernate"):
                self.state = parent
                return HIBERNATE
        self.state = args
        return None

    def format_status(self, state):
        return "dummy handler state"

    def tell(self, *what):
        if self.state is not None:
            self.state.heard.append((type(self).__name__, *what))

    def answer(self, what):
        match what:
            case "delete":
                return REMOVE
            case "hibernate":
                return HIBERNATE
            case ("swap", handler_id):
                return Swap("swap", handler_id, None, "swap")
            case "error":
                return "return", "faulty"
            case "do_crash":
                raise ZeroDivisionError
        self.tell(what)
        return None

    def handle_event(self, event):
        return self.answer(event)

    def handle_info(self, message):
        return self.answer(message)

    def handle_call(self, request):
        match request:
            case "hejsan":
                return "hejhopp"
            case "error":
                return Answer("returned", ("return", "faulty"))
        wish = self.answer(request)
        return Answer("done", wish)

    def terminate(self, args):
        match args:
            case "return_hej":
                return "return_hej"
            case "swap":
                return self.state, type(self).__name__
            case _ if args is REMOVE:
                self.tell("removed")
            case reasons.Reason(kind="error"):
                self.tell("returned_error")
            case _:
                self.tell("terminated", args)
        return "ok"

    def code_change(self, old_vsn, state, extra):
        if extra == "refuse":
            raise ValueError(extra)
        return old_vsn, state, extra


class Dummy1(Dummy):
    """The one it is swapped for."""
