"""Members of a pool that go on in another process: what is told of them, how they are taken in."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from supervision import strategy
from supervision.child import Child, ChildStatus, Trouble
from supervision.eventloop import beginning, lifecycle
from supervision.eventloop.cell import LocalAddress
from supervision.eventloop.managed import ManagedActor
from supervision.reasons import SHUTDOWN, Kind, Reason, say
from supervision.supervisor.children import Children, Due, Recovered

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from supervision.eventloop.cell import Cell


class Exit(Struct, frozen=True, array_like=True):
    """An end of a child, as it is told to another process."""

    kind: Kind
    detail: str | None
    traceback: str
    at: float


class Past(Struct, frozen=True, array_like=True, omit_defaults=True):
    """What a supervisor remembers of a child; times are monotonic seconds.

    Attributes:
        incarnation: of the actor, or of the last one where it is down.
        status: as its supervisor knows it; only one that is running has an actor.
        restarts: how often it has been restarted.
        suspended: whether an operator has suspended it.
        exits: why and when it ended by itself, the last ones.

    The others are those of ``Trouble``.
    """

    incarnation: int = 1
    status: ChildStatus = "running"
    restarts: int = 0
    suspended: bool = False
    exits: tuple[Exit, ...] = ()
    attempts: int = 0
    failures: int = 0
    looping: bool = False
    recent: tuple[float, ...] | None = None
    retry_at: float | None = None
    started_at: float | None = None
    watched: bool = False


NOTHING = Past()
"""Of a child that has run without a break from the first."""


def past_of(child: Child) -> Past:
    """What is remembered of a child."""
    address, trouble = child.address, child.trouble
    cell = address.cell
    suspended = cell is not None and cell.suspended
    if trouble is None:
        if address.incarnation == 1 and cell is not None and not suspended and not child.restarts:
            return NOTHING
        return Past(address.incarnation, child.status, child.restarts, suspended)
    return Past(
        incarnation=address.incarnation,
        status=child.status,
        restarts=child.restarts,
        suspended=suspended,
        exits=tuple(_exit(reason, at) for reason, at in trouble.exits),
        attempts=trouble.attempts,
        failures=trouble.failures,
        looping=trouble.looping,
        recent=None if trouble.recent is None else tuple(trouble.recent),
        retry_at=trouble.retry_at,
        started_at=trouble.started_at,
        watched=trouble.watched,
    )


def _exit(reason: Reason, at: float) -> Exit:
    detail = reason.detail
    text = detail if detail is None or isinstance(detail, str) else say(detail)
    return Exit(reason.kind, text, reason.traceback, at)


class Carrying(Children):
    """A supervisor that takes members of a pool in from another process, and lets go of them."""

    def take_in(self, child_id: str, args: Any, past: Past = NOTHING) -> Child:
        """Add a member of the pool which lives in another process, or is about to again there.

        Nothing is told or counted, and no ``init`` runs. Whoever takes it in tells its actor what
        it is (``StateMachine.go_on_as``), or sets ``kept`` where it has none now: then it is
        started when its time comes.

        Args:
            child_id: its name; no other has it.
            args: what its next incarnation is started with.
            past: what was remembered of it.
        """
        cell, template = self._myRef, self.state.template
        assert template is not None, "a pool"
        child = Child(template, child_id, args, LocalAddress(cell.address, child_id))
        self.state.children[child_id] = child
        if past is not NOTHING and past != NOTHING:
            self._remember(child, past)
        if past.status in {"stopped", "restarting"}:
            return child
        child.status = "running"
        keeper, actor = child if template.keep_state else None, template.start()
        assert isinstance(actor, ManagedActor)
        placed = beginning.take_in(cell.kernel, actor, cell, child.address, keeper)
        placed.suspended = past.suspended
        return child

    def _remember(self, child: Child, past: Past) -> None:
        up = past.status not in {"stopped", "restarting"}
        child.address.incarnation = past.incarnation - up  # it grows with the actor that is placed
        child.status, child.restarts = past.status, past.restarts
        if past.failures or past.exits or past.attempts:
            self._remember_trouble(child, past)

    def _remember_trouble(self, child: Child, past: Past) -> None:
        trouble = child.trouble = Trouble()
        for one in past.exits:
            trouble.exits.append((Reason(one.kind, one.detail, one.traceback), one.at))
        trouble.attempts, trouble.failures = past.attempts, past.failures
        trouble.looping, trouble.watched = past.looping, past.watched
        trouble.recent = None if past.recent is None else deque(past.recent)
        trouble.retry_at, trouble.started_at = past.retry_at, past.started_at
        now = self.now()
        if child.status == "restarting":
            until = trouble.retry_at = now if past.retry_at is None else past.retry_at
            self.start_timer(until - now, Due(child, until))
        if trouble.watched:
            since = now if past.started_at is None else past.started_at
            due = since + strategy.reset_after(self.state, child)
            self.start_timer(due - now, Recovered(child, since))

    def recall(self, restarts: Iterable[float], pasts: Mapping[str, Past]) -> None:
        """Go on counting where a supervisor in another process was; its children run here already.

        Args:
            restarts: when it restarted children, of those that count.
            pasts: what it remembered of children, by id; who is not known here is left out.
        """
        self.state.restarts = deque(sorted((*restarts, *self.state.restarts)))
        for name, past in pasts.items():
            child = self.state.children.get(name)
            if child is not None:
                child.restarts += past.restarts
                if past.exits or past.failures or past.attempts:
                    self._recall_trouble(child, past)

    def _recall_trouble(self, child: Child, past: Past) -> None:
        """Whether it runs is this side's to say: it has been started here."""
        trouble = child.trouble = child.trouble or Trouble()
        exits = [(Reason(one.kind, one.detail, one.traceback), one.at) for one in past.exits]
        trouble.exits.extendleft(reversed(exits))
        trouble.attempts += past.attempts
        trouble.failures += past.failures
        trouble.looping = trouble.looping or past.looping
        if child.status == "running":
            self._do_all(strategy.started(child, self.now()))

    def let_go(self, child: Child) -> None:
        """Forget a member: it has ended in the other process, or comes anew. Nothing is told."""
        self.state.children.pop(child.id, None)
        child.kept = None
        cell: Cell | None = child.address.cell
        if cell is not None:
            lifecycle.end(self.kernel, cell, SHUTDOWN, tell_parent=False)
        self.kernel.held.forget(child.address)
