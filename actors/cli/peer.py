"""The anchor and, through it, the node, as commands ask them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from supervision.anchor.client import Client
from supervision.anchor.messages import ExitCode, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

OK_BELOW = 300

_CODES = {
    400: ExitCode.USAGE,
    401: ExitCode.NOT_PERMITTED,
    403: ExitCode.NOT_PERMITTED,
    413: ExitCode.USAGE,
    422: ExitCode.USAGE,
    429: ExitCode.TRY_AGAIN,
    503: ExitCode.TRY_AGAIN,
}
"""What an HTTP status that is not here means is that the request failed."""


class Peer:
    """A connection to the anchor of a data directory; a context manager.

    Args:
        data: The data directory.
        timeout_s: How long an answer may take, in seconds.

    Raises:
        Refusal: No anchor lives there, or it may not be asked.
    """

    def __init__(self, data: Path, timeout_s: float = 40.0) -> None:
        self.client = Client(data.absolute(), timeout_s)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self.client.close()

    def ask(self, op: str, args: Mapping[str, Any] | None = None) -> Any:
        """Ask the anchor for an operation of its own.

        Args:
            op: The operation.
            args: Its arguments.

        Raises:
            Refusal: It was refused.
        """
        return self.client.call(op, args)

    def api(
        self,
        method: str,
        path: str,
        query: Mapping[str, object] | None = None,
        body: object = None,
    ) -> Any:
        """Ask the node for an operation of its HTTP API.

        Args:
            method: The HTTP method.
            path: The path below ``/api/v1/``, quoted by `segment` where need be.
            query: Query parameters; those that are None are left out.
            body: The body, as plain data.

        Returns:
            The body of the answer.

        Raises:
            Refusal: The node is down, or answered with a problem.
        """
        parameters = {key: str(value) for key, value in (query or {}).items() if value is not None}
        request = {"method": method, "path": f"/api/v1/{path}", "query": parameters, "body": body}
        answer = self.ask("api", request)
        if answer["status"] >= OK_BELOW:
            wait = (answer.get("headers") or {}).get("Retry-After")
            raise refusal(answer["status"], answer.get("body"), wait)
        return answer.get("body")


def segment(text: str) -> str:
    """Quote a text as one segment of a path."""
    return quote(text, safe="")


def refusal(status: int, problem: object, retry_after: str | None = None) -> Refusal:
    """Make a refusal of an HTTP problem (RFC 9457).

    Args:
        status: The HTTP status.
        problem: The body: title, detail, field, rule.
        retry_after: When to ask again, seconds from now in decimal; None where it was not told.
    """
    body = problem if isinstance(problem, dict) else {}
    words = [body.get("title"), body.get("detail")]
    text = ": ".join(word for word in words if word) or f"HTTP status {status}"
    field, rule = body.get("field"), body.get("rule")
    if field and rule and rule not in text:
        text = f"{text} ({field}: {rule})"
    if retry_after:
        text = f"{text}; try again in {retry_after} s"
    return Refusal(_CODES.get(status, ExitCode.FAILED), text, field)
