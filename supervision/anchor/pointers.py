"""Which release is permanent, which one runs on probation, which ones were: ``pointers.json``.

One file, replaced in one atomic step (written aside, synced, renamed, directory synced): whatever
happens meanwhile, the whole old or the whole new pointers are found. All that runs is of `current`;
all that is started is of `permanent`, so a crash on probation brings the permanent release back.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
DIRECTORY = "releases"
"""Of the releases, in the anchor's directory."""

FILE = "pointers.json"
ASIDE = "pointers.json.new"
MANIFEST = "manifest.json"
MAX_VSN = 128

_VSN = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]*")


class PointersUnreadable(ValueError):  # noqa: N818 - a state of affairs
    """The file is damaged or of a newer format; the message says what and where."""


class NotCurrent(ValueError):  # noqa: N818 - a state of affairs
    """What is to be made permanent is not what runs; the message says what does."""


class ReleaseState(StrEnum):
    """What a release is (OTP's words)."""

    UNPACKED = "unpacked"
    CURRENT = "current"
    PERMANENT = "permanent"
    OLD = "old"


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a release is not tried again before somebody insists.

    Attributes:
        why: What happened.
        at: When, in seconds since the epoch.
    """

    why: str
    at: float


@dataclass(frozen=True, slots=True)
class Pointers:
    """Which release is what.

    Attributes:
        permanent: The release that is started.
        current: The release that runs; another than `permanent` only on probation.
        old: Releases that were permanent, the last one last.
        refused: Releases that have failed.
    """

    permanent: str
    current: str
    old: tuple[str, ...] = ()
    refused: Mapping[str, Refused] = field(default_factory=dict)

    @property
    def provisional(self) -> bool:
        """Whether what runs is on probation."""
        return self.current != self.permanent

    def state(self, vsn: str) -> ReleaseState:
        """What an installed release is."""
        if vsn == self.permanent:
            return ReleaseState.PERMANENT
        if vsn == self.current:
            return ReleaseState.CURRENT
        return ReleaseState.OLD if vsn in self.old else ReleaseState.UNPACKED

    def on_probation(self, vsn: str) -> Pointers:
        """A release runs; the permanent one is still what is started."""
        return replace(self, current=vsn)

    def back(self) -> Pointers:
        """What runs is the permanent release again."""
        return replace(self, current=self.permanent)

    def made_permanent(self, vsn: str) -> Pointers:
        """What runs is what is started from now on; what was is old, and nothing against it.

        Args:
            vsn: What is taken to run.

        Raises:
            NotCurrent: Another release does.
        """
        if vsn != self.current:
            raise NotCurrent(f"{vsn} cannot be made permanent: {self.current} is what runs")
        if not self.provisional:
            return self
        old = (*(item for item in self.old if item != self.current), self.permanent)
        return replace(self, permanent=self.current, old=old).allowed(self.current)

    def refusing(self, vsn: str, why: str, at: float) -> Pointers:
        """A release has failed."""
        return replace(self, refused={**self.refused, vsn: Refused(why, at)})

    def allowed(self, vsn: str) -> Pointers:
        """Nothing is said against a release any more."""
        refused = {name: item for name, item in self.refused.items() if name != vsn}
        return replace(self, refused=refused)

    def without(self, vsn: str) -> Pointers:
        """An old release is not there any more; what is said against it stays."""
        return replace(self, old=tuple(item for item in self.old if item != vsn))

    def to_json(self) -> str:
        """The content of the file."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Pointers:
        """Read what `to_json` wrote.

        Raises:
            PointersUnreadable: It is damaged, or of a newer format.
        """
        try:
            data = json.loads(text)
            found = data["format"]
            if found == FORMAT:
                return _pointers(data)
        except KeyError as error:
            raise PointersUnreadable(f"{FILE}: damaged: {error} is missing") from None
        except (ValueError, TypeError, AttributeError) as error:
            raise PointersUnreadable(f"{FILE}: damaged: {error}") from None
        raise PointersUnreadable(f"{FILE}: of format {found!r}; this release reads {FORMAT}")


def usable(vsn: str) -> bool:
    """Whether a version can be the name of a directory: letters, digits and ``._+-``."""
    return len(vsn) <= MAX_VSN and _VSN.fullmatch(vsn) is not None


def read(directory: Path) -> Pointers | None:
    """The pointers of an anchor's directory; None where there are no releases yet.

    Args:
        directory: The anchor's.

    Raises:
        PointersUnreadable: See there.
        OSError: The file cannot be read.
    """
    try:
        text = (directory / DIRECTORY / FILE).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Pointers.from_json(text)


def prepare(directory: Path, pointers: Pointers) -> None:
    """Bring pointers to the disk, aside: `write` has less to do then, at a moment that counts.

    Raises:
        OSError: They cannot be written.
    """
    home = directory / DIRECTORY
    home.mkdir(mode=0o700, exist_ok=True)
    _write_aside(home / ASIDE, pointers.to_json().encode())


def write(directory: Path, pointers: Pointers, *, prepared: bool = False) -> None:
    """Replace the pointers of an anchor's directory; they are on the disk when this returns.

    Args:
        directory: The anchor's.
        pointers: The new ones.
        prepared: Whether it was these that `prepare` was called with last.

    Raises:
        OSError: They cannot be written, the old ones are as they were; or the directory cannot
            be synced, which of them a crash of the machine leaves is not known then.
    """
    home = directory / DIRECTORY
    if not prepared:
        prepare(directory, pointers)
    (home / ASIDE).replace(home / FILE)
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def manifest(directory: Path, vsn: str) -> dict[str, Any] | None:
    """What a release says of itself; None when it is not installed.

    Args:
        directory: The anchor's.
        vsn: The release.

    Raises:
        PointersUnreadable: The manifest is damaged, or of a newer format.
        OSError: It cannot be read.
    """
    if not usable(vsn):
        return None
    try:
        text = (directory / DIRECTORY / vsn / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        data = json.loads(text)
    except ValueError as error:
        raise PointersUnreadable(f"{vsn}/{MANIFEST}: not JSON: {error}") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise PointersUnreadable(f"{vsn}/{MANIFEST}: an object of format {FORMAT} is required")
    return data


def installed(directory: Path) -> list[str]:
    """The releases of an anchor's directory that have a manifest, by name."""
    home = directory / DIRECTORY
    if not home.is_dir():
        return []
    names = (item.name for item in home.iterdir() if (item / MANIFEST).is_file())
    return sorted(filter(usable, names))  # an install under way has a name that is not usable


def _pointers(data: Mapping[str, Any]) -> Pointers:
    refused = {
        _vsn(name): Refused(str(item["why"]), float(item["at"]))
        for name, item in data.get("refused", {}).items()
    }
    old = tuple(_vsn(item) for item in data.get("old", []))
    return Pointers(_vsn(data["permanent"]), _vsn(data["current"]), old, refused)


def _vsn(value: object) -> str:
    if not isinstance(value, str) or not usable(value):
        raise ValueError(f"{value!r} is no version")
    return value


def _write_aside(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
