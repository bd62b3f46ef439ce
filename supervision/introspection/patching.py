"""What of an actor's state operators may patch: no more than what its state shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervision.introspection.merging import NoPatch, merged, names_of, takes_a_value
from supervision.introspection.showing import kind_of, shown_state

if TYPE_CHECKING:
    from collections.abc import Collection

    from supervision.eventloop.cell import Cell

MANY_STATES = frozenset({"supervisor", "event_manager"})
"""Kinds of actors that have more than one state: their children's, their handlers'."""


def patchable(cell: Cell, path: str) -> list[str]:
    """What a patch may have: the names of fields; of a machine ``state`` and ``data.NAME``.

    A field that is not shown could only be overwritten blindly, one of the actor's
    ``fixed_fields`` is what others know it by; neither is one of them.

    Args:
        cell: of an actor that runs.
        path: of the actor.

    Raises:
        CallbackFailed: its ``format_status`` raised.
    """
    kind, get = kind_of(cell, None), getattr(cell.actor, "system_get_state", None)
    if get is None or kind in MANY_STATES:
        return []
    shown = shown_state(cell, path)
    if kind != "statem":
        return _fields(cell, get(), shown)
    return ["state", *(f"data.{name}" for name in _fields(cell, get()[1], _shown_data(shown)))]


def patched(cell: Cell, path: str, state: Any, patch: Any) -> Any:
    """Make a state of a copy of an actor's state and a patch.

    Raises:
        NoPatch: the patch does not fit.
        CallbackFailed: its ``format_status`` raised.
    """
    shown = shown_state(cell, path)
    if kind_of(cell, None) == "statem":
        return _patched_machine(cell, state, patch, _shown_data(shown))
    return _patched(cell, state, patch, shown, "state")


def named(patch: Any) -> list[str]:
    """The fields that a patch is about, for those who read of it: never their values."""
    parts = sorted(patch.items()) if isinstance(patch, dict) else ()
    return [
        where
        for name, value in parts
        for where in ([f"{name}.{one}" for one in value] if isinstance(value, dict) else [name])
    ]


def _shown_data(shown: Any) -> Any:
    return shown.get("data") if isinstance(shown, dict) else None


def _patched_machine(
    cell: Cell, state: tuple[Any, Any], patch: dict[str, Any], shown: Any
) -> tuple[Any, Any]:
    name, data = state
    if unknown := set(patch) - {"state", "data"}:
        raise NoPatch(min(unknown), "a machine has state and data")
    wanted, words = patch.get("state", name), states_of(cell.actor)
    if not isinstance(wanted, str):
        raise NoPatch("state", "the name of a state is needed")
    if "state" in patch and words and wanted not in words:
        raise NoPatch("state", f"one of {', '.join(sorted(words))}")
    if "data" in patch:
        data = _patched(cell, data, patch["data"], shown, "data")
    return wanted, data


def _patched(cell: Cell, state: Any, patch: Any, shown: Any, field: str) -> Any:
    known = names_of(state)
    allowed = _fields(cell, state, shown)
    for name in patch if known and isinstance(patch, dict) else ():
        where = f"{field}.{name}"
        if name in _fixed(cell):
            raise NoPatch(where, "it is what others know the actor by, and stays")
        if name in known and name not in names_of(shown):
            raise NoPatch(where, f"it is not shown; {_choice(allowed)}")
        if name not in known and not isinstance(state, dict):
            raise NoPatch(where, f"{type(state).__name__} has no such field; {_choice(allowed)}")
    return merged(state, patch, field)


def _choice(allowed: list[str]) -> str:
    return f"what can be patched is {', '.join(allowed) or 'nothing'}"


def _fields(cell: Cell, state: Any, shown: Any) -> list[str]:
    hidden = {*names_of(state)} - {*names_of(shown)} | _fixed(cell)
    return [name for name in names_of(state) if name not in hidden and takes_a_value(state, name)]


def states_of(machine: Any) -> Collection[str] | None:
    """The words that are states of a machine; None where nothing tells them."""
    top = _callbacks(machine)
    known: Collection[str] | None = getattr(top, "states", None)
    if known is not None:
        return known
    if top.callback_mode != "state_functions":
        return None
    return {name.removeprefix("in_") for name in dir(top) if name.startswith("in_")}


def _fixed(cell: Cell) -> frozenset[str]:
    top = _callbacks(cell.actor) if kind_of(cell, None) == "statem" else cell.actor
    fixed: frozenset[str] = getattr(top, "fixed_fields", frozenset())
    return fixed


def _callbacks(machine: Any) -> Any:
    return machine._top()  # noqa: SLF001 - who handles the events of a machine knows its states
