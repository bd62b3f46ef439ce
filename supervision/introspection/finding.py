"""Finding actors by path, and going through all of them without holding the loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from supervision.introspection.errors import ActionRefused, NoSuchActor, NotRunning
from supervision.introspection.limits import DebugLimits
from supervision.introspection.pace import Pace
from supervision.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervision.eventloop.cell import Cell, LocalAddress
    from supervision.eventloop.kernel import Kernel
    from supervision.strategy import Child, SupervisorState


MEASURED_MEMBERS = 5_000
"""Members of a pool that are measured, about, where measuring takes long."""


class Asked(Struct, frozen=True):
    """Who asks for something to be done, and why; the report that tells of it has both.

    Attributes:
        reason: why.
        by: who.
    """

    reason: str = ""
    by: str = ""


NOBODY = Asked()
"""Nobody in particular: the node's own code, a test."""


class Found:
    """An actor that is known: its address, and who knows it.

    Attributes:
        child: what its supervisor knows of it; None where it has none.
    """

    __slots__ = ("address", "child", "parent")

    def __init__(self, address: LocalAddress, child: Child | None, parent: Cell | None) -> None:
        self.address = address
        self.child = child
        self.parent = parent


class Finder:
    """Knows a node's actors by their paths; what everything here is built on.

    Args:
        kernel: the node.
        root: name of the actor at the top of the tree.
        limits: how much may be watched, kept and gone through.

    Attributes:
        pace: how fast many actors are gone through, whoever asks.
    """

    def __init__(
        self, kernel: Kernel, root: str = "node", limits: DebugLimits | None = None
    ) -> None:
        self._kernel = kernel
        self._root = root
        self.limits = DebugLimits() if limits is None else limits
        self.pace = Pace()

    def _find(self, path: str) -> Found:
        names: list[str] = []
        root = self._kernel.roots.get(path)
        if (
            root is None
        ):  # one that was left by its parent, or is the system's, has a path for a name
            first, *names = path.split("/")
            root = _member(self._kernel.roots, first)
        found = None if root is None else Found(root.address, None, None)
        for name in names:
            found = None if found is None else _child(found, name)
        if found is None:
            raise NoSuchActor(path)
        return found

    def _running(self, path: str) -> Cell:
        found = self._find(path)
        cell = found.address.cell
        if cell is None or cell.actor is None:
            raise NotRunning(path, "stopped" if found.child is None else found.child.status)
        return cell

    def _supervised(self, path: str) -> tuple[Child, Cell]:
        """A child and its supervisor's cell."""
        found = self._find(path)
        if found.child is None or found.parent is None:
            raise ActionRefused(path, "has no supervisor that could do this")
        return found.child, found.parent

    def _walk(self, found: Found, shares: dict[str, int] | None = None) -> Iterator[Found]:
        """An actor and all below it.

        Args:
            found: where to begin.
            shares: given, of a large pool the same few members are walked each time: one in
                so many, which is kept here by the pool's path.
        """
        yield found
        for child in children(found) if shares is None else _some(found, shares):
            yield from self._walk(child, shares)

    def _note(self, action: str, path: str, asked: Asked, **more: Any) -> None:
        """Tell what an operator did: who, to whom, why."""
        said = {"action": action, "reason": asked.reason, "by": asked.by}
        self._kernel.report("operator", path, **said, **more)


def children(found: Found) -> Iterator[Found]:
    """The children that a supervisor knows, running or not; or those that an actor has made."""
    cell = found.address.cell
    if cell is None:
        return
    state = state_of(cell)
    if state is not None:
        for child in tuple(state.children.values()):
            yield Found(child.address, child, cell)
    else:
        for member in tuple((cell.children or {}).values()):
            yield Found(member.address, None, cell)


def _some(found: Found, shares: dict[str, int]) -> Iterator[Found]:
    """The children of an actor; of a large pool, some of them."""
    state = state_of(found.address.cell)
    many = len(state.children) if state is not None and state.dynamic else 0
    share = shares.setdefault(found.address.path, many // MEASURED_MEMBERS + 1)
    for child in children(found):
        if share == 1 or hash(child.address.name) % share == 0:
            yield child


def state_of(cell: Cell | None) -> SupervisorState | None:
    """What a supervisor knows; None of others, and before ``init`` has said what it is."""
    if cell is None or not isinstance(cell.actor, Supervisor):
        return None
    return getattr(cell.actor, "state", None)


def member_of_pool(found: Found) -> bool:
    """Whether it is one of the many children of a pool."""
    known = state_of(found.parent)
    return known is not None and known.dynamic


def _child(found: Found, name: str) -> Found | None:
    cell = found.address.cell
    if cell is None:
        return None
    state = state_of(cell)
    if state is not None:
        child = state.children.get(name)
        return None if child is None else Found(child.address, child, cell)
    member = _member(cell.children or {}, name)
    return None if member is None else Found(member.address, None, cell)


def _member(members: dict[str | int, Cell], name: str) -> Cell | None:
    """One of some actors by its name; those that nobody named have a number."""
    found = members.get(name)
    return members.get(int(name)) if found is None and name.isdecimal() else found
