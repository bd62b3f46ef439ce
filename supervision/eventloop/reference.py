"""What a Thespian actor asks of its reference besides messages: the system's business, passed on.

Written out, not caught by a ``__getattr__``: a class that has one makes every access to an
attribute of its instances five times slower, and cells are looked at for every message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from supervision._thespian import ActorAddress


class Services(Protocol):
    """What Thespian's actors may ask of their system."""

    def handleDeadLetters(self, address: ActorAddress, enable: bool) -> None:
        """Thespian's ``handleDeadLetters``."""

    def registerSourceAuthority(self, address: ActorAddress) -> None:
        """Thespian's ``registerSourceAuthority``."""

    def notifyOnSourceAvailability(self, address: ActorAddress, enable: bool) -> None:
        """Thespian's ``notifyOnSourceAvailability``."""

    def notifyOnSystemRegistrationChanges(self, address: ActorAddress, enable: bool) -> None:
        """Thespian's ``notifyOnSystemRegistrationChanges``."""

    def updateCapability(self, name: str, value: Any = None) -> None:
        """Thespian's ``updateCapability``."""

    def loadActorSource(self, file: Any) -> Any:
        """Thespian's ``loadActorSource``."""

    def unloadActorSource(self, source: str) -> None:
        """Thespian's ``unloadActorSource``."""

    def actorSystemShutdown(self) -> None:
        """Thespian's ``actorSystemShutdown``."""


class Hosted(Protocol):
    """A kernel that has a Thespian system around it."""

    @property
    def host(self) -> Services:
        """The system."""


class Reference:
    """The part of ``_myRef`` that the system around the kernel answers."""

    __slots__ = ()

    kernel: Hosted

    def handleDeadLetters(self, address: ActorAddress, enable: bool) -> None:
        """Thespian's ``handleDeadLetters``."""
        self.kernel.host.handleDeadLetters(address, enable)

    def registerSourceAuthority(self, address: ActorAddress) -> None:
        """Thespian's ``registerSourceAuthority``."""
        self.kernel.host.registerSourceAuthority(address)

    def notifyOnSourceAvailability(self, address: ActorAddress, enable: bool) -> None:
        """Thespian's ``notifyOnSourceAvailability``."""
        self.kernel.host.notifyOnSourceAvailability(address, enable)

    def notifyOnSystemRegistrationChanges(self, address: ActorAddress, enable: bool) -> None:
        """Thespian's ``notifyOnSystemRegistrationChanges``."""
        self.kernel.host.notifyOnSystemRegistrationChanges(address, enable)

    def updateCapability(self, name: str, value: Any = None) -> None:
        """Thespian's ``updateCapability``."""
        self.kernel.host.updateCapability(name, value)

    def loadActorSource(self, file: Any) -> Any:
        """Thespian's ``loadActorSource``."""
        return self.kernel.host.loadActorSource(file)

    def unloadActorSource(self, source: str) -> None:
        """Thespian's ``unloadActorSource``."""
        self.kernel.host.unloadActorSource(source)

    def actorSystemShutdown(self) -> None:
        """Thespian's ``actorSystemShutdown``."""
        self.kernel.host.actorSystemShutdown()
