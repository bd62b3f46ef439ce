"""Names of actors: unique ones, as in ``erlang:register/2``, and groups, as in ``pg``.

Reading is a dictionary look-up. A name goes with its actor: the node takes it away when the actor
ends, and a supervised restart registers it again in ``init``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from supervision._thespian import ActorAddress

Address = TypeVar("Address", bound="ActorAddress")


class NameTaken(Exception):  # noqa: N818 - OTP's badarg, said in words
    """The name belongs to a living actor.

    Attributes:
        address: of its owner.
    """

    def __init__(self, name: Hashable, address: ActorAddress) -> None:
        super().__init__(f"{name!r} is taken by {address!r}")
        self.address = address


class Registry(Generic[Address]):
    """Who is known under which name.

    Attributes:
        whereis: tells the address registered under a name, None where there is none. It is the
            dictionary's own ``get``: it is asked several times for each call.
    """

    whereis: Callable[[Hashable], Address | None]

    def __init__(self) -> None:
        self._names: dict[Hashable, Address] = {}
        self.whereis = self._names.get
        self._groups: dict[Hashable, dict[Address, None] | Address] = {}

    def register(self, name: Hashable, address: Address) -> None:
        """Give a unique name.

        Raises:
            NameTaken: another living actor has it.
        """
        owner = self._names.get(name)
        if owner is not None and owner is not address:
            raise NameTaken(name, owner)
        self._names[name] = address

    def claim(
        self, names: Iterable[Hashable], address: Address
    ) -> list[tuple[Hashable, Address]] | None:
        """Give unique names, but those that another has.

        Returns:
            Those, and who has them; None where there are none.
        """
        take, others = self._names.setdefault, None
        for name in names:
            owner = take(name, address)
            if owner is not address:
                others = [*(others or ()), (name, owner)]
        return others

    def unregister(self, name: Hashable, address: Address) -> None:
        """Take a name away from its owner; nothing happens to a name that is another's."""
        if self._names.get(name) is address:
            del self._names[name]

    def names(self) -> list[Hashable]:
        """All names there are now; a copy, as quick as copying a dictionary's keys."""
        return list(self._names)

    def join(self, group: Hashable, address: Address) -> None:
        """Become a member of a group; a group of one costs no dictionary."""
        members = self._groups.get(group)
        if members is None:
            self._groups[group] = address
        elif isinstance(members, dict):
            members[address] = None
        elif members is not address:
            self._groups[group] = {members: None, address: None}

    def leave(self, group: Hashable, address: Address) -> None:
        """Stop being a member of a group."""
        members = self._groups.get(group)
        if members is address:
            del self._groups[group]
        elif isinstance(members, dict):
            members.pop(address, None)
            if not members:
                del self._groups[group]

    def members(self, group: Hashable) -> Iterator[Address]:
        """The members of a group, in the order they joined."""
        members = self._groups.get(group)
        if isinstance(members, dict):
            yield from tuple(members)
        elif members is not None:
            yield members

    def __len__(self) -> int:
        return len(self._names)
