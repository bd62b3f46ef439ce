"""Runs every check, each with its time, and closes with one line that counts the tests.

Called by `scripts/test`, which makes the environment that this runs in. Each step goes on whatever
became of the ones before, so that one run tells all that is wrong.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = Path(sys.prefix)
REPORTS = ENVIRONMENT / "reports"
WHEELS = ENVIRONMENT / "wheels"
PEERS = ENVIRONMENT / "peers"
ROOMS = ("actors", "protocols", "supervision")
# Our tests mostly wait for processes and sockets, Thespian's for the clock: more than the cores.
WORKERS = "4"
CONFORMANCE_WORKERS = "12"
BENCHES: dict[str, tuple[str, ...]] = {
    "actors": (),
    "odbc": ("--seconds=2",),
    "recovery": ("--sessions=1000,20000", "--seconds=3", "--rounds=2"),
    "queueing": (),
    "routing": (),
    "supervision": (),
    "tables": ("--rows=1000000", "--peer-rows=200000"),
}
"""With options that keep each to a few minutes."""
UPGRADE = ("--sessions=2000", "--rate=200", "--quiet=20", "--http=20", "--no-peer", "--patient")
"""How a node of the last release is loaded while it is upgraded and rolled back."""

MISSING = "system package "
NPM = ("npm", "install", "--silent", "--no-audit", "--no-fund", "--fetch-retries=1", "--prefix")
PEERS_TIMEOUT_S = 120
"""For clients in JavaScript to be installed; without a network npm gives up before."""


@dataclass
class Tally:
    """What became of the tests, and which steps failed."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    wanting: dict[str, int] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)

    def add(self, report: Path) -> None:
        """Count a JUnit report; a report that is missing counts as a failure."""
        if not report.is_file():
            self.failed += 1
            return
        for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314 our own file
            verdicts = {child.tag: child for child in case}
            if verdicts.keys() & {"failure", "error"}:
                self.failed += 1
            elif "skipped" in verdicts:
                self.skip(verdicts["skipped"])
            else:
                self.passed += 1

    def skip(self, verdict: ET.Element) -> None:
        """Count a skipped test, and the system package whose absence it was skipped for.

        An expected failure is neither passed, failed nor skipped.
        """
        if verdict.get("type") == "pytest.xfail":
            return
        self.skipped += 1
        message = verdict.get("message", "")
        if MISSING in message:
            package = message.partition(MISSING)[2].split()[0]
            self.wanting[package] = self.wanting.get(package, 0) + 1


def say(text: str) -> None:
    """Show where the run is."""
    print(f"==> {text}", flush=True)


def run(tally: Tally, what: str, *command: str | Path, python_path: str = "") -> bool:
    """Run one step in the checkout and tell how long it took.

    Args:
        tally: Where a failure is noted.
        what: The step's name.
        command: Its program and arguments.
        python_path: Folder that its Python processes import from besides the environment.
    """
    say(what)
    started = time.monotonic()
    environ = {**environment(), "PYTHONPATH": python_path}
    done = subprocess.run(command, cwd=ROOT, env=environ, check=False)
    word = "ok" if done.returncode == 0 else f"FAILED (exit {done.returncode})"
    say(f"{what}: {word}, {time.monotonic() - started:.0f} s")
    if done.returncode:
        tally.steps.append(what)
    return done.returncode == 0


def environment() -> dict[str, str]:
    """Return the environment of a step.

    The safe path keeps the checkout off `sys.path`, in the processes that tests start as well.
    """
    wheel = next(WHEELS.glob("*.whl"), None)
    path = f"{ENVIRONMENT / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    added = {"PYTHONSAFEPATH": "1", "PATH": path, "VIGIE_WHEEL": str(wheel or "")}
    if (modules := PEERS / "node_modules").is_dir():
        added["NODE_PATH"] = str(modules)
    # A configuration of the caller's own node must not reach the nodes under test.
    kept = {name: text for name, text in os.environ.items() if not name.startswith("VIGIE_")}
    return {**kept, **added}


def install_wheel(tally: Tally) -> bool:
    """Build the wheel from the checkout and install it, so that what is tested is what ships."""
    shutil.rmtree(WHEELS, ignore_errors=True)
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    build = (*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", WHEELS, ROOT)
    if not run(tally, "build the wheel", *build):
        return False
    install = (*pip, "install", "--no-deps", "--force-reinstall", *WHEELS.glob("*.whl"))
    return run(tally, "install the wheel", *install)


def check_sources(tally: Tally) -> None:
    """Run the checks that read the sources."""
    run(tally, "ruff check", "ruff", "check", ".")
    run(tally, "ruff format", "ruff", "format", "--check", ".")
    run(tally, "mypy", "mypy", *ROOMS)
    run_pytest(tally, "rooms", "tests/test_rooms.py", "-q")


def run_pytest(tally: Tally, name: str, *options: str, python_path: str = "") -> None:
    """Run pytest once and count what it did."""
    report = REPORTS / f"{name}.xml"
    command = (sys.executable, "-m", "pytest", f"--junitxml={report}", *options)
    run(tally, f"pytest: {name}", *command, python_path=python_path)
    tally.add(report)


def conformance(tally: Tally) -> None:
    """Run Thespian's own suite on our base."""
    run_pytest(
        tally,
        "thespian",
        "--config-file=tests/conformance/thespian_suite.ini",
        "-p",
        "thespian_suite",
        "--pyargs",
        "thespian.test",
        "-q",
        f"--numprocesses={CONFORMANCE_WORKERS}",
        python_path=str(ROOT / "tests" / "conformance"),
    )


def ours(tally: Tally, options: list[str], *, long: bool) -> None:
    """Run our own tests; without options, all that did not run before."""
    selection = [] if long else ["-m", "not long"]
    chosen = options or ["--ignore=tests/test_rooms.py"]
    parallel = (f"--numprocesses={WORKERS}", "--dist=loadfile")
    run_pytest(tally, "ours", *parallel, *selection, *chosen)


def benches(tally: Tally) -> None:
    """Run each bench; one that misses a gate fails."""
    for name, options in BENCHES.items():
        bench(tally, name, *options)


def bench(tally: Tally, name: str, *options: str) -> None:
    """Run a bench; its modules lie beside it."""
    folder = ROOT / "scripts" / "bench"
    # The rooms first: a bench has the name of one of them.
    path = f"{ROOT}{os.pathsep}{folder}"
    command = (sys.executable, folder / f"{name}.py", "--json", *options)
    run(tally, f"bench: {name}", *command, python_path=path)


def upgrade(tally: Tally, *, long: bool) -> None:
    """Have the last release taken over by this tree, under load, and take over from it again."""
    revision = project()["last-release"]
    if not (ROOT / ".git").exists():
        say(f"upgrade from {revision}: left out, for this is no repository")
        return
    shape = () if long else UPGRADE
    bench(tally, "upgrade", f"--from={revision}", *shape)


def project() -> dict[str, Any]:
    """What the project says to its own tools."""
    said = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    own: dict[str, Any] = said["tool"]["vigie"]
    return own


def missing_packages(*, long: bool) -> Iterator[str]:
    """Name the system packages that this kind of run uses and that are not there."""
    for name, package in project()["system-packages"].items():
        if (long or not package["long"]) and shutil.which(package["command"]) is None:
            yield name


def install_system_packages(*, long: bool) -> None:
    """Install what is missing where this may be done; what cannot be is told at the end."""
    names = list(missing_packages(long=long))
    if names and os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"installing {' '.join(names)}")
        subprocess.run(("apt-get", "update", "-qq"), check=False)
        subprocess.run(("apt-get", "install", "-y", "-qq", *names), check=False)


def install_peers() -> None:
    """Install the clients in JavaScript that interfaces are tried with, where npm is there.

    Those that are there already are kept. Where they cannot be, for want of npm or of a network,
    their tests are skipped and say so.
    """
    wanted, known = ROOT / "tests" / "peers" / "package.json", PEERS / "installed.json"
    there = known.is_file() and known.read_bytes() == wanted.read_bytes()
    if there or shutil.which("npm") is None:
        return
    say("installing the clients of tests/peers")
    PEERS.mkdir(parents=True, exist_ok=True)
    shutil.copy(wanted, PEERS)
    try:
        done = subprocess.run((*NPM, str(PEERS)), check=False, timeout=PEERS_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        say(f"npm has not answered within {PEERS_TIMEOUT_S} s: their tests are skipped")
        return
    if done.returncode == 0:
        shutil.copy(wanted, known)


def close(tally: Tally) -> int:
    """Print what failed, what was skipped for want of packages, and the counts."""
    for step in tally.steps:
        say(f"FAILED: {step}")
    for package, count in sorted(tally.wanting.items()):
        say(f"{count} skipped for want of the system package {package}")
    counts = f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped"
    print(f"vigie: {counts}", flush=True)
    return 1 if tally.steps or tally.failed else 0


def main(arguments: list[str]) -> int:
    """Run the checks.

    Args:
        arguments: `--long` and options of pytest.

    Returns:
        0 when every step passed, else 1.
    """
    long = "--long" in arguments
    options = [argument for argument in arguments if argument != "--long"]
    tally = Tally()
    shutil.rmtree(REPORTS, ignore_errors=True)
    install_system_packages(long=long)
    if long or not options:
        install_peers()
    if install_wheel(tally):
        if not options:
            check_sources(tally)
            conformance(tally)
        ours(tally, options, long=long)
        if not options:
            upgrade(tally, long=long)
        if long:
            benches(tally)
    return close(tally)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
