"""Reads a large CSV file in a process of its own: the node's loop does not feel it.

Started as ``python -m actors.reference.worker``, with a `Job` as JSON in its first line of standard
input. It answers on standard output with a `Done`, and ends when its standard input is closed: with
the node that started it.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors.reference import snapshot
from actors.reference.building import Limits, build
from actors.reference.catalogue import KINDS
from actors.reference.csv_file import CsvInvalid, CsvMistake
from actors.reference.table import Version

if TYPE_CHECKING:
    from typing import BinaryIO

NICENESS = 10
"""Calls come first."""


class Job(Struct, frozen=True):
    """What is to be read.

    Attributes:
        table: that it is for.
        path: of the CSV file.
        out: where its snapshot is put.
        region: whose plan national numbers are read by, ISO 3166-1.
        limits: how large the file may be.
        version: the snapshot's; what is read tells its rows and its digest.
    """

    table: str
    path: str
    out: str
    region: str
    limits: Limits
    version: Version


class Done(Struct, frozen=True):
    """What came of it.

    Attributes:
        version: of the snapshot that was written; None where there is none.
        mistakes: of a file that was refused.
        why: another reason why there is no snapshot.
    """

    version: Version | None = None
    mistakes: tuple[CsvMistake, ...] = ()
    why: str = ""


def run(job: Job) -> Done:
    """Read a file and write its snapshot.

    Args:
        job: what and where.
    """
    kind = KINDS[job.table]
    try:
        built = build(kind, Path(job.path), job.region, job.limits)
        version = replace(job.version, rows=built.rows, sha256=built.sha256)
        snapshot.write(Path(job.out), kind, version, built)
    except CsvInvalid as invalid:
        return Done(mistakes=invalid.mistakes)
    except OSError as error:
        return Done(why=f"{error.filename or job.out}: {error.strerror}")
    return Done(version)


def main() -> None:
    """Do one job, for as long as who asked for it lives."""
    asked: BinaryIO = sys.stdin.buffer
    job = msgspec.json.decode(asked.readline(), type=Job)
    threading.Thread(target=_end_with, args=(asked,), daemon=True).start()
    os.nice(NICENESS)
    sys.stdout.buffer.write(msgspec.json.encode(run(job)))
    sys.stdout.buffer.flush()
    os._exit(0)  # the other thread still reads


def _end_with(asked: BinaryIO) -> None:
    asked.read()
    os._exit(1)


if __name__ == "__main__":
    main()
