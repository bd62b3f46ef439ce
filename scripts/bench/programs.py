"""Programs that take figures in processes of their own, so that none disturbs another."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIMIT_S = 300.0


def say(text: str) -> None:
    """Show where the run is."""
    print(f"==> {text}", file=sys.stderr, flush=True)


def python(script: str, *arguments: str) -> list[str]:
    """The command of one of our programs."""
    return [sys.executable, "-P", str(HERE / script), *arguments]


def erlang(module: str, compiled: Path) -> list[str]:
    """The command of an Erlang module that has a ``main``."""
    return ["erl", "-noshell", "-pa", str(compiled), "+P", "2000000", "-run", module, "main"]


def compile_erlang(module: str, into: Path, *options: str) -> Path | None:
    """Compile an Erlang module into a directory, where there is an Erlang."""
    if shutil.which("erl") is None or shutil.which("erlc") is None:
        say("no erl: rows beside OTP are left out (Debian: erlang-base)")
        return None
    subprocess.run(["erlc", *options, "-o", into, HERE / f"{module}.erl"], check=True)
    return into


def figures(command: list[str], shape: str, count: int) -> list[float]:
    """Run a shape; return the figures that the program prints."""
    # The rooms first: a script here has the name of one of them.
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}"}
    done = subprocess.run(
        [*command, shape, str(count)],
        env=environment,
        timeout=LIMIT_S,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return [float(word) for word in done.stdout.split()]
