"""What is in the wheel, and that the tests of scripts/test run against it and not the checkout."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import sysconfig
import zipfile
from importlib import metadata
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("actors", "protocols", "supervision")
WHEEL = os.environ.get("VIGIE_WHEEL", "")

of_the_wheel = pytest.mark.skipif(not WHEEL, reason="scripts/test builds and installs the wheel")


@pytest.fixture(scope="module")
def contents() -> set[str]:
    with zipfile.ZipFile(WHEEL) as wheel:
        return set(wheel.namelist())


@of_the_wheel
@pytest.mark.parametrize("room", ROOMS)
def test_the_room_under_test_is_the_installed_one(room: str) -> None:
    installed = Path(sysconfig.get_path("purelib"), room, "__init__.py")
    assert importlib.import_module(room).__file__ == str(installed)


@of_the_wheel
@pytest.mark.parametrize("room", ROOMS)
def test_a_process_that_starts_in_the_checkout_gets_the_installed_room(room: str) -> None:
    program = f"import {room}; print({room}.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip().startswith(sysconfig.get_path("purelib"))


@of_the_wheel
def test_the_wheel_holds_every_module_of_the_rooms(contents: set[str]) -> None:
    modules = {str(p.relative_to(ROOT)) for room in ROOMS for p in (ROOT / room).rglob("*.py")}
    assert modules <= contents


@of_the_wheel
def test_the_wheel_says_that_its_rooms_are_typed(contents: set[str]) -> None:
    assert {f"{room}/py.typed" for room in ROOMS} <= contents


@of_the_wheel
def test_the_wheel_holds_nothing_but_the_rooms_and_etc(contents: set[str]) -> None:
    tops = {PurePosixPath(name).parts[0] for name in contents}
    version = metadata.version("vigie")
    assert tops == {*ROOMS, f"vigie-{version}.dist-info", f"vigie-{version}.data"}
    data = {name.partition(".data/")[2] for name in contents if ".data/" in name}
    assert "data/etc/vigie/vigie.toml" in data
    assert all(name.startswith("data/etc/vigie/") for name in data)


@of_the_wheel
def test_the_licence_travels_with_the_wheel(contents: set[str]) -> None:
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in contents)
    assert metadata.metadata("vigie")["License-Expression"] == "Apache-2.0"


@of_the_wheel
def test_the_shipped_configuration_is_found_outside_the_checkout() -> None:
    from actors.etc_files import etc_file

    assert etc_file("vigie.toml") == Path(sysconfig.get_path("data"), "etc/vigie/vigie.toml")


def test_importing_a_room_costs_nothing() -> None:
    program = (
        "import sys; before = set(sys.modules)\n"
        f"import {', '.join(ROOMS)}\n"
        "print(*sorted(n for n in set(sys.modules) - before if n.partition('.')[0] not in "
        "{'actors', 'protocols', 'supervision'} | set(sys.stdlib_module_names)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == []
