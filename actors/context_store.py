"""contextStore: opens the journal, gives back what was in it, and watches over it.

The journal belongs to the node; this actor is who cares for it. Where it is killed nothing is
lost: sessions and links go on putting what they are into the journal, and the next contextStore
adopts it. Where the journal's own thread has crashed, this actor ends too, for the next one begins
another thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from actors import agent_table, call_saving, cti_record
from actors.collecting import no_collection
from actors.journal.records import Crashed, Failing, JournalError, Recovered, Working
from actors.standby import Standby
from supervision import GenServer, Stop, Timeout
from supervision.reasons import error

if TYPE_CHECKING:
    from actors.alarms import Alarms, Severity
    from actors.cti_table import LinkTable
    from actors.journal.journal import Journal
    from actors.journal.records import JournalStatistics
    from actors.session_pool import SessionPool

NAME = "contextStore"
LOOK_S = 1.0
"""How often the disk is looked at, and whether a commit hangs without an error."""

FREE_AGAIN = 1.1
"""Of ``journal.min_free_mb``: above it the disk is not low any more."""

LOG_MAJOR = 4
"""Times ``journal.wal_max_mb``: above it the alarm of a log that grows is major."""

MB = 1_048_576


class StoreArgs(Struct, frozen=True):
    """What contextStore starts with.

    Attributes:
        journal: of the node.
        pool: where the sessions that it finds wait for their supervisor.
        links: where the link sessions that it finds go.
        alarms: where operators are told.
        min_free_mb: of the disk, below which they are.
        standby: while it waits another process has the journal; what is in it comes from there.
    """

    journal: Journal
    pool: SessionPool
    links: LinkTable
    alarms: Alarms
    min_free_mb: int
    standby: Standby = Standby()


class ContextStore(GenServer):
    """Opens the journal and watches over it; registered as ``contextStore``."""

    start_timeout_s = None
    _recovered: Recovered | None = None

    async def init(self, args: StoreArgs) -> Any:
        """Open the journal and hand on what it gives back; or adopt the one that is open."""
        self._args = args
        if not args.standby.waiting:
            try:
                with no_collection():
                    recovered = await args.journal.open()
            except JournalError as refused:
                return Stop(error(str(refused)))
            if recovered is not None:
                self._hand_on(recovered)
        self.register(NAME)
        self.at_end(args.journal.subscribe(self._heard))
        self.at_end(args.standby.when_open(self._begin))
        return None

    def _begin(self) -> None:
        """Watch over the journal, which is open now."""
        args = self._args
        if args.journal.config.mode == "off":
            text = "journal.mode is off: nothing that is acknowledged survives the node"
            args.alarms.raised("journal-off", self.address.path, text, "warning")
        self._look()

    def _hand_on(self, recovered: Recovered) -> None:
        """No awaiting here: whoever kills this actor must not come in between."""
        self._args.pool.recovered = recovered.values.pop(call_saving.KIND, {})
        self._args.links.restore(recovered.values.pop(cti_record.KIND, {}))
        self._args.links.agents.restore(recovered.values.pop(agent_table.KIND, {}).values())
        self._recovered = msgspec.structs.replace(recovered, values={})
        missing = recovered.missing_commits
        told = {"rows": recovered.rows, "seconds": round(recovered.seconds, 3), "missing": missing}
        self.kernel.report("recovered", self.address.path, **told, notes=list(recovered.notes))
        if missing:
            text = f"{missing} commits that were acknowledged are not in the journal"
            text = "; ".join((text, *recovered.notes))
            self._args.alarms.raised("journal-shortfall", self.address.path, text, "critical")
        elif recovered.notes:
            text = "; ".join(recovered.notes)
            self._args.alarms.raised("journal-shortfall", self.address.path, text, "warning")

    # What the journal tells

    def _heard(self, event: Failing | Working | Crashed) -> None:
        """On the loop, but not in a turn of this actor."""
        self.send(self.address, event)

    def handle_info(self, message: Any, sender: Any) -> None:
        """Take what the journal tells, and look at the disk."""
        del sender
        match message:
            case Failing(why=why):  # though it may be over by now: it is not to go unnoticed
                self._args.alarms.raised("journal-failing", self.address.path, why, "critical")
                self._look_at_commits()
            case Working():
                self._look_at_commits()
            case Crashed(why=why):
                self.stop(error(f"the journal's thread crashed: {why}"))
            case Timeout():
                self._look()

    def _look(self) -> None:
        self._look_at_commits()
        self._look_at_disk()
        self._look_at_log()
        self.start_timer(LOOK_S, "look")

    def _look_at_commits(self) -> None:
        journal, alarms = self._args.journal, self._args.alarms
        if journal.stalled(self.now()):
            limit = journal.config.stall_ms
            why = journal.failing or f"a commit takes longer than journal.stall_ms, {limit} ms"
            alarms.raised("journal-failing", self.address.path, why, "critical")
        else:
            alarms.cleared("journal-failing")

    def _look_at_disk(self) -> None:
        free = self._args.journal.statistics().free_bytes
        least = self._args.min_free_mb * MB
        if 0 <= free < least:
            text = f"{free // MB} MB are free for the journal; journal.min_free_mb is {least // MB}"
            self._args.alarms.raised("disk-low", self.address.path, text)
        elif free < 0 or free >= FREE_AGAIN * least:
            self._args.alarms.cleared("disk-low")

    def _look_at_log(self) -> None:
        """The log begins anew when all of it is in the database, unless somebody still reads it."""
        journal, alarms = self._args.journal, self._args.alarms
        size, most = journal.statistics().wal_bytes, journal.config.wal_max_mb * MB
        if size <= most:
            alarms.cleared("journal-log")
            return
        text = (
            f"the journal's log has {size // MB} MB, journal.wal_max_mb is {most // MB}: another"
            " program keeps reading journal.db (see lsof); end it, and read by vigie journal export"
        )
        severity: Severity = "major" if size > LOG_MAJOR * most else "warning"
        alarms.raised("journal-log", self.address.path, text, severity)

    # For operators

    def handle_call(self, request: Any, from_: Any) -> JournalStatistics:
        """Tell how the journal stands, whatever is asked."""
        del request, from_
        return self._args.journal.statistics()

    def status(self) -> Any:
        """How the journal stands, and what was recovered."""
        found = self._recovered
        recovered = None if found is None else msgspec.to_builtins(found) | {"values": None}
        return {
            "journal": msgspec.to_builtins(self._args.journal.statistics()),
            "recovered": recovered,
        }
