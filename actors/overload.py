"""Overload: how much is refused so that the rest is answered in time; new calls first.

What a node cannot do waits, and what has waited too long is answered too late: then all work is in
vain. So the measure is not how much there is but how long it stands: the mean age of what is
handled, and only where it stays up for two intervals, as in CoDel (RFC 8289, 3), for a burst that
is gone at once is no overload. While the wait is over its limit a growing share is refused, as PIE
(RFC 8033) does with packets, and a shrinking one when it is under it again. First of what begins
new calls; of what goes on with established ones only where all that is refused and the wait is
over a limit of its own. A long queue of the journal counts like a long wait. Where the process
takes more memory than it may nothing new begins.

The core is pure: what was measured in, level out. `Overload` is the node's shell around it: used
on the node's loop only, by links and by the HTTP API.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from msgspec import Struct

from actors import metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.alarms import Alarms
    from actors.config import OverloadConfig
    from supervision.eventloop.kernel import Kernel
    from supervision.eventloop.timers import Timer

Priority: TypeAlias = Literal["new", "established"]
Why: TypeAlias = Literal["wait", "journal", "memory"]

ALARM: Final = "overload"
RETRY_AFTER_S = 1.0
"""When whoever was refused should ask again, seconds."""

INTERVAL_S = 0.05
SAMPLES = 2
"""Of the loop's own wait in an interval."""

HANDS = 5
"""Actors that a route request goes through, one after the other: in each mailbox it waits anew."""

RISE_S = 0.4
"""Until everything new is refused while the wait is at twice its limit, seconds."""

RISE_ALL_S = 1.0
"""The same for everything else: what waits already has to go first."""

MOST_EXCESS = 4.0
MEMORY_S = 1.0
MEMORY_BACK = 0.95
"""Of ``max_memory_mb``: under it new calls are taken again."""

QUIET_S = 1.0
"""Without refusals until the alarm is cleared, seconds."""

_ALL = 2.0
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1_048_576


class Interval(Struct, frozen=True):
    """What was measured in an interval.

    Attributes:
        seconds: its length.
        wait_s: mean age of what was handled, seconds.
        journal_load: share of the journal's queue in use, at its end.
    """

    seconds: float
    wait_s: float
    journal_load: float = 0.0


class Level(Struct, frozen=True):
    """How much is refused.

    Attributes:
        shed: 0 nothing, 1 all that is new, 2 everything; shares in between.
        wait_s: the wait of the last interval.
        why: what it was that was over its limit last.
    """

    shed: float = 0.0
    wait_s: float = 0.0
    why: Why = "wait"

    def share(self, who: Priority) -> float:
        """The share of what is asked for ``who`` that is refused, 0 to 1."""
        return min(1.0, self.shed) if who == "new" else max(0.0, self.shed - 1.0)


CALM = Level()


def advance(level: Level, interval: Interval, limits: OverloadConfig) -> Level:
    """The level after an interval.

    Args:
        level: the one before.
        interval: what was measured.
        limits: where refusing begins.
    """
    standing_ms = 1_000 * min(level.wait_s, interval.wait_s)
    waits = standing_ms / limits.new_after_ms, standing_ms / limits.all_after_ms
    load = interval.journal_load
    loads = load / limits.new_above_journal_load, load / limits.all_above_journal_load
    strain_new, strain_all = map(max, zip(waits, loads, strict=True))
    shed = _moved(level.shed, strain_new, strain_all, interval.seconds, limits.recover_s)
    why: Why = level.why
    if shed > level.shed:
        why = "journal" if loads[0] > waits[0] else "wait"
    return Level(shed, interval.wait_s, why)


def _moved(
    shed: float, strain_new: float, strain_all: float, seconds: float, recover_s: float
) -> float:
    if strain_new > 1 and shed < 1:
        return min(1.0, shed + _excess(strain_new) * seconds / RISE_S)
    if strain_all > 1:
        return min(_ALL, shed + _excess(strain_all) * seconds / RISE_ALL_S)
    least = 1.0 if strain_new > 1 else 0.0
    return max(least, shed - _ALL * seconds / recover_s)


def _excess(strain: float) -> float:
    return min(strain - 1, MOST_EXCESS)


def too_much_memory(was: bool, used_mb: float, limit_mb: int) -> bool:
    """Tell whether the process takes more memory than it may.

    Args:
        was: what was told last: it is over only when it is clearly under the limit.
        used_mb: resident memory, MiB.
        limit_mb: the limit, MiB; 0 is none.
    """
    return 0 < limit_mb < (used_mb / MEMORY_BACK if was else used_mb)


class Overload:
    """What links and the API ask before they begin something.

    Args:
        kernel: the node.
        config: the limits.
        alarms: where ``overload`` is raised.
        journal_load: share of the journal's queue in use; may exceed 1.

    Attributes:
        calm: whether nothing is refused: who would have to look something up need not.
    """

    def __init__(
        self,
        kernel: Kernel,
        config: OverloadConfig,
        alarms: Alarms,
        journal_load: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._kernel = kernel
        self._config = config
        self._alarms = alarms
        self._journal_load = journal_load
        self._level = CALM
        self._memory = False
        self._begun = False
        self._handled, self._waited_s = 0, 0.0
        self._samples: list[float] = []
        self._due: dict[Priority, float] = {"new": 0.0, "established": 0.0}
        self._refused_at = self._ended_at = self._memory_at = kernel.present()
        self._since = self._ended_at
        self.calm = True

    @property
    def level(self) -> Level:
        """How much is refused now."""
        return self._level

    def begin(self) -> None:
        """Look at the loop, the journal and the memory from now on; once for all."""
        if not self._begun:
            self._begun = True
            self._ended_at = self._memory_at = self._kernel.present()
            self._sample_soon()

    def carry(self, level: Level) -> None:
        """Go on as the process before, whose work comes here; memory each process has of its own.

        What was not done until now was not to be done: it counts for nothing here.

        Args:
            level: how much that one refused.
        """
        self._level = level
        self._since = self._ended_at = self._kernel.present()
        self._samples.clear()
        self._settle()

    def note(self, age_s: float) -> None:
        """Tell how old something was when it was handled.

        Args:
            age_s: seconds since its bytes were read.
        """
        self._handled += 1
        self._waited_s += age_s

    def refuses(self, who: Priority, age_s: float = 0.0) -> str:
        """Ask before something is begun; each refusal is counted.

        Args:
            who: ``new`` where it would begin a call, ``established`` where it goes on with one.
            age_s: how long it has waited itself, seconds. Under overload a new call that has waited
                too long for an established one is too late whatever the share.

        Returns:
            The rule to refuse it by; empty where it is to be done.
        """
        if self.calm:
            return ""
        if who == "new":
            if self._memory:
                return self._refused(who, "memory")
            if age_s * 1_000 > self._config.all_after_ms:
                return self._refused(who, "wait")
        # Of three in ten every third or fourth is refused: even shares, and nothing left to chance.
        due = self._due[who] + self._level.share(who)
        refused = due >= 1
        self._due[who] = due - refused
        return self._refused(who, self._level.why) if refused else ""

    def _refused(self, who: Priority, why: Why) -> str:
        self._refused_at = self._kernel.present()
        metrics.SHED.labels(who, why).inc()
        return self._rule(who, why)

    def _rule(self, who: Priority, why: Why) -> str:
        config, new = self._config, who == "new"
        if why == "memory":
            return f"overload.max_memory_mb is {config.max_memory_mb}"
        if why == "journal":
            key = "new_above_journal_load" if new else "all_above_journal_load"
        else:
            key = "new_after_ms" if new else "all_after_ms"
        return f"overload.{key} is {getattr(config, key)}"

    # What is measured

    def _sample_soon(self) -> None:
        self._kernel.set_timer(INTERVAL_S / SAMPLES, self._sample, None, None)

    def _sample(self, timer: Timer) -> None:
        """How late the loop is, and how long the message waits that it serves next."""
        now = self._kernel.present()
        self._sample_soon()
        late_s = max(0.0, now - max(timer.when, self._since))
        self._samples.append(late_s + HANDS * self._kernel.next_wait_s(now))
        if len(self._samples) >= SAMPLES:
            self._end_interval(now)

    def _end_interval(self, now: float) -> None:
        handled_s = self._waited_s / self._handled if self._handled else 0.0
        wait_s = max(handled_s, sum(self._samples) / len(self._samples))
        interval = Interval(now - self._ended_at, wait_s, self._journal_load())
        self._level = advance(self._level, interval, self._config)
        self._handled, self._waited_s, self._ended_at = 0, 0.0, now
        self._samples.clear()
        if now - self._memory_at >= MEMORY_S and self._config.max_memory_mb:
            self._memory_at = now
            self._memory = too_much_memory(self._memory, used_mb(), self._config.max_memory_mb)
        self._settle()
        self._tell(now)

    def _settle(self) -> None:
        """What follows from the level, and from the memory that is taken."""
        self.calm = not (self._level.shed or self._memory)
        metrics.OVERLOAD_LEVEL.set(max(self._level.shed, float(self._memory)))

    def _tell(self, now: float) -> None:
        if not self.calm and ALARM not in self._alarms:
            why: Why = "memory" if self._memory else self._level.why
            wait_ms = round(self._level.wait_s * 1_000)
            text = f"new calls are refused: {self._rule('new', why)}; what is handled waits "
            self._alarms.raised(ALARM, "node", f"{text}{wait_ms} ms")
        elif self.calm and ALARM in self._alarms and now - self._refused_at >= QUIET_S:
            self._alarms.cleared(ALARM)


def used_mb() -> float:
    """Resident memory of this process, MiB (proc(5), /proc/pid/statm)."""
    return int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE_MB
