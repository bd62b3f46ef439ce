"""Whether the three rooms are the ones that belong together."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

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


def _place(name: str) -> Path | None:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))).resolve()
