"""The log files of an anchor and its programs, bounded in size and number."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

TAIL_BYTES = 8192
"""What of a log's end is read to explain a failure."""


def open_log(path: Path, *, max_bytes: int, keep: int) -> BinaryIO:
    """Open a log file for appending, a new one when the old one is long.

    Args:
        path: The file; its directory is made when missing.
        max_bytes: The length from which the file becomes ``NAME.1``, that one ``NAME.2``...
        keep: Old files kept.

    Returns:
        The file, unbuffered, in append mode, as several processes write to it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size >= max_bytes:
        _shift(path, keep)
        path.rename(_numbered(path, 1))
    return open(path, "ab", buffering=0, opener=_private)


def cut_log(path: Path, *, max_bytes: int, keep: int) -> bool:
    """Bound a log file that a program holds open for appending.

    The content is copied aside and the file emptied, as the program keeps writing to it; a line
    written at that very moment can be lost.

    Args:
        path: The file.
        max_bytes: The length from which it is cut.
        keep: Old files kept.

    Returns:
        Whether it was cut.
    """
    if not path.exists() or path.stat().st_size < max_bytes:
        return False
    _shift(path, keep)
    shutil.copyfile(path, _numbered(path, 1))
    os.truncate(path, 0)
    return True


def tail(path: Path, lines: int, since: int = 0) -> list[str]:
    """Return the last lines of a file, of its last 8 KiB at most.

    Args:
        path: The file; a missing one is empty.
        lines: How many.
        since: Where to begin, in bytes; a file that has become shorter was cut since.
    """
    if not path.exists():
        return []
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, since if since <= size else 0, size - TAIL_BYTES))
        return file.read().decode(errors="replace").splitlines()[-lines:]


def size(path: Path) -> int:
    """Return the length of a file in bytes, 0 when it is missing."""
    return path.stat().st_size if path.exists() else 0


def log_to_stderr() -> None:
    """Send this process's log records to stderr, one JSON object per line."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class JsonFormatter(logging.Formatter):
    """Log records as JSON lines with the field names of OpenTelemetry's log data model."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line; an exception's traceback is among its attributes."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        attributes: dict[str, object] = {"logger": record.name, "pid": record.process}
        if record.exc_info:
            attributes["exception.stacktrace"] = self.formatException(record.exc_info)
        return json.dumps(
            {
                "Timestamp": f"{moment}.{int(record.msecs):03d}Z",
                "SeverityText": record.levelname,
                "Body": record.getMessage(),
                "Attributes": attributes,
            }
        )


def _shift(path: Path, keep: int) -> None:
    """Free the number 1 among the old files."""
    for number in range(keep - 1, 0, -1):
        if _numbered(path, number).exists():
            _numbered(path, number).rename(_numbered(path, number + 1))


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
