"""The supervisor's pure core: what to do when a child ends or does not start.

Every function takes the state, an event and the time, changes the state and returns the actions
that whoever drives it carries out in order. A ``Start`` that fails ends the list: the driver drops
what is left of it and does what ``start_failed`` says. It follows supervisor.erl (OTP 27).
"""

from __future__ import annotations

from collections import deque
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from supervision.reasons import SHUTDOWN, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from supervision.childspec import ChildSpec, SupervisorFlags
    from supervision.eventloop.address import LocalAddress

EXITS_KEPT = 16
"""How many ends of a child are remembered, with their tracebacks."""

ChildStatus = Literal["starting", "running", "stopping", "restarting", "stopped"]


class Child:
    """One child as its supervisor knows it.

    Attributes:
        id: its name.
        spec: how it is handled; the pool's template for a member of a pool.
        args: what its ``init`` is given.
        address: where it lives; stays the same over restarts.
        status: ``restarting`` means that a start failed and will be tried again.
        restarts: how often it has been restarted.
        recent: when it was restarted, for a pool that bounds each child; None until then.
        exits: why and when (monotonic seconds) it ended by itself, the last ones; None until then.
        kept: the last handled (state, data) of a machine whose spec says ``keep_state``.
    """

    __slots__ = (
        "address",
        "args",
        "exits",
        "id",
        "kept",
        "recent",
        "restarts",
        "spec",
        "status",
    )

    def __init__(self, spec: ChildSpec, child_id: str, args: Any, address: LocalAddress) -> None:
        self.spec = spec
        self.id = child_id
        self.args = args
        self.address = address
        self.status: ChildStatus = "starting"
        self.restarts = 0
        self.recent: deque[float] | None = None
        self.exits: deque[tuple[Reason, float]] | None = None
        self.kept: tuple[Any, Any] | None = None

    @property
    def last_exit(self) -> tuple[Reason, float] | None:
        """Why and when it last ended by itself."""
        return self.exits[-1] if self.exits else None


class SupervisorState:
    """What a supervisor knows: its flags, its children in start order, its recent restarts."""

    __slots__ = ("children", "flags", "restarts", "template")

    def __init__(self, flags: SupervisorFlags, template: ChildSpec | None = None) -> None:
        self.flags = flags
        self.template = template
        self.children: dict[str, Child] = {}
        self.restarts: deque[float] = deque()

    @property
    def dynamic(self) -> bool:
        """Whether it is a pool (simple_one_for_one)."""
        return self.template is not None

    @property
    def allowed(self) -> int:
        """Restarts that are allowed within the period, now."""
        return max(self.flags.intensity, ceil(self.flags.pool_ratio * len(self.children)))

    def used(self, now: float) -> int:
        """Restarts that count at ``now``."""
        _drop_old(self.restarts, now - self.flags.period)
        return len(self.restarts)


class Start(msgspec.Struct, frozen=True):
    """Start a child behind its address."""

    child: Child


class Halt(msgspec.Struct, frozen=True):
    """Have a running child end and wait for it."""

    child: Child


class Retry(msgspec.Struct, frozen=True):
    """Call ``retry`` after the messages that wait now (OTP's ``try_again_restart``)."""

    child: Child


class Tell(msgspec.Struct, frozen=True):
    """Publish a supervisor report."""

    context: str
    child: Child
    reason: Reason


class Escalate(msgspec.Struct, frozen=True):
    """End the supervisor."""

    reason: Reason


Action = Start | Halt | Retry | Tell | Escalate


def exited(state: SupervisorState, child: Child, reason: Reason, now: float) -> list[Action]:
    """A child ended without having been asked to (supervisor.erl, do_restart/3)."""
    child.status = "stopped"
    _note_exit(child, reason, now)
    restart = child.spec.restart
    if restart == "permanent" or (restart == "transient" and not reason.clean):
        return [Tell("child_terminated", child, reason), *_restart(state, child, now)]
    forget(state, child)
    return [] if reason.clean else [Tell("child_terminated", child, reason)]


def start_failed(state: SupervisorState, child: Child, reason: Reason, now: float) -> list[Action]:
    """A restart did not succeed: it will be tried again, and counts again then."""
    _note_exit(child, reason, now)
    if child.id not in state.children:
        return []
    child.status = "restarting"
    return [Tell("start_error", child, reason), Retry(child)]


def retry(state: SupervisorState, child: Child, now: float) -> list[Action]:
    """Try a failed restart again, unless the child was stopped or removed meanwhile."""
    if child.status != "restarting" or state.children.get(child.id) is not child:
        return []
    return _restart(state, child, now)


def started(child: Child) -> None:
    """A child runs."""
    child.status = "running"


def forget(state: SupervisorState, child: Child) -> None:
    """A child is not to run for now: it was terminated or asked to be left out (IGNORE).

    Its spec stays, unless it is temporary or in a pool.
    """
    child.status = "stopped"
    if state.dynamic or child.spec.restart == "temporary":
        state.children.pop(child.id, None)


def halted(state: SupervisorState, child: Child) -> None:
    """A child was stopped with its group: a temporary one never comes back."""
    child.status = "stopped"
    if child.spec.restart == "temporary":
        state.children.pop(child.id, None)


def shutdown_order(state: SupervisorState) -> list[Child]:
    """The running children, the last started first."""
    return [child for child in reversed(state.children.values()) if alive(child)]


def alive(child: Child) -> bool:
    """Whether there is an actor to be stopped."""
    return child.status in ("running", "starting", "stopping")


def _note_exit(child: Child, reason: Reason, now: float) -> None:
    child.exits = child.exits if child.exits is not None else deque(maxlen=EXITS_KEPT)
    child.exits.append((reason, now))


def _restart(state: SupervisorState, child: Child, now: float) -> list[Action]:
    if state.dynamic and state.flags.child_intensity is not None:
        given_up = _charge_child(state, child, now)
        if given_up is not None:
            return given_up
    if not _charge(state, now):
        state.children.pop(child.id, None)
        return [Tell("shutdown", child, _MAX_INTENSITY), Escalate(SHUTDOWN)]
    child.restarts += 1
    match state.flags.strategy:
        case "one_for_all":
            return _restart_group(state.children.values())
        case "rest_for_one":
            return _restart_group(_from(state, child))
        case _:
            return [Start(child)]


_MAX_INTENSITY = Reason("shutdown", "reached_max_restart_intensity")


def _charge(state: SupervisorState, now: float) -> bool:
    """Count one restart; False where it is one too many (supervisor.erl, add_restart/1)."""
    _drop_old(state.restarts, now - state.flags.period)
    state.restarts.append(now)
    return len(state.restarts) <= state.allowed


def _charge_child(state: SupervisorState, child: Child, now: float) -> list[Action] | None:
    """In a pool one bad child is given up before it costs the others their supervisor."""
    child.recent = child.recent if child.recent is not None else deque()
    _drop_old(child.recent, now - state.flags.period)
    child.recent.append(now)
    if len(child.recent) <= (state.flags.child_intensity or 0):
        return None
    state.children.pop(child.id, None)
    child.status = "stopped"
    return [Tell("child_given_up", child, _MAX_INTENSITY)]


def _drop_old(times: deque[float], oldest: float) -> None:
    # The window includes its edge, as in OTP.
    while times and times[0] < oldest:
        times.popleft()


def _from(state: SupervisorState, child: Child) -> list[Child]:
    """The child and those started after it."""
    children = list(state.children.values())
    return children[children.index(child) :]


def _restart_group(group: Iterable[Child]) -> list[Action]:
    """Stop the group from its end, then start it in order; temporary siblings are dropped."""
    members = list(group)
    for one in members:
        if one.status == "restarting":
            one.status = "stopped"  # it starts with the group, not by its own retry
    stops: list[Action] = [Halt(one) for one in reversed(members) if alive(one)]
    starts: list[Action] = [Start(one) for one in members if one.spec.restart != "temporary"]
    return stops + starts
