"""How a configuration differs from the one before, and who is told of it (config_change/3)."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from supervision.behaviour import Behaviour
from supervision.behaviour.carrying import Carrying

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from supervision.eventloop.cell import Cell
    from supervision.eventloop.kernel import Kernel

Difference = tuple[dict[str, Any], dict[str, Any], frozenset[str]]


def digests(config: Mapping[str, Any]) -> dict[str, str]:
    """What tells whether a value has changed, by key: values may be secret."""
    return {key: _digest(value) for key, value in config.items()}


def _digest(value: Any) -> str:
    return sha256(msgspec.json.encode(value, enc_hook=str, order="sorted")).hexdigest()


def difference(before: Mapping[str, str], config: Mapping[str, Any]) -> Difference:
    """What has changed, what is new and what is gone.

    Args:
        before: digests of the configuration before.
        config: the present one.
    """
    now = digests(config)
    changed = {key: config[key] for key in now if key in before and before[key] != now[key]}
    new = {key: config[key] for key in now if key not in before}
    return changed, new, frozenset(before) - frozenset(now)


def tell(
    kernel: Kernel,
    actors: Iterable[tuple[Cell, str]],
    before: Mapping[str, str],
    config: Mapping[str, Any],
) -> None:
    """Call ``config_change`` of every actor that has one, where anything differs.

    What it raises is the actor's crash.
    """
    found = difference(before, config)
    if not any(found):
        return
    for cell, _ in tuple(actors):
        actor = cell.actor
        if not isinstance(actor, Behaviour):
            continue
        if type(actor).config_change is Carrying.config_change:
            continue
        try:
            actor.config_change(*found)
        except Exception as exception:  # noqa: BLE001 - as in a handler: its supervisor decides
            kernel.handler_failed(cell, "config_change", None, exception)
