"""What a release is built of: a checkout, copied as it is at one moment, and the version of it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from supervision.anchor.messages import ExitCode, Refusal

if TYPE_CHECKING:
    from collections.abc import Collection

SHORT = 8
"""Digits of a commit, and of a hash, in a version."""

PARTS = ("actors", "protocols", "supervision", "etc", "pyproject.toml", "README.md", "LICENSE")
"""What a release is made of, of all that lies in a checkout."""

_VERSION = re.compile(r'^version = "([^"]+)"$', re.MULTILINE)


class Source(NamedTuple):
    """A copy of a checkout.

    Attributes:
        directory: of the copy; its version is the release's.
        version: of the project.
        vsn: of the release.
        commit: None where nobody knows.
        dirty: whether there are changes to that commit.
        project: of its `pyproject.toml`.
    """

    directory: Path
    version: str
    vsn: str
    commit: str | None
    dirty: bool
    project: dict[str, Any]


def copy(checkout: Path, into: Path) -> Source:
    """Copy what a release is made of, and say which version that is.

    The version is the project's, with the commit where that is not tagged with it, and a hash of
    what was copied where it is not what was committed.

    Args:
        checkout: its directory.
        into: a directory that is not there yet.

    Raises:
        Refusal: it is no checkout of vigie.
    """
    commit, dirty = _commit(checkout)
    try:
        _copy(checkout, into)
        text = (into / "pyproject.toml").read_text(encoding="utf-8")
        project = tomllib.loads(text)
    except OSError as error:
        why = f"{checkout} is no checkout of vigie: {error.filename}: {error.strerror}"
        raise Refusal(ExitCode.USAGE, why, "from") from None
    found = _VERSION.search(text)
    if found is None or project.get("project", {}).get("name") != "vigie":
        raise Refusal(ExitCode.USAGE, f"{checkout} is no checkout of vigie", "from")
    vsn = found[1] + _local(checkout, found[1], commit, into if dirty else None)
    changed = f"{text[: found.start(1)]}{vsn}{text[found.end(1) :]}"
    (into / "pyproject.toml").write_text(changed, encoding="utf-8")
    return Source(into, found[1], vsn, commit, dirty, project)


def _local(checkout: Path, version: str, commit: str | None, changed: Path | None) -> str:
    """What follows the project's version."""
    words = []
    tags = () if commit is None else _git(checkout, "tag", "--points-at", "HEAD").split()
    if commit is not None and not {version, f"v{version}"} & set(tags):
        words.append(f"g{commit[:SHORT]}")
    if changed is not None:
        words.append(f"d{tree_hash(changed)[:SHORT]}")
    return f"+{'.'.join(words)}" if words else ""


def _commit(checkout: Path) -> tuple[str | None, bool]:
    """The commit of a checkout, and whether there is more in it."""
    if not (checkout / ".git").exists():
        return None, True
    try:
        commit = _git(checkout, "rev-parse", "--verify", "HEAD").strip()
        return commit, bool(_git(checkout, "status", "--porcelain").strip())
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or error
        why = f"{checkout}: git does not say what it is: {str(said).strip()}"
        raise Refusal(ExitCode.FAILED, why, "from") from None


def _git(checkout: Path, *words: str) -> str:
    return subprocess.run(  # noqa: S603 - a list of words, no shell
        ["git", "-C", str(checkout), *words],  # noqa: S607 - the one of the path
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def _copy(checkout: Path, into: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info")
    into.mkdir()
    for part in PARTS:
        path = checkout / part
        if path.is_dir():
            shutil.copytree(path, into / part, ignore=ignore)
        else:
            shutil.copy(path, into / part)


def tree_hash(directory: Path, whole: Collection[str] = ()) -> str:
    """The SHA-256 of the files below a directory: their names, contents, and whether they run.

    Compiled modules are left out: the interpreter makes them as it needs them.

    Args:
        directory: of the files.
        whole: names of directories, outside of which sizes stand for contents; none is everywhere.
    """
    digest = hashlib.sha256()
    for path in _files(directory):
        below = path.relative_to(directory)
        name = os.fsencode(below)
        digest.update(len(name).to_bytes(4) + name)
        if path.is_symlink():
            digest.update(b"l" + os.fsencode(path.readlink()))
            continue
        runs = b"x" if path.stat().st_mode & 0o100 else b"f"
        if whole and not set(whole) & set(below.parts):
            digest.update(runs + path.stat().st_size.to_bytes(8))
            continue
        with path.open("rb") as file:
            digest.update(runs + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _files(directory: Path) -> list[Path]:
    found = []
    for where, directories, files in os.walk(directory):
        directories[:] = [name for name in directories if name != "__pycache__"]
        links = [name for name in directories if Path(where, name).is_symlink()]
        found += [Path(where, name) for name in (*files, *links)]
    return sorted(found)
