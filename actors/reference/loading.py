"""What loading takes its time for: reading, packing, the disk. Never on the node's loop.

Small files are read in a thread, larger ones in a process. Each job ends with one call on the loop;
the jobs of one table are done one after another, whoever asked for them.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from actors import atomic_file
from actors.reference import worker
from actors.reference.building import Limits
from actors.reference.catalogue import KINDS, TableKind
from actors.reference.csv_file import CsvMistake
from actors.reference.shelf import Kept, ManifestDamaged, Shelf
from actors.reference.snapshot import SnapshotDamaged
from actors.reference.table import Rows, Version
from actors.reference.worker import Done, Job

INLINE_BYTES = 262_144
"""A file up to this size is read in a thread: it is done before a process has started."""

UPLOAD = "upload"
"""The source of what came as text, not as a file."""


class Found(Struct, frozen=True):
    """What there is of a table on the disk.

    Attributes:
        table: its name.
        kept: which versions there are.
        rows: of the version that counts; None where there is none, or it is loaded already.
        damaged: what could not be read, in words; empty where nothing was.
        source: the CSV file that the version that counts was read from; empty where none does.
    """

    table: str
    kept: Kept
    rows: Any = None
    damaged: tuple[str, ...] = ()
    source: str = ""


class Prepared(Struct, frozen=True):
    """A version is on the disk and in memory, and nobody reads it yet.

    Attributes:
        table: its name.
        version: which one it is.
        rows: its rows.
    """

    table: str
    version: Version
    rows: Any


class Unusable(Struct, frozen=True):
    """A version was not prepared.

    Attributes:
        table: its name.
        why: why not, in words.
        mistakes: of a file that was refused.
    """

    table: str
    why: str
    mistakes: tuple[CsvMistake, ...] = ()


class Settled(Struct, frozen=True):
    """The disk says, or does not say, which version counts.

    Attributes:
        table: its name.
        kept: what it says.
        why: why it does not; empty where it does.
    """

    table: str
    kept: Kept
    why: str = ""


Outcome: TypeAlias = Found | Prepared | Unusable | Settled
Told: TypeAlias = Callable[[Outcome], None]


class LoaderSettings(Struct, frozen=True):
    """How tables are read.

    Attributes:
        region: whose plan national numbers are read by, ISO 3166-1.
        limits: how large a file may be.
        timeout_s: how long reading one may take, seconds.
    """

    region: str
    limits: Limits
    timeout_s: float


class Loader:
    """Does jobs beside the loop, for refServer; it outlives restarts of it.

    Args:
        directory: of the snapshots.
        settings: how tables are read.
    """

    def __init__(self, directory: Path, settings: LoaderSettings) -> None:
        self._directory = directory
        self._shelf = Shelf(directory)
        self._settings = settings
        self._alone: dict[str, asyncio.Lock] = {}
        self._jobs: set[asyncio.Task[None]] = set()
        self._loads: set[asyncio.Task[None]] = set()

    def find(self, table: str, loaded: int, told: Told) -> None:
        """Look for the version that counts, and read it.

        Args:
            table: its name.
            loaded: the version that is read now, which need not be read again.
            told: called with `Found`.
        """
        self._begin(table, asyncio.to_thread(self._found, KINDS[table], loaded), told)

    def load(self, table: str, source: Path | bytes, version: Version, told: Told) -> None:
        """Read a CSV file into a snapshot, and that into memory.

        Args:
            table: its name.
            source: the file, or its contents.
            version: of the table; its rows and its digest are found out.
            told: called with `Prepared` or `Unusable`.
        """
        task = self._begin(table, self._loaded(KINDS[table], source, version), told)
        self._loads.add(task)
        task.add_done_callback(self._loads.discard)

    def reread(self, table: str, version: Version, told: Told) -> None:
        """Read a version that is on the disk.

        Args:
            table: its name.
            version: which one.
            told: called with `Prepared` or `Unusable`.
        """
        self._begin(table, asyncio.to_thread(self._read, KINDS[table], version), told)

    def settle(self, table: str, kept: Kept, told: Told) -> None:
        """Have the disk say which version counts from now on.

        Args:
            table: its name.
            kept: which versions there are.
            told: called with `Settled`.
        """
        self._begin(table, asyncio.to_thread(self._settled, KINDS[table], kept), told)

    def stop(self) -> None:
        """Give up the files that are being read; what else is done is short, and is done."""
        for load in self._loads:
            load.cancel()

    def _begin(
        self, table: str, job: Coroutine[Any, Any, Outcome], told: Told
    ) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._run(table, job, told))
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)
        return task

    async def _run(self, table: str, job: Coroutine[Any, Any, Outcome], told: Told) -> None:
        try:
            async with self._alone.setdefault(table, asyncio.Lock()):
                told(await job)
        finally:
            job.close()  # it may not have begun

    # In a thread

    def _found(self, kind: TableKind, loaded: int) -> Found:
        try:
            kept = self._shelf.kept(kind)
        except ManifestDamaged as error:
            self._shelf.set_aside(kind)
            return Found(kind.name, Kept(self._shelf.highest(kind)), None, (str(error),))
        return self._found_of(kind, kept, loaded)

    def _found_of(self, kind: TableKind, kept: Kept, loaded: int) -> Found:
        """The version that counts, or the one before it where that cannot be read."""
        damaged: list[str] = []
        for version in (kept.current, kept.previous):
            if version is None:
                continue
            left = kept if version is kept.current else Kept(kept.highest, version)
            if version.number == loaded:
                return Found(kind.name, left, None, tuple(damaged), _source(kept))
            try:
                rows = self._shelf.read(kind, version)
            except SnapshotDamaged as error:
                damaged.append(str(error))
            else:
                return Found(kind.name, left, rows, tuple(damaged), _source(kept))
        return Found(kind.name, Kept(kept.highest), None, tuple(damaged), _source(kept))

    def _read(self, kind: TableKind, version: Version) -> Prepared | Unusable:
        try:
            rows: Rows = self._shelf.read(kind, version)
        except SnapshotDamaged as error:
            return Unusable(kind.name, str(error))
        return Prepared(kind.name, version, rows)

    def _settled(self, kind: TableKind, kept: Kept) -> Settled:
        try:
            self._shelf.keep(kind, kept)
        except OSError as error:
            where = error.filename or self._directory
            return Settled(kind.name, kept, f"{where}: {error.strerror}")
        return Settled(kind.name, kept)

    # Reading CSV

    async def _loaded(
        self, kind: TableKind, source: Path | bytes, version: Version
    ) -> Prepared | Unusable:
        try:
            path, size = await asyncio.to_thread(self._source, kind, source)
        except OSError as error:
            return _not_there(kind, source, error)
        try:
            done = await self._done(self._job(kind, path, version), size)
        finally:
            if isinstance(source, bytes):
                await asyncio.to_thread(path.unlink, missing_ok=True)
        if done.version is None:
            why = done.why or "; ".join(map(str, done.mistakes))
            return Unusable(kind.name, why, done.mistakes)
        return await asyncio.to_thread(self._read, kind, done.version)

    def _source(self, kind: TableKind, source: Path | bytes) -> tuple[Path, int]:
        self._shelf.room()
        if isinstance(source, Path):
            return source, source.stat().st_size
        path = self._directory / f"{UPLOAD}.{kind.name}.csv"
        atomic_file.replace(path, source)
        return path, len(source)

    def _job(self, kind: TableKind, path: Path, version: Version) -> Job:
        settings = self._settings
        out = self._shelf.path(kind, version.number)
        return Job(kind.name, str(path), str(out), settings.region, settings.limits, version)

    async def _done(self, job: Job, size: int) -> Done:
        if size <= INLINE_BYTES:
            return await asyncio.to_thread(worker.run, job)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "actors.reference.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=_environ(),
        )
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                return await _answer(process, job)
        except TimeoutError:
            return Done(why=f"{job.path}: not read within {self._settings.timeout_s:g} s")
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


def _not_there(kind: TableKind, source: Path | bytes, error: OSError) -> Unusable:
    if isinstance(source, bytes):
        return Unusable(kind.name, f"{error.filename}: {error.strerror}")
    mistake = CsvMistake(str(source), f"a file that can be read: {error.strerror}")
    return Unusable(kind.name, str(mistake), (mistake,))


def _source(kept: Kept) -> str:
    return "" if kept.current is None else kept.current.source


def _environ() -> dict[str, str]:
    """The node's environment, and that of its own rooms first."""
    rooms = str(Path(__file__).resolve().parents[2])
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("ANCHOR_")}
    path = os.pathsep.join(filter(None, (rooms, inherited.get("PYTHONPATH", ""))))
    return {**inherited, "PYTHONPATH": path}


async def _answer(process: asyncio.subprocess.Process, job: Job) -> Done:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(msgspec.json.encode(job) + b"\n")
    said = await process.stdout.read()
    code = await process.wait()
    try:
        return msgspec.json.decode(said, type=Done)
    except msgspec.MsgspecError:
        return Done(why=f"{job.path}: the process that reads it has ended with exit code {code}")
