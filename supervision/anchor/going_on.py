"""An anchor goes on in the code of another release: the same process, replaced by execve(2).

First that code has to say, as a process of its own, that it can go on from a copy of what will be
handed on. Then, at a moment in which nothing happens here, all of it is written down and the
process is replaced. Whatever fails before leaves this code in charge.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from supervision.anchor import composing
from supervision.anchor.control import Conversation
from supervision.anchor.handing_on import (
    CHECK,
    FORMAT,
    GO_ON,
    MODULE,
    HandedConversation,
    HandedOn,
    WayBack,
    in_memory,
    octets,
    text,
)
from supervision.anchor.messages import ExitCode, Refusal
from supervision.anchor.plain import NotReadable, record
from supervision.anchor.states import Mode
from supervision.anchor.upgrade_states import UpgradeState

if TYPE_CHECKING:
    from supervision.anchor.control import Connection, ControlServer
    from supervision.anchor.guardian import Guardian
    from supervision.anchor.states import AnchorState

CHECK_S = 20.0
"""How long the other code may take to say that it can go on, where nothing is configured."""

QUIET_S = 0.2
"""How long nothing is read while a moment is waited for in which nothing happens, in seconds."""

TURNS = 5
"""Turns of the loop for which it has to last: what was read last has come to its end by then."""

AGAIN_S = 0.3
"""After what time another such moment is looked for, in seconds."""

TRIES = 400
WHO = "anchor"
STEP = "anchor"
MAX_WORDS = 2_000

_log = logging.getLogger(__name__)


class GoingOn:
    """Has an anchor go on in another release.

    Args:
        guardian: All that it guards.
        control: Who asks it.
    """

    def __init__(self, guardian: Guardian, control: ControlServer) -> None:
        self._guardian = guardian
        self._control = control
        self._task: asyncio.Task[None] | None = None

    def begin(self, spec: str) -> None:
        """Go on in the permanent release, as soon as that can be done.

        Args:
            spec: What that release guards, as it says itself.
        """
        if self._task is not None:
            self._task.cancel()
        task = asyncio.get_running_loop().create_task(self._go_on(spec))
        task.add_done_callback(self._ended)
        self._task = task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._task is task:
            self._task = None
        if not task.cancelled() and task.exception() is not None:
            _log.error("the anchor stays what it is", exc_info=task.exception())

    async def _go_on(self, spec: str) -> None:
        known = self._guardian.releases.pointers
        vsn = "" if known is None else known.permanent
        began = time.monotonic()
        try:
            await self._guardian.until(_calm)
            code = _Code.of(self._guardian.spec.directory, vsn)
            limits = self._guardian.spec.upgrade
            limit_s = CHECK_S if limits is None else limits.spawn_timeout_s
            await code.check(self.handed(vsn, spec), limit_s)
        except Refusal as refusal:
            self._stay(vsn, refusal.msg)
            return
        check_s = round(time.monotonic() - began, 3)
        _log.info("anchor: %s can go on, said after %g s", vsn, check_s)
        for _ in range(TRIES):
            await self._guardian.until(_calm)
            if self._guardian.state.mode is not Mode.RUNNING or await self._replace(code, spec):
                return
            await asyncio.sleep(AGAIN_S)
        self._stay(vsn, f"no quiet moment in {TRIES} tries")

    def _stay(self, vsn: str, why: str) -> None:
        _log.error("the anchor does not go on in %s: %s", vsn, why)
        entry = {"who": WHO, "step": STEP, "vsn": vsn, "result": "kept", "why": why}
        self._guardian.releases.record(entry)

    # The moment --------------------------------------------------------------------------

    async def _replace(self, code: _Code, spec: str) -> bool:
        """Look for a quiet moment; in it this code ends. Returns whether it is given up."""
        self._hold(on=True)
        try:
            deadline, turns = time.monotonic() + QUIET_S, 0
            while time.monotonic() < deadline:
                turns = turns + 1 if self._quiet() else 0
                if turns > TURNS:
                    return self._at_once(code, spec)
                await asyncio.sleep(0)
        finally:
            self._hold(on=False)
        return False

    def _at_once(self, code: _Code, spec: str) -> bool:
        with self._guardian.interrupts.blocked():
            if self._guardian.interrupts.caught:
                return True  # it stops
            handed = self.handed(code.vsn, spec)
            try:
                code.execute(handed)
            except OSError as error:
                self._stay(code.vsn, f"{code.argv[0]} cannot be executed: {error.strerror}")
        return True

    def _hold(self, *, on: bool) -> None:
        self._control.hold(on=on)
        self._guardian.children.hold(on=on)

    def _quiet(self) -> bool:
        """Whether all that is under way can be handed on."""
        asked = self._guardian.children.asked
        waiting = all(task in asked and not task.done() for task in self._control.tasks)
        coming = self._control.accepting
        going = any(item.closing for item in self._control.connections)
        idle = waiting and not coming and not going
        return idle and self._guardian.quiet and _calm(self._guardian.state)

    # What is handed on -------------------------------------------------------------------

    def handed(self, vsn: str, spec: str) -> HandedOn:
        """All that this anchor is now.

        Args:
            vsn: The release whose code is to go on.
            spec: What that release guards.
        """
        guardian = self._guardian
        listeners = {name: item.fileno() for name, item in guardian.listeners.items()}
        return HandedOn(
            format=FORMAT,
            vsn=vsn,
            spec=spec,
            state=guardian.state,
            started_at=guardian.started_at,
            log_starts=guardian.log_starts,
            lease=guardian.lease.handed(),
            listeners=listeners,
            control=self._control.descriptor,
            conversations=tuple(map(self._handed, self._control.connections)),
            children=guardian.children.handed(),
            at=time.monotonic(),
            back=WayBack((sys.executable, *MODULE), os.environ.get(composing.PYTHONPATH)),
        )

    def _handed(self, connection: Connection) -> HandedConversation:
        known = connection.conversation()
        asked = None if known.waiting is None else self._guardian.children.asked.get(known.waiting)
        return HandedConversation(
            descriptor=connection.descriptor,
            unread=text(known.unread),
            ended=known.ended,
            unsent=text(known.unsent),
            number=known.number,
            asked=asked,
        )


async def taken_up(guardian: Guardian, control: ControlServer, handed: HandedOn) -> None:
    """Go on with what other code in this process has handed on.

    Args:
        guardian: New; it guards what that one did.
        control: New; it does not accept yet.
        handed: What was handed on.
    """
    await guardian.take_up(handed)
    loop = asyncio.get_running_loop()
    for item in handed.conversations:
        task = None
        if item.asked is not None:
            task = loop.create_task(guardian.children.asked_before(item.asked))
        unread, unsent = octets(item.unread), octets(item.unsent)
        known = Conversation(unread, item.ended, unsent, item.number, task)
        await control.go_on(socket.socket(fileno=item.descriptor), known)
    took_ms = round(1_000 * (time.monotonic() - handed.at), 1)
    if handed.failed:
        _log.error("the anchor does not go on in %s: %s", handed.vsn, handed.failed)
    else:
        _log.info("the anchor goes on in %s, Python %s", handed.vsn, platform.python_version())
    entry = {"who": WHO, "step": STEP, "vsn": handed.vsn, "why": handed.failed}
    result = "kept" if handed.failed else "done"
    guardian.releases.record({**entry, "result": result, "timings": {"exec_ms": took_ms}})


class _Code:
    """The code of a release.

    Args:
        vsn: The release.
        argv: What runs it, up to its options.
        env: Its environment.
    """

    def __init__(self, vsn: str, argv: tuple[str, ...], env: dict[str, str]) -> None:
        self.vsn = vsn
        self.argv = argv
        self._env = env

    @classmethod
    def of(cls, directory: str, vsn: str) -> _Code:
        """The anchor's code of an installed release; its interpreter is the one that composes it.

        Raises:
            Refusal: It is not installed, or its manifest cannot be used.
        """
        found = composing.composition(Path(directory), vsn)
        environ = {key: value for key, value in os.environ.items() if key != composing.PYTHONPATH}
        given = {key: value for key, value in found.env.items() if value}
        return cls(vsn, (found.argv[0], *MODULE), {**environ, **given})

    async def check(self, handed: HandedOn, limit_s: float) -> None:
        """Have it say that it can go on from a copy of the state.

        Args:
            handed: The copy.
            limit_s: How long it may take, in seconds.

        Raises:
            Refusal: It cannot, or does not say so in time.
        """
        descriptor = handed.written()
        try:
            command = [*self.argv, f"{CHECK}={descriptor}"]
            code, _, errors = await composing.run(command, self._env, limit_s, (descriptor,))
        except TimeoutError:
            raise Refusal(ExitCode.FAILED, f"it did not say within {limit_s:g} s") from None
        except OSError as error:
            raise Refusal(ExitCode.FAILED, f"{self.argv[0]}: {error.strerror}") from None
        finally:
            os.close(descriptor)
        if code:
            said = errors.decode(errors="replace").strip()[-MAX_WORDS:]
            raise Refusal(ExitCode.FAILED, f"exit {code}: {said}")

    def execute(self, handed: HandedOn) -> None:
        """Become that code; returns never.

        Raises:
            OSError: It cannot be executed; all is as it was.
        """
        execute(handed.written(), handed.descriptors, list(self.argv), self._env)


def execute(written: int, descriptors: list[int], argv: list[str], env: dict[str, str]) -> None:
    """Replace this code in its process; returns never.

    Args:
        written: The memory file of what is handed on; it is closed where that fails.
        descriptors: Those that stay open.
        argv: The command, up to the option that names the memory file.
        env: The environment.

    Raises:
        OSError: The command cannot be executed; all is as it was.
    """
    try:
        for number in (written, *descriptors):
            os.set_inheritable(number, True)
        os.execve(argv[0], [*argv, f"{GO_ON}={written}"], env)  # noqa: S606 - of an installed release
    finally:
        for number in descriptors:
            with contextlib.suppress(OSError):
                os.set_inheritable(number, False)
        os.close(written)


def send_back(content: Any, why: str, descriptors: list[int]) -> int:
    """Have the code go on again that has handed on what this code cannot go on with.

    Args:
        content: What it has handed on, as plain data.
        why: What is wrong with it.
        descriptors: Those of them that this code would not leave open.

    Returns:
        Where that cannot be done, FAILED: this process ends, and all of its programs with it.
    """
    try:
        back = record(WayBack, content["back"])
        env = {key: value for key, value in os.environ.items() if key != composing.PYTHONPATH}
        if back.python_path is not None:
            env[composing.PYTHONPATH] = back.python_path
        written = in_memory({**content, "failed": why, "back": None})
        execute(written, descriptors, list(back.argv), env)
    except (NotReadable, OSError, KeyError, TypeError) as error:
        _log.critical("the anchor cannot go on: %s: %r", why, error)
    return ExitCode.FAILED


def _calm(state: AnchorState) -> bool:
    """Whether nothing is under way that has to end in this code."""
    settled = state.upgrade == UpgradeState(go_on=state.upgrade.go_on)
    return settled or state.mode is not Mode.RUNNING
