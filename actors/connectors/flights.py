"""Single flight: who asks for what is being asked for already waits for the same answer."""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

Waiter = TypeVar("Waiter")


class Flights(Generic[Waiter]):
    """Who waits for what.

    Args:
        limit: Those who may wait, all keys together.

    Attributes:
        waiting: How many wait.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.waiting = 0
        self._keys: dict[str, list[Waiter]] = {}

    def __len__(self) -> int:
        """How many keys are being asked for."""
        return len(self._keys)

    def __contains__(self, key: str) -> bool:
        """Whether a key is being asked for."""
        return key in self._keys

    def join(self, key: str, waiter: Waiter) -> Literal["begun", "joined", "full"]:
        """Wait for a key.

        Args:
            key: What is asked for.
            waiter: Who asks.

        Returns:
            Whether nobody asked before, so that the caller has to; or that as many wait as may, and
            this one does not.
        """
        if self.waiting >= self.limit:
            return "full"
        self.waiting += 1
        others = self._keys.get(key)
        if others is None:
            self._keys[key] = [waiter]
            return "begun"
        others.append(waiter)
        return "joined"

    def landed(self, key: str) -> list[Waiter]:
        """The answer is there: who waited for it, in the order in which they came."""
        waiters = self._keys.pop(key, [])
        self.waiting -= len(waiters)
        return waiters
