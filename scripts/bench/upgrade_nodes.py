"""Releases and nodes of the upgrade bench: built, installed, started, loaded and upgraded."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from programs import HERE, ROOT, say

NOT_SHIPPED = shutil.ignore_patterns(
    ".git", ".venv", ".test-venv", ".*_cache", ".hypothesis", "var", "dist", "__pycache__"
)
LONG_S = 600.0


class Failed(Exception):  # noqa: N818 - a state of affairs
    """A command did not do what the bench needs; the message has what it said."""


def run(command: list[str], environ: Mapping[str, str] | None = None) -> Any:
    """Run a command that prints JSON, and return it.

    Raises:
        Failed: it ended with another code than 0.
    """
    clean = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command,
        env=clean | dict(environ or {}),
        capture_output=True,
        text=True,
        timeout=LONG_S,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def here(*words: str) -> list[str]:
    """A command line of the tree that the bench is of."""
    return [sys.executable, "-m", "actors.cli", *words, "--json"]


# Sources and archives


def tree_of(revision: str, into: Path) -> Path:
    """Lay out the tree of a revision of this repository.

    Raises:
        Failed: git does not have it; a shallow clone has few.
    """
    packed = subprocess.run(
        ["git", "-C", ROOT, "archive", "--format=tar", revision], capture_output=True, check=False
    )
    if packed.returncode:
        raise Failed(f"no tree of {revision}: {packed.stderr.decode(errors='replace').strip()}")
    into.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as tar:
        tar.extractall(into, filter="data")
    return into


def copy_of(tree: Path, into: Path) -> Path:
    """Copy a tree as it lies there, with what is not committed."""
    shutil.copytree(tree, into, ignore=NOT_SHIPPED)
    return into


def versioned(tree: Path, version: str) -> Path:
    """Give a tree a version of its own."""
    file = tree / "pyproject.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(re.sub(r'(?m)^version = ".*"', f'version = "{version}"', text, count=1))
    return tree


@dataclass(frozen=True)
class Workshop:
    """Where releases are made.

    Attributes:
        place: a directory that the caller removes.
    """

    place: Path

    def build(self, tree: Path, name: str, *, python: str | None = None) -> Path:
        """Build a release of a tree.

        Args:
            tree: a checkout, or a copy of one.
            name: of the archive.
            python: the interpreter that it is for.
        """
        say(f"building {name}")
        archive = self.place / f"{name}.tar"
        words = ["release", "build", "--from", str(tree), "--wheels", str(self.place / "wheels")]
        words += ["--python", python] if python else []
        run(here(*words, "-o", str(archive)), {"PYTHONPATH": str(ROOT)})
        return archive


# Nodes


@dataclass
class Node:
    """A data directory whose permanent release is an archive.

    Attributes:
        data: the directory.
        settings: variables of its configuration.
    """

    data: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    vigie: str = ""

    def install(self, archive: Path, python: str = "") -> str:
        """Install a release; the first one is what the node is started with. Return its version."""
        words = ["release", "install", str(archive), "--data", str(self.data)]
        words += ["--python", python] if python else []
        vsn: str = run(here(*words), {"PYTHONPATH": str(ROOT)})["vsn"]
        self.vigie = self.vigie or str(self.data / "releases" / vsn / "env" / "bin" / "vigie")
        return vsn

    def command(self, *words: str) -> Any:
        """Run a command of the first release; return what it prints."""
        return run([self.vigie, *words, "--data", str(self.data), "--json"], self.settings)

    @contextlib.contextmanager
    def running(self) -> Iterator[dict[str, Any]]:
        """Start it, give what it says of itself, and stop it."""
        info = self.command("start")
        try:
            info["token"] = self.command("token", "create", "--scope", "cti")["token"]
            yield info | {"port": int(str(info["cti"]).rpartition(":")[2])}
        finally:
            self.command("stop")

    def size(self) -> tuple[int, int]:
        """Resident bytes and open descriptors of its node."""
        pid = self.command("info")["node"]["pid"]
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE"), len(list(Path(f"/proc/{pid}/fd").iterdir()))


class Load:
    """The generator, in a process of its own.

    Args:
        info: of a running node.
        shape: see `upgrade_load.Shape`.
    """

    def __init__(self, info: Mapping[str, Any], shape: Mapping[str, float]) -> None:
        cti, http = (str(info[one]).rpartition(":")[2] for one in ("cti", "http"))
        self._process = subprocess.Popen(
            [sys.executable, "-P", HERE / "upgrade_load.py", cti, http, json.dumps(dict(shape))],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._ask(str(info["token"]))

    def period(self) -> dict[str, Any]:
        """What has happened since the last time this was asked."""
        return self._ask("")

    def _ask(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        print(line, file=self._process.stdin, flush=True)
        return self._told()

    def _told(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Failed("the generator ended")
        told: dict[str, Any] = json.loads(line)
        return told

    def end(self) -> dict[str, Any]:
        """End it; what is left unanswered."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        told = self._told()
        self._process.wait()
        return told
