"""The actors of a node in the order of its tree, and by which names two versions know them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervision.behaviour import Behaviour
from supervision.eventloop.cell import LocalAddress
from supervision.eventloop.managed import ManagedActor
from supervision.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from supervision.eventloop.cell import Cell
    from supervision.eventloop.kernel import Kernel


def kind_of(actor: Behaviour | type[Behaviour]) -> str:
    """The name by which the state of an actor is known in every version."""
    kind = actor if isinstance(actor, type) else type(actor)
    return kind.carried_as or kind.__name__


def version_of(actor: Behaviour | type[Behaviour]) -> int:
    """The version of what travels of an actor.

    Raises:
        TypeError: it is no number.
    """
    version = actor.version
    if version is None:
        return 1
    if not isinstance(version, int):
        raise TypeError(f"{kind_of(actor)}: version {version!r} is no number")
    return version


def travels(cell: Cell) -> bool:
    """Whether the state of an actor is carried."""
    actor = cell.actor
    return isinstance(actor, Behaviour) and actor.carried is not None


def begins_anew(cell: Cell, *, still: bool) -> bool:
    """Whether an actor that travels begins anew all the same: what it does is left behind.

    So it is with a handler that was left as it was when the node came to stand still
    (``stragglers.treat``): half of what it does may be in the state. Who has not come to the end of
    its ``init`` has no state.

    Args:
        cell: the actor.
        still: whether the node stands still. A copy of one that runs has an actor as it is.
    """
    task = cell.task
    return task is not None and (still or task.message is None)


def below(kernel: Kernel, tops: Sequence[str] | None) -> Iterator[tuple[Cell, str]]:
    """Every actor of the node's trees that is looked at, parents first, with where it was.

    Args:
        kernel: the node.
        tops: names of the roots; None is every root that is a behaviour.
    """
    roots = kernel.roots
    wanted = [name for name in roots if tops is None or name in tops]
    for name in wanted:
        cell = roots[name]
        if isinstance(cell.actor, ManagedActor):
            yield from _subtree(cell, "")


def _subtree(cell: Cell, above: str) -> Iterator[tuple[Cell, str]]:
    was = _was(cell, above)
    yield cell, was
    if isinstance(cell.actor, Supervisor) and cell.actor.carries != "all":
        return
    for child in tuple((cell.children or {}).values()):
        yield from _subtree(child, was)


def pools(kernel: Kernel, tops: Sequence[str] | None) -> Iterator[Cell]:
    """The members of pools whose states other parts carry."""
    for cell, _ in below(kernel, tops):
        if isinstance(cell.actor, Supervisor) and cell.actor.carries != "all":
            yield from (cell.children or {}).values()


def _was(cell: Cell, above: str) -> str:
    """Where an actor was in the version before: by its own word, or below a parent that moved."""
    own: Any = getattr(cell.actor, "was", "")
    if own:
        return str(own)
    return f"{above}/{cell.address.name}" if above else ""


def address_at(kernel: Kernel, path: str) -> LocalAddress:
    """The address of who lives at a path, or one that finds whoever will."""
    home, cell = kernel.roots, None
    for part in path.split("/"):
        cell = home.get(part) or (home.get(int(part)) if part.isdecimal() else None)
        if cell is None:
            return LocalAddress(None, path)
        home = cell.children or {}
    return LocalAddress(None, path) if cell is None else cell.address
