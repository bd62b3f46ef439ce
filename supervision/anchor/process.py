"""One program as an operating system process.

A program is told what it inherits by two variables of its environment::

    ANCHOR_LISTEN_FDS=http:5,cti:6    its listening sockets, NAME:DESCRIPTOR
    ANCHOR_CONTROL_FD=7               its channel to the anchor
    ANCHOR_STOP_TIMEOUT_S=10          how long it may take to stop, in seconds
    ANCHOR_INCARNATION=1              how often it was started, this time included

The channel is a Unix stream socket that carries JSON lines. Its end is the end of the anchor: the
program stops. As a second string the kernel sends SIGTERM to the program when the anchor dies.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from supervision.anchor.inheritance import CONTROL_FD, INCARNATION, LISTEN_FDS, STOP_TIMEOUT_S
from supervision.anchor.states import Exited

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from supervision.anchor.spec import ProgramSpec

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Process:
    """A running program.

    Attributes:
        name: The program.
        pid: Its process, a child of this one, to be reaped.
        pidfd: Readable once the process has ended (pidfd_open(2)).
        channel: The anchor's end of the channel.
    """

    name: str
    pid: int
    pidfd: int
    channel: socket.socket

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; a process that has already ended takes none."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def reap(self) -> Exited:
        """The event of its end; the process has ended."""
        ended = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        os.close(self.pidfd)
        assert ended is not None  # only with WNOHANG there is none
        if ended.si_code == os.CLD_EXITED:
            return self._exited(f"exit {ended.si_status}", ended.si_status)
        return self._exited(_signal_name(ended.si_status), None)

    def _exited(self, reason: str, code: int | None) -> Exited:
        jitter = random.random()  # noqa: S311 - jitter
        return Exited(self.name, reason, code, jitter, self.pid)


def spawn(
    spec: ProgramSpec,
    *,
    listeners: Mapping[str, socket.socket],
    inherited_fd: int,
    log: BinaryIO,
    directory: Path,
    incarnation: int,
    extra: Mapping[str, str] | None = None,
) -> Process:
    """Start a program.

    Args:
        spec: The program.
        listeners: The anchor's listening sockets by name.
        inherited_fd: A descriptor that the program holds for as long as it lives.
        log: What stdout and stderr go to.
        directory: The working directory.
        incarnation: How often it was started, this time included.
        extra: Variables of this incarnation alone.

    Returns:
        The running program.

    Raises:
        OSError: It cannot be executed.
    """
    sockets = {name: listeners[name].fileno() for name in spec.listeners}
    ours, theirs = socket.socketpair()
    try:
        # One session each: a Ctrl-C at the anchor's terminal must not stop them all at once.
        popen = subprocess.Popen(  # noqa: S603 - running programs is what an anchor is for
            spec.argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=directory,
            env=_environment(spec, sockets, theirs, incarnation) | dict(extra or {}),
            pass_fds=[theirs.fileno(), inherited_fd, *sockets.values()],
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - this process has one thread
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    pidfd = os.pidfd_open(popen.pid)
    popen.returncode = 0  # it is waited for by its pidfd, as Popen does not outlive an execve
    return Process(spec.name, popen.pid, pidfd, ours)


def die_with_parent(number: signal.Signals) -> Callable[[], None]:
    """What a child calls before exec, to get a signal when its parent thread dies.

    The setting survives exec, but not a later change of user (PR_SET_PDEATHSIG of prctl(2)).

    Args:
        number: The signal.

    Returns:
        A function for ``preexec_fn``.
    """
    parent = os.getpid()

    def ask_kernel() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it died before the kernel was asked
            os._exit(1)

    return ask_kernel


def _environment(
    spec: ProgramSpec, sockets: Mapping[str, int], channel: socket.socket, incarnation: int
) -> dict[str, str]:
    return {
        **os.environ,
        **spec.env,
        LISTEN_FDS: ",".join(f"{name}:{number}" for name, number in sockets.items()),
        CONTROL_FD: str(channel.fileno()),
        STOP_TIMEOUT_S: f"{spec.stop_timeout_s:g}",
        INCARNATION: str(incarnation),
    }


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have no names
        return f"signal {number}"
