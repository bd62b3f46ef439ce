"""The traceback of a crash as text, made at once so that nothing of the crash is kept alive.

The text is what Python's ``traceback`` module writes. Making it takes longer than all else that a
restart does, and crashes that follow each other quickly have the same cause: the text of each
place in the code is made once and remembered. What is not an ordinary exception (one with a cause,
with notes or with a hint, a group, one from a recursion) is left to ``traceback`` alone.
"""

from __future__ import annotations

import traceback
from types import CodeType, TracebackType

PLACES_KEPT = 1024
"""Places in the code whose text is remembered; with one more, all are forgotten."""
MAX_FRAMES = 64

_OTHERWISE = (BaseExceptionGroup, SyntaxError, ImportError)
_HEAD = "Traceback (most recent call last):\n"
# By the identity of a code object, which is kept with the text: its hash reads all its code.
_places: dict[tuple[int, int], tuple[CodeType, str]] = {}


def traceback_text(exception: BaseException) -> str:
    """Write an exception down as an unhandled one is shown.

    Args:
        exception: with the traceback that it was caught with.

    Returns:
        The same text as ``traceback.format_exception``, as long as no file was edited meanwhile.
    """
    stack = _stack(exception.__traceback__) if _ordinary(exception) else None
    if stack is None:
        return "".join(traceback.format_exception(exception))
    said = said_by(exception)
    kind = _name(type(exception))
    return f"{stack}{kind}: {said}\n" if said else f"{stack}{kind}\n"


def said_by(exception: BaseException) -> str:
    """The text of an exception, also of one that fails when it is asked for it."""
    try:
        return str(exception)
    except Exception:  # noqa: BLE001 - the words of traceback; a crash must not hide another
        return "<exception str() failed>"


def _ordinary(exception: BaseException) -> bool:
    """Whether its last line is its type and its text, and nothing comes before its stack."""
    return (
        exception.__cause__ is None
        and (exception.__context__ is None or exception.__suppress_context__)
        and not isinstance(exception, _OTHERWISE)
        # What Python may have a better name for: NameError, AttributeError.
        and getattr(exception, "name", None) is None
        and not getattr(exception, "__notes__", None)
    )


def _name(kind: type[BaseException]) -> str:
    home = kind.__module__
    return kind.__qualname__ if home in {"builtins", "__main__"} else f"{home}.{kind.__qualname__}"


def _stack(entry: TracebackType | None) -> str | None:
    """The places from the outermost to the innermost; None where they are left to others."""
    if entry is None:
        return ""
    text, above, left = _HEAD, None, MAX_FRAMES
    while entry is not None:
        code = entry.tb_frame.f_code
        left -= 1
        if code is above or not left:
            return None  # repeated lines are counted, not shown
        above = code
        known = _places.get((id(code), entry.tb_lasti))
        text += _place(entry) if known is None else known[1]
        entry = entry.tb_next
    return text


def _place(entry: TracebackType) -> str:
    (text,) = traceback.format_tb(entry, limit=1)
    if len(_places) >= PLACES_KEPT:
        _places.clear()
    code = entry.tb_frame.f_code
    _places[id(code), entry.tb_lasti] = (code, text)
    return text
