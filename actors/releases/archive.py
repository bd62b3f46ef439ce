"""The file that carries a release: a tar of its manifest, its signature, its lock and its wheels.

The manifest comes first and names every other file with its hash; nothing else is taken out of an
archive than what it names, and only under the names that it may have. Wheels are compressed
already, the archive is not.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import tarfile
from typing import TYPE_CHECKING, NamedTuple

from actors.releases import manifest as manifests
from actors.releases.manifest import MANIFEST, Manifest
from supervision.anchor.messages import ExitCode, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SIGNATURE = "manifest.sig"
MAX_MANIFEST_BYTES = 1_048_576
MAX_FILE_BYTES = 1_073_741_824
MAX_FILES = 1_000
_NAME = re.compile(r"requirements\.txt|wheels/[0-9A-Za-z][0-9A-Za-z._+-]{0,240}\.whl")
_CHUNK = 1_048_576


class Head(NamedTuple):
    """What an archive begins with.

    Attributes:
        manifest: decoded.
        signed: the bytes of the manifest, which a signature is of.
        signature: its bytes; None where it is not signed.
    """

    manifest: Manifest
    signed: bytes
    signature: bytes | None


def write(file: Path, manifest: bytes, signature: bytes | None, files: Mapping[str, Path]) -> None:
    """Write an archive; the same contents make the same bytes.

    Args:
        file: where; it appears whole or not at all.
        manifest: its bytes.
        signature: of them, if it is signed.
        files: by path in the archive.

    Raises:
        OSError: it cannot be written.
    """
    partial = file.with_name(f"{file.name}.partial")
    try:
        with tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as tar:
            _add(tar, MANIFEST, io.BytesIO(manifest), len(manifest))
            if signature is not None:
                _add(tar, SIGNATURE, io.BytesIO(signature), len(signature))
            for name, path in sorted(files.items()):
                with path.open("rb") as source:
                    _add(tar, name, source, path.stat().st_size)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def _add(tar: tarfile.TarFile, name: str, source: object, size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    tar.addfile(info, source)  # type: ignore[arg-type]  # a file or a BytesIO: anything with read


def head(file: Path) -> Head:
    """Read what an archive says of itself, and nothing more.

    Raises:
        Refusal: it is no archive of a release.
    """
    with _opened(file) as tar:
        return _head(tar, file)


def unpack(file: Path, into: Path) -> Head:
    """Take the files of a release out of its archive, each held against its hash.

    Args:
        file: the archive.
        into: an empty directory.

    Raises:
        Refusal: it is no archive, a file is missing, another one is there, or one is not what the
            manifest says.
        OSError: there is no room.
    """
    with _opened(file) as tar:
        found = _head(tar, file)
        left = dict(found.manifest.hashes)
        for member in _members(tar, file):
            if member.name in {MANIFEST, SIGNATURE}:
                continue
            expected = left.pop(member.name, None)
            if expected is None:
                raise _bad(file, f"{member.name}: the manifest does not know it")
            if _take(tar, member, into / member.name) != expected:
                raise _bad(file, f"{member.name}: its hash is not that of the manifest")
    if left:
        raise _bad(file, f"{min(left)} is missing")
    return found


def sha256(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    """An archive; one that ends before its end is none, wherever that is found out."""
    with _open(file) as tar:
        try:
            yield tar
        except tarfile.TarError as error:
            raise _bad(file, f"{error}: it is not whole") from None


def _open(file: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(file, "r:")
    except OSError as error:
        raise Refusal(ExitCode.USAGE, f"{file} cannot be read: {error.strerror}", "file") from None
    except tarfile.TarError as error:
        raise _bad(file, str(error)) from None


def _members(tar: tarfile.TarFile, file: Path) -> Iterator[tarfile.TarInfo]:
    try:
        for count, member in enumerate(tar):
            if count > MAX_FILES:
                raise _bad(file, f"more than {MAX_FILES} files")
            named = member.name in {MANIFEST, SIGNATURE} or _NAME.fullmatch(member.name)
            if not (member.isreg() and named and member.size <= MAX_FILE_BYTES):
                raise _bad(file, f"{member.name!r} does not belong there")
            yield member
    except tarfile.TarError as error:
        raise _bad(file, str(error)) from None


def _head(tar: tarfile.TarFile, file: Path) -> Head:
    members = _members(tar, file)
    first = next(members, None)
    if first is None or first.name != MANIFEST:
        raise _bad(file, f"it does not begin with {MANIFEST}")
    signed = _small(tar, first, file)
    second = next(members, None)
    signature = None
    if second is not None and second.name == SIGNATURE:
        signature = _small(tar, second, file)
    manifest = manifests.decode(signed, str(file))
    if manifest.contents != manifests.contents(manifest) or manifest.installed is not None:
        raise _bad(file, "its contents are not what its manifest says")
    return Head(manifest, signed, signature)


def _small(tar: tarfile.TarFile, member: tarfile.TarInfo, file: Path) -> bytes:
    if member.size > MAX_MANIFEST_BYTES:
        raise _bad(file, f"{member.name} is longer than {MAX_MANIFEST_BYTES} bytes")
    source = tar.extractfile(member)
    assert source is not None  # a regular file
    return source.read()


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> str:
    path.parent.mkdir(exist_ok=True)
    digest = hashlib.sha256()
    source = tar.extractfile(member)
    assert source is not None  # a regular file
    with path.open("xb") as target:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            target.write(chunk)
    return digest.hexdigest()


def _bad(file: Path, why: str) -> Refusal:
    return Refusal(ExitCode.FAILED, f"{file} is no archive of a release: {why}", "file")
