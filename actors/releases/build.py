"""Making an archive of a release, from a checkout or a wheel of vigie."""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from actors.releases import archive, environment, signing, source
from actors.releases import manifest as manifests
from actors.releases.manifest import REQUIREMENTS, WHEELS, Manifest
from actors.releases.wheels import PIP, Store, lock, wheel
from supervision.anchor.messages import ExitCode, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.releases.environment import Interpreter

BUILD_WITH = ("hatchling>=1.27",)
"""What makes a wheel of a checkout that does not say it itself."""

EXTRA = "signatures"
DISK_FACTOR = 1.2
"""Of what an environment took here: what it is said to need."""


class Order(NamedTuple):
    """What is to be built.

    Attributes:
        output: the archive.
        checkout: to build of; None takes the wheel.
        wheel: to take as it is.
        python: the interpreter to build for; None is this one.
        wheels: a directory that keeps the wheels for the next build.
        lock: a lock file that decides which wheels.
        key: the private key that signs.
    """

    output: Path
    checkout: Path | None = None
    wheel: Path | None = None
    python: str | None = None
    wheels: Path | None = None
    lock: Path | None = None
    key: Path | None = None


class _Own(NamedTuple):
    """vigie's own wheel and what is known of it."""

    path: Path
    version: str
    vsn: str
    commit: str | None
    dirty: bool
    requirements: list[str]


def build(order: Order) -> Manifest:
    """Build an archive.

    Raises:
        Refusal: it cannot be built; nothing is left where it would have been.
        OSError: there is no room.
    """
    base = _interpreter(order.python)
    with tempfile.TemporaryDirectory(prefix="vigie-release-") as name:
        work = Path(name)
        tool = _tool(base, work / "tool")
        store = Store((order.wheels or work / "cache").absolute(), tool, base)
        wheels = work / WHEELS
        wheels.mkdir()
        own = _own(order, tool, store, work)
        if order.lock is None:
            store.fetch([*own.requirements, PIP], wheels)
        else:
            store.take(order.lock, wheels)
        shutil.copy(own.path, wheels / own.path.name)
        return _pack(order, base, own, work)


def _interpreter(name: str | None) -> Interpreter:
    return environment.interpreter(name or environment.own_interpreter())


def _tool(base: Interpreter, directory: Path) -> Path:
    """An environment with pip, for fetching and building."""
    environment.run([base.path, "-I", "-m", "venv", str(directory)], "make an environment")
    return directory / "bin" / "python"


def _own(order: Order, tool: Path, store: Store, work: Path) -> _Own:
    if order.wheel is not None:
        return _of_wheel(order, tool)
    if order.checkout is None:
        raise Refusal(
            ExitCode.USAGE, "a checkout (--from) or a wheel (--wheel) is required", "from"
        )
    found = source.copy(order.checkout, work / "source")
    with _build_tools(found.project, store, work) as tools:
        options = ["--no-deps", "--no-index", "--find-links", str(tools)]
        words = ["wheel", *options, "--wheel-dir", str(work / "own"), str(found.directory)]
        environment.run([str(tool), "-m", "pip", "--quiet", *words], "build a wheel")
    path = next((work / "own").glob("*.whl"))
    project = found.project["project"]
    requirements = list(project["dependencies"])
    if order.key is not None:
        requirements += project.get("optional-dependencies", {}).get(EXTRA, [])
    return _Own(path, found.version, found.vsn, found.commit, found.dirty, requirements)


@contextmanager
def _build_tools(project: dict[str, Any], store: Store, work: Path) -> Iterator[Path]:
    tools = work / "tools"
    tools.mkdir()
    store.fetch(project.get("build-system", {}).get("requires") or BUILD_WITH, tools)
    yield tools
    shutil.rmtree(tools)


_METADATA = """
import json, re, sys, zipfile
from email.parser import Parser
from importlib.metadata import PathDistribution
with zipfile.ZipFile(sys.argv[1]) as file:
    name = next(name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
    found = Parser().parsestr(file.read(name).decode())
print(json.dumps([found["Name"], found["Version"], found.get_all("Requires-Dist") or []]))
"""


def _of_wheel(order: Order, tool: Path) -> _Own:
    assert order.wheel is not None
    wheel(order.wheel)
    words = [str(tool), "-I", "-c", _METADATA, str(order.wheel.absolute())]
    name, version, requires = json.loads(environment.run(words, f"read {order.wheel}"))
    if name != "vigie":
        raise Refusal(ExitCode.USAGE, f"{order.wheel} is a wheel of {name}, not of vigie", "wheel")
    wanted = f'extra == "{EXTRA}"' if order.key is not None else None
    requirements = [_requirement(text, wanted) for text in requires]
    public, _, _ = version.partition("+")
    return _Own(
        order.wheel, public, version, None, dirty=False, requirements=[r for r in requirements if r]
    )


def _requirement(text: str, wanted: str | None) -> str:
    """A requirement of a wheel without the mark of its extra; nothing where that is not wanted."""
    requirement, _, condition = text.partition(";")
    if "extra" not in condition:
        return text
    unquoted = condition.strip().replace("'", '"')
    return requirement.strip() if unquoted == wanted else ""


def _pack(order: Order, base: Interpreter, own: _Own, work: Path) -> Manifest:
    wheels = work / WHEELS
    requirements = work / REQUIREMENTS
    requirements.write_text(lock(wheels.glob("*.whl")), encoding="utf-8")
    said = _trial(base, work)
    files = {REQUIREMENTS: requirements}
    files |= {f"{WHEELS}/{path.name}": path for path in wheels.glob("*.whl")}
    manifest = Manifest(
        vsn=own.vsn,
        version=own.version,
        commit=own.commit,
        dirty=own.dirty,
        python=base.version,
        platform=base.platform,
        states=said["states"],
        libraries=said["libraries"],
        hashes={name: archive.sha256(path) for name, path in files.items()},
        needs={"disk_bytes": said["disk_bytes"]},
    )
    manifest = msgspec.structs.replace(manifest, contents=manifests.contents(manifest))
    text = manifests.encode(manifest)
    signature = None if order.key is None else signing.sign(order.key, text)
    order.output.absolute().parent.mkdir(parents=True, exist_ok=True)
    archive.write(order.output, text, signature, files)
    return manifest


def _trial(base: Interpreter, work: Path) -> dict[str, Any]:
    """Install what was built, once, here: it imports, and says which states it knows."""
    trial = work / "trial"
    python = environment.make(base, trial, work / WHEELS, work / REQUIREMENTS)
    said: dict[str, Any] = inventory(python)
    used = sum(path.lstat().st_size for path in trial.rglob("*"))
    size = sum(path.stat().st_size for path in (work / WHEELS).iterdir())
    return {**said, "disk_bytes": int(used * DISK_FACTOR) + size}


def inventory(python: Path) -> dict[str, Any]:
    """What the release of an environment says that it is.

    Args:
        python: the interpreter of the environment.

    Raises:
        Refusal: it cannot say it: it is broken.
    """
    said = environment.run([str(python), "-P", "-m", "actors.releases.inventory"], "inventory")
    try:
        found: dict[str, Any] = json.loads(said)
    except ValueError:
        raise Refusal(ExitCode.FAILED, f"inventory: it said {said[:200]!r}") from None
    return found
