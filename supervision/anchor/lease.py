"""Who may guard a directory.

Two files, both locked with flock(2), which ends with its holders and leaves nothing stale:

``anchor.lock`` is held by the living anchor. Its content, the process id, is for humans.
``anchor.programs`` is held by the anchor and, through inherited descriptors, by every program it
started. While an anchor that was killed still has programs that are stopping, its successor waits
for them; those that do not end are found in the file by process id and start time, and killed.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import signal
import time
from pathlib import Path
from typing import TypedDict

from supervision.anchor.handing_on import HandedLease

_POLL_S = 0.02

_log = logging.getLogger(__name__)


class _Record(TypedDict):
    name: str
    pid: int
    start_time: int | None


class Held(Exception):  # noqa: N818 - a state of affairs
    """Somebody else has the directory; the message says who."""


class Lease:
    """The right to guard a directory, held until `release` or the end of the process.

    Args:
        directory: An existing directory.
        handed: What other code of this process had of it; None takes it anew.

    Raises:
        Held: Another anchor has it.
    """

    def __init__(self, directory: Path, handed: HandedLease | None = None) -> None:
        self._directory = directory
        self._recorded: dict[str, _Record] = {}
        if handed is not None:
            self._lock, self._programs = handed.lock, handed.programs
            self._recorded |= handed.recorded
            return
        self._lock = _open(directory / "anchor.lock")
        if not _try_lock(self._lock):
            pid = os.pread(self._lock, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._lock)
            raise Held(f"another anchor (process {pid}) guards {directory}")
        os.truncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)
        self._programs = _open(directory / "anchor.programs")

    def handed(self) -> HandedLease:
        """What other code in this process needs to go on with it."""
        return HandedLease(self._lock, self._programs, dict(self._recorded))

    @property
    def inherited_fd(self) -> int:
        """The descriptor every program inherits."""
        return self._programs

    def inherit(self, patience_s: float) -> list[int]:
        """Wait for the end of the programs of an anchor that was killed.

        Args:
            patience_s: How long they have to stop by themselves, in seconds, before they are
                killed.

        Returns:
            The process ids that were killed.

        Raises:
            Held: Even killed they do not end, or nothing is known of them.
        """
        if self._wait(patience_s):
            return []
        killed = _kill_recorded(self._programs)
        if not self._wait(patience_s):
            raise Held(f"programs of an earlier anchor still use {self._directory}")
        return killed

    def record(self, name: str, pid: int) -> None:
        """Note a program, in place of its earlier incarnation, so that a successor finds it.

        Args:
            name: The program.
            pid: Its process, a child of this one.
        """
        self._recorded[name] = {"name": name, "pid": pid, "start_time": start_time(pid)}
        line = json.dumps(list(self._recorded.values())).encode() + b"\n"
        try:  # in one write: whenever this process is killed, the first line is whole
            os.pwrite(self._programs, line, 0)
            os.truncate(self._programs, len(line))
        except OSError as error:  # a full disk: a successor waits for what it cannot kill
            _log.warning("%s cannot be noted as %s: %s", pid, name, error.strerror)

    def release(self) -> None:
        """Give the directory free."""
        os.close(self._programs)
        os.close(self._lock)

    def _wait(self, patience_s: float) -> bool:
        deadline = time.monotonic() + patience_s
        while not _try_lock(self._programs):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        return True


def start_time(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot; None when there is none.

    With its id this names a process for good (proc_pid_stat(5), field 22).
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(")")[2].split()[19])


def _kill_recorded(programs: int) -> list[int]:
    content = os.pread(programs, os.fstat(programs).st_size, 0)
    line, _, _ = content.partition(b"\n")
    records: list[_Record] = json.loads(line) if line else []
    living = [item for item in records if start_time(item["pid"]) == item["start_time"]]
    for record in living:
        os.kill(record["pid"], signal.SIGKILL)
    return [record["pid"] for record in living]


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
