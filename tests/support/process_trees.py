"""One tree of supervisors, driven in the same words on a node's loop and in processes."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import signal
import socket
from abc import ABC, abstractmethod
from itertools import count
from pathlib import Path
from typing import Any

from process_children import Fixed, Part, Worker
from thespian.actors import Actor, ActorSystem

from supervision import (
    CallFailed,
    CallTimeout,
    ChildSpec,
    CountChildren,
    StartChild,
    Started,
    SupervisorFlags,
    WhichChildren,
)
from supervision.anchor.testing import wait_for, wait_gone
from supervision.eventloop.reports import Report
from supervision.multiproc import Options, call, cast, start_supervisor, stop_supervisor
from supervision.portal import Portal
from supervision.reasons import KILLED, Reason

PATIENCE_S = 20.0
_names = count(1)


class Tree(ABC):
    """A supervisor and all below it.

    Attributes:
        log: the file in which children note when they start and end.
        top: where the supervisor is.
        patience_s: seconds that a call may take.
    """

    def __init__(self, log: Path) -> None:
        self.log = log
        self.top: Any = None
        self.name = f"top{next(_names)}"
        self.patience_s = PATIENCE_S

    # What each base does in its own way

    @abstractmethod
    def start(self, flags: SupervisorFlags, *specs: ChildSpec, supervisor: type = Fixed) -> None:
        """Start the supervisor; raises NotStarted."""

    @abstractmethod
    def ask(self, request: Any, to: Any = None, timeout: float | None = None) -> Any:
        """Call the supervisor, or another actor of the tree; None is ``patience_s``."""

    @abstractmethod
    def tell(self, to: Any, request: Any) -> None:
        """Cast to an actor of the tree."""

    @abstractmethod
    def kill(self, name: str) -> None:
        """Kill a child as nobody can prevent."""

    @abstractmethod
    def stop(self) -> Reason:
        """End the tree in order."""

    @property
    @abstractmethod
    def reports(self) -> list[Report]:
        """What has been reported of this tree."""

    # What they have in common

    def _at(self, to: Any) -> Any:
        return self.top if to is None else to

    def part(self, name: str, **more: Any) -> Part:
        return Part(name, str(self.log), **more)

    def child(self, name: str, start: str = "", **options: Any) -> ChildSpec:
        own = {key: options.pop(key) for key in ("switch", "leaves", "slow_s") if key in options}
        options.setdefault("shutdown", 5.0)
        return ChildSpec(name, Worker, self.part(name, start=start, **own), **options)

    def start_child(self, what: ChildSpec | str, **part: Any) -> Any:
        """Add a child, or a member of a pool, that starts."""
        if isinstance(what, str):
            request = StartChild(id=what, args=self.part(what, **part))
        else:
            request = StartChild(what)
        answer = self.ask(request)
        assert isinstance(answer, Started), answer
        return answer.address

    def infos(self, of: Any = None) -> dict[str, Any]:
        """What is said of each child, the newest first."""
        return {one.id: one for one in self.ask(WhichChildren(), of)}

    def listed(self) -> list[tuple[str, str]]:
        return [(name, info.status) for name, info in self.infos().items()]

    def counts(self) -> list[int]:
        """``[specs, active, supervisors, workers]``."""
        answer = self.ask(CountChildren())
        return [answer[key] for key in ("specs", "active", "supervisors", "workers")]

    def where(self, path: str) -> Any:
        """The address of a child, or of a child's child: ``sub/worker``."""
        at = self.top
        for name in path.split("/"):
            at = self.infos(at)[name].address
        return at

    def who(self, path: str) -> str:
        """What only this incarnation of a child says of itself."""
        return self.ask("who", self.where(path))

    def whos(self, *names: str) -> list[str]:
        return [self.who(name) for name in names]

    def act(self, path: str, request: Any) -> None:
        self.tell(self.where(path), request)

    def until(self, condition: Any) -> Any:
        """Ask until it is so; while something restarts there may be nobody to ask."""

        def holds() -> Any:
            try:
                return condition()
            except (CallFailed, KeyError):
                return None

        self.patience_s = 1.0  # a process that ends may have taken the question with it
        try:
            return wait_for(holds, PATIENCE_S)
        finally:
            self.patience_s = PATIENCE_S

    def until_restarted(self, name: str, times: int = 1) -> Any:
        """Wait until a child runs in its incarnation after so many restarts."""

        def restarted() -> Any:
            info = self.infos()[name]
            return info if info.restarts == times and info.status == "running" else None

        return self.until(restarted)

    def until_is(self, name: str, status: str) -> Any:
        """Wait until a child has a status."""
        return self.until(lambda: (info := self.infos()[name]).status == status and info)

    def until_forgotten(self, name: str) -> None:
        self.until(lambda: name not in self.infos())

    def until_gone(self) -> None:
        """Wait until the supervisor has ended."""

        def gone() -> bool:
            try:
                self.ask(CountChildren(), timeout=0.3)
            except CallTimeout:
                return False  # it may have ended after it took the question
            except CallFailed:
                return True
            return False

        wait_for(gone, PATIENCE_S)

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def told(self, context: str) -> list[tuple[str, str | None]]:
        """The children and reasons of supervisor reports."""
        return [
            (report.data["child"], report.data["reason"])
            for report in self.reports
            if report.kind == "supervisor" and report.data["context"] == context
        ]


class LoopTree(Tree):
    """On an EventLoopBase, where all actors share a loop."""

    def __init__(self, log: Path, portal: Portal) -> None:
        super().__init__(log)
        self._portal = portal
        self._reports: list[Report] = []
        self._unsubscribe = portal.subscribe(self._reports.append)

    def start(self, flags: Any, *specs: ChildSpec, supervisor: type = Fixed) -> None:
        args = (flags, list(specs)) if supervisor is Fixed else flags
        self.top = self._portal.start(supervisor, args, name=self.name)

    def ask(self, request: Any, to: Any = None, timeout: float | None = None) -> Any:
        return self._portal.call(self._at(to), request, timeout or self.patience_s)

    def tell(self, to: Any, request: Any) -> None:
        self._portal.cast(to, request)

    def kill(self, name: str) -> None:
        kernel = self._portal.base.kernel
        kernel.post_call(kernel.exit, self.where(name).cell, KILLED)

    def stop(self) -> Reason:
        return self._portal.stop(self.top, timeout=PATIENCE_S)

    @property
    def reports(self) -> list[Report]:
        return [one for one in self._reports if one.path.split("/")[0] == self.name]

    def close(self) -> None:
        self._unsubscribe()
        self._portal.close()


class ReportLog(Actor):
    """Keeps the reports of every process, and knows which session the system's processes have."""

    def __init__(self) -> None:
        self.kept: list[Report] = []

    def receiveMessage(self, msg: Any, sender: Any) -> None:
        if isinstance(msg, Report):
            self.kept.append(msg)
        elif msg == "reports":
            self.send(sender, self.kept)
        elif msg == "session":
            self.send(sender, os.getsid(0))


def free_port() -> int:
    """A port that nobody has, below those that the system hands out to others meanwhile."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port


class Processes:
    """A multiprocTCPBase of our own, and all its processes."""

    def __init__(self) -> None:
        quiet = {"version": 1, "root": {"level": "CRITICAL", "handlers": []}}
        self.system = ActorSystem(
            "multiprocTCPBase", {"Admin Port": free_port()}, logDefs=quiet, transientUnique=True
        )
        self.log = self.system.createActor(ReportLog)
        self._session = self.system.ask(self.log, "session", PATIENCE_S)
        self.own = self.pids()

    def pids(self) -> set[int]:
        """Every living process of the system, orphans as well: they keep the session."""
        found = set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    after_name = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                if int(after_name[3]) == self._session and after_name[0] != "Z":
                    found.add(int(entry.name))
        return found

    def until_alone(self) -> None:
        """Wait until nothing is left but the system itself."""
        wait_for(lambda: self.pids() <= self.own, PATIENCE_S)

    def close(self) -> None:
        self.system.shutdown()
        wait_for(lambda: not self.pids(), PATIENCE_S)
        self.forget()

    def forget(self) -> None:
        """Let go of what a test has ended."""
        del self.system
        gc.collect()  # here, where Thespian's unclosed sockets are ignored


class ProcessTree(Tree):
    """On a multiprocTCPBase, where each actor has a process."""

    def __init__(self, log: Path, processes: Processes) -> None:
        super().__init__(log)
        self.processes = processes
        self.system = processes.system
        self.options = Options(reports=processes.log)

    def start(self, flags: Any, *specs: ChildSpec, supervisor: type = Fixed) -> None:
        args = (flags, list(specs)) if supervisor is Fixed else flags
        self.top = start_supervisor(
            self.system, supervisor, args, name=self.name, options=self.options
        )

    def ask(self, request: Any, to: Any = None, timeout: float | None = None) -> Any:
        return call(self.system, self._at(to), request, timeout or self.patience_s)

    def tell(self, to: Any, request: Any) -> None:
        cast(self.system, to, request)

    def pid(self, name: str) -> int:
        return self.ask("pid", self.where(name))

    def kill(self, name: str) -> None:
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        wait_gone(pid)

    def stop(self) -> Reason:
        return stop_supervisor(self.system, self.top, PATIENCE_S)

    @property
    def reports(self) -> list[Report]:
        kept = self.system.ask(self.processes.log, "reports", PATIENCE_S)
        return [one for one in kept if one.path.split("/")[0] == self.name]

    def close(self) -> None:
        """End what the test has left, which must be the tree in order or nothing."""
        if self.top is not None:
            with contextlib.suppress(CallFailed):  # it may have ended already
                self.stop()
        self.processes.until_alone()
