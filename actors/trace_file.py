"""Trace files: lines appended to one file, which is numbered and put away when it is full.

`vigie.jsonl` is the file in use; `vigie.000001.jsonl` is the first that was put away, and so on:
numbers grow for ever, whatever the clock does. Several writers may append at a time, as happens
for a moment when one takes over from another: lines are appended whole, and a writer whose file
has been put away by the other, or removed by an operator, goes on in the new one.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_NEWLINE = b"\n"


class TraceFile:
    """The file in use; blocks on the disk, so it belongs to a thread of its own.

    Args:
        directory: Where the files are; made when it is missing.
        max_bytes: Size above which the file is put away.
        keep: Files put away that are kept; older ones are removed.
        name: What the names of the files begin with.
    """

    def __init__(self, directory: Path, max_bytes: int, keep: int, name: str = "vigie") -> None:
        self.path = directory / f"{name}.jsonl"
        self._max_bytes = max_bytes
        self._keep = keep
        self._numbered = re.compile(rf"{re.escape(name)}\.(\d+)\.jsonl")
        self._descriptor = -1
        self._at_line_start = True

    def append(self, data: bytes | memoryview) -> int:
        """Append what the disk takes.

        Args:
            data: Whole lines, or what is left of some; not empty.

        Returns:
            How many bytes were taken, at least 1; call again with the others.

        Raises:
            OSError: Nothing was taken; the file is opened anew by the next call.
        """
        try:
            size = self._open()
            if self._at_line_start and size > 0 and size + len(data) > self._max_bytes:
                self._put_away()
                self._open()
            taken = os.write(self._descriptor, data)
        except OSError:
            self.close()
            raise
        self._at_line_start = data[taken - 1 : taken] == _NEWLINE
        return taken

    def close(self) -> None:
        """Close the file; `append` opens it again."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _open(self) -> int:
        """See to it that the file of that name is open, and return its size."""
        if self._descriptor >= 0:
            status = os.fstat(self._descriptor)
            if self._is_in_place(status):
                return status.st_size
            self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(self.path, flags, 0o640)
        size = os.fstat(self._descriptor).st_size
        if self._at_line_start:
            self._end_torn_line(size)
        return size

    def _is_in_place(self, ours: os.stat_result) -> bool:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return False
        return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)

    def _end_torn_line(self, size: int) -> None:
        # Whoever wrote last was stopped in the middle: what it left must not spoil the next line.
        if size and os.pread(self._descriptor, 1, size - 1) != _NEWLINE:
            os.write(self._descriptor, _NEWLINE)

    def _put_away(self) -> None:
        numbers = self._numbers()
        number = numbers[-1] + 1 if numbers else 1
        self.path.rename(self._file(number))
        self.close()
        for old in [*numbers, number][: -self._keep]:
            self._file(old).unlink(missing_ok=True)

    def _numbers(self) -> list[int]:
        names = (self._numbered.fullmatch(path.name) for path in self.path.parent.iterdir())
        return sorted(int(name[1]) for name in names if name)

    def _file(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.stem}.{number:06}.jsonl")
