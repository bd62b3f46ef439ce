"""How values of every kind lie in the journal: for the node, and for who looks at it offline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors import agent_table, call_saving, cti_record, outbox_records
from actors.journal.records import OUTBOX
from actors.session_record import SessionRecords

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.journal.records import Codec


def codecs(wall: Callable[[], float], monotonic: Callable[[], float]) -> dict[str, Codec]:
    """The codecs by kind.

    Args:
        wall: tells seconds since the epoch.
        monotonic: tells the seconds that deadlines are readings of.
    """
    return {
        call_saving.KIND: SessionRecords(wall, monotonic).codec(),
        cti_record.KIND: cti_record.CODEC,
        agent_table.KIND: agent_table.CODEC,
        outbox_records.REFUSED: outbox_records.REFUSED_CODEC,
        OUTBOX: outbox_records.OUTBOX_CODEC,
    }
