"""The flags and specs of a supervisor that runs are replaced (supervisor.erl, code_change/3).

Nothing is started, stopped or restarted: what is new takes effect with the next event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from supervision import strategy
from supervision.child import Child, SupervisorState
from supervision.childspec import SpecError, as_flags, as_specs, unknown_keys
from supervision.eventloop.cell import LocalAddress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from supervision.childspec import ChildSpec, SupervisorFlags
    from supervision.supervisor.children import Children

_PARTS = 2  # flags and specs


def read(wanted: Any, owner: Children) -> tuple[SupervisorFlags, list[ChildSpec]]:
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
    specs = as_specs(flags, wanted[1])
    owner.warn_of(unknown_keys(*wanted))
    return flags, specs


def new_args(extra: Any, args: Any) -> Any:
    """The start arguments from now on: ``extra``'s ``args``, where it is a mapping with them."""
    return extra["args"] if isinstance(extra, Mapping) and "args" in extra else args


def change(
    state: SupervisorState, flags: SupervisorFlags, specs: Sequence[ChildSpec], at: LocalAddress
) -> dict[Child, Child]:
    """Give a supervisor new flags and specs.

    A child whose id is still listed has its new spec and goes on. One that is new is there and not
    started. One that is no longer listed goes on too, after the others in the order. Who was
    stopped for a restart that waits still starts with it.

    Args:
        state: what is changed, or not at all.
        flags: the new ones.
        specs: the new ones; for a pool the template.
        at: the address of the supervisor.

    Returns:
        Who starts with a restart that waits, and is not of its group any more: whose restart.

    Raises:
        SpecError: ``bad_combination``: a pool stays a pool, and nothing else becomes one.
    """
    if (flags.strategy == "simple_one_for_one") != state.dynamic:
        pairs = (("strategy", state.flags.strategy), ("strategy", flags.strategy))
        raise SpecError("bad_combination", pairs, "supervisor_data")
    groups = _stopped_for_restarts(state)
    state.flags = flags
    if state.dynamic:
        state.template = specs[0]
        for child in state.children.values():
            child.spec = specs[0]
    else:
        _list_anew(state, specs, at)
    return _owe(state, groups)


def _stopped_for_restarts(state: SupervisorState) -> dict[Child, list[Child]]:
    """Each child whose restart waits or is tried again, and who is down until then."""
    if state.flags.strategy == "one_for_one" or state.dynamic:
        return {}
    waiting = [child for child in state.children.values() if child.status == "restarting"]
    return {
        child: [one for one in strategy.group_of(state, child) if one.status == "stopped"]
        for child in waiting
    }


def _owe(state: SupervisorState, groups: dict[Child, list[Child]]) -> dict[Child, Child]:
    owed: dict[Child, Child] = {}
    for child, siblings in groups.items():
        still = set(strategy.group_of(state, child))
        owed |= {one: child for one in siblings if one not in still}
    if owed:
        state.owed = (state.owed or {}) | owed
    return owed


def _list_anew(state: SupervisorState, specs: Sequence[ChildSpec], at: LocalAddress) -> None:
    known = dict(state.children)
    state.children.clear()  # the dictionary itself stays: others may have taken hold of it
    for spec in specs:
        child = known.pop(spec.id, None)
        if child is None:
            child = Child(spec, spec.id, spec.args, LocalAddress(at, spec.id))
            child.status = "stopped"
        child.spec, child.args = spec, spec.args
        if spec.restart == "temporary" and strategy.alive(child):
            child.forget_arguments()
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
