"""What a release says of itself: the manifest, as an archive carries it and as it is installed."""

from __future__ import annotations

import hashlib
import platform
import re
import sysconfig
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from supervision.anchor.messages import ExitCode, Refusal

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
"""Of manifests and archives; another one is refused."""

MANIFEST = "manifest.json"
REQUIREMENTS = "requirements.txt"
WHEELS = "wheels"
ENVIRONMENT = "env"

VSN = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}")
"""A version that can be the name of a directory, and is no option."""

COMPOSE = ("env/bin/python", "-P", "-m", "actors.cli.compose")
"""What says how the programs of an installed archive are started; relative to its directory."""

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Compose(Struct, frozen=True):
    """The command that prints how the programs of a release are started.

    Attributes:
        argv: its first word may be relative to the directory of the release.
        env: variables for it; an empty one is not set.
    """

    argv: tuple[str, ...]
    env: dict[str, str] = {}


class Installed(Struct, frozen=True):
    """How a release came to lie where it lies.

    Attributes:
        at: seconds since the epoch.
        by: the user.
        python: version of the interpreter that it runs on.
        interpreter: path of that interpreter.
        files: hash of its environment's files; it has to stay what it is.
        signed_by: the trusted key that signed the archive, base64; None where none did.
    """

    at: float
    by: str
    python: str
    interpreter: str
    files: Sha256
    signed_by: str | None = None


class Manifest(Struct, frozen=True, kw_only=True, omit_defaults=False):
    """What a release is.

    Attributes:
        format: of the manifest.
        vsn: the version that operators name, unique.
        origin: an archive, or the installation that a node was first started from.
        version: of the project.
        commit: that it was built of; None where nobody knows.
        dirty: whether it was built of a tree with changes.
        python: version of the interpreter that it was built for; its patch level is free.
        platform: system and machine that its wheels are for.
        states: version of the schema by type of state.
        libraries: version by name of everything in its environment.
        hashes: SHA-256 by path in the archive.
        contents: what makes two releases the same: of version, interpreter, platform and hashes.
        needs: bytes that it takes on the disk.
        compose: how its programs are started.
        installed: how it was installed; None in an archive.
        path: of the installation, for an external one.
    """

    vsn: Annotated[str, Meta(pattern=rf"^{VSN.pattern}\Z")]
    format: Literal[1] = 1
    origin: Literal["archive", "external"] = "archive"
    version: str = ""
    commit: str | None = None
    dirty: bool = False
    python: str = ""
    platform: str = ""
    states: dict[str, int] = {}
    libraries: dict[str, str] = {}
    hashes: dict[str, str] = {}
    contents: str = ""
    needs: dict[str, int] = {}
    compose: Compose = Compose(COMPOSE, {"PYTHONPATH": ""})
    installed: Installed | None = None
    path: str | None = None


def encode(manifest: Manifest) -> bytes:
    """Write a manifest, for humans too."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=2)


def decode(data: bytes, where: str) -> Manifest:
    """Read a manifest.

    Args:
        data: JSON.
        where: what it is the manifest of, for errors.

    Raises:
        Refusal: it is none, or of a format of another time.
    """
    try:
        return msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise Refusal(
            ExitCode.FAILED, f"{where}: no manifest of format {FORMAT}: {error}"
        ) from None


def read(directory: Path) -> Manifest:
    """Read the manifest of an installed release.

    Raises:
        Refusal: it cannot be read.
    """
    try:
        data = (directory / MANIFEST).read_bytes()
    except OSError as error:
        why = f"release {directory.name}: its manifest cannot be read: {error.strerror}"
        raise Refusal(ExitCode.FAILED, why) from None
    return decode(data, f"release {directory.name}")


def contents(manifest: Manifest) -> str:
    """The identity of a release: two with the same one are the same."""
    what: Any = (manifest.vsn, manifest.python, manifest.platform, manifest.hashes)
    return hashlib.sha256(msgspec.json.encode(what, order="deterministic")).hexdigest()


def checked_vsn(vsn: str) -> str:
    """Return a version that was asked for.

    Raises:
        Refusal: it can be none.
    """
    if not VSN.fullmatch(vsn) or vsn.endswith(".partial"):
        rule = "1 to 64 of 0-9 A-Z a-z . + _ -, beginning with a letter or a digit"
        raise Refusal(ExitCode.USAGE, f"vsn: {vsn!r} is no version: {rule}", "vsn")
    return vsn


def this_platform() -> str:
    """The system and machine that this interpreter's wheels are for."""
    return sysconfig.get_platform()


def minor(python: str) -> str:
    """The part of an interpreter's version that wheels depend on, such as ``3.11``."""
    return ".".join(python.split(".")[:2])


def this_python() -> str:
    """Version of this interpreter."""
    return platform.python_version()


def normal(name: str) -> str:
    """The name of a distribution as names are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()
