"""The keys of a packed table, sorted: found by halving, in memory that holds no objects."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Protocol

from actors.reference import number_keys


class Keys(Protocol):
    """The keys of the rows, in the order of the rows."""

    def __len__(self) -> int:
        """How many rows there are."""
        ...

    def find(self, key: str, *, prefix: bool = False) -> int:
        """The row of a key, -1 where there is none."""
        ...

    def at(self, row: int) -> str:
        """The key of a row."""
        ...


class NumberKeys:
    """Telephone numbers, 8 bytes each.

    Args:
        keys: as `number_keys.pack` makes them, ascending.
    """

    def __init__(self, keys: Sequence[int]) -> None:
        self._keys = keys
        self._size = len(keys)

    def __len__(self) -> int:
        return self._size

    def find(self, key: str, *, prefix: bool = False) -> int:
        """The row of a number.

        Args:
            key: E.164 with its `+`, or a number dialled within a network.
            prefix: whether the row of all numbers that begin so is wanted.

        Returns:
            -1 where there is none.
        """
        packed = number_keys.pack(key, prefix=prefix)
        if packed is None:
            return -1
        row = bisect_left(self._keys, packed)
        return row if row < self._size and self._keys[row] == packed else -1

    def at(self, row: int) -> str:
        """The number of a row."""
        return number_keys.unpack(self._keys[row])[0]


class TextKeys:
    """Names in UTF-8, one after another.

    Args:
        ends: where each of them ends, and what the first one begins with: 0.
        text: all of them, ascending by their bytes.
    """

    def __init__(self, ends: Sequence[int], text: Any) -> None:
        self._ends = ends
        self._text = text

    def __len__(self) -> int:
        return len(self._ends) - 1

    def find(self, key: str, *, prefix: bool = False) -> int:
        """The row of a name, -1 where there is none; no name stands for others."""
        if prefix:
            return -1
        wanted = key.encode("utf-8", "surrogatepass")
        row = bisect_left(range(len(self)), wanted, key=self._bytes_at)
        return row if row < len(self) and self._bytes_at(row) == wanted else -1

    def at(self, row: int) -> str:
        """The name of a row."""
        return self._bytes_at(row).decode()

    def _bytes_at(self, row: int) -> bytes:
        return bytes(self._text[self._ends[row] : self._ends[row + 1]])


NO_KEYS = NumberKeys(array("Q"))
"""The keys of a table that has no rows."""
