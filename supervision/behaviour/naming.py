"""What a behaviour is known by: names of its own, and groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervision.eventloop.cell import MEMBER, NAMED

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from supervision.eventloop.cell import LocalAddress
    from supervision.eventloop.kernel import Inhabitant


class Naming:
    """The part of a behaviour that has names and knows others by theirs."""

    _myRef: Inhabitant

    def register(self, name: Hashable) -> None:
        """Take a name, which goes when this actor ends.

        Raises:
            NameTaken: it belongs to a living actor.
        """
        cell = self._myRef
        cell.kernel.registry.register(name, cell.address)
        if (names := cell.names) is None:
            cell.names = {name: NAMED}
        else:
            names[name] = names.get(name, 0) | NAMED

    def unregister(self, name: Hashable) -> None:
        """Give a name back."""
        self._myRef.kernel.registry.unregister(name, self._myRef.address)
        self._disown(name, NAMED)

    def join(self, group: Hashable) -> None:
        """Become a member of a group until this actor ends or leaves."""
        cell = self._myRef
        cell.kernel.registry.join(group, cell.address)
        if (names := cell.names) is None:
            cell.names = {group: MEMBER}
        else:
            names[group] = names.get(group, 0) | MEMBER

    def leave(self, group: Hashable) -> None:
        """Stop being a member of a group."""
        self._myRef.kernel.registry.leave(group, self._myRef.address)
        self._disown(group, MEMBER)

    def inherit(
        self, names: Sequence[Hashable], group: Hashable | None, *, given: bool
    ) -> list[Hashable]:
        """Take the names that this actor has had in another process; it has none here yet.

        Args:
            names: all that it has there.
            group: that it is a member of.
            given: whether a name that another has here is taken from it: there it has lost it.

        Returns:
            Names that another has, and keeps.
        """
        cell = self._myRef
        registry, address = cell.kernel.registry, cell.address
        ties: dict[Hashable, int] = dict.fromkeys(names, NAMED)
        others = registry.claim(names, address)
        for name, other in others or ():
            if given:
                _lose(other, name)
                registry.unregister(name, other)
                registry.register(name, address)
            else:
                del ties[name]
        if group is not None:
            registry.join(group, address)
            ties[group] = ties.get(group, 0) | MEMBER
        cell.names = ties
        return [] if given or others is None else [name for name, _ in others]

    def _disown(self, name: Hashable, tie: int) -> None:
        names = self._myRef.names
        if names and name in names:
            names[name] &= ~tie
            if not names[name]:
                del names[name]

    def whereis(self, name: Hashable) -> LocalAddress | None:
        """The address registered under a name."""
        return self._myRef.kernel.registry.whereis(name)

    def members(self, group: Hashable) -> Iterator[LocalAddress]:
        """The members of a group."""
        return self._myRef.kernel.registry.members(group)


def _lose(owner: LocalAddress, name: Hashable) -> None:
    cell = owner.cell
    if cell is not None and cell.names and name in cell.names:
        cell.names[name] &= ~NAMED
        if not cell.names[name]:
            del cell.names[name]
