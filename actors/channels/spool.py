"""Messages as they came, `DATA/channels/mail/SHA256.eml`: on the disk before they are answered.

What is read of a mail into its session is its beginning; this is all of it. Files are named by
their content, so that one that is sent again is there already. Every method takes the time of a
disk: they are called in a thread.
"""

from __future__ import annotations

import os
import re
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

SUFFIX: Final = ".eml"
_NAME: Final = re.compile(r"[0-9a-f]{64}\Z")
_DAY_S: Final = 86_400.0


class SpoolFull(Exception):  # noqa: N818 - named for what it says of the spool
    """The spool has no room.

    Args:
        rule: which limit, in words.
    """

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


class Spool:
    """The files of a directory; used by several threads.

    Args:
        directory: made where it is not there.
        most_bytes: that they may take, all together.
        keep_s: how long they are kept, seconds.
    """

    def __init__(self, directory: Path, most_bytes: int, keep_s: float) -> None:
        self._directory = directory
        self._most = most_bytes
        self._keep_s = keep_s
        self._lock = threading.Lock()
        self._used: int | None = None

    @property
    def used(self) -> int:
        """Bytes in use, as far as they have been counted."""
        return self._used or 0

    def keep(self, name: str, content: bytes) -> None:
        """Have a message on the disk, durably.

        Args:
            name: its SHA-256, hexadecimal.
            content: the message.

        Raises:
            SpoolFull: there is no room left, by the limit or on the disk.
        """
        with self._lock:
            if self._used is None:
                self._used = self._sweep(time.time())
            path = self._directory / f"{name}{SUFFIX}"
            if path.exists():
                os.utime(path)
                return
            if self._used + len(content) > self._most:
                raise SpoolFull(f"channels.mail.spool_mb is {self._most // 1_048_576}")
            try:
                self._write(path, content)
            except OSError as error:
                raise SpoolFull(str(error.strerror)) from error
            self._used += len(content)

    def _write(self, path: Path, content: bytes) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = path.with_suffix(".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        directory = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def read(self, name: str) -> bytes | None:
        """A message; None where it is not there, or its name is none."""
        if not _NAME.match(name):
            return None
        try:
            return (self._directory / f"{name}{SUFFIX}").read_bytes()
        except FileNotFoundError:
            return None

    def sweep(self, wall: float) -> None:
        """Remove what is older than it is kept, and count the rest again.

        Args:
            wall: seconds since the epoch.
        """
        with self._lock:
            self._used = self._sweep(wall)

    def _sweep(self, wall: float) -> int:
        used = 0
        for path in self._directory.glob("*") if self._directory.is_dir() else ():
            found = path.stat()
            if path.suffix != SUFFIX or found.st_mtime < wall - self._keep_s:
                path.unlink(missing_ok=True)
            else:
                used += found.st_size
        return used


def spool_of(data: Path, most_mb: int, keep_days: int) -> Spool:
    """The spool of a node's mail.

    Args:
        data: the data directory.
        most_mb: mebibytes that it may take.
        keep_days: how long messages are kept.
    """
    return Spool(data / "channels" / "mail", most_mb * 1_048_576, keep_days * _DAY_S)
