"""Every row of a damaged journal that is whole, whatever has become of what is around it.

A row is whole when its checksum says so: it is over all that is in the row, so a row that is found
in a page which SQLite would not even look at is as good as any other. Of two rows of one key, one
in a page that is not in use any more, the one of the later commit is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, TypeAlias

from msgspec import Struct

from actors.journal import wal as logs
from actors.journal.pages import LEAF, Image, Row, Unreadable, logged
from actors.journal.records import OUTBOX, Codec
from actors.journal.schema import PAGE_BYTES, entry_checksum, item_checksum, meta_guard

TABLES = ("entry", "outbox", "meta")
SCHEMA_ROOT = 1
SCHEMA_COLUMNS, ENTRY_COLUMNS, ITEM_COLUMNS, META_COLUMNS = 5, 6, 8, 7

Place: TypeAlias = "tuple[str, str] | int"
"""Kind and key of an entry, number of a row of the outbox."""


class WholeEntry(Struct, frozen=True):
    """An entry as it is stored, checksum apart."""

    kind: str
    key: str
    version: int
    number: int
    body: bytes

    @property
    def name(self) -> str:
        """What operators read."""
        return f"{self.kind} {self.key}"

    @property
    def place(self) -> Place:
        """What it is found by."""
        return self.kind, self.key

    def checksum(self) -> int:
        """What its checksum must be."""
        return entry_checksum(self.kind, self.key, self.version, self.number, self.body)


class WholeItem(Struct, frozen=True):
    """A row of the outbox as it is stored, checksum apart."""

    kind: ClassVar[str] = OUTBOX

    seq: int
    version: int
    number: int
    names: tuple[str, str, str | None]
    body: bytes

    @property
    def name(self) -> str:
        """What operators read."""
        return f"{OUTBOX} {self.seq} of session {self.names[0]}"

    @property
    def place(self) -> Place:
        """What it is found by."""
        return self.seq

    def checksum(self) -> int:
        """What its checksum must be."""
        return item_checksum(self.seq, self.version, self.number, self.names, self.body)


class Aside(Struct, frozen=True):
    """What cannot be kept.

    Attributes:
        what: the row, as far as it can be told, or the page.
        reason: why.
        body: what could be read of its body; None where nothing could.
    """

    what: str
    reason: str
    body: bytes | None = None


class Salvaged(Struct):
    """What a damaged journal still holds.

    Attributes:
        kept: whole rows by their places.
        aside: the others, and pages that cannot be read.
        number: of the last commit, by the row of sums; 0 where that cannot be read.
        seq: the greatest number that a row of the outbox has had.
        rows: how many there should be; None where nothing says so.
    """

    kept: dict[Place, WholeEntry | WholeItem] = {}
    aside: list[Aside] = []
    number: int = 0
    seq: int = 0
    rows: int | None = None

    def kinds(self) -> dict[str, int]:
        """How many rows are kept, by kind."""
        counts: dict[str, int] = {}
        for row in self.kept.values():
            counts[row.kind] = counts.get(row.kind, 0) + 1
        return counts

    @property
    def last(self) -> int:
        """The number of the last commit that anything tells of."""
        return max(self.number, *(row.number for row in self.kept.values()), 0)


def salvage(
    database: Path, log: Path, codecs: Mapping[str, Codec], told: int | None = None
) -> Salvaged:
    """Read what is whole.

    Args:
        database: the database file; it may be missing.
        log: its write-ahead log; it may be missing.
        codecs: by kind; a row that its codec cannot read is set aside as well.
        told: the number of the last commit acknowledged: where it is missing, the log is read
            behind what is broken in it too. None is not known.
    """
    file, wal = _content(database), _content(log)
    found = _salvage(Image(file, PAGE_BYTES, logged(wal)), codecs)
    if wal:
        # A log that has lost its end may lie before what was brought into the file already.
        alone = _salvage(Image(file, PAGE_BYTES, {}), codecs)
        if alone.number > found.number:
            found = alone
        if told is None or found.last < told:
            return _behind(file, logs.read(wal), codecs, found)
    return found


def _behind(file: bytes, log: logs.Log, codecs: Mapping[str, Codec], before: Salvaged) -> Salvaged:
    """Read a log beyond its first broken frame; ``before`` where nothing newer is there."""
    if not log.goes_on:
        return before
    pages = log.pages()
    found = _salvage(Image(file, PAGE_BYTES, pages), codecs, every=True)
    for frame in log.doubtful():
        # Under a number of its own: the one that it says may be what is broken.
        number = max(-(-len(file) // PAGE_BYTES), max(pages, default=0)) + 1
        for row in Image(file, PAGE_BYTES, pages | {number: frame.data}).rows(number):
            if frame.data[0] == LEAF and isinstance(row, Row):
                _take(row, codecs, found)
        what = f"frame {frame.index} of the log"
        reason = f"it is damaged; where page {frame.page} has lost rows, older ones are kept"
        found.aside.append(Aside(what, reason))
    kept = {row.name for row in found.kept.values()}
    found.aside = [one for one in found.aside if one.what not in kept]
    return found if found.last > before.last else before


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _salvage(image: Image, codecs: Mapping[str, Codec], *, every: bool = False) -> Salvaged:
    found = Salvaged()
    for page in _pages(image, found, every=every):
        for row in image.rows(page):
            _take(row, codecs, found)
    kept = {row.name for row in found.kept.values()}
    found.aside = [one for one in found.aside if one.what not in kept]
    return found


def _pages(image: Image, found: Salvaged, *, every: bool) -> list[int]:
    """The pages in which rows are: those of the tables, or all that could be where these fail.

    Args:
        image: the pages.
        found: where what is wrong is noted.
        every: whether all that could be are wanted: pages above them may be older than they are.
    """
    if not image.count:
        return []
    pages: list[int] = []
    wrong: list[str] = []
    roots = _roots(image)
    for name in TABLES:
        if name not in roots:
            wrong.append(f"nothing tells where the table {name} is")
            continue
        leaves, why = image.leaves(roots[name])
        pages += leaves
        wrong += why
    if not wrong and not every:
        return pages
    found.aside += [Aside("pages", why) for why in wrong]
    free = image.free()
    used = (number for number in range(1, image.count + 1) if number not in free)
    also = {number for number in used if image.page(number)[0] == LEAF}
    return sorted(also.union(number for number in pages if 1 <= number <= image.count))


def _roots(image: Image) -> dict[str, int]:
    """The root pages of the tables, by name, as far as the schema can be read."""
    roots: dict[str, int] = {}
    for leaf in image.leaves(SCHEMA_ROOT)[0]:
        for row in image.rows(leaf):
            if not isinstance(row, Row) or len(row.values) != SCHEMA_COLUMNS:
                continue
            what, name, _, root, _ = row.values
            if what == "table" and isinstance(name, str) and isinstance(root, int):
                roots[name] = root
    return roots


def _take(row: Row | Unreadable, codecs: Mapping[str, Codec], found: Salvaged) -> None:
    if isinstance(row, Unreadable):
        found.aside.append(Aside("a row", str(row)))
        return
    for take in (_take_entry, _take_item, _take_meta):
        if take(row, codecs, found):
            return
    reason = f"page {row.page}: a row of {len(row.values)} columns, none of this journal's"
    found.aside.append(Aside("a row", reason))


def _take_entry(row: Row, codecs: Mapping[str, Codec], found: Salvaged) -> bool:
    match row.values:
        case (str(kind), str(key), int(version), int(number), int(checksum), bytes(body)):
            whole = WholeEntry(kind, key, version, number, body)
            _keep(whole, _why(whole, checksum, codecs.get(kind)), found)
            return True
    return False


def _take_item(row: Row, codecs: Mapping[str, Codec], found: Salvaged) -> bool:
    match row.values:
        case (
            None,
            int(version),
            int(number),
            int(checksum),
            str(session),
            str(call),
            (str() | None) as ani,
            bytes(body),
        ):
            names = (session, call, ani)
            whole = WholeItem(row.rowid, version, number, names, body)
            _keep(whole, _why(whole, checksum, codecs.get(OUTBOX)), found)
            return True
    return False


def _take_meta(row: Row, _: Mapping[str, Codec], found: Salvaged) -> bool:
    match row.values:
        case (
            None,
            int(number),
            int(seq),
            int(entries),
            int(items),
            int(checksum),
            int(guard),
        ) if row.rowid == 1:
            if guard == meta_guard(number, seq, entries, items, checksum):
                found.number, found.seq, found.rows = number, seq, entries + items
            else:
                reason = f"page {row.page}: it does not match its guard"
                found.aside.append(Aside("the row of sums", reason))
            return True
    return False


def _why(row: WholeEntry | WholeItem, checksum: int, codec: Codec | None) -> str:
    """Why a row cannot be kept; empty where it can."""
    if checksum != row.checksum():
        return "its checksum does not match"
    if codec is None or not codec.knows(row.version):
        return ""  # of another release, for which it may be fine
    try:
        codec.read(row.body, row.version)
    except ValueError as error:
        return f"it cannot be decoded: {error}"
    return ""


def _keep(row: WholeEntry | WholeItem, why: str, found: Salvaged) -> None:
    if why:
        found.aside.append(Aside(row.name, why, row.body))
        return
    known = found.kept.get(row.place)
    if known is None or known.number <= row.number:
        found.kept[row.place] = row


def in_order(found: Salvaged) -> Iterator[WholeEntry | WholeItem]:
    """The whole rows: entries, then the outbox by rising number."""
    entries = (row for row in found.kept.values() if isinstance(row, WholeEntry))
    items = (row for row in found.kept.values() if isinstance(row, WholeItem))
    yield from entries
    yield from sorted(items, key=lambda row: row.seq)
