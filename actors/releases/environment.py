"""Environments of Python: made of wheels alone, with nothing from anywhere else.

`pip` is one of the wheels and runs from its file, so that an interpreter is all that a machine has
to have.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from actors.releases.manifest import minor, this_python
from supervision.anchor.messages import ExitCode, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STEP_TIMEOUT_S = 600.0
"""For one program: pip, the compiler, an inventory."""

TAIL_LINES = 12

RARE = r"/phonenumbers/(geodata|carrierdata|tzdata)/"
"""Modules that take long to compile, which nothing imports: they compile when something does."""
_ASK = (
    "import platform, sysconfig;"
    " print(platform.python_version(), sysconfig.get_platform(), platform.python_implementation())"
)
_ANSWER = re.compile(r"\d+\.\d+\S* \S+ \S+\s*")


class Interpreter(NamedTuple):
    """An interpreter that was found.

    Attributes:
        path: of it.
        version: such as ``3.11.7``.
        platform: that its wheels are for.
    """

    path: str
    version: str
    platform: str


def interpreter(path: str) -> Interpreter:
    """Ask an interpreter what it is.

    Args:
        path: of it, or its name on the path of programs.

    Raises:
        Refusal: it does not run, or is none that vigie runs on.
    """
    said = _said(path)
    if said is None:
        raise Refusal(ExitCode.USAGE, f"{path} is no Python that runs", "python")
    version, platform, implementation = said
    if implementation != "CPython" or not (3, 11) <= _numbers(version) <= (3, 13):
        why = f"{path} is {implementation} {version}: CPython 3.11, 3.12 or 3.13 is required"
        raise Refusal(ExitCode.USAGE, why, "python")
    return Interpreter(shutil.which(path) or path, version, platform)


def interpreter_for(python: str) -> Interpreter:
    """Find an interpreter of the minor version that a release was built for.

    Raises:
        Refusal: there is none here.
    """
    wanted = minor(python)
    if minor(this_python()) == wanted:
        return interpreter(own_interpreter())
    said = _said(f"python{wanted}")
    if said is None or minor(said[0]) != wanted:
        why = f"no python{wanted} is on the path of programs: install it, or name one with --python"
        raise Refusal(ExitCode.FAILED, why, "python")
    return interpreter(f"python{wanted}")


def own_interpreter() -> str:
    """The interpreter below the environment that this process runs in."""
    base: str = getattr(sys, "_base_executable", None) or sys.executable
    return base


def _said(path: str) -> list[str] | None:
    try:
        done = run([path, "-I", "-c", _ASK], "ask an interpreter", timeout_s=30.0)
    except Refusal:
        return None
    return done.split() if _ANSWER.fullmatch(done) else None  # no Python says something else


def _numbers(version: str) -> tuple[int, int]:
    first, second = version.split(".")[:2]
    return int(first), int(second)


def make(python: Interpreter, directory: Path, wheels: Path, lock: Path) -> Path:
    """Make an environment of wheels; no network is asked, every hash is held against the lock.

    Args:
        python: what it runs on.
        directory: of the environment, not there yet.
        wheels: the wheels, pip's among them.
        lock: the requirements with their hashes.

    Returns:
        The interpreter of the environment.

    Raises:
        Refusal: it cannot be made; what pip said is in the message.
    """
    run([python.path, "-I", "-m", "venv", "--without-pip", str(directory)], "make an environment")
    own = directory / "bin" / "python"
    options = ["--no-index", "--require-hashes", "--no-deps", "--no-compile", "--no-cache-dir"]
    pip(own, wheels, ["install", *options, "--find-links", str(wheels), "-r", str(lock)])
    return own


def pip(python: Path, wheels: Path, words: Sequence[str], *, isolated: bool = True) -> str:
    """Run the pip that lies among the wheels.

    Args:
        python: the interpreter that it works for.
        wheels: where its wheel is.
        words: its command.
        isolated: whether it asks no configuration of this machine.

    Raises:
        Refusal: it failed.
    """
    found = sorted(wheels.glob("pip-*.whl"))
    if not found:
        raise Refusal(ExitCode.FAILED, f"{wheels} has no wheel of pip")
    options = ["--disable-pip-version-check", "--no-input", "--quiet"]
    if isolated:
        options.insert(0, "--isolated")
    return run([str(python), f"{found[-1]}/pip", *options, *words], f"pip {words[0]}")


def compile_all(python: Path, directory: Path, final: Path) -> None:
    """Compile the modules of an environment, under the names that they will have.

    Args:
        python: its interpreter.
        directory: of the environment now.
        final: of the environment later.
    """
    library = next((directory / "lib").glob("python3*"))
    names = ["-s", str(directory), "-p", str(final)]
    # A module that another version of Python is for is left as it is: the exit code says no more.
    words = [
        str(python),
        "-I",
        "-m",
        "compileall",
        "-q",
        "-j",
        "0",
        "-x",
        RARE,
        *names,
        str(library),
    ]
    run(words, "compile", accepted=(0, 1))


def moved(directory: Path, final: Path) -> None:
    """Write into the scripts of an environment where it is going to lie."""
    old, new = os.fsencode(directory), os.fsencode(final)
    for script in (directory / "bin").iterdir():
        if script.is_symlink():
            continue
        text = script.read_bytes()
        if old in text:
            script.write_bytes(text.replace(old, new))


def run(
    words: Sequence[str],
    what: str,
    *,
    timeout_s: float = STEP_TIMEOUT_S,
    accepted: tuple[int, ...] = (0,),
    cwd: str = "/",
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a program to its end.

    Args:
        words: its path and arguments.
        what: it does, for errors.
        timeout_s: seconds that it may take.
        accepted: exit codes that are no failure.
        cwd: where it runs.
        env: variables besides those of this process, which have no path of modules.

    Returns:
        What it printed.

    Raises:
        Refusal: it cannot be started, failed, or took too long; the end of what it said is told.
    """
    own = {key: value for key, value in os.environ.items() if key not in _FOREIGN}
    try:
        done = subprocess.run(  # noqa: S603 - a list of words, no shell
            words,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            cwd=cwd,
            env={**own, **(env or {})},
        )
    except OSError as error:
        why = f"{what}: {words[0]} does not run: {error.strerror}"
        raise Refusal(ExitCode.FAILED, why) from None
    except subprocess.TimeoutExpired:
        raise Refusal(ExitCode.FAILED, f"{what}: not done within {timeout_s:g} s") from None
    if done.returncode not in accepted:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-TAIL_LINES:]
        lines = [f"{what} failed with exit code {done.returncode}", *(f"  {line}" for line in said)]
        raise Refusal(ExitCode.FAILED, "\n".join(lines))
    return done.stdout


_FOREIGN = frozenset({"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"})
"""Variables that would show one environment the modules of another."""
