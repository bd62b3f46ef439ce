"""Addresses of an event-loop node: stable paths that outlive the actors behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervision._thespian import ActorAddress

if TYPE_CHECKING:
    from supervision.eventloop.cell import Cell


class LocalAddress(ActorAddress):
    """Where an actor lives: its parent's path and its own name.

    A supervised restart puts a new cell behind the same address and counts its incarnation, so
    references stay valid; while nothing is behind it, what is sent to it is a dead letter.
    """

    __slots__ = ("cell", "incarnation", "name", "parent")

    def __init__(self, parent: LocalAddress | None, name: str | int) -> None:
        self.parent = parent
        self.name = name
        self.cell: Cell | None = None
        self.incarnation = 0

    @property
    def path(self) -> str:
        """The names from the root to here, joined by ``/``."""
        return str(self.name) if self.parent is None else f"{self.parent.path}/{self.name}"

    # Thespian keeps the details in an attribute; a path made on demand spares 100 bytes an actor.
    @property
    def _aaddr(self) -> str:
        return self.path

    def __eq__(self, other: object) -> bool:
        """An address is itself; a copy that travelled as a path equals it too."""
        if self is other or isinstance(other, LocalAddress):
            return self is other
        return isinstance(other, ActorAddress) and self.path == other.addressDetails

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = object.__hash__

    def __copy__(self) -> LocalAddress:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> LocalAddress:
        return self

    def __reduce__(self) -> tuple[type[ActorAddress], tuple[str]]:
        """Travel as a path: whoever receives it resolves it in its own node."""
        return (ActorAddress, (self.path,))

    def __repr__(self) -> str:
        return f"<{self.path}#{self.incarnation}>"
