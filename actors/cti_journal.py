"""What links need of the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class LinkJournal(Protocol):
    """What links need of the journal."""

    def put(self, kind: str, key: str, value: Any) -> None:
        """Keep the latest state of a key."""

    def delete(self, kind: str, key: str) -> None:
        """Forget a key."""

    def after(self, effect: Callable[[], None], place: tuple[str, str] | None = None) -> None:
        """Have something done once all that was put is durable."""

    def stalled(self, now: float) -> bool:
        """Whether commits fail, or take too long."""

    @property
    def load(self) -> float:
        """The share of its queue that is in use."""

    @property
    def failing(self) -> str:
        """Why commits do not succeed now; empty while they do."""
