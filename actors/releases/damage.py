"""What operators are told of pointers that cannot be read, and what mends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervision.anchor.messages import ExitCode, Refusal
from supervision.anchor.pointers import DIRECTORY, FILE

if TYPE_CHECKING:
    from pathlib import Path

    from supervision.anchor.pointers import PointersUnreadable


def refusal(data: Path, error: PointersUnreadable | OSError) -> Refusal:
    """Name the file, what is wrong with it, and the command that mends it.

    Args:
        data: the data directory, absolute.
        error: what reading its pointers came to.

    Returns:
        DATA_ERROR where the file is damaged, FAILED where it cannot be read at all.
    """
    if isinstance(error, OSError):
        why = f"{data / DIRECTORY / FILE} cannot be read: {error.strerror}"
        return Refusal(ExitCode.FAILED, why)
    mended = f"vigie release adopt --data {data}"
    text = (
        f"{data / DIRECTORY}/{error}; put the file back, or, with no node running, have it set"
        f" aside and the installation that you call recorded as the permanent release: {mended}"
    )
    return Refusal(ExitCode.DATA_ERROR, text)
