"""Nodes of the recovery bench: started, fed with sessions that are real, asked, killed."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from routing import Server, cti_port, environment, say

from actors.journal import recovery, schema
from actors.journal.acknowledged import Acknowledged
from actors.journal.batch import Batch, Encoding
from actors.journal.file import Files, open_database
from actors.journal_codecs import codecs
from actors.session_data import Session

NOWHERE = {"VIGIE_DATABASE__DSN": "postgresql://nobody@127.0.0.1:1/none"}
"""A database that refuses: PostgreSQL is on nobody's path here, and takes no processor time."""

TEMPLATES = 40
SETTLED_S = 6.0
"""After this an answered dialogue is forgotten (`routing.abandon_timeout_ms`)."""
BATCH = 2_000
JOURNAL = "node/callSup/contextStore"


@dataclass(frozen=True)
class Node:
    """A data directory, and the commands of its node."""

    data: Path
    settings: Mapping[str, str]

    def vigie(self, *words: str) -> Any:
        """Run a command; return what it prints."""
        command = [sys.executable, "-m", "actors.cli", *words, "--data", str(self.data), "--json"]
        environ = environment() | NOWHERE | self.settings
        done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            sys.exit(f"vigie {' '.join(words)} ended with {done.returncode}:\n{done.stdout}")
        return json.loads(done.stdout)

    @contextlib.contextmanager
    def running(self) -> Iterator[dict[str, Any]]:
        """Start it, give what it says of itself, and stop it."""
        info = self.vigie("start")
        try:
            info["token"] = self.vigie("token", "create", "--scope", "cti")["token"]
            yield info | {"port": cti_port(info)}
        finally:
            self.vigie("stop")

    def journal(self) -> dict[str, Any]:
        """What the journal has done."""
        state: dict[str, Any] = self.vigie("actor", "status", JOURNAL)["state"]["journal"]
        return state

    def said(self, log: str) -> Iterator[dict[str, Any]]:
        """The records of a log."""
        for line in (self.data / log).read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


@contextlib.contextmanager
def directory(**settings: str) -> Iterator[Node]:
    """A node that has not been started, in a directory that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="vigie-bench-") as data:
        yield Node(Path(data), settings)


def saturated(info: dict[str, Any], at_once: int, seconds: float) -> float:
    """Answers per second while as many requests wait at any time."""
    here = Path(__file__).parent
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            here / "recovery_load.py",
            str(info["port"]),
            str(at_once),
            str(seconds),
        ],
        env=environment()
        | {"PYTHONPATH": os.pathsep.join([environment()["PYTHONPATH"], str(here)])},
        input=info["token"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    rate: float = json.loads(done.stdout)["answers_per_s"]
    return rate


def fill(node: Node, count: int) -> None:
    """Have so many sessions open in the journal of a node that does not run.

    A node makes some, of route requests; they are written again and again with other ids.
    """
    with node.running() as info:
        Server("vigie", info["port"], info["token"]).load(20.0, TEMPLATES / 20)
        time.sleep(SETTLED_S)
    files = Files(node.data / "journal")
    kinds = codecs(time.time, time.monotonic)
    connection = open_database(files)
    found = recovery.load(connection, kinds, files)
    templates = list(found.recovered.values["session"].values())
    say(f"{count:,} sessions of {len(templates)} that a node has made")
    multiply(files, connection, templates, range(len(templates), count), found.number)


def _numbered(session: Session, number: int) -> Session:
    """A session like another, with ids of its own."""
    pairs = enumerate(session.dialogues)
    dialogues = tuple((f"filled-{number}-{at}", dialogue) for at, (_, dialogue) in pairs)
    named = f"{number:024x}"
    return replace(session, session=named, call=f"filled-{number}", dialogues=dialogues)


def multiply(
    files: Files,
    connection: sqlite3.Connection,
    templates: Sequence[tuple[str, Session]],
    numbers: range,
    commits: int,
) -> None:
    """Write sessions into a journal that nobody has open, each like one of some, with its own id.

    Args:
        files: of the journal.
        connection: to its database; it is closed.
        templates: state and data of sessions.
        numbers: one for each session that is written.
        commits: the number of the journal's last commit.
    """
    kinds, number = codecs(time.time, time.monotonic), commits
    for first in range(numbers.start, numbers.stop, BATCH):
        number += 1
        batch = Batch()
        for one in range(first, min(first + BATCH, numbers.stop)):
            state, session = templates[one % len(templates)]
            named = _numbered(session, one)
            batch.entries["session", named.session] = (state, named)
        encoding = Encoding(batch, number, kinds)
        while not encoding.step(BATCH):
            pass
        commit = encoding.commit()
        connection.execute(schema.COMMIT, (number, commit.work, commit.bodies))
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    connection.close()
    told = Acknowledged(files.acknowledged)
    told.begin(number, time.time())
    told.close()
