"""Children that can be carried by a process of their own: what the tests have is in files."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from supervision import (
    IGNORE,
    NO_REPLY,
    ChildSpec,
    GenServer,
    Info,
    Stop,
    Supervisor,
    SupervisorFlags,
    Timeout,
    reasons,
)

CANNOT = reasons.error("told to fail")
"""Why a child does not start that was told so."""


class Part(msgspec.Struct, frozen=True):
    """What a child is started with.

    Attributes:
        name: what it is called in the log.
        log: a file to which children add a line whenever one starts or ends.
        start: how it starts: ``ignore``, ``fail``, ``raise``, ``info``, ``hang``; ``once`` fails
            and ``ignore_later`` is left out in every incarnation but the first.
        switch: a file; while it exists the child fails to start.
        leaves: the reason it gives when it is told to end.
        slow_s: seconds for which its ``terminate`` blocks.
    """

    name: str
    log: str
    start: str = ""
    switch: str = ""
    leaves: reasons.Reason | None = None
    slow_s: float = 0.0


def note(log: str, line: str) -> None:
    """Add a line in one write, which no other process gets between."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, f"{line}\n".encode())
    os.close(file)


class Worker(GenServer):
    """Answers ``who`` with what no other incarnation would, and does what it is told."""

    part: Part

    def init(self, args: Part) -> Any:
        self.part = args
        later = self.address.incarnation > 1
        if (args.switch and Path(args.switch).exists()) or (args.start == "once" and later):
            return Stop(CANNOT)
        match args.start:
            case "ignore":
                return IGNORE
            case "ignore_later" if later:
                return IGNORE
            case "fail":
                return Stop(CANNOT)
            case "raise":
                raise ValueError("no")
            case "hang":
                note(args.log, f"hangs {args.name}")
                time.sleep(600)
        note(args.log, f"start {args.name}")
        self.state = uuid4().hex
        return Info("extra") if args.start == "info" else None

    def handle_call(self, request: Any, from_: Any) -> Any:
        match request:
            case "boom":
                raise RuntimeError("boom")
            case ("after", seconds):
                self.start_timer(seconds, from_)
                self.cancel_timer(self.start_timer(seconds / 2, from_))
            case ("relay", target, what):
                self.asked = from_
                self.request(target, what, 5.0)
            case ("relay unpicklable", target):
                self.asked = from_
                self.request(target, lambda: None, 5.0)
            case ("do", name, *args):
                return getattr(self, name)(*args)
            case _:
                return self._about(request)
        return NO_REPLY

    def _about(self, request: Any) -> Any:
        known = {
            "who": lambda: self.state,
            "pid": os.getpid,
            "session": lambda: os.getsid(0),
            "address": lambda: self.address,
            "unpicklable": lambda: lambda: None,
        }
        return known[request]() if request in known else request

    def default_segv(self) -> None:
        """Have the signal do what it does to a process: Thespian takes all of them."""
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)

    def handle_cast(self, request: Any) -> Any:
        match request:
            case "stop unpicklable":
                self.stop(reasons.error(lambda: None))
            case "crash unpicklable":
                self.state = lambda: None
                raise RuntimeError("crash")
            case ("stop", reason):
                self.stop(reason)
            case "die":
                raise RuntimeError("died")
            case "busy":
                note(self.part.log, f"busy {self.part.name}")
                time.sleep(600)
            case "exit":
                os._exit(3)

    def handle_info(self, message: Any, sender: Any) -> Any:
        match message:
            case Timeout(_, payload):
                self.reply(payload, "fired")
            case ("echo", what):
                self.send(sender, ("echoed", what))
            case _ if hasattr(self, "asked"):
                self.reply(self.asked, (message.value, str(message.error)))

    def terminate(self, reason: reasons.Reason) -> Any:
        note(self.part.log, f"end {self.part.name} {reason.kind}")
        if self.part.slow_s:
            time.sleep(self.part.slow_s)
        return None if self.part.leaves is None else Stop(self.part.leaves)


class Waits(GenServer):
    """Has a handler that waits."""

    async def handle_call(self, request: Any, from_: Any) -> Any:
        return request


class Fixed(Supervisor):
    """Its flags and specs are its start arguments."""

    def init(self, args: Any) -> Any:
        return args


class Unsure(Supervisor):
    """Starts as it is told: ``ignore``, ``raise`` or whatever else is returned."""

    def init(self, args: Any) -> Any:
        if args == "raise":
            raise ValueError("no")
        return IGNORE if args == "ignore" else args


class Unpicklable(Supervisor):
    """Wants a child to be told what cannot be told."""

    def init(self, args: Any) -> Any:
        return SupervisorFlags(), [ChildSpec("one", Worker, lambda: None)]


class LateSupervisor(Supervisor):
    """Its ``init`` waits."""

    async def init(self, args: Any) -> Any:
        return args
