"""Lists in pages: `?limit=&cursor=&sort=&order=&q=` and `items`, `next_cursor`, `total`.

A cursor is a position, not an offset: it carries the sort key and the name of the last row of a
page, so rows that come and go between two pages are neither repeated nor make others skipped. It
also carries the order it belongs to, so that `?cursor=` alone is enough to go on.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, NoReturn, TypeAlias, TypeVar

import msgspec

from protocols.http import problem

T = TypeVar("T")

Key: TypeAlias = str | int | float | None
Position: TypeAlias = tuple[tuple[int, str | float], str]

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")

DEFAULT_LIMIT = 50
MAX_LIMIT = 500
MAX_QUERY_CHARS = 256
MAX_CURSOR_CHARS = 2_048


class PageQuery(msgspec.Struct, frozen=True):
    """Which page is asked for.

    Attributes:
        limit: Greatest number of items.
        sort: Name of the column to sort by.
        descending: Whether the greatest come first.
        q: Text that a row must contain, in lower case; empty for every row.
        after: Sort key and name of the last row of the page before, None for the first page.
    """

    limit: int
    sort: str
    descending: bool = False
    q: str = ""
    after: tuple[Key, str] | None = None


class Page(msgspec.Struct, Generic[T]):
    """One page of a list.

    Attributes:
        items: The rows, in order.
        next_cursor: What asks for the page after this one, None on the last page.
        total: Number of rows that match, on all pages.
    """

    items: list[T]
    next_cursor: str | None
    total: int


class _Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    sort: str
    descending: bool
    q: str
    key: Key
    name: str


def parse(
    query: Mapping[str, str],
    sortable: Sequence[str],
    *,
    default_limit: int = DEFAULT_LIMIT,
    max_limit: int = MAX_LIMIT,
) -> PageQuery:
    """Read the parameters of a list.

    Args:
        query: The parameters; others than those of pages are ignored.
        sortable: Columns that may be sorted by, the default one first.
        default_limit: Items of a page when the client gives no limit.
        max_limit: Greatest limit a client may give.

    Raises:
        HttpProblem: 400 naming the parameter and its rule.
    """
    cursor = _read_cursor(query["cursor"]) if query.get("cursor") else None
    page = PageQuery(
        limit=_limit(query.get("limit"), default_limit, max_limit),
        sort=query.get("sort") or (cursor.sort if cursor else sortable[0]),
        descending=_descending(query.get("order"), cursor),
        q=_text(query.get("q"), cursor),
        after=(cursor.key, cursor.name) if cursor else None,
    )
    if page.sort not in sortable:
        raise problem.invalid("sort", f"one of {', '.join(sortable)}")
    if cursor and (cursor.sort, cursor.descending, cursor.q) != (
        page.sort,
        page.descending,
        page.q,
    ):
        raise problem.invalid("cursor", "used with the sort, order and q that it was made with")
    return page


def _limit(text: str | None, default: int, greatest: int) -> int:
    if not text:
        return min(default, greatest)
    if not _NUMBER.fullmatch(text) or int(text) > greatest:
        raise problem.invalid("limit", f"an integer from 1 to {greatest}")
    return int(text)


def _descending(order: str | None, cursor: _Cursor | None) -> bool:
    if not order:
        return cursor.descending if cursor else False
    if order not in ("asc", "desc"):
        raise problem.invalid("order", "asc or desc")
    return order == "desc"


def _text(q: str | None, cursor: _Cursor | None) -> str:
    if q is None:
        return cursor.q if cursor else ""
    if len(q) > MAX_QUERY_CHARS:
        raise problem.invalid("q", f"at most {MAX_QUERY_CHARS} characters")
    return q.lower()


def _read_cursor(text: str) -> _Cursor:
    if len(text) > MAX_CURSOR_CHARS or not text.isascii():
        _refuse_cursor()
    try:
        packed = b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return msgspec.msgpack.decode(packed, type=_Cursor)
    except (binascii.Error, msgspec.DecodeError):
        _refuse_cursor()


def _refuse_cursor() -> NoReturn:
    raise problem.invalid("cursor", "the next_cursor of an earlier page")


def _make_cursor(page: PageQuery, key: Key, name: str) -> str:
    cursor = _Cursor(page.sort, page.descending, page.q, key, name)
    return urlsafe_b64encode(msgspec.msgpack.encode(cursor)).rstrip(b"=").decode()


def _position(key: Key, name: str) -> Position:
    """Order any two rows: those without a key first, numbers before text, then by name."""
    if key is None:
        return (0, 0), name
    return (2 if isinstance(key, str) else 1, key), name


class Selection(Generic[T]):
    """Selects one page of rows that are offered one after the other.

    It keeps a few pages' worth of rows whatever the length of the list, so a long list can be
    gone through in slices, between which others are served.

    Args:
        page: The page asked for.
        key_of: The sort key of a row, by the name of the column.
        name_of: The unique name of a row; rows of equal key are sorted by it.
        text_of: The text of a row that `q` is looked for in.
    """

    def __init__(
        self,
        page: PageQuery,
        *,
        key_of: Callable[[T, str], Key],
        name_of: Callable[[T], str],
        text_of: Callable[[T], str],
    ) -> None:
        self._page = page
        self._key_of = key_of
        self._name_of = name_of
        self._text_of = text_of
        self._after = None if page.after is None else _position(*page.after)
        self._kept: list[tuple[Position, T]] = []
        self._total = 0

    def offer(self, row: T) -> None:
        """Take one row into account."""
        if self._page.q and self._page.q not in self._text_of(row).lower():
            return
        self._total += 1
        position = _position(self._key_of(row, self._page.sort), self._name_of(row))
        if self._is_before_page(position):
            return
        self._kept.append((position, row))
        if len(self._kept) > 4 * (self._page.limit + 1):
            self._prune()

    def _is_before_page(self, position: Position) -> bool:
        if self._after is None:
            return False
        return position >= self._after if self._page.descending else position <= self._after

    def _prune(self) -> None:
        self._kept.sort(key=lambda kept: kept[0], reverse=self._page.descending)
        del self._kept[self._page.limit + 1 :]

    def result(self) -> Page[T]:
        """The page, when every row has been offered."""
        self._prune()
        rows = [row for _, row in self._kept[: self._page.limit]]
        if len(self._kept) <= self._page.limit:
            return Page(rows, None, self._total)
        last = rows[-1]
        key = self._key_of(last, self._page.sort)
        return Page(rows, _make_cursor(self._page, key, self._name_of(last)), self._total)
