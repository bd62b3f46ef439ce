"""The flags and specs of a supervisor that runs are replaced (supervisor.erl, code_change/3).

Nothing is started, stopped or restarted: what is new takes effect with the next event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from supervision.child import Child, SupervisorState
from supervision.childspec import SpecError, as_flags, as_specs
from supervision.eventloop.cell import LocalAddress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from supervision.childspec import ChildSpec, SupervisorFlags

_PARTS = 2  # flags and specs


def read(wanted: Any, owner: object) -> tuple[SupervisorFlags, list[ChildSpec]]:
    """Check what ``init`` returned.

    Args:
        wanted: flags and specs, as records or mappings.
        owner: the supervisor whose ``init`` it was.

    Raises:
        SpecError: naming the mistake; ``bad_return`` where it is no such pair.
    """
    if not isinstance(wanted, tuple | list) or len(wanted) != _PARTS:
        raise SpecError("bad_return", (type(owner).__name__, "init", repr(wanted)))
    flags = as_flags(wanted[0])
    return flags, as_specs(flags, wanted[1])


def new_args(extra: Any, args: Any) -> Any:
    """The start arguments from now on: ``extra``'s ``args``, where it is a mapping with them."""
    return extra["args"] if isinstance(extra, Mapping) and "args" in extra else args


def change(
    state: SupervisorState, flags: SupervisorFlags, specs: Sequence[ChildSpec], at: LocalAddress
) -> None:
    """Give a supervisor new flags and specs.

    A child whose id is still listed has its new spec and goes on. One that is new is there and not
    started. One that is no longer listed goes on too, after the others in the order.

    Args:
        state: what is changed, or not at all.
        flags: the new ones.
        specs: the new ones; for a pool the template.
        at: the address of the supervisor.

    Raises:
        SpecError: ``bad_combination``: a pool stays a pool, and nothing else becomes one.
    """
    if (flags.strategy == "simple_one_for_one") != state.dynamic:
        pairs = (("strategy", state.flags.strategy), ("strategy", flags.strategy))
        raise SpecError("bad_combination", pairs, "supervisor_data")
    state.flags = flags
    if state.dynamic:
        state.template = specs[0]
        for child in state.children.values():
            child.spec = specs[0]
    else:
        _list_anew(state, specs, at)


def _list_anew(state: SupervisorState, specs: Sequence[ChildSpec], at: LocalAddress) -> None:
    known = dict(state.children)
    state.children.clear()  # the dictionary itself stays: others may have taken hold of it
    for spec in specs:
        child = known.pop(spec.id, None)
        if child is None:
            child = Child(spec, spec.id, spec.args, LocalAddress(at, spec.id))
            child.status = "stopped"
        child.spec, child.args = spec, spec.args
        state.children[spec.id] = child
    state.children.update(known)


def copied(state: SupervisorState) -> SupervisorState:
    """A state that a function may change without changing the first one; of the same children."""
    copy = SupervisorState(state.flags, state.template)
    copy.children.update(state.children)
    copy.restarts.extend(state.restarts)
    return copy


def replace(state: SupervisorState, wanted: Any) -> None:
    """Take over flags and counted restarts from another state (``sys:replace_state``).

    Raises:
        SpecError: the flags are wrong.
        TypeError: it is no such state, or its children are not the same.
    """
    if not isinstance(wanted, SupervisorState) or wanted.template is not state.template:
        raise TypeError(f"not the state of this supervisor: {type(wanted).__name__}")
    if [(one.id, one.address) for one in wanted.children.values()] != [
        (one.id, one.address) for one in state.children.values()
    ]:
        raise TypeError("children are managed by calls, not by replacing the state")
    flags = as_flags(wanted.flags)
    if (flags.strategy == "simple_one_for_one") != state.dynamic:
        raise TypeError("a pool stays a pool, and nothing else becomes one")
    state.flags, state.restarts = flags, wanted.restarts
