"""The second file: the number of the last commit that others may have been told of.

It is written after each commit and before anybody is told, so that a journal that has lost its last
commits can be told from one that never had them. It is overwritten in place, 28 bytes within one
sector; what was written outlives the process at once, whatever kills that, for the system has it.
It is brought to the disk now and then only: after a power cut it may be some commits old, which
weakens what it can tell and contradicts nothing.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

from msgspec import Struct

_RECORD = struct.Struct("<8sQdI")
_SEALED = _RECORD.size - 4
MAGIC = b"VIGIEACK"


class Told(Struct, frozen=True):
    """What the file says.

    Attributes:
        number: of the last commit acknowledged; 0 where there is no file.
        at: when, seconds since the epoch.
        why: why the file cannot be read; empty where it can, or is not there.
        there: whether there is a file.
    """

    number: int = 0
    at: float = 0.0
    why: str = ""
    there: bool = True


def record(number: int, at: float) -> bytes:
    """The contents of the file.

    Args:
        number: of the last commit acknowledged.
        at: seconds since the epoch.
    """
    whole = _RECORD.pack(MAGIC, number, at, 0)
    return whole[:_SEALED] + struct.pack("<I", zlib.crc32(whole[:_SEALED]))


def read(path: Path) -> Told:
    """Read the file; one that is damaged is told, not raised: the journal itself may be whole."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Told(there=False)
    except OSError as error:
        return Told(why=f"{path.name} cannot be read: {error.strerror}")
    if len(data) != _RECORD.size:
        return Told(why=f"{path.name} has {len(data)} bytes, not {_RECORD.size}")
    magic, number, at, checksum = _RECORD.unpack(data)
    if magic != MAGIC or checksum != zlib.crc32(data[:_SEALED]):
        return Told(why=f"{path.name} is damaged: its checksum does not match")
    return Told(number, at)


class Acknowledged:
    """The file while the journal is open.

    Args:
        path: of the file; made where it is missing.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)

    def write(self, number: int, at: float) -> None:
        """Note that a commit may be told of.

        Args:
            number: of the commit.
            at: seconds since the epoch.

        Raises:
            OSError: as of any file.
        """
        os.pwrite(self._descriptor, record(number, at), 0)

    def begin(self, number: int, at: float) -> None:
        """Write the file whole, whatever was in it, and bring it to the disk."""
        self.write(number, at)
        os.ftruncate(self._descriptor, _RECORD.size)
        self.sync()

    def sync(self) -> None:
        """Bring what was written to the disk."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)
