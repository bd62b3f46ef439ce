"""refServer: the reference tables, loaded from CSV, switched in one step, kept over restarts.

What takes time is done beside the loop by a `Loader`; the server decides and switches. A version is
on the disk before it is switched to, and the disk says that it counts before anybody reads it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from actors.context_size import ContextSize
from actors.reference.building import plain
from actors.reference.catalogue import CONTEXT, KINDS
from actors.reference.live import Reference
from actors.reference.loading import UPLOAD, Found, Loader, Outcome, Prepared, Settled, Unusable
from actors.reference.shelf import Kept
from actors.reference.table import Reads, Version
from actors.reference_messages import (
    NAME,
    Doing,
    GetRow,
    LoadTable,
    Refused,
    RollBack,
    Row,
    ShowTables,
    Switched,
    TableInfo,
)
from actors.standby import Standby
from protocols.numbering import normalise
from supervision import NO_REPLY, GenServer
from supervision.eventloop.calls import PendingCall

logger = logging.getLogger(__name__)


class RefServerArgs(Struct, frozen=True, kw_only=True):
    """What the server starts with.

    Attributes:
        reference: what is read; it outlives the server.
        loader: reads beside the loop; it outlives the server.
        files: directory of the CSV files that are loaded where nothing is kept.
        max_drop_share: of the rows, how many may go at a load that is not forced.
        region: whose plan national numbers are read by, ISO 3166-1.
        standby: while it waits another process keeps the tables.
        contexts: tells the size of the sessions that live.
    """

    reference: Reference
    loader: Loader
    files: Path
    max_drop_share: float
    region: str
    standby: Standby
    contexts: Callable[[], ContextSize]


class Work(Struct):
    """Something that is being done with a table.

    Attributes:
        doing: what.
        rows: that may go at least have to be left; 0 where any number may go.
        by: who has asked.
        reason: why.
        caller: whom to tell; None where nobody has asked.
        prepared: the version that is about to be switched to.
    """

    doing: Literal["load", "rollback"]
    rows: float = 0
    by: str = ""
    reason: str = ""
    caller: PendingCall | None = None
    prepared: Prepared | None = None


class Slot(Struct):
    """What is known of one table, apart from its rows.

    Attributes:
        kept: its versions on the disk.
        restoring: how often it is being looked for there.
        work: what is being done with it.
        error: why the last thing that was asked was not done; empty where it was.
        error_at: when that was, seconds since the epoch.
    """

    kept: Kept = Kept()
    restoring: int = 0
    work: Work | None = None
    error: str = ""
    error_at: float | None = None

    @property
    def doing(self) -> Doing:
        """What is being done with it, in one word."""
        return self.work.doing if self.work else "restore" if self.restoring else ""


class RefState(Struct):
    """What the server knows: each table by name, and what is done with it."""

    slots: dict[str, Slot]


class _Heard(Struct, frozen=True):
    """The loader has done something for an incarnation of the server."""

    incarnation: int
    outcome: Outcome


class _Opened(Struct, frozen=True):
    """The node serves from now on."""


class RefServer(GenServer):
    """The server; registered as ``refServer``."""

    version = 1
    carries_mailbox = False  # what is loaded there is no concern of the other process
    carried = dict[str, Reads]
    state: RefState

    def init(self, args: RefServerArgs) -> None:
        """Look for what is kept on the disk; meanwhile what was read before is read on."""
        self._args = args
        self.state = RefState({name: Slot() for name in KINDS})
        self.register(NAME)
        self.at_end(args.loader.stop)
        waited = args.standby.waiting
        self._restore()
        if waited:
            opened = args.standby.when_open(lambda: self.send(self.address, _Opened()))
            self.at_end(opened)

    def handle_call(self, request: Any, from_: PendingCall) -> Any:
        """Show, load or roll back."""
        match request:
            case ShowTables():
                return self._shown()
            case GetRow(table, key):
                return self._row(table, key)
            case LoadTable():
                return self._asked(request.table, from_) or self._load(request, from_)
            case RollBack():
                return self._asked(request.table, from_) or self._roll_back(request, from_)
        return super().handle_call(request, from_)

    def handle_info(self, message: Any, sender: Any) -> None:
        """Hear of the loader, or that the node serves."""
        match message:
            case _Heard(incarnation, outcome):
                if incarnation == self.address.incarnation:
                    self._heard(self.state.slots[outcome.table], outcome)
            case _Opened():
                self._restore()  # the other process may have loaded something meanwhile
            case _:
                super().handle_info(message, sender)

    def hand_over(self) -> dict[str, Reads]:
        """What has been asked of the tables: they themselves are read from the disk over there."""
        return {name: self._args.reference.tables[name].reads for name in KINDS}

    def adopt(self, state: dict[str, Reads]) -> None:
        """Count on."""
        self._args.reference.count_on(state)

    def format_status(self, state: RefState) -> dict[str, Any]:
        """The tables, without their rows."""
        return {
            info.table: {"version": info.version, "rows": info.rows, "doing": info.doing}
            for info in self._shown()
        }

    # Showing

    def _shown(self) -> tuple[TableInfo, ...]:
        return (*(self._info(name) for name in KINDS), self._context())

    def _context(self) -> TableInfo:
        size = self._args.contexts()
        age_s = None if size.opened is None else max(0.0, self.wall() - size.opened)
        return TableInfo(
            table=CONTEXT,
            version=0,
            rows=size.rows,
            bytes=size.bytes,
            source="contextStore",
            age_s=age_s,
        )

    def _info(self, name: str) -> TableInfo:
        table, slot = self._args.reference.tables[name], self.state.slots[name]
        version, loaded = table.version, self._args.reference.loaded_at.get(name)
        built = version.built_at if version.number else None
        return TableInfo(
            table=name,
            version=version.number,
            rows=len(table),
            bytes=table.size,
            sha256=version.sha256,
            source=version.source,
            built_at=built,
            loaded_at=loaded,
            age_s=None if built is None else max(0.0, self.wall() - built),
            hits=table.reads.hits,
            misses=table.reads.misses,
            previous=slot.kept.previous.number if slot.kept.previous else None,
            doing=slot.doing,
            error=slot.error,
            error_at=slot.error_at,
        )

    def _row(self, name: str, key: str) -> Row | Refused:
        if (refused := _refused_name(name)) is not None:
            return refused
        table = self._args.reference.tables[name]
        if table.kind.keys != "text":
            key = normalise(key, self._args.region).number
        found = table.peek(key)
        if found is None:
            return Refused("unknown-key", f"a key that {name} has", "key")
        return Row(name, table.version.number, plain(table.kind, key, found))

    # Loading

    def _asked(self, name: str, caller: PendingCall) -> Refused | None:
        """Refuse what cannot be done with a table now."""
        del caller
        if (refused := _refused_name(name)) is not None:
            return refused
        if self._args.standby.waiting:
            return Refused("standby", "asked of the node that serves")
        if doing := self.state.slots[name].doing:
            return Refused("busy", f"asked again when this has ended: {doing}")
        return None

    def _load(self, asked: LoadTable, caller: PendingCall) -> Any:
        if bool(asked.path) is (asked.contents is not None):
            return Refused("failed", "a path or contents, one of them", "path")
        share = 1.0 if asked.force else self._args.max_drop_share
        least = len(self._args.reference.tables[asked.table]) * (1 - share)
        work = Work("load", least, asked.by, asked.reason, caller)
        source = Path(asked.path) if asked.contents is None else asked.contents
        self._begin(asked.table, source, work)
        return NO_REPLY

    def _begin(self, name: str, source: Path | bytes, work: Work) -> None:
        slot = self.state.slots[name]
        slot.work = work
        shown = str(source) if isinstance(source, Path) else UPLOAD
        version = Version(slot.kept.highest + 1, source=shown, built_at=self.wall())
        self._args.loader.load(name, source, version, self._told())

    def _roll_back(self, asked: RollBack, caller: PendingCall) -> Any:
        slot = self.state.slots[asked.table]
        previous = slot.kept.previous
        if previous is None:
            return Refused("no-previous", "a table that has been loaded twice")
        slot.work = Work("rollback", 0, asked.by, asked.reason, caller)
        self._args.loader.reread(asked.table, previous, self._told())
        return NO_REPLY

    def _restore(self) -> None:
        for name, slot in self.state.slots.items():
            slot.restoring += 1
            loaded = self._args.reference.tables[name].version.number
            self._args.loader.find(name, loaded, self._told())

    def _told(self) -> Callable[[Outcome], None]:
        kernel, address, incarnation = self.kernel, self.address, self.address.incarnation

        def told(outcome: Outcome) -> None:
            kernel.send(address, _Heard(incarnation, outcome), None)

        return told

    # What has become of it

    def _heard(self, slot: Slot, outcome: Outcome) -> None:
        match outcome:
            case Found():
                self._found(slot, outcome)
            case Prepared():
                self._prepared(slot, outcome)
            case Unusable(_, why, mistakes):
                self._failed(slot, outcome.table, _unusable(why, mistakes))
            case Settled():
                self._settled(slot, outcome)

    def _found(self, slot: Slot, found: Found) -> None:
        slot.restoring -= 1
        slot.kept = found.kept
        if found.rows is not None:
            assert found.kept.current is not None
            self._switch(found.table, found.rows, found.kept.current)
        for why in found.damaged:
            self._note(slot, found.table, f"damaged: {why}")
        if (found.damaged or found.kept.current is None) and not slot.doing:
            self._load_again(found)

    def _load_again(self, found: Found) -> None:
        """Load what is damaged from its CSV, or what ships where nothing is kept.

        What ships takes no place of a version before: that is the operator's own.
        """
        if self._args.standby.waiting:
            return
        shipped = self._args.files / f"{found.table}.csv"
        sources = (found.source, shipped if found.kept.current is None else "")
        paths = (Path(one) for one in sources if one)
        source = next((path for path in paths if path.is_absolute() and path.is_file()), None)
        if source is not None:
            self._begin(
                found.table, source, Work("load", reason="nothing that can be read is kept")
            )

    def _prepared(self, slot: Slot, prepared: Prepared) -> None:
        work = slot.work
        assert work is not None
        if prepared.version.rows < work.rows:
            found, share = prepared.version.rows, self._args.max_drop_share
            rule = f"at least {work.rows:.0f} rows, not {found}: more than {share:.0%} would go"
            self._failed(slot, prepared.table, Refused("too-few-rows", rule, "force"))
            return
        work.prepared = prepared
        kept = slot.kept
        ahead = kept.back() if work.doing == "rollback" else kept.ahead(prepared.version)
        self._args.loader.settle(prepared.table, ahead, self._told())

    def _settled(self, slot: Slot, settled: Settled) -> None:
        work = slot.work
        assert work is not None
        assert work.prepared is not None
        if settled.why:
            self._failed(slot, settled.table, Refused("failed", settled.why))
            return
        slot.kept, slot.work, slot.error, slot.error_at = settled.kept, None, "", None
        self._switch(settled.table, work.prepared.rows, work.prepared.version)
        info = self._info(settled.table)
        self._tell(work, info)
        if work.caller is not None:
            self.reply(work.caller, Switched(info))

    def _switch(self, name: str, rows: Any, version: Version) -> None:
        self._args.reference.switch(name, rows, version, self.wall())

    def _tell(self, work: Work, info: TableInfo) -> None:
        did = {"load": "loaded", "rollback": "rolled back"}[work.doing]
        what = f"{info.table} {did}: version {info.version}, {info.rows} rows of {info.source}"
        logger.info("%s, for %s: %s", what, work.by or NAME, work.reason)
        self.kernel.report(
            "reference",
            self.address.path,
            table=info.table,
            did=did,
            version=info.version,
            rows=info.rows,
            sha256=info.sha256,
            by=work.by,
            reason=work.reason,
        )

    def _failed(self, slot: Slot, name: str, refused: Refused) -> None:
        work, slot.work = slot.work, None
        self._note(slot, name, f"{refused.why}: {refused.rule}")
        if work is not None and work.caller is not None:
            self.reply(work.caller, refused)

    def _note(self, slot: Slot, name: str, why: str) -> None:
        slot.error, slot.error_at = why, self.wall()
        logger.warning("reference table %s: %s", name, why)
        self.kernel.report("degraded", self.address.path, part=f"reference table {name}", why=why)


def _refused_name(name: str) -> Refused | None:
    if name == CONTEXT:
        return Refused(
            "not-loaded", "a table that is loaded from files: contextStore keeps this one"
        )
    if name not in KINDS:
        return Refused("unknown-table", f"one of {', '.join(KINDS)}")
    return None


def _unusable(why: str, mistakes: Any) -> Refused:
    if mistakes:
        return Refused("invalid-file", why, "file", mistakes)
    return Refused("failed", why, "file")
