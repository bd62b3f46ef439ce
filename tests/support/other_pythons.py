"""Interpreters beside the one that runs the tests, and what nodes on them import."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import msgspec
import thespian

import supervision

OWN = sys.version_info[:2]
SUPPORTED = ((3, 11), (3, 12), (3, 13))
PATIENCE_S = 60.0
_ASK = "import sys; print(*sys.version_info[:2])"

PURE = tuple(str(Path(one.__file__).parents[1]) for one in (supervision, thespian))
"""Where what a node imports lies; what is compiled there is compiled for this interpreter."""


def others() -> list[str]:
    """Interpreters of other versions that vigie runs on, one of each: paths.

    They are looked for on the path of programs, and among the versions of pyenv.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = []
    for version in SUPPORTED:
        name = "python{}.{}".format(*version)
        kept = sorted(map(str, pyenv.glob("{}.{}.*/bin/python".format(*version))))
        candidates = [*kept, shutil.which(name), f"/usr/bin/{name}"]
        is_it = (one for one in candidates if one and version != OWN and _version(one) == version)
        found += islice(is_it, 1)
    return found


def _version(python: str) -> tuple[int, ...] | None:
    """Of an interpreter; None where it is not there, or a shim that leads nowhere."""
    try:
        done = subprocess.run(
            [python, "-I", "-c", _ASK], capture_output=True, timeout=PATIENCE_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return tuple(map(int, done.stdout.split()))


def compiled_for(python: str, directory: Path) -> str | None:
    """Put what a node needs compiled for another interpreter into a directory.

    Returns:
        None, or why it cannot be had: no index of packages is there.
    """
    version = _version(python)
    assert version is not None
    options = ["--no-deps", "--only-binary=:all:", "--implementation=cp", "--retries=0"]
    wanted = ["--python-version={}.{}".format(*version), f"msgspec=={msgspec.__version__}"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--target", directory, *options, *wanted],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return None if done.returncode == 0 else f"no msgspec for {python}: {done.stderr[-300:]}"
