"""What a node keeps of its reference tables on the disk: two versions each, and which one counts.

``DATA/reference/TABLE.json`` names the version that counts and the one before it; it is replaced
whole, and that is the moment of the switch as far as the disk is concerned. The versions are
``TABLE.NUMBER.snapshot``. Files are written by the node that serves, never by one in standby.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import msgspec
from msgspec import Struct

from actors import atomic_file
from actors.reference import snapshot
from actors.reference.catalogue import TableKind
from actors.reference.snapshot import SnapshotDamaged
from actors.reference.table import Rows, Version


class Kept(Struct, frozen=True):
    """Which versions of a table there are.

    Attributes:
        highest: number that the last load had; the next one has the next.
        current: the version that counts.
        previous: the one that a rollback leads to; None where there is none.
    """

    highest: int = 0
    current: Version | None = None
    previous: Version | None = None

    def ahead(self, version: Version) -> Kept:
        """What is kept once a new version counts."""
        return Kept(max(self.highest, version.number), version, self.current)

    def back(self) -> Kept:
        """What is kept once the previous version counts: the one that did can come back."""
        return Kept(self.highest, self.previous, self.current)


# Made now, by one thread: msgspec crashes where several work out one type at the same time.
_decode = msgspec.json.Decoder(Kept).decode


class ManifestDamaged(Exception):  # noqa: N818 named for what it says of the file
    """What says which version counts cannot be read."""


class Shelf:
    """The directory of the tables; blocking, for a thread that may wait.

    Args:
        directory: of the snapshots; made with the first one.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def kept(self, kind: TableKind) -> Kept:
        """Which versions of a table there are.

        Raises:
            ManifestDamaged: the file that says so cannot be read.
        """
        path = self._manifest(kind)
        try:
            return _decode(path.read_bytes())
        except FileNotFoundError:
            return Kept()
        except (OSError, msgspec.MsgspecError) as error:
            raise ManifestDamaged(f"{path}: {error}") from None

    def path(self, kind: TableKind, number: int) -> Path:
        """Where a version of a table is."""
        return self._directory / f"{kind.name}.{number}.snapshot"

    def highest(self, kind: TableKind) -> int:
        """The highest number that a snapshot of a table has here, 0 where there is none."""
        return max((number for _, number in self._numbered(kind)), default=0)

    def room(self) -> None:
        """Make the directory."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def read(self, kind: TableKind, version: Version) -> Rows:
        """Read a version.

        Raises:
            SnapshotDamaged: it is not there, or not what was written.
        """
        path = self.path(kind, version.number)
        try:
            rows, found = snapshot.read(path, kind)
        except OSError as error:
            raise SnapshotDamaged(path, f"it cannot be read: {error.strerror}") from None
        if found != version:
            raise SnapshotDamaged(path, f"it is version {found.number} of {found.source}")
        return rows

    def keep(self, kind: TableKind, kept: Kept) -> None:
        """Say which version counts from now on, and drop those that nobody goes back to.

        Raises:
            OSError: the disk does not take it; nothing has changed then.
        """
        self.room()
        atomic_file.replace(self._manifest(kind), msgspec.json.encode(kept))
        counted = {version.number for version in (kept.current, kept.previous) if version}
        for path, number in self._numbered(kind):
            if number not in counted:
                with contextlib.suppress(OSError):  # it takes room, and does no harm
                    path.unlink()

    def set_aside(self, kind: TableKind) -> None:
        """Put a manifest that cannot be read out of the way, for people to look at."""
        path = self._manifest(kind)
        with contextlib.suppress(OSError):
            path.rename(path.with_name(f"{path.name}.damaged-{time.time():.0f}"))

    def _numbered(self, kind: TableKind) -> list[tuple[Path, int]]:
        paths = self._directory.glob(f"{kind.name}.*.snapshot")
        numbers = [(path, path.name.split(".")[1]) for path in paths]
        return [(path, int(number)) for path, number in numbers if number.isdecimal()]

    def _manifest(self, kind: TableKind) -> Path:
        return self._directory / f"{kind.name}.json"
