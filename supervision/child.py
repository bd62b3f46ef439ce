"""What a supervisor knows of its children: data only, changed by ``strategy``."""

from __future__ import annotations

from collections import deque
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from supervision.backoff import Backoff
    from supervision.childspec import ChildSpec, SupervisorFlags
    from supervision.eventloop.cell import LocalAddress
    from supervision.reasons import Reason

EXITS_KEPT = 16
"""How many ends of a child are remembered, with their tracebacks."""

ChildStatus = Literal["starting", "running", "stopping", "restarting", "stopped"]


class Trouble:
    """What is remembered of a child that has failed; most children never have it.

    Attributes:
        exits: why and when (monotonic seconds) it ended by itself, the last ones.
        attempts: starts that did not succeed, all of them: by it a retry that comes late is known.
        failures: how often in a row it ended, or did not start, without a good run in between.
        looping: whether it is crash looping.
        recent: when it was restarted, for a pool that bounds each child.
        retry_at: when its restart is due (monotonic seconds); None where none waits.
        started_at: when it was started again; None where that did not succeed.
        watched: whether its driver will ask (``strategy.steady``) if it has recovered.
    """

    __slots__ = (
        "attempts",
        "exits",
        "failures",
        "looping",
        "recent",
        "retry_at",
        "started_at",
        "watched",
    )

    def __init__(self) -> None:
        self.attempts = 0
        self.exits: deque[tuple[Reason, float]] = deque(maxlen=EXITS_KEPT)
        self.failures = 0
        self.looping = False
        self.recent: deque[float] | None = None
        self.retry_at: float | None = None
        self.started_at: float | None = None
        self.watched = False


class Child:
    """One child as its supervisor knows it.

    Attributes:
        id: its name.
        spec: how it is handled; the pool's template for a member of a pool.
        args: what its ``init`` is given; of a temporary child they are not kept.
        address: where it lives; stays the same over restarts.
        status: ``restarting`` means that a start failed and will be tried again, or that its
            restart waits.
        restarts: how often it has been restarted.
        kept: the last handled (state, data) of a machine whose spec says ``keep_state``.
        trouble: what is remembered of its failures; None until the first.
    """

    __slots__ = ("address", "args", "id", "kept", "restarts", "spec", "status", "trouble")

    def __init__(self, spec: ChildSpec, child_id: str, args: Any, address: LocalAddress) -> None:
        self.spec = spec
        self.id = child_id
        self.args = args
        self.address = address
        self.status: ChildStatus = "starting"
        self.restarts = 0
        self.kept: tuple[Any, Any] | None = None
        self.trouble: Trouble | None = None

    def forget_arguments(self) -> None:
        """Let go of what it was started with: it is temporary and never starts again."""
        if self.spec.args is not None and self.spec.args is self.args:
            self.spec = msgspec.structs.replace(self.spec, args=None)
        self.args = None

    @property
    def exits(self) -> deque[tuple[Reason, float]] | None:
        """Why and when (monotonic seconds) it ended by itself, the last ones; None before."""
        return None if self.trouble is None else self.trouble.exits

    @property
    def last_exit(self) -> tuple[Reason, float] | None:
        """Why and when it last ended by itself."""
        return self.exits[-1] if self.exits else None

    @property
    def failures(self) -> int:
        """How often in a row it has failed without a good run in between."""
        return 0 if self.trouble is None else self.trouble.failures

    @property
    def retry_at(self) -> float | None:
        """When its restart is due (monotonic seconds); None where none waits."""
        return None if self.trouble is None else self.trouble.retry_at


class SupervisorState:
    """What a supervisor knows: its flags, its children in start order, its recent restarts.

    Attributes:
        significant: children some of which have not ended, as ``strategy`` found them last.
        owed: children that start with the restart of another, whatever their group is now.
    """

    __slots__ = ("children", "flags", "owed", "restarts", "significant", "template")

    def __init__(self, flags: SupervisorFlags, template: ChildSpec | None = None) -> None:
        self.flags = flags
        self.template = template
        self.children: dict[str, Child] = {}
        self.restarts: deque[float] = deque()
        self.significant: list[Child] | None = None
        self.owed: dict[Child, Child] | None = None

    @property
    def dynamic(self) -> bool:
        """Whether it is a pool (simple_one_for_one)."""
        return self.template is not None

    @property
    def allowed(self) -> int:
        """Restarts that are allowed within the period, now."""
        flags = self.flags
        if not flags.pool_ratio:
            return flags.intensity
        return max(flags.intensity, ceil(flags.pool_ratio * len(self.children)))

    def used(self, now: float) -> int:
        """Restarts that count at ``now``."""
        drop_old(self.restarts, now - self.flags.period)
        return len(self.restarts)

    def backoff_of(self, child: Child) -> Backoff | None:
        """How the restarts of a child wait: what its spec says, else the flags."""
        return child.spec.backoff if child.spec.backoff is not None else self.flags.backoff


def drop_old(times: deque[float], oldest: float) -> None:
    """Forget what lies before a window; it includes its edge, as in OTP."""
    while times and times[0] < oldest:
        times.popleft()
