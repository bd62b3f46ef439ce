"""The installation that runs, as an external release: one that lies outside of the data directory.

A node is first started from some installation, a checkout or an environment somebody made. That is
recorded with its path and a hash of its files: what was permanent yesterday is what starts today,
or nothing does. Standard library only, but for what a journal's rows are like.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from actors import atomic_file
from actors.cli import rooms
from actors.etc_files import etc_file
from actors.user_name import user
from supervision.anchor import history, pointers
from supervision.anchor.messages import ExitCode, Refusal
from supervision.anchor.pointers import DIRECTORY, MANIFEST, Pointers

if TYPE_CHECKING:
    from collections.abc import Iterator

EXTERNAL = "external"
COMPOSE = "actors.cli.compose"
ENVIRONMENT = "env"
"""Of a release, in its own directory."""

SHORT = 8
"""Digits of a commit, and of a hash, in a version."""

GIT_TIMEOUT_S = 10.0


class Installation(NamedTuple):
    """Where an installation lies.

    Attributes:
        home: the directory of the rooms.
        etc: the directory of what ships with them.
        python: the interpreter that runs them, with their libraries.
        python_path: what that needs to find them.
    """

    home: Path
    etc: Path
    python: str
    python_path: str

    def contents(self) -> str:
        """The hash of its files: names and contents; modules that were compiled are left out."""
        digest = hashlib.sha256()
        for name, path in _files(self):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").digest()
            digest.update(os.fsencode(name) + b"\0" + content)
        return digest.hexdigest()


def running() -> Installation:
    """The installation that this process runs."""
    path = rooms.python_path(os.environ)
    return Installation(rooms.home(), etc_file("vigie.toml").parent, sys.executable, path)


def of(manifest: dict[str, Any]) -> Installation:
    """The installation that an external release was recorded from."""
    compose = manifest["compose"]
    home, etc = Path(manifest["path"]), Path(manifest["etc"])
    return Installation(home, etc, compose["argv"][0], compose["env"].get("PYTHONPATH", ""))


def changed(manifest: dict[str, Any]) -> str:
    """Say what has become of an external release since it was recorded.

    Returns:
        What is wrong with it; empty where it is what it was.
    """
    found = of(manifest)
    if not os.access(found.python, os.X_OK):
        return f"{found.python} is gone"
    missing = [room for room in rooms.ROOMS if not (found.home / room).is_dir()]
    if missing:
        return f"{found.home / missing[0]} is gone"
    return "" if found.contents() == manifest["contents"] else f"{found.home} has changed"


class Adopted(NamedTuple):
    """What has been made the permanent release.

    Attributes:
        vsn: its version.
        aside: where pointers that could not be read lie now; None where there were none.
    """

    vsn: str
    aside: Path | None


def adopt(data: Path, who: str = "") -> Adopted:
    """Make the installation that runs the permanent release.

    One that lies outside of the data directory is recorded as an external release. Pointers that
    cannot be read are set aside, never lost.

    Args:
        data: the data directory, absolute; it exists, and nobody else changes what starts there
            meanwhile (`permanent.alone`).
        who: who wants it; the user of this process where nobody is named.

    Raises:
        Refusal: the files cannot be written.
    """
    try:
        return _adopt(data, who or user())
    except (OSError, pointers.PointersUnreadable) as error:
        raise Refusal(ExitCode.FAILED, f"the release cannot be recorded: {error}") from None


def own_place(data: Path) -> str | None:
    """The name of the release of a data directory in whose environment this process runs."""
    place = Path(sys.prefix).resolve()
    home = (data / DIRECTORY).resolve()
    if place.name != ENVIRONMENT or place.parent.parent != home:
        return None
    return place.parent.name


def own_release(data: Path) -> str | None:
    """The same, where it is installed; None elsewhere."""
    vsn = own_place(data)
    return vsn if vsn is not None and pointers.manifest(data, vsn) is not None else None


def _adopt(data: Path, who: str) -> Adopted:
    before, damage = _before(data)
    vsn = own_release(data)
    if vsn is None:
        vsn = _recorded(data, running())
    after, gone = _pointing(data, before, vsn)
    pointers.prepare(data, after)
    aside = _set_aside(data / DIRECTORY / pointers.FILE) if damage else None
    pointers.write(data, after, prepared=True)
    if gone:
        shutil.rmtree(data / DIRECTORY / gone)
    line = {"at": time.time(), "who": who, "step": "adopt", "vsn": vsn, "result": "permanent"}
    line |= {"from": None if before is None else before.permanent, "why": str(rooms.home())}
    if aside is not None:
        line["why"] = f"{rooms.home()}; {damage}; set aside as {aside.name}"
    history.append(data, line)
    return Adopted(vsn, aside)


def _before(data: Path) -> tuple[Pointers | None, str]:
    """The pointers, or what is wrong with them."""
    try:
        return pointers.read(data), ""
    except pointers.PointersUnreadable as damaged:
        return None, str(damaged)


def _set_aside(path: Path) -> Path:
    """Move a damaged file to a name of its own, which nothing has yet."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    names = (
        f"{path.name}.damaged-{stamp}{more}" for more in ("", *(f"-{n}" for n in range(1, 99)))
    )
    aside = next(item for name in names if not (item := path.with_name(name)).exists())
    path.rename(aside)
    return aside


def _recorded(data: Path, found: Installation) -> str:
    """Record an installation as an external release; return its version."""
    contents = found.contents()
    vsn = _free_vsn(data, found, contents)
    _write(data, found, vsn, contents)
    return vsn


def _pointing(data: Path, before: Pointers | None, vsn: str) -> tuple[Pointers, str]:
    """The pointers to a permanent release, and an external one whose files are there no more."""
    if before is None:
        return Pointers(vsn, vsn), ""
    old = [item for item in (*before.old, before.permanent) if item != vsn]
    gone = ""
    if before.permanent != vsn and _same_place(data, before.permanent, rooms.home()):
        gone = before.permanent  # what lies there now is another release
        old.remove(gone)
    refused = before.refused
    return Pointers(vsn, vsn, tuple(dict.fromkeys(old)), refused).allowed(vsn), gone


def _same_place(data: Path, vsn: str, home: Path) -> bool:
    try:
        manifest = pointers.manifest(data, vsn) or {}
    except pointers.PointersUnreadable:
        return False
    return manifest.get("origin") == EXTERNAL and Path(manifest["path"]) == home


def _write(data: Path, found: Installation, vsn: str, contents: str) -> None:
    from actors.journal_codecs import codecs

    argv = [found.python, "-P", "-m", COMPOSE, "--expect", contents]
    states = {kind: codec.version for kind, codec in codecs(time.time, time.monotonic).items()}
    manifest = {
        "format": pointers.FORMAT,
        "vsn": vsn,
        "origin": EXTERNAL,
        "version": _project(),
        "path": str(found.home),
        "etc": str(found.etc),
        "python": platform.python_version(),
        "platform": sysconfig.get_platform(),
        "contents": contents,
        "states": states,
        "compose": {"argv": argv, "env": {"PYTHONPATH": found.python_path}},
        "recorded": {"at": time.time(), "by": user()},
    }
    directory = data / DIRECTORY / vsn
    directory.mkdir(mode=0o700, exist_ok=True)
    text = json.dumps(manifest, indent=1) + "\n"
    atomic_file.replace(directory / MANIFEST, text.encode())
    atomic_file.sync(directory.parent)


# Its version


def _free_vsn(data: Path, found: Installation, contents: str) -> str:
    """The version, told apart from another release that has it already."""
    vsn = _vsn(found, contents)
    if not _taken(data, vsn, contents):
        return vsn
    return f"{vsn}{'.' if '+' in vsn else '+'}d{contents[:SHORT]}"


def _taken(data: Path, vsn: str, contents: str) -> bool:
    """Whether another release has a version; a damaged record of an installation is none."""
    try:
        known = pointers.manifest(data, vsn)
    except pointers.PointersUnreadable:
        return (data / DIRECTORY / vsn / ENVIRONMENT).exists()
    return known is not None and not (
        known.get("origin") == EXTERNAL and known.get("contents") == contents
    )


def _vsn(found: Installation, contents: str) -> str:
    """The project's version; with the commit where that is no release, and what has changed."""
    project = _project()
    if not (found.home / ".git").exists():
        return project
    try:
        commit = _git(found.home, "rev-parse", "--verify", "HEAD").strip()
        tags = _git(found.home, "tag", "--points-at", "HEAD").split()
        dirty = bool(_git(found.home, "status", "--porcelain").strip())
    except (OSError, subprocess.SubprocessError):  # no git, or not ours to ask
        return f"{project}+d{contents[:SHORT]}"
    words = [] if {project, f"v{project}"} & set(tags) else [f"g{commit[:SHORT]}"]
    if dirty:
        words.append(f"d{contents[:SHORT]}")
    return f"{project}+{'.'.join(words)}" if words else project


def _project() -> str:
    try:
        return version("vigie")
    except PackageNotFoundError:  # the rooms are used where they lie
        return "0"


def _git(checkout: Path, *words: str) -> str:
    command = ["git", "-C", str(checkout), *words]
    done = subprocess.run(  # noqa: S603 - our own words
        command, check=True, capture_output=True, text=True, timeout=GIT_TIMEOUT_S
    )
    return done.stdout


def _files(found: Installation) -> Iterator[tuple[str, Path]]:
    """What an installation is made of, in order: a name that tells nothing of where it lies."""
    places = [(room, found.home / room) for room in rooms.ROOMS]
    for place, root in [*places, ("etc", found.etc)]:
        for where, directories, names in os.walk(root):
            directories[:] = sorted(name for name in directories if name != "__pycache__")
            for name in sorted(names):
                path = Path(where, name)
                if path.suffix != ".pyc" and path.is_file():
                    yield f"{place}/{path.relative_to(root)}", path
