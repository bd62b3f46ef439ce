"""Why an actor ended: OTP's exit reasons as plain data."""

from __future__ import annotations

from reprlib import Repr
from typing import Any, Literal

import msgspec

from supervision.crash_text import said_by, traceback_text

Kind = Literal["normal", "shutdown", "killed", "noproc", "error"]


class Reason(msgspec.Struct, frozen=True):
    """An exit reason.

    Attributes:
        kind: ``normal`` (it ended by itself), ``shutdown`` (asked by its supervisor, or OTP's
            ``{shutdown, Detail}`` when ``detail`` is set), ``killed`` (not asked at all),
            ``noproc`` (it did not exist), ``error`` (it crashed).
        detail: what it said when it left, the exception's type and text, or a tuple in the shape
            of OTP's term: ``("failed_to_start_child", id, Reason)``.
        traceback: of the crash, for operators; empty otherwise.
    """

    kind: Kind
    detail: Any = None
    traceback: str = ""

    @property
    def clean(self) -> bool:
        """Whether a transient child with this reason is left stopped (supervisor.erl)."""
        return self.kind in ("normal", "shutdown")

    def __str__(self) -> str:
        detail = self.detail
        if detail is None:
            return self.kind
        return f"{self.kind}: {detail if isinstance(detail, str) else say(detail)}"


NORMAL = Reason("normal")
SHUTDOWN = Reason("shutdown")
KILLED = Reason("killed")
NOPROC = Reason("noproc")

GAVE_UP = Reason("shutdown", "reached_max_restart_intensity")
"""Of a supervisor whose children failed too often; for OTP plain ``shutdown``, and it counts so."""


def shutdown(detail: Any) -> Reason:
    """OTP's ``{shutdown, Detail}``: an orderly end that carries a word of explanation."""
    return Reason("shutdown", detail)


def error(detail: Any) -> Reason:
    """A failure that is known by its name, without an exception behind it."""
    return Reason("error", detail)


def crashed(exception: BaseException) -> Reason:
    """The reason of an actor whose handler raised ``exception``."""
    text = f"{type(exception).__name__}: {said_by(exception)}"
    return Reason("error", text, traceback_text(exception))


_short = Repr()
_short.maxother = _short.maxstring = 120


def say(term: Any) -> str:
    """A detail as a line of text: what is nested in tuples comes after colons.

    Args:
        term: of a reason. A tuple of more than two parts begins with what it is about:
            ``failed_to_start_child web: error: no licence``.
    """
    if isinstance(term, tuple):
        *about, said = term or ("",)
        if len(about) > 1:
            return f"{say(about[0])} {say((*about[1:], said))}"
        return ": ".join(say(part) for part in (*about, said))
    if isinstance(term, str | Reason):
        return str(term)
    return term.__name__ if isinstance(term, type) else _short.repr(term)
