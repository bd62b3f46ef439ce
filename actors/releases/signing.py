"""Signatures of archives: ed25519 over the bytes of the manifest, which has the hashes of the rest.

The library is optional, the extra `signatures`: who asks for no signatures needs none.
"""

from __future__ import annotations

import base64
import binascii
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import Struct

from supervision.anchor.messages import ExitCode, Refusal

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

KEY_BYTES = 32
_MISSING = (
    "signatures need the package cryptography: install vigie with the extra signatures,"
    " pip install 'vigie[signatures]'"
)


class Signature(Struct, frozen=True):
    """A signature as it lies in an archive.

    Attributes:
        key: the public key, base64.
        signature: base64.
        algorithm: of both.
    """

    key: str
    signature: str
    algorithm: str = "ed25519"


class Judged(NamedTuple):
    """What a signature is worth.

    Attributes:
        by: the trusted key that signed; None where there is no signature, or of another key.
        warning: what whoever installs should know; empty where there is nothing.
    """

    by: str | None
    warning: str = ""


def make_key(file: Path) -> str:
    """Make a private key, readable by its owner alone.

    Args:
        file: where; it is not there yet.

    Returns:
        The public key, base64.

    Raises:
        Refusal: it is there, cannot be written, or the library is missing.
    """
    keys, serialization = _library()
    private = keys.Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        why = f"{file} cannot be written: {error.strerror}"
        raise Refusal(ExitCode.USAGE, why, "file") from None
    with os.fdopen(descriptor, "wb") as target:
        target.write(pem)
    return _text(private.public_key().public_bytes_raw())


def public_key(file: Path) -> str:
    """The public key of a private one, base64: what `release.trusted_keys` lists."""
    return _text(_private(file).public_key().public_bytes_raw())


def sign(file: Path, data: bytes) -> bytes:
    """Sign the bytes of a manifest.

    Args:
        file: the private key, PEM.
        data: the bytes.

    Raises:
        Refusal: it is no such key, or the library is missing.
    """
    private = _private(file)
    key = _text(private.public_key().public_bytes_raw())
    return msgspec.json.encode(Signature(key, _text(private.sign(data))))


def judge(
    data: bytes, signature: bytes | None, trusted: Collection[str], *, required: bool
) -> Judged:
    """Hold a signature against the bytes and the keys that are trusted.

    What is wrong with it is refused whether one is required or not: the archive is not what was
    signed. A key that nobody trusts is no such fault: without a signature at all it would be
    installed as well. So it is refused only where one is required; an operator who lists keys is
    warned.

    Args:
        data: the bytes of the manifest.
        signature: as `sign` made it; None where there is none.
        trusted: public keys, base64.
        required: whether only what a trusted key has signed is taken.

    Raises:
        Refusal: NOT_PERMITTED: it is damaged, or not of these bytes; where one is required: there
            is none, or of a foreign key. USAGE: what is trusted is no key; a trusted key signed,
            and the library is missing.
    """
    if signature is None:
        if required:
            raise _refused("it is not signed")
        return Judged(None)
    found, key, made = _read(signature)
    known = key in [_trusted(text) for text in trusted]
    foreign = f"the key {found.key} that signed it is not in release.trusted_keys"
    if required and not known:
        raise _refused(foreign)
    if not known and not _there():
        return Judged(None, f"{foreign}, and whether it is of this archive was not looked at")
    _verify(key, made, data)
    return Judged(found.key) if known else Judged(None, foreign if trusted else "")


def verify(data: bytes, signature: bytes | None, trusted: Collection[str]) -> str:
    """Hold a signature against the bytes and the keys that are trusted, where one is required.

    Args:
        data: the bytes of the manifest.
        signature: as `sign` made it; None where there is none.
        trusted: public keys, base64.

    Returns:
        The key that signed.

    Raises:
        Refusal: NOT_PERMITTED: there is none, it is not of these bytes, or of a foreign key.
    """
    judged = judge(data, signature, trusted, required=True)
    assert judged.by is not None
    return judged.by


def _read(signature: bytes) -> tuple[Signature, bytes, bytes]:
    """A signature, its key and itself as bytes."""
    try:
        found = msgspec.json.decode(signature, type=Signature)
        key, made = _bytes(found.key), _bytes(found.signature)
    except (msgspec.MsgspecError, binascii.Error):
        raise _wrong("cannot be read") from None
    if len(key) != KEY_BYTES:
        raise _wrong("cannot be read")
    return found, key, made


def _verify(key: bytes, signature: bytes, data: bytes) -> None:
    keys, _ = _library()
    from cryptography.exceptions import InvalidSignature

    try:
        keys.Ed25519PublicKey.from_public_bytes(key).verify(signature, data)
    except (InvalidSignature, ValueError):
        raise _wrong("is not of this manifest") from None


def _trusted(text: str) -> bytes:
    try:
        key = _bytes(text)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        rule = "ed25519 public keys of 32 bytes, base64"
        raise Refusal(ExitCode.USAGE, f"release.trusted_keys: {text!r}: {rule}", "trusted_keys")
    return key


def _private(file: Path) -> Any:
    keys, serialization = _library()
    try:
        private = serialization.load_pem_private_key(file.read_bytes(), None)
    except OSError as error:
        raise Refusal(ExitCode.USAGE, f"{file} cannot be read: {error.strerror}", "sign") from None
    except (ValueError, TypeError) as error:
        raise Refusal(ExitCode.USAGE, f"{file} is no private key: {error}", "sign") from None
    if not isinstance(private, keys.Ed25519PrivateKey):
        raise Refusal(ExitCode.USAGE, f"{file}: an ed25519 private key in PEM is required", "sign")
    return private


def _library() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise Refusal(ExitCode.USAGE, _MISSING) from None
    return ed25519, serialization


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _there() -> bool:
    """Whether the library is."""
    try:
        _library()
    except Refusal:
        return False
    return True


def _wrong(how: str) -> Refusal:
    why = f"the archive's signature {how}: it is damaged, or not what was signed"
    return Refusal(ExitCode.NOT_PERMITTED, why)


def _refused(why: str) -> Refusal:
    return Refusal(ExitCode.NOT_PERMITTED, f"this node takes signed releases only: {why}")
