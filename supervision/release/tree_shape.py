"""What the tree of a node is, as plain data: which supervisors, which children, how specified.

Only what the code says is described, so that two versions can be compared: children that were
added while a supervisor runs, and the members of pools, are not; a pool is its template.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from supervision.behaviour import Behaviour
from supervision.release.actor_walk import kind_of, version_of
from supervision.release.messages import type_name
from supervision.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from supervision.child import Child
    from supervision.childspec import ChildSpec
    from supervision.eventloop.cell import Cell
    from supervision.eventloop.kernel import Kernel

Shape = dict[str, Any]
"""One actor of a tree.

``id``; ``class``: module and name; ``was``: the path it had in the version before; ``state``: kind
and version of what travels of it, or None; ``spec``: how it is handled, None of a root; ``flags``
and ``children`` (in start order) of a supervisor; ``pool``: the template of one's members.
"""

_NOT_SHOWN = {"id", "start", "args"}


def shape(kernel: Kernel, tops: Sequence[str] | None = None) -> list[Shape]:
    """The trees of a node.

    Args:
        kernel: the node.
        tops: names of the roots; None is every root that is a behaviour.
    """
    return [
        _shape(str(name), type(cell.actor), cell, None)
        for name, cell in kernel.roots.items()
        if isinstance(cell.actor, Behaviour) and (tops is None or name in tops)
    ]


def _shape(child_id: str, start: type[Any], cell: Cell | None, spec: ChildSpec | None) -> Shape:
    described: Shape = {
        "id": child_id,
        "class": type_name(start),
        "was": str(getattr(start, "was", "")),
        "state": _state(start),
        "spec": None if spec is None else _spec(spec),
    }
    actor = None if cell is None else cell.actor
    if isinstance(actor, Supervisor) and hasattr(actor, "state"):
        described |= _supervised(actor)
    return described


def _supervised(actor: Supervisor) -> Shape:
    state = actor.state
    described: Shape = {"flags": msgspec.to_builtins(state.flags)}
    if state.template is not None:
        pool = state.template
        return {**described, "children": [], "pool": _shape(pool.id, pool.start, None, pool)}
    known = [child for child in state.children.values() if child.id in actor.listed]
    return {**described, "children": [_child(child) for child in known]}


def _child(child: Child) -> Shape:
    return _shape(child.id, child.spec.start, child.address.cell, child.spec)


def _state(start: type[Any]) -> dict[str, Any] | None:
    if not issubclass(start, Behaviour) or start.carried is None:
        return None
    return {"kind": kind_of(start), "version": version_of(start)}


def _spec(spec: ChildSpec) -> dict[str, Any]:
    """How a child is handled, with its defaults; its arguments may be secret and are left out."""
    filled = spec.filled()
    values = {name: getattr(filled, name) for name in filled.__struct_fields__}
    return {
        name: msgspec.to_builtins(value) for name, value in values.items() if name not in _NOT_SHOWN
    }
