"""Why an actor ended: OTP's exit reasons as plain data."""

from __future__ import annotations

import traceback
from typing import Any, Literal

import msgspec

Kind = Literal["normal", "shutdown", "killed", "noproc", "error"]


class Reason(msgspec.Struct, frozen=True):
    """An exit reason.

    Attributes:
        kind: ``normal`` (it ended by itself), ``shutdown`` (asked by its supervisor, or OTP's
            ``{shutdown, Detail}`` when ``detail`` is set), ``killed`` (not asked at all),
            ``noproc`` (it did not exist), ``error`` (it crashed).
        detail: what it said when it left, or the exception's type and text.
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
        return self.kind if self.detail is None else f"{self.kind}: {self.detail}"


NORMAL = Reason("normal")
SHUTDOWN = Reason("shutdown")
KILLED = Reason("killed")
NOPROC = Reason("noproc")


def shutdown(detail: Any) -> Reason:
    """OTP's ``{shutdown, Detail}``: an orderly end that carries a word of explanation."""
    return Reason("shutdown", detail)


def error(detail: Any) -> Reason:
    """A failure that is known by its name, without an exception behind it."""
    return Reason("error", detail)


def crashed(exception: BaseException) -> Reason:
    """The reason of an actor whose handler raised ``exception``."""
    text = f"{type(exception).__name__}: {exception}"
    return Reason("error", text, "".join(traceback.format_exception(exception)))
