"""What sessionStore starts with, hears and knows."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from msgspec import Struct

from actors.outbox_drain import Drain
from actors.permanence import Permanence
from actors.schema_upkeep import Upkeep
from actors.standby import Standby
from actors.store_alarms import StoreAlarms
from supervision.eventloop.timers import Timer

if TYPE_CHECKING:
    from actors.alarms import Alarms
    from actors.config import DatabaseConfig
    from actors.journal.journal import Journal

Asked: TypeAlias = Literal["schema", "store"]


class StoreSettings(Struct, frozen=True):
    """What the store starts with.

    Attributes:
        database: The configuration.
        journal: Whose outbox is drained.
        alarms: Where operators are told.
        standby: While it waits another process drains the outbox.
        permanence: What takes something away from the schema waits for it.
    """

    database: DatabaseConfig
    journal: Journal
    alarms: Alarms
    standby: Standby = Standby()
    permanence: Permanence = Permanence()


class Heard(Struct, frozen=True):
    """The journal has something to tell a store.

    Attributes:
        incarnation: Of the store that it is for.
        what: The outbox grew; rows are trimmed; a page was read; what is kept aside was read; all
            that an earlier incarnation left is durable; this process has the outbox now; or its
            release is permanent.
        answer: What goes with it.
    """

    incarnation: int
    what: Literal["grew", "trimmed", "page", "aside", "settled", "begin", "permanent"]
    answer: Any = None


class StoreState(Struct):
    """What the store knows.

    Attributes:
        settings: Of the store.
        drain: How far the outbox is drained.
        upkeep: How far the schema is.
        voice: Tells operators.
        aside: Ids of the sessions kept aside, the oldest first; None until they were read.
        attempts: To bring the schema up to date, that failed in a row.
        trimming: Rows whose trimming is not durable yet.
        grown: Whether it is being told that the outbox grew.
        asked: What each request to the router was for.
        timers: What is to be done after a while, and when.
        stored: Sessions stored; `refused` were set aside, `dropped` given up.
    """

    settings: StoreSettings
    drain: Drain
    upkeep: Upkeep
    voice: StoreAlarms
    aside: deque[str] | None = None
    attempts: int = 0
    trimming: int = 0
    grown: bool = False
    asked: dict[int, Asked] = {}
    timers: dict[str, Timer] = {}
    stored: int = 0
    refused: int = 0
    dropped: int = 0


class StoreCounts(Struct):
    """What of a store travels to another version: what waits is in the journal."""

    stored: int
    refused: int
    dropped: int
