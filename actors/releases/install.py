"""Putting a release on the disk, whole or not at all, and taking it away again."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from actors import atomic_file
from actors.releases import archive, environment, signing
from actors.releases import manifest as manifests
from actors.releases.build import inventory
from actors.releases.manifest import (
    ENVIRONMENT,
    MANIFEST,
    REQUIREMENTS,
    WHEELS,
    Installed,
    Manifest,
    minor,
)
from actors.releases.source import tree_hash
from actors.user_name import user
from supervision.anchor import history, pointers
from supervision.anchor.messages import ExitCode, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.config import ReleaseConfig
    from actors.releases.environment import Interpreter

ARCHIVED = "archive.json"
"""The manifest of the archive, to the byte: what the signature beside it is of."""

OWN = ("actors", "protocols", "supervision", "etc")
"""Directories of vigie's own files in an environment."""

CHECKED = ".check."
"""How directories begin in which a node tries a release."""

MARGIN_BYTES = 64 * 1024 * 1024
"""Of the disk, for all else, that an install leaves free."""


class Outcome(NamedTuple):
    """What an install has done.

    Attributes:
        manifest: of the release, as it is installed.
        already: whether it was there before, with the same contents.
        seconds: that it took.
        warning: what whoever installs should know of its signature; empty where there is nothing.
    """

    manifest: Manifest
    already: bool
    seconds: float
    warning: str = ""


def home(data: Path) -> Path:
    """The directory of a node's releases."""
    return data / pointers.DIRECTORY


@contextlib.contextmanager
def alone(data: Path) -> Iterator[Path]:
    """Be the only command that changes the releases of a data directory.

    What an interrupted command, or a check in a node that was killed, left behind is removed first.

    Args:
        data: the data directory.

    Returns:
        The directory of the releases.

    Raises:
        Refusal: TRY_AGAIN: another command is at it; or the directory cannot be used.
    """
    releases = home(data)
    with contextlib.ExitStack() as stack:
        try:
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
            only = stack.enter_context(history.lock(data))
        except OSError as error:
            why = f"{releases} cannot be used: {error.strerror}"
            raise Refusal(ExitCode.USAGE, why, "data") from None
        if not only:
            why = f"another command changes the releases of {data}"
            raise Refusal(ExitCode.TRY_AGAIN, why)
        _clear(releases)
        yield releases


@contextlib.contextmanager
def check_place(releases: Path) -> Iterator[Path]:
    """A directory in which a release is tried; gone afterwards.

    It is locked for as long, so that what a killed node left behind is told from it.

    Args:
        releases: the directory of the releases.
    """
    where = Path(tempfile.mkdtemp(prefix=CHECKED, dir=releases))
    held = os.open(where, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield where
    finally:
        shutil.rmtree(where, ignore_errors=True)
        os.close(held)


def _in_use(place: Path) -> bool:
    """Whether a release is being tried there."""
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return True  # it was, until now
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _clear(releases: Path) -> None:
    checked = (place for place in releases.glob(f"{CHECKED}*") if not _in_use(place))
    for left in (*releases.glob(".*.partial"), *checked):
        try:
            shutil.rmtree(left)
        except OSError as error:
            why = f"{error.filename}, which was left behind, cannot be removed"
            raise Refusal(ExitCode.FAILED, f"{why}: {error.strerror}") from None


def install(data: Path, file: Path, config: ReleaseConfig, python: str | None = None) -> Outcome:
    """Install an archive.

    Args:
        data: the data directory.
        file: the archive.
        config: which signatures are insisted on.
        python: the interpreter; None finds one.

    Raises:
        Refusal: it cannot be installed; the disk is as it was.
    """
    begun = time.monotonic()
    found = archive.head(file)
    judged = signing.judge(
        found.signed, found.signature, config.trusted_keys, required=config.require_signature
    )
    base = _base(found.manifest, python)
    with alone(data) as releases:
        final = releases / found.manifest.vsn
        if final.exists():
            there = _same(final, found.manifest)
            return Outcome(there, True, time.monotonic() - begun, judged.warning)
        _check_room(releases, found.manifest)
        partial = releases / f".{final.name}.partial"
        try:
            made = _make(file, partial, final, base, judged.by)
            # A crash of the machine leaves the whole release, or a directory that is removed.
            os.sync()
            partial.rename(final)
            atomic_file.sync(releases)
        except OSError as error:
            why = f"release {final.name} cannot be installed: {error.strerror}"
            raise Refusal(ExitCode.FAILED, why) from None
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return Outcome(made, False, time.monotonic() - begun, judged.warning)


def _base(manifest: Manifest, python: str | None) -> Interpreter:
    if python is None:
        base = environment.interpreter_for(manifest.python)
    else:
        base = environment.interpreter(python)
    if minor(base.version) != minor(manifest.python) or base.platform != manifest.platform:
        raise Refusal(
            ExitCode.FAILED,
            f"release {manifest.vsn} is for Python {minor(manifest.python)} on"
            f" {manifest.platform}; {base.path} is {base.version} on {base.platform}",
            "python",
        )
    return base


def _same(directory: Path, manifest: Manifest) -> Manifest:
    """The installed release of a version, where it is the one that is to be installed."""
    there = manifests.read(directory)
    if there.origin == "external":
        raise Refusal(
            ExitCode.FAILED,
            f"release {manifest.vsn} is the installation in {there.path} already, an archive of it"
            " would be the same release twice. For other code: commit it, and build again. For this"
            " code as an archive: raise the version in pyproject.toml, and build again",
        )
    if there.contents != manifest.contents:
        raise Refusal(
            ExitCode.FAILED,
            f"release {manifest.vsn} is installed with other contents: {there.contents[:12]}, not"
            f" {manifest.contents[:12]}; the same version is the same release: commit, or raise the"
            " version, and build again; or remove the one that is installed first",
        )
    return there


def _check_room(releases: Path, manifest: Manifest) -> None:
    needed = manifest.needs.get("disk_bytes", 0) + MARGIN_BYTES
    status = os.statvfs(releases)
    free = status.f_bavail * status.f_frsize
    if free < needed:
        raise Refusal(
            ExitCode.FAILED,
            f"release {manifest.vsn} needs {megabytes(needed)} of the disk of {releases};"
            f" {megabytes(free)} are free",
        )


def megabytes(size: int) -> str:
    """A number of bytes for humans."""
    return f"{size / 1_048_576:,.0f} MiB"


def _make(
    file: Path, partial: Path, final: Path, base: Interpreter, signed_by: str | None
) -> Manifest:
    partial.mkdir(mode=0o700)
    found = archive.unpack(file, partial)
    directory = partial / ENVIRONMENT
    python = environment.make(base, directory, partial / WHEELS, partial / REQUIREMENTS)
    environment.moved(directory, final / ENVIRONMENT)
    environment.compile_all(python, directory, final / ENVIRONMENT)
    said = inventory(python)
    if said["states"] != found.manifest.states:
        why = f"release {final.name} knows other states than its manifest says: {said['states']}"
        raise Refusal(ExitCode.FAILED, why)
    shutil.rmtree(partial / WHEELS)
    (partial / ARCHIVED).write_bytes(found.signed)
    if found.signature is not None:
        (partial / archive.SIGNATURE).write_bytes(found.signature)
    installed = Installed(
        at=time.time(),
        by=user(),
        python=base.version,
        interpreter=base.path,
        files=environment_hash(directory),
        signed_by=signed_by,
    )
    made = replace(found.manifest, installed=installed)
    atomic_file.replace(partial / MANIFEST, manifests.encode(made))
    return made


def verify(data: Path, vsn: str, config: ReleaseConfig) -> Manifest:
    """Look whether an installed release is still what was installed, signature included.

    Args:
        data: the data directory.
        vsn: the release.
        config: which signatures are insisted on.

    Raises:
        Refusal: it is not there, or not what it was.
    """
    directory = home(data) / manifests.checked_vsn(vsn)
    if not directory.is_dir():
        raise Refusal(ExitCode.FAILED, f"release {vsn} is not installed", "vsn")
    manifest = manifests.read(directory)
    if manifest.installed is None:
        return manifest
    if config.require_signature:
        signature = directory / archive.SIGNATURE
        signed = (directory / ARCHIVED).read_bytes()
        text = signature.read_bytes() if signature.exists() else None
        signing.verify(signed, text, config.trusted_keys)
    if environment_hash(directory / ENVIRONMENT) != manifest.installed.files:
        why = f"release {vsn}: files of its environment have changed since it was installed"
        raise Refusal(ExitCode.FAILED, f"{why}: remove it and install it again")
    return manifest


def environment_hash(directory: Path) -> str:
    """The hash of an environment: vigie's own files whole, the size of all others."""
    return tree_hash(directory, OWN)


def users(directory: Path) -> list[int]:
    """The processes that run programs of a release, or have libraries of it loaded.

    PostgreSQL goes on as it was started while nodes go from one release to the next.

    Args:
        directory: of the release.
    """
    mark = os.fsencode(directory) + b"/"
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and int(process.name) != os.getpid():
            with contextlib.suppress(OSError):  # it has ended, or is another user's
                if mark in (process / "cmdline").read_bytes() + (process / "maps").read_bytes():
                    found.append(int(process.name))
    return found


def discard(releases: Path, vsn: str) -> None:
    """Remove the directory of a release; interrupted, it is finished by the next command.

    Args:
        releases: the directory of the releases, of which this process is the only writer.
        vsn: the release.
    """
    gone = releases / f".{vsn}.partial"
    (releases / vsn).rename(gone)
    atomic_file.sync(releases)
    shutil.rmtree(gone)
