"""How the outbox is drained: the pure core of sessionStore.

What is closed lies in the journal's outbox, in the order of its numbers. A page of it is read, sent
to the database in batches, one at a time and in order, and trimmed when the database has it.
Whatever ends in between begins again with the oldest row that is left: what was stored already is
stored again, which changes nothing. Where the database refuses the data of a batch the next ones
are halved until the session that it refuses is alone; that one is set aside, the others are stored.

Every function takes the state and something that happened, changes the state and returns what is to
be done, in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import IntEnum
from itertools import islice
from typing import Protocol, TypeAlias

from msgspec import Struct, field

from actors.database import BAD_ARGUMENTS, QueryFailed

PATIENCE = 10
"""Sessions that may be refused one after the other: then it may be the schema that does not fit,
and each further one waits as if the database had failed."""

_DATA_ERRORS = ("22", "23", "54", BAD_ARGUMENTS)
"""SQLSTATE classes that are the data's fault: exception, constraint, limit, driver."""


class More(IntEnum):
    """What is known of the rows after the window."""

    NONE = 0
    SOME = 1
    MANY = 2


class Row(Protocol):
    """A row of the outbox, as far as it matters here."""

    @property
    def seq(self) -> int:
        """Its number; later rows have greater ones."""

    @property
    def damaged(self) -> str:
        """Why it cannot be read; empty where it can."""


class Read(Struct, frozen=True):
    """Read the rows after a number; `page` or `unread` follows."""

    after: int
    limit: int


class Gather(Struct, frozen=True):
    """Let more rows come together; `gathered` follows."""


class Store(Struct, frozen=True):
    """Have the database store rows, in their order; `stored` or `failed` follows."""

    rows: tuple[Row, ...]


class Trim(Struct, frozen=True):
    """Delete rows from the outbox."""

    seqs: tuple[int, ...]


class SetAside(Struct, frozen=True):
    """Keep a row that the database refuses apart; `Trim` follows."""

    row: Row
    failure: QueryFailed


class Skip(Struct, frozen=True):
    """Tell that a row is damaged; it stays where it is."""

    row: Row


class Drop(Struct, frozen=True):
    """Tell that this many rows were given up, for the outbox was full; `Trim` follows."""

    count: int


class Trouble(Struct, frozen=True):
    """Tell why nothing is stored; `resume` follows after a while, longer with each failure."""

    failure: object
    failures: int


class Flowing(Struct, frozen=True):
    """Tell that this many sessions have been stored."""

    count: int


Action: TypeAlias = Read | Gather | Store | Trim | SetAside | Skip | Drop | Trouble | Flowing


class Drain(Struct):
    """What is known of the outbox and of the way to the database.

    Attributes:
        batch: Rows of a page and of a batch, at most.
        size: Rows of the next batch; less than `batch` after data was refused.
        after: Up to this number all rows are in the window or dealt with.
        window: Rows that were read and are not dealt with, in order.
        sent: How many of them, from the first, the database has now.
        reading: Whether a page is being read.
        more: Whether there may be rows after the window; some are let come together first.
        news: The same of what came since the page that is being read was asked for.
        gathering: Whether rows are coming together.
        ready: Whether the database takes sessions.
        held: Whether storing failed and is not tried again yet.
        blind: Whether reading failed and is not tried again yet.
        excess: Rows of the outbox that are to give way, the oldest first.
        failures: In a row, of anything but data.
        refusals: Sessions refused in a row.
    """

    batch: int
    size: int
    after: int = 0
    window: deque[Row] = field(default_factory=deque)
    sent: int = 0
    reading: bool = False
    more: More = More.MANY
    news: More = More.NONE
    gathering: bool = False
    ready: bool = False
    held: bool = False
    blind: bool = False
    excess: int = 0
    failures: int = 0
    refusals: int = 0


def begin(batch: int) -> Drain:
    """Return the state of a drain that has read nothing yet.

    Args:
        batch: Rows of a page and of a batch, at most.
    """
    return Drain(batch, batch)


def empty(state: Drain) -> bool:
    """Whether nothing is known to wait."""
    return not (state.window or state.more or state.reading)


# What happens


def grew(state: Drain, rows: int) -> list[Action]:
    """Rows have been appended; there are this many in the outbox now."""
    more = More.SOME if rows < state.batch else More.MANY
    state.more = max(state.more, more)
    state.news = max(state.news, more)
    return _next(state)


def awaited(state: Drain, rows: int) -> bool:
    """Whether that rows have been appended changes nothing: they come together with others.

    Args:
        state: As it is.
        rows: In the outbox now.
    """
    few = state.more is More.SOME and rows < state.batch
    return few and state.gathering and not state.reading


def gathered(state: Drain) -> list[Action]:
    """Rows have had time to come together."""
    state.gathering = False
    if state.more is More.SOME:
        state.more = More.MANY
    return _next(state)


def page(state: Drain, rows: Sequence[Row]) -> list[Action]:
    """Rows have been read; fewer than were asked for where there are no more."""
    state.reading = False
    state.more = state.news if len(rows) < state.batch else More.MANY
    if rows:
        state.after = rows[-1].seq
    state.window.extend(row for row in rows if not row.damaged)
    return [*(Skip(row) for row in rows if row.damaged), *_next(state)]


def unread(state: Drain, why: object) -> list[Action]:
    """The outbox could not be read."""
    state.reading, state.blind = False, True
    return _trouble(state, why)


def opened(state: Drain) -> list[Action]:
    """The database takes sessions from now on."""
    state.ready = True
    return _next(state)


def closed(state: Drain) -> None:
    """The database takes no sessions until it is `opened` again."""
    state.ready = False


def resume(state: Drain) -> list[Action]:
    """What failed may be tried again."""
    state.held = state.blind = False
    return _next(state)


def overfull(state: Drain, excess: int) -> list[Action]:
    """This many rows are too many: the oldest give way, none where it is 0."""
    state.excess = excess
    return _next(state)


def stored(state: Drain) -> list[Action]:
    """The database has the batch that was sent."""
    seqs = _dealt_with(state, state.sent)
    state.size = min(state.batch, 2 * state.size)
    state.failures = state.refusals = 0
    return [Trim(seqs), Flowing(len(seqs)), *_next(state)]


def failed(state: Drain, failure: object) -> list[Action]:
    """The batch that was sent is not stored, or nobody knows whether it is.

    Args:
        state: Is changed.
        failure: Why, as the database answered.
    """
    count, state.sent = state.sent, 0
    if not is_data_error(failure):
        return _trouble(state, failure)
    if count > 1:
        state.size = count // 2
        return _next(state)
    return _refused(state, failure)


def is_data_error(failure: object) -> bool:
    """Whether a failure is the fault of what was to be stored."""
    return isinstance(failure, QueryFailed) and failure.sqlstate.startswith(_DATA_ERRORS)


# What is to be done


def _refused(state: Drain, failure: object) -> list[Action]:
    assert isinstance(failure, QueryFailed)
    row = state.window[0]
    state.refusals += 1
    actions: list[Action] = [SetAside(row, failure), Trim(_dealt_with(state, 1))]
    if state.refusals >= PATIENCE:
        return [*actions, *_trouble(state, failure)]
    return [*actions, *_next(state)]


def _trouble(state: Drain, failure: object) -> list[Action]:
    state.held = True
    state.failures += 1
    return [Trouble(failure, state.failures), *_next(state)]


def _dealt_with(state: Drain, count: int) -> tuple[int, ...]:
    state.sent = 0
    window = state.window
    return tuple([window.popleft().seq for _ in range(count)])


def _next(state: Drain) -> list[Action]:
    """Go on; whatever is on its way ends first."""
    if state.sent or state.reading:
        return []
    actions = _drop(state)
    if state.window:
        return actions + _send(state)
    return actions + _read(state)


def _drop(state: Drain) -> list[Action]:
    count = min(state.excess, len(state.window))
    if not count:
        return []
    state.excess -= count
    return [Drop(count), Trim(_dealt_with(state, count))]


def _send(state: Drain) -> list[Action]:
    if state.held or not state.ready:
        return []
    rows = tuple(islice(state.window, state.size))
    state.sent = len(rows)
    return [Store(rows)]


def _read(state: Drain) -> list[Action]:
    wanted = state.excess or (state.ready and not state.held)
    if state.blind or not wanted or not state.more:
        return []
    if state.more is More.SOME and not state.excess:
        return _gather(state)
    state.reading, state.news = True, More.NONE
    return [Read(state.after, state.batch)]


def _gather(state: Drain) -> list[Action]:
    if state.gathering:
        return []
    state.gathering = True
    return [Gather()]
