"""The wheels of a release: fetched once, locked with their hashes, taken from a directory after.

The directory has a lock for each set of requirements, interpreter and platform; where there is one,
it decides, and nothing is asked of any index. A lock of one's own can be given instead.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from actors.releases import environment
from actors.releases.archive import sha256
from actors.releases.manifest import minor, normal
from supervision.anchor.messages import ExitCode, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from actors.releases.environment import Interpreter

PIP = "pip>=24"
_WHEEL = re.compile(r"([0-9A-Za-z._]+)-([0-9A-Za-z._+!]+)(?:-\d[^-]*)?-[^-]+-[^-]+-[^-]+\.whl")
_LOCKED = re.compile(r"^([0-9A-Za-z._-]+)==(\S+)((?:\s+--hash=sha256:[0-9a-f]{64})+)\s*$")


class Wheel(NamedTuple):
    """A wheel in a directory.

    Attributes:
        path: of it.
        name: of the distribution, as it is compared.
        version: of it.
    """

    path: Path
    name: str
    version: str


def wheel(path: Path) -> Wheel:
    """Read the name of a wheel.

    Raises:
        Refusal: it is none.
    """
    found = _WHEEL.fullmatch(path.name)
    if found is None:
        raise Refusal(ExitCode.USAGE, f"{path.name} is not the name of a wheel", "wheel")
    return Wheel(path, normal(found[1]), found[2])


def lock(wheels: Iterable[Path]) -> str:
    """Write the requirements that are these wheels and no others."""
    found = sorted((wheel(path) for path in wheels), key=lambda one: one.name)
    return "".join(f"{one.name}=={one.version} --hash=sha256:{sha256(one.path)}\n" for one in found)


class Store:
    """A directory of wheels for builds.

    Args:
        directory: of it; it is made.
        python: that builds.
        base: the interpreter that they are for.
    """

    def __init__(self, directory: Path, python: Path, base: Interpreter) -> None:
        self._directory = directory
        self._python = python
        self._base = base
        directory.mkdir(parents=True, exist_ok=True)

    def fetch(self, requirements: Sequence[str], into: Path) -> None:
        """Put the wheels of requirements into a directory: by the lock, or the newest that fit.

        Raises:
            Refusal: they cannot be had, or one is not what the lock says.
        """
        known = self._directory / self._lock_name(requirements)
        if not known.exists():
            self._resolve(requirements, known)
        self.take(known, into)

    def take(self, known: Path, into: Path) -> None:
        """Put the wheels of a lock into a directory, fetching those that are not there.

        Raises:
            Refusal: it is no lock, or they cannot be had.
        """
        missing = self._copy(_read_lock(known), into)
        if not missing:
            return
        with self._stage(known) as stage:
            fetched = stage / "fetched.txt"
            fetched.write_text("".join(missing), encoding="utf-8")
            # What a lock names may be sources: pip holds them against it and makes the wheel.
            options = ["--require-hashes", "--no-deps", "--wheel-dir", str(stage)]
            self._pip(["wheel", *options, "-r", str(fetched)])
            for path in stage.glob("*.whl"):
                shutil.copy(path, into / path.name)
                self._keep(path)

    def _copy(self, wanted: Sequence[str], into: Path) -> list[str]:
        """Copy the wheels that are here; returns the lines of those that are not."""
        missing = []
        for line in wanted:
            _, _, hashes = _locked(line)
            places = (self._directory / found for found in hashes)
            path = next((path for place in places for path in place.glob("*.whl")), None)
            if path is None or sha256(path) not in hashes:
                missing.append(line)
            else:
                shutil.copy(path, into / path.name)
        return missing

    def _keep(self, path: Path) -> None:
        """Keep a wheel by its hash: two that are made of the same sources differ."""
        place = self._directory / sha256(path)
        place.mkdir(exist_ok=True)
        path.replace(place / path.name)

    def _resolve(self, requirements: Sequence[str], known: Path) -> None:
        with self._stage(known) as stage:
            self._pip(["wheel", "--wheel-dir", str(stage), *requirements])
            text = lock(stage.glob("*.whl"))
            for path in stage.glob("*.whl"):
                self._keep(path)
            aside = known.with_suffix(".partial")
            aside.write_text(text, encoding="utf-8")
            aside.replace(known)

    @contextmanager
    def _stage(self, known: Path) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix=f".{known.stem}.", dir=self._directory) as name:
            yield Path(name)

    def _pip(self, words: Sequence[str]) -> None:
        options = ["--disable-pip-version-check", "--no-input", "--quiet"]
        python = [str(self._python), "-m", "pip", *options, *words]
        environment.run(python, "fetch wheels")

    def _lock_name(self, requirements: Sequence[str]) -> str:
        key = json.dumps([sorted(requirements), minor(self._base.version), self._base.platform])
        return f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.lock"


def _read_lock(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(ExitCode.USAGE, f"{file} cannot be read: {error}", "lock") from None
    # pip-compile and uv continue a line after a backslash.
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines()]
    found = [f"{line.partition(' #')[0]}\n" for line in lines if line and not line.startswith("#")]
    for line in found:
        _locked(line)
    return found


def _locked(line: str) -> tuple[str, str, list[str]]:
    found = _LOCKED.match(line)
    if found is None:
        rule = "NAME==VERSION --hash=sha256:HASH..."
        raise Refusal(ExitCode.USAGE, f"lock: {line.strip()!r}: {rule} is required", "lock")
    return normal(found[1]), found[2], re.findall(r"[0-9a-f]{64}", found[3])
