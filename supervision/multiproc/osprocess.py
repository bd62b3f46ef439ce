"""A child's OS process: its end is seen, and told from others by why it came."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import select
import signal
import time
from typing import Protocol

from supervision.reasons import KILLED, Reason, error

LIVENESS_S = 0.5
"""Seconds between two looks at a process where the system has no pidfd."""

KILL_WAIT_S = 5.0
"""Seconds that a killed process is waited for; the kernel needs milliseconds, as a rule."""

_PR_SET_PDEATHSIG = 1
_open: set[int] = set()  # pidfds of this process: children that it forks close their copies


class Forked(Protocol):
    """The part of ``multiprocessing.Process`` that is looked at."""

    @property
    def pid(self) -> int | None:
        """Its id."""

    @property
    def exitcode(self) -> int | None:
        """None while it lives; a signal's number below zero, an exit status above."""


class OsProcess:
    """One process that is watched.

    Args:
        pid: its id.
        forked: what forked it; None where another process did, which alone learns its status.

    Attributes:
        fd: becomes readable when it ends; None where the system has no pidfd.
    """

    def __init__(self, pid: int, forked: Forked | None = None) -> None:
        self.pid = pid
        self._forked = forked
        self.fd = open_pidfd(pid)

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        if self._forked is not None:
            return self._forked.exitcode is None
        return not _readable(self.fd, 0.0) if self.fd is not None else _exists(self.pid)

    def reason(self) -> Reason:
        """Why it ended, where it did not say so itself: ``killed``, or lost as an error."""
        status = None if self._forked is None else self._forked.exitcode
        if status == -signal.SIGKILL:
            return KILLED
        if not status:
            return error("lost")
        how = f"exit status {status}" if status > 0 else signal.Signals(-status).name
        return error(("lost", how))

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        if not self.alive:
            return
        with contextlib.suppress(ProcessLookupError):
            if self.fd is None:
                os.kill(self.pid, signal.SIGKILL)
            else:
                signal.pidfd_send_signal(self.fd, signal.SIGKILL)

    def end(self) -> None:
        """Kill it, where it lives, wait until it is dead and let go of it.

        The wait is of milliseconds: the next incarnation must not run beside the last one.
        """
        self.kill()
        deadline = time.monotonic() + KILL_WAIT_S
        while time.monotonic() < deadline and self.alive:
            _readable(self.fd, 0.05)
        if self.fd is not None:
            _open.discard(self.fd)
            os.close(self.fd)
            self.fd = None


def open_pidfd(pid: int) -> int | None:
    """A pidfd of a process; None where the system has none or the process is gone."""
    try:
        fd = os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
    _open.add(fd)
    return fd


def close_inherited() -> None:
    """Close the pidfds that a forked process has of its parent's children."""
    while _open:
        with contextlib.suppress(OSError):
            os.close(_open.pop())


def parent_pid() -> int:
    """The process that forked this one, whether it still lives or not."""
    parent = multiprocessing.parent_process()
    return os.getppid() if parent is None or parent.pid is None else parent.pid


def die_with_parent() -> bool:
    """Have this process killed by the kernel when its parent ends, however that ends.

    Returns:
        Whether the system can do so; otherwise whoever asked has to look itself.
    """
    end_without_parent()  # it may have ended before we could ask
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        refused = libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    except (AttributeError, OSError):
        return False
    end_without_parent()
    return not refused


def end_without_parent() -> None:
    """End this process where its parent has ended."""
    if os.getppid() != parent_pid():
        end_now()


def end_now() -> None:
    """Kill this process: its supervisor is gone, and with it whoever would wait for last words."""
    os.kill(os.getpid(), signal.SIGKILL)


def _readable(fd: int | None, seconds: float) -> bool:
    if fd is None:
        select.select([], [], [], seconds)
        return False
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return bool(poller.poll(seconds * 1000))


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
