"""The shell around the lifecycle core: processes, channels, timers and signals of one anchor."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from supervision.anchor import listening, logs, process, upgrade
from supervision.anchor.channel import refuse
from supervision.anchor.children import Children
from supervision.anchor.interrupts import Interrupts
from supervision.anchor.messages import ExitCode, Refusal
from supervision.anchor.releases import Releases
from supervision.anchor.report import Clocks, info
from supervision.anchor.spec import AnchorSpec
from supervision.anchor.states import (
    Action,
    AnchorState,
    Announce,
    Begin,
    Event,
    Exited,
    Finish,
    LastWords,
    Mode,
    Phase,
    Ping,
    Pong,
    ProgramState,
    Ready,
    Signal,
    Spawn,
    Spawned,
    Stop,
    Tick,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from supervision.anchor.channel import Serve
    from supervision.anchor.handing_on import HandedOn
    from supervision.anchor.lease import Lease
    from supervision.anchor.messages import Message
    from supervision.anchor.spec import ProgramSpec

TAIL_LINES = 20
"""Lines of a program's log that explain why a start failed."""

MAX_WORDS = 1_000
"""Characters that are kept of a program's last words."""

OWN_LOG = "anchor"
"""The anchor's own log among those of the programs, where its starter sends its stderr."""

_log = logging.getLogger(__name__)


class Guardian:
    """Guards the programs of a specification until it is told to stop.

    Args:
        spec: What is guarded.
        lease: The right to the directory.
        listeners: The bound listening sockets by name.
        announce: Called once, with ``{"started": info}`` or ``{"failed": {reason, log}}``.

    Attributes:
        state: What the core decides on.
        lease: As passed.
        interrupts: The signals that stop it.
        started_at: When it began, in monotonic seconds.
        log_starts: How long the programs' logs were then, in bytes.
        listeners: As passed.
        children: The processes.
        releases: What is under way with releases.
        serve: Does what programs ask for.
        on_permanent: Called with the specification of the release that is guarded, when the anchor
            may go on in that release's own code.
    """

    def __init__(
        self,
        spec: AnchorSpec,
        lease: Lease,
        listeners: Mapping[str, socket.socket],
        announce: Callable[[Message], None],
    ) -> None:
        self.spec = spec
        self.state: AnchorState = upgrade.initial(spec)
        self.lease = lease
        self.interrupts = Interrupts(lambda name: self.post(Stop(f"the anchor got {name}")))
        self.listeners = listeners
        self.on_permanent: Callable[[str], None] | None = None
        self._announce: Callable[[Message], None] | None = announce
        self._directory = Path(spec.directory)
        self.started_at = time.monotonic()
        self._waiting = False
        self._taken_up = False
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._changed = asyncio.Condition()
        self.releases = Releases(self)
        self.serve: Serve = refuse
        self.children = Children(self._program_event, self.post, self._serve)
        self.log_starts = {
            program.name: logs.size(self._log_path(program.name)) for program in spec.programs
        }

    async def run(self) -> int:
        """Start the programs and guards them.

        Returns:
            Once everything is stopped: DONE; where the start failed, FAILED, or the exit code of
            the program that says that another try is in vain.
        """
        self.interrupts.install(asyncio.get_running_loop())
        if not self._taken_up:
            self.post(Begin())
        while self.state.mode is not Mode.STOPPED:
            self._waiting = True
            event = await self._next_event()
            self._waiting = False
            await self._handle(event)
        return self.state.exit_code

    async def take_up(self, handed: HandedOn) -> None:
        """Go on where other code in this process left off, in place of a start."""
        self.state, self._taken_up, self._announce = handed.state, True, None
        self.started_at, self.log_starts = handed.started_at, dict(handed.log_starts)
        for known in handed.children:
            await self.children.take_up(known)
        asked = {(item.asked.key, item.asked.number) for item in handed.conversations if item.asked}
        for key, number in self.children.before.keys() - asked:  # pings, or as good as that
            answer = self.children.before.pop((key, number))
            answer.add_done_callback(partial(self._ponged, key))

    @property
    def quiet(self) -> bool:
        """Whether nothing happens here at this moment."""
        return self._waiting and self._events.empty() and self.children.quiet()

    def post(self, event: Event) -> None:
        """Hand an event to the core."""
        self._events.put_nowait(event)

    async def until(self, condition: Callable[[AnchorState], bool]) -> None:
        """Wait until the state fulfils a condition."""
        async with self._changed:
            await self._changed.wait_for(lambda: condition(self.state))

    async def relay(self, name: str, op: str, args: Message, timeout_s: float) -> Any:
        """Pass a request to a program.

        Args:
            name: The program.
            op: The operation.
            args: Its arguments, unread.
            timeout_s: How long the answer may take, in seconds.

        Returns:
            The program's result.

        Raises:
            Refusal: The program refused, is not running, or did not answer in time.
        """
        if name not in self.children:
            raise Refusal(ExitCode.UNREACHABLE, _why_not(name, self.state.programs[name]))
        return await self.children.ask_within(name, op, args, timeout_s)

    def info(self) -> Message:
        """What is running here."""
        addresses = {name: item.getsockname()[:2] for name, item in self.listeners.items()}
        return info(self.spec, self.state, addresses, self.started_at, clocks())

    async def _next_event(self) -> Event:
        due = upgrade.next_deadline(self.state)
        try:
            # What already happened comes before what is late: an answer in the queue is no hang.
            if not self._events.empty():
                return self._events.get_nowait()
            wait_s = None if due is None else max(0.0, due - time.monotonic())
            async with asyncio.timeout(wait_s):
                return await self._events.get()
        except TimeoutError:
            return Tick()

    async def _handle(self, event: Event) -> None:
        before = self.state
        self.state, actions = upgrade.decide(self.spec, before, event, time.monotonic())
        self._refuse_for_the_failed()
        _log_changes(before, self.state)
        for action in actions:
            outcome = await self._perform(action)
            if outcome is not None:
                await self._handle(outcome)
        async with self._changed:
            self._changed.notify_all()

    def _refuse_for_the_failed(self) -> None:
        """Refuse connections that no program will ever accept: they would wait for nothing."""
        failed, others = set[str](), set[str]()
        for own in self.spec.programs:
            phase = self.state.programs[own.name].phase
            (failed if phase is Phase.FAILED else others).update(own.listeners)
        listening.refuse(self.listeners[name] for name in failed - others)

    async def _perform(self, action: Action) -> Event | None:
        """Do one thing; what has to be known before anything else is done comes back."""
        match action:
            case Spawn(name):
                await self._spawn(name)
            case Signal(name, number):
                self.children.signal(name, number)
            case Ping(name):
                self._ping(name)
            case Announce():
                self._tell({"started": self.info()})
            case Finish():
                self._tell({"failed": self._failure()})
            case _:
                return await self.releases.perform(action)
        return None

    async def _spawn(self, name: str) -> None:
        if not self._directory.is_dir():
            self._give_up(name, f"{self._directory} is gone")
            return
        try:
            own, extra = self.spec.program(name), self.releases.environment(name)
            incarnation = self.state.programs[name].incarnation
            pid = await self.launch(name, own, extra, incarnation)
        except OSError as error:
            self.post(Exited(name, f"cannot be started: {error}", None, random.random()))  # noqa: S311 - jitter
            return
        self.post(Spawned(name, pid))

    async def launch(
        self, key: str, own: ProgramSpec, extra: Mapping[str, str], incarnation: int
    ) -> int:
        """Start a process.

        Args:
            key: What it is known by here.
            own: The program.
            extra: Variables of this incarnation alone.
            incarnation: How often the program was started, this time included.

        Returns:
            Its process id.

        Raises:
            OSError: It cannot be executed.
        """
        self._bound_logs()
        listening.accept({item: self.listeners[item] for item in own.listeners}, self.spec)
        limits = {"max_bytes": self.spec.log_max_bytes, "keep": self.spec.log_keep}
        with logs.open_log(self._log_path(own.name), **limits) as log:
            child = process.spawn(
                own,
                listeners=self.listeners,
                inherited_fd=self.lease.inherited_fd,
                log=log,
                directory=self._directory,
                incarnation=incarnation,
                extra=extra,
            )
        self.lease.record(key, child.pid)
        await self.children.add(key, child)
        return child.pid

    def move(self, key: str, to: str) -> None:
        """Have a process be known by another key."""
        self.children.move(key, to)
        if to in self.children:
            self.lease.record(to, self.children[to].process.pid)

    def use(self, text: str) -> None:
        """Guard what another specification says from now on; it has the same programs.

        Args:
            text: Its JSON, possibly of another release.
        """
        self.spec = AnchorSpec.from_json(text, lenient=True)

    def _give_up(self, name: str, why: str) -> None:
        """End: without its directory the anchor can start nothing, and nobody can reach it."""
        _log.error("anchor: %s: %s cannot be started", why, name)
        self.post(Exited(name, why, None, random.random()))  # noqa: S311 - jitter
        self.post(Stop(why))

    def _bound_logs(self) -> None:
        limits = {"max_bytes": self.spec.log_max_bytes, "keep": self.spec.log_keep}
        for name in (OWN_LOG, *self.state.programs):
            with contextlib.suppress(OSError):  # a full disk must not stop what the logs are of
                logs.cut_log(self._log_path(name), **limits)

    def _program_event(self, key: str, event: str, details: Mapping[str, Any]) -> None:
        if self.releases.heard(key, event, details):
            return
        if event == "ready":
            self.post(Ready(key, details))
        elif event == "ending":
            self.post(LastWords(key, str(details.get("reason", ""))[:MAX_WORDS]))
        else:
            _log.warning("%s sent an event the anchor does not know: %s", key, event)

    async def _serve(self, op: str, args: Message) -> Any:
        return await self.serve(op, args)

    def _ping(self, name: str) -> None:
        self._bound_logs()
        try:
            answer = self.children.ask(name, "ping", {})
        except Refusal:
            return  # no answer will come: that is what the deadline of a ping is for
        answer.add_done_callback(partial(self._ponged, name))

    def _ponged(self, name: str, answer: asyncio.Future[Any]) -> None:
        if not answer.cancelled() and answer.exception() is None and name in self.state.programs:
            self.post(Pong(name))

    def _tell(self, outcome: Message) -> None:
        """Announce what came of the start, once."""
        announce, self._announce = self._announce, None
        if announce is not None:
            announce(outcome)

    def _failure(self) -> Message:
        culprit = self.state.culprit
        if not culprit:
            return {"reason": f"stopped while it started: {self.state.reason}", "log": []}
        path = self._log_path(culprit)
        lines = logs.tail(path, TAIL_LINES, self.log_starts[culprit])
        return {"reason": self.state.reason, "log": lines, "log_file": str(path)}

    def _log_path(self, name: str) -> Path:
        return self._directory / "logs" / f"{name}.log"


def _why_not(name: str, program: ProgramState) -> str:
    """Say that a program does not run, and why when it has failed."""
    if program.phase is Phase.FAILED and program.last_exit is not None:
        return f"{name} has failed: {program.last_exit.reason}"
    return f"{name} is not running"


def clocks() -> Clocks:
    """Now, on both clocks."""
    return Clocks(time.monotonic(), time.time())


def _log_changes(before: AnchorState, after: AnchorState) -> None:
    if before.mode is not after.mode:
        _log.info("anchor: %s%s", after.mode, after.reason and f" ({after.reason})")
    for name, program in after.programs.items():
        if program.phase is not before.programs[name].phase:
            _log.info("%s: %s", name, _describe(program))


def _describe(program: ProgramState) -> str:
    words = f"{program.phase}, incarnation {program.incarnation}, {program.restarts} restarts"
    return words if program.last_exit is None else f"{words}, last exit: {program.last_exit.reason}"
