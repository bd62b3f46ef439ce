"""Telephone numbers as whole numbers of 63 bits: what the packed tables are sorted by.

Each symbol takes four bits, as in the TBCD strings of 3GPP TS 29.002 (`*` is 1010, `#` is 1011),
with a one in front that keeps leading zeros apart. Two more bits say whether the number is E.164,
and whether it is the beginning of numbers only.
"""

from __future__ import annotations

import re

MAX_SYMBOLS = 15
"""Digits of the longest E.164 number (ITU-T E.164, 6.2.1)."""

_NUMBER = re.compile(r"\+?[0-9*#]{1,15}")
_TBCD = str.maketrans("*#", "ab")
_SYMBOLS = str.maketrans("ab", "*#")


def pack(number: str, *, prefix: bool = False) -> int | None:
    """Return the key of a number; None for what is none, or is longer than numbers are.

    Args:
        number: E.164 with its `+`, or a number dialled within a network.
        prefix: whether it stands for all numbers that begin so.
    """
    if not _NUMBER.fullmatch(number):
        return None
    public = number[0] == "+"
    symbols = number[1:] if public else number
    return int("1" + symbols.translate(_TBCD), 16) << 2 | public << 1 | prefix


def unpack(key: int) -> tuple[str, bool]:
    """Return the number of a key, and whether it is the beginning of numbers only.

    Args:
        key: as `pack` made it.
    """
    symbols = f"{key >> 2:x}"[1:].translate(_SYMBOLS)
    return ("+" if key & 2 else "") + symbols, bool(key & 1)
