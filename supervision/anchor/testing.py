"""Real anchors for tests: started, asked, killed and cleaned up."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from supervision.anchor.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision.anchor.messages import Message
    from supervision.anchor.spec import AnchorSpec

PATIENCE_S = 20.0
"""How long anything may take before a test gives up, in seconds."""

_Answer = TypeVar("_Answer")


class RunningAnchor:
    """An anchor process of its own.

    Args:
        spec: What it guards.

    Attributes:
        popen: The process.
        announced: What came of its start: `started` or `failed`.
    """

    def __init__(self, spec: AnchorSpec) -> None:
        self.directory = Path(spec.directory)
        read, write = os.pipe()
        command = [sys.executable, "-m", "supervision.anchor", "--announce-fd", str(write)]
        self.popen = subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdin=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            pass_fds=[write],
            start_new_session=True,
        )
        os.close(write)
        assert self.popen.stdin is not None
        self.popen.stdin.write(spec.to_json().encode())
        self.popen.stdin.close()
        with open(read, "rb") as pipe:  # noqa: PTH123 - a descriptor has no path
            self.announced: Message = json.loads(pipe.readline())
        self._seen = set(self.pids())

    def ask(self, op: str, **args: object) -> Any:
        """Ask over the control socket."""
        with Client(self.directory, PATIENCE_S) as client:
            return client.call(op, args)

    def program(self, name: str = "node") -> Message:
        """Return the status of a program."""
        state: Message = self.ask("status")["programs"][name]
        if state["pid"]:
            self._seen.add(state["pid"])
        return state

    def pids(self) -> list[int]:
        """Return the process ids of the programs when the start was announced."""
        programs = self.announced.get("started", {}).get("programs", {})
        return [item["pid"] for item in programs.values() if item["pid"]]

    def wait_program(self, condition: Callable[[Message], bool], name: str = "node") -> Message:
        """Wait until the status of a program fulfils a condition, and return it."""
        return wait_for(lambda: state if condition(state := self.program(name)) else {})

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal to the anchor and return its exit code."""
        self.popen.send_signal(number)
        return self.popen.wait(PATIENCE_S)

    def clean_up(self) -> None:
        """Kill whatever of it is left."""
        self.popen.kill()
        self.popen.wait(PATIENCE_S)
        for pid in self._seen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def wait_for(condition: Callable[[], _Answer], patience_s: float = PATIENCE_S) -> _Answer:
    """Ask until the answer is true, for what announces itself to nobody.

    Args:
        condition: The question.
        patience_s: After this time, in seconds, the test has failed.

    Returns:
        The answer.
    """
    deadline = time.monotonic() + patience_s
    while not (answer := condition()):
        assert time.monotonic() < deadline, "it did not come true in time"
        select.select([], [], [], 0.01)
    return answer


def wait_gone(pid: int, patience_s: float = PATIENCE_S) -> None:
    """Wait for the end of any process.

    Args:
        pid: Its id.
        patience_s: After this time, in seconds, the test has failed.
    """
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    poller = select.poll()
    poller.register(process, select.POLLIN)
    ended = poller.poll(patience_s * 1000)
    os.close(process)
    assert ended, f"process {pid} still lives"
