"""What was done with releases: ``releases/history.jsonl``, a line a step, never changed afterwards.

The anchor writes it, and a command while no anchor runs (under `lock`). A line that a crash cut off
is skipped by readers, and ended by the next writer.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from typing import TYPE_CHECKING, Any

from supervision.anchor.pointers import DIRECTORY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FILE = "history.jsonl"
LOCK = "lock"
MAX_BYTES = 8 * 1024 * 1024
"""A longer file becomes ``history.jsonl.1``, in place of an earlier one."""

MAX_LINE_BYTES = 64 * 1024
"""A longer line loses its details, not its step."""

ESSENTIAL = ("at", "who", "step", "vsn", "from", "plan", "result", "why")


def append(directory: Path, entry: Mapping[str, Any]) -> None:
    """Add a line; it is on the disk when this returns.

    Args:
        directory: The anchor's.
        entry: Plain data: ``{at, who, step, vsn, from, plan, result, why, timings, pause}``.

    Raises:
        OSError: It cannot be written.
    """
    home = directory / DIRECTORY
    home.mkdir(mode=0o700, exist_ok=True)
    path = home / FILE
    if path.exists() and path.stat().st_size >= MAX_BYTES:
        path.replace(path.with_name(f"{FILE}.1"))
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        line = _ended(descriptor) + _line(entry)
        if os.write(descriptor, line) < len(line):  # the next one ends what is there of it
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(directory: Path, limit: int = 1_000) -> list[dict[str, Any]]:
    """The last lines, the oldest first.

    Args:
        directory: The anchor's.
        limit: How many, at most.

    Raises:
        OSError: It cannot be read.
    """
    lines: list[bytes] = []
    for name in (f"{FILE}.1", FILE):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            lines += (directory / DIRECTORY / name).read_bytes().splitlines()
    return [entry for line in lines[-limit:] if (entry := _entry(line))] if limit > 0 else []


@contextlib.contextmanager
def lock(directory: Path) -> Iterator[bool]:
    """Be the only command that changes releases; the value says whether that is so.

    Args:
        directory: The anchor's.

    Raises:
        OSError: The lock's file cannot be made.
    """
    home = directory / DIRECTORY
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _line(entry: Mapping[str, Any]) -> bytes:
    line = json.dumps(entry, separators=(",", ":"), default=str).encode() + b"\n"
    if len(line) <= MAX_LINE_BYTES:
        return line
    short: dict[str, Any] = {key: str(entry[key])[:1_000] for key in ESSENTIAL if key in entry}
    short |= {"at": entry.get("at"), "cut": True}
    return json.dumps(short, separators=(",", ":"), default=str).encode() + b"\n"


def _ended(descriptor: int) -> bytes:
    """What ends a line that a crash cut off."""
    size = os.fstat(descriptor).st_size
    return b"\n" if size and os.pread(descriptor, 1, size - 1) != b"\n" else b""


def _entry(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}
