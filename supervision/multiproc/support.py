"""What does not run in processes of its own, refused by name and before a process is made."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, NoReturn

from supervision.eventloop.cell import LocalAddress
from supervision.gen_server import GenServer
from supervision.registry import Registry
from supervision.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from supervision._thespian import ActorAddress
    from supervision.eventloop.cell import Cell


class NotSupported(Exception):  # noqa: N818 - says what is so
    """Something that only actors of one process can do for each other.

    Attributes:
        what: the name of the operation.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} does not reach from one process to another")
        self.what = what


def refusal(actor: Any) -> tuple[str, str] | None:
    """Why a class cannot be carried by a process.

    Returns:
        None where it can, else the rule in OTP's manner and what broke it:
        ``("async_handlers_not_supported", "Agent.handle_call")`` or
        ``("behaviour_not_supported", "CallSession")``.
    """
    base = next((one for one in (GenServer, Supervisor) if _is_a(actor, one)), None)
    if base is None:
        return "behaviour_not_supported", getattr(actor, "__name__", repr(actor))
    for name in dir(base):
        ours, theirs = getattr(base, name), getattr(actor, name)
        if theirs is not ours and iscoroutinefunction(theirs):
            return "async_handlers_not_supported", f"{actor.__name__}.{name}"
    return None


def _is_a(actor: Any, base: type) -> bool:
    return isinstance(actor, type) and issubclass(actor, base)


class NoNames(Registry[LocalAddress]):
    """Names would have to be known to every process at once: none is given, in clear words."""

    def __init__(self) -> None:
        super().__init__()
        self.whereis = self._know_nobody

    def register(self, name: Hashable, address: LocalAddress) -> None:
        """Refuse.

        Raises:
            NotSupported: always.
        """
        _refuse("register")

    def _know_nobody(self, name: Hashable) -> LocalAddress | None:
        _refuse("whereis")

    def join(self, group: Hashable, address: LocalAddress) -> None:
        """Refuse, as ``register`` does."""
        _refuse("join")

    def members(self, group: Hashable) -> Iterator[LocalAddress]:
        """Refuse, as ``register`` does."""
        _refuse("members")


def _refuse(what: str) -> NoReturn:
    raise NotSupported(what)


class Unserved:
    """The business of the Thespian system that a carried actor cannot do through its kernel."""

    def create_child(
        self, cell: Cell, actor_class: Any, requirements: Any, name: str | None, source: str | None
    ) -> ActorAddress:
        """Refuse: only supervisors have children here.

        Raises:
            NotSupported: always, as all below that are asked for something.
        """
        _refuse("createActor")

    def handleDeadLetters(self, address: ActorAddress, enable: bool) -> None:
        """Refuse."""
        _refuse("handleDeadLetters")

    def registerSourceAuthority(self, address: ActorAddress) -> None:
        """Refuse."""
        _refuse("registerSourceAuthority")

    def notifyOnSourceAvailability(self, address: ActorAddress, enable: bool) -> None:
        """Refuse."""
        _refuse("notifyOnSourceAvailability")

    def notifyOnSystemRegistrationChanges(self, address: ActorAddress, enable: bool) -> None:
        """Refuse."""
        _refuse("notifyOnSystemRegistrationChanges")

    def updateCapability(self, name: str, value: Any = None) -> None:
        """Refuse."""
        _refuse("updateCapability")

    def loadActorSource(self, file: Any) -> Any:
        """Refuse."""
        _refuse("loadActorSource")

    def unloadActorSource(self, source: str) -> None:
        """Refuse."""
        _refuse("unloadActorSource")

    def actorSystemShutdown(self) -> None:
        """Refuse."""
        _refuse("actorSystemShutdown")

    def status_of(self, cell: Cell) -> Any:
        """Refuse: Thespian answers status requests before the actor sees them."""
        _refuse("status")

    def undeliverable(self, address: ActorAddress, message: Any) -> None:
        """Nothing: the kernel has counted the dead letter."""

    def exited(self, cell: Cell) -> None:
        """Nothing: whoever carries the actor has heard it."""
