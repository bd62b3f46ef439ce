"""In the place of the writer where nothing is kept: what a journal costs is measured beside it.

Everything goes the same way, values are encoded, effects wait for the next turn of the loop; only
the thread and the disk are missing. Nothing survives the process.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from actors.journal.records import Codec, JournalError, Recovered
from actors.journal.writer import Answered, Found, Heard, Passed, Question, Sizes, Standing

if TYPE_CHECKING:
    from actors.journal.batch import Commit
    from supervision.eventloop.kernel import Kernel

_log = logging.getLogger(__name__)


class NoWriter:
    """Says of every commit that it is done.

    Args:
        kernel: the node.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._heard: Heard | None = None
        self._standing = Standing(0, 0)

    def attach(self, heard: Heard) -> None:
        """Know who is told what becomes of commits."""
        self._heard = heard

    async def open(self, codecs: Mapping[str, Codec]) -> Found:
        """Begin with nothing, and say so."""
        del codecs
        _log.warning("journal.mode is off: nothing survives a crash, whatever is acknowledged")
        return Found(Recovered({}, 0, 0.0, 0), 0, 0, 0, {})

    async def revive(self) -> Standing:
        """Tell the number of the last commit."""
        return self._standing

    def rest(self, *, resting: bool) -> None:
        """It always does."""

    async def pause(self, patience_s: float) -> Standing:
        """There is nothing to pause."""
        del patience_s
        return self._standing

    @property
    def descriptors(self) -> tuple[int, ...]:
        """It has none."""
        return ()

    async def take_over(self, passed: Passed, descriptors: Sequence[int]) -> None:
        """Go on counting."""
        del descriptors
        self._standing = Standing(passed.number, passed.items)

    def commit(self, commit: Commit) -> None:
        """Tell of it in the next turn."""
        self._kernel.loop.call_soon(self._committed, commit.number)

    def ask(self, question: Question[Any], then: Answered[Any]) -> None:
        """There is nothing to ask."""
        del question
        self._kernel.loop.call_soon(then, JournalError("journal.mode is off"))

    async def close(self, patience_s: float = 5.0) -> bool:
        """There is nothing to close."""
        del patience_s
        return True

    def sizes(self) -> Sizes:
        """Nothing is taken on the disk."""
        return Sizes()

    def _committed(self, number: int) -> None:
        assert self._heard is not None
        self._standing = Standing(number, 0)
        self._heard.committed(self._standing, 0.0)
