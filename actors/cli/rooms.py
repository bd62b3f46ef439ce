"""Whether the three rooms are the ones that belong together."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOMS = ("actors", "protocols", "supervision")


def mistake(rooms: dict[str, Path | None]) -> str | None:
    """Say what is wrong with the rooms.

    Other distributions have packages of these names, `supervision` of PyPI for one.

    Args:
        rooms: Where each would be imported from; None when it cannot.

    Returns:
        A sentence for the operator; None when they lie side by side.
    """
    home = rooms["actors"]
    for name, place in rooms.items():
        if place is None:
            return f"the package {name} is missing beside {home}: install vigie again"
        if home is not None and place.parent != home.parent:
            return (
                f"{place} is not vigie's package {name}, which should be {home.parent / name}: "
                "install vigie into an environment of its own"
            )
    return None


def found() -> dict[str, Path | None]:
    """Return where each room would be imported from, without importing it."""
    return {name: _place(name) for name in ROOMS}


def home() -> Path:
    """Return the directory that holds the rooms."""
    return Path(__file__).resolve().parents[2]


def python_path(environ: Mapping[str, str]) -> str:
    """Return the PYTHONPATH by which programs find these rooms, from whatever directory.

    Args:
        environ: The environment, whose own path follows.
    """
    others = environ.get("PYTHONPATH", "").split(os.pathsep)
    own = str(home())
    return os.pathsep.join([own, *(place for place in others if place not in {"", own})])


def _place(name: str) -> Path | None:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))).resolve()
