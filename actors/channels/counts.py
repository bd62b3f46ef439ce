"""What channels count: messages taken and refused, sessions opened, by channel and outcome."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from actors import metrics

if TYPE_CHECKING:
    from collections.abc import Mapping

Channel: TypeAlias = Literal["mail", "chat", "social"]
CHANNELS: Final[tuple[Channel, ...]] = ("mail", "chat", "social")


class ChannelCounts:
    """Counts of one channel; the same are told to Prometheus, whose counters survive an upgrade.

    Args:
        channel: its name.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._outcomes: Counter[str] = Counter()

    def count(self, outcome: str) -> None:
        """Count a message.

        Args:
            outcome: ``opened`` (a session), ``joined`` (an open one), ``repeated``, or
                ``refused-RULE``.
        """
        self._outcomes[outcome] += 1
        metrics.CHANNEL_MESSAGES.labels(self._channel, outcome).inc()

    def statistics(self) -> Mapping[str, int]:
        """How many of each outcome there were in this process."""
        return dict(sorted(self._outcomes.items()))
