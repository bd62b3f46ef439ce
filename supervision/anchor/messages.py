"""JSON lines between an anchor, its clients and its programs.

One message is one JSON object on one line of UTF-8. A request is ``{"id", "op", "args"}``, its
answer ``{"id", "ok": true, "result"}`` or ``{"id", "ok": false, "error": {"code", "msg",
"field"}}``; an event is ``{"event", "info"}`` and has no answer.
"""

from __future__ import annotations

import json
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Message = dict[str, Any]

_RULE = "a message is one JSON object on one line"


class ExitCode(IntEnum):
    """Why a command or a program ended, after BSD's sysexits(3).

    DATA_ERROR: what a program or the anchor keeps is damaged, and somebody has to mend it first.
    """

    DONE = 0
    FAILED = 1
    USAGE = 64
    DATA_ERROR = 65
    UNREACHABLE = 69
    TRY_AGAIN = 75
    NOT_PERMITTED = 77


class Refusal(Exception):  # noqa: N818 - it is an answer, not an accident
    """A request that is answered with an error.

    Args:
        code: The exit code of the command that asked.
        msg: What is wrong, for a human.
        field: The argument that is wrong, if one is.
    """

    def __init__(self, code: ExitCode, msg: str, field: str | None = None) -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg
        self.field = field

    def as_error(self) -> Message:
        """The ``error`` member of an answer."""
        error: Message = {"code": int(self.code), "msg": self.msg}
        if self.field is not None:
            error["field"] = self.field
        return error


class LineTooLong(Exception):  # noqa: N818 - named for what happened, like the other refusals
    """More bytes without a line end than the reader is willing to hold.

    Args:
        max_bytes: The limit that was passed.
    """

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"a line is longer than {max_bytes} bytes")
        self.max_bytes = max_bytes


class LineSplitter:
    """Cuts a byte stream into lines and holds at most one unfinished line.

    Args:
        max_bytes: The longest line accepted, without its line end.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._rest = bytearray()

    @property
    def rest(self) -> bytes:
        """The unfinished line."""
        return bytes(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes as they came.

        Args:
            data: The bytes read.

        Returns:
            The lines that are complete now, without line ends.

        Raises:
            LineTooLong: A line passed the limit; the stream cannot be used further.
        """
        self._rest += data
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        if max(map(len, (*lines, rest))) > self._max_bytes:
            raise LineTooLong(self._max_bytes)
        return [bytes(line) for line in lines]


def encode(message: Mapping[str, Any]) -> bytes:
    """One message as one line.

    Args:
        message: Plain data; a value JSON does not know is shown by its ``str``.

    Returns:
        The line with its end.
    """
    return json.dumps(message, separators=(",", ":"), default=str).encode() + b"\n"


def decode(line: bytes) -> Message:
    """One line as a message.

    Args:
        line: The line, without its end.

    Returns:
        The object.

    Raises:
        Refusal: Not UTF-8, not JSON, or not an object.
    """
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Refusal(
            ExitCode.USAGE, f"a message is one JSON object on one line: {error}"
        ) from None
    if not isinstance(message, dict):
        raise Refusal(ExitCode.USAGE, "a message is one JSON object on one line")
    return message


def request(number: int, op: str, args: Mapping[str, Any] | None = None) -> Message:
    """A request.

    Args:
        number: The id its answer will carry.
        op: The operation.
        args: Its arguments.
    """
    return {"id": number, "op": op, "args": dict(args or {})}


def operation(message: Mapping[str, Any]) -> tuple[str, Message]:
    """The operation of a request and its arguments.

    Args:
        message: A decoded request.

    Raises:
        Refusal: ``op`` is not a string or ``args`` not an object.
    """
    op, args = message.get("op"), message.get("args", {})
    if not isinstance(op, str):
        raise Refusal(ExitCode.USAGE, "op: the name of an operation is required", "op")
    if not isinstance(args, dict):
        raise Refusal(ExitCode.USAGE, "args: an object is required", "args")
    return op, args


def success(number: object, result: object) -> Message:
    """The answer to request `number` that was done."""
    return {"id": number, "ok": True, "result": result}


def failure(number: object, refusal: Refusal) -> Message:
    """The answer to request `number` that was refused."""
    return {"id": number, "ok": False, "error": refusal.as_error()}


def outcome(answer: Mapping[str, Any]) -> Any:
    """What an answer says.

    Args:
        answer: A decoded answer.

    Returns:
        Its result.

    Raises:
        Refusal: The request was refused.
    """
    if answer.get("ok"):
        return answer.get("result")
    error = answer.get("error", {})
    raise Refusal(_exit_code(error.get("code")), str(error.get("msg", "")), error.get("field"))


def _exit_code(value: object) -> ExitCode:
    """An exit code from the wire; what is not one of ours means that the request failed."""
    known = {int(code): code for code in ExitCode}
    return known.get(value, ExitCode.FAILED) if isinstance(value, int) else ExitCode.FAILED
