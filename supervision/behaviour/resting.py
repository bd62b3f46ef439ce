"""What a behaviour does when there is nothing to do: idle timeouts and hibernation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from supervision.eventloop import hibernation, packing
from supervision.eventloop.hibernation import Asleep
from supervision.eventloop.idling import IdleTimeout

if TYPE_CHECKING:
    from supervision.eventloop.kernel import Inhabitant


class Resting:
    """The part of a behaviour that waits for work.

    A hibernating actor's state is packed into bytes until the next message. It can still be shown;
    only who goes at ``self.state`` outside of the callbacks finds it packed.

    Attributes:
        hibernate_after_s: seconds without a message after which it hibernates (it may take twice
            as long); None is never.
        state_type: of the state: what msgspec packs and unpacks it by.
        packed_field: name of the attribute that is packed.
    """

    hibernate_after_s: ClassVar[float | None] = None
    state_type: ClassVar[Any] = None
    packed_field: ClassVar[str] = "state"
    _myRef: Inhabitant
    receiveMessage: Any
    _idle_timeout: IdleTimeout | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        by_type = cls.pack is Resting.pack and cls.unpack is Resting.unpack
        if cls.hibernate_after_s is not None and cls.state_type is None and by_type:
            raise TypeError(f"{cls.__name__} hibernates: it needs a state_type, or pack and unpack")

    def idle_timeout(self, after_s: float | None, payload: Any = None) -> None:
        """Be told when no message comes for a while (gen_server's ``Timeout`` in its returns).

        Any message cancels it, whatever it is, and so does another call of this. Otherwise a
        ``Timeout(None, payload)`` comes.

        Args:
            after_s: seconds from the end of the handler that runs now; None cancels.
            payload: what to be told.
        """
        if self._idle_timeout is not None:
            self._idle_timeout.cancel()
            self._idle_timeout = None
        if after_s is not None:
            self._idle_timeout = IdleTimeout(self._myRef, after_s, payload)

    # Hibernation

    def pack(self, state: Any) -> Any:
        """Make the state small; override together with ``unpack`` for what is no typed record."""
        if self.state_type is None:
            raise TypeError(f"{type(self).__name__} has no state_type")
        return packing.pack(state, self.state_type)

    def unpack(self, packed: Any) -> Any:
        """Make the state again from what ``pack`` returned."""
        return packing.unpack(packed, self.state_type)

    def hibernate(self) -> None:
        """Hibernate when the handler that runs now has ended, unless a message waits then."""
        self._myRef.kernel.signal(hibernation.hibernate, self._myRef)

    @property
    def hibernating(self) -> bool:
        """Whether the state is packed."""
        return type(self.receiveMessage) is Asleep

    def unpacked(self) -> Any:
        """What ``packed_field`` holds, unpacked; a hibernating actor goes on hibernating."""
        value = getattr(self, self.packed_field, None)
        return self.unpack(value) if self.hibernating else value

    def fall_asleep(self, *, swept: bool = False) -> None:
        """Pack the state; the next message unpacks it.

        Args:
            swept: whether whoever looks for idle actors need not look at it until it wakes.
        """
        asleep = self.receiveMessage
        if type(asleep) is Asleep:
            asleep.swept = swept or asleep.swept
            return
        name = self.packed_field
        setattr(self, name, self.pack(getattr(self, name)))
        self.receiveMessage = Asleep(self._myRef, swept)

    def wake_up(self) -> None:
        """Unpack the state, if it is packed."""
        asleep = self.receiveMessage
        if type(asleep) is not Asleep:
            return
        name = self.packed_field
        setattr(self, name, self.unpack(getattr(self, name)))
        del self.receiveMessage
        if asleep.swept and self.hibernate_after_s is not None:
            self._myRef.kernel.sweeper.watch(self._myRef, self.hibernate_after_s)
