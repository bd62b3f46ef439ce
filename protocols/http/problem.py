"""Problem details for HTTP answers (RFC 9457).

A kind of problem is a constant of the catalogue below: its URI, its status and its title never
change, so that clients may branch on them. What differs from one occurrence to the next (the
detail, the field, the rule, extension members, headers) travels in `HttpProblem`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

MEDIA_TYPE = "application/problem+json"
URI_PREFIX = "urn:vigie:problem:"


class ProblemType(msgspec.Struct, frozen=True):
    """One kind of problem.

    Attributes:
        slug: Last part of the URI, lower case with hyphens; never changed once published.
        status: HTTP status code, 400 to 599.
        title: Short sentence, the same for every occurrence (RFC 9457, 3.1.3).
    """

    slug: str
    status: int
    title: str

    @property
    def uri(self) -> str:
        """The value of the member `type`."""
        return URI_PREFIX + self.slug


class Problem(msgspec.Struct, omit_defaults=True):
    """The body of an error answer; extension members follow these fields.

    Attributes:
        type: URI of the kind of problem.
        title: Short sentence, constant per kind.
        status: The status code of the answer.
        detail: What happened this time, for a person.
        field: The offending field, parameter or header, where there is one.
        rule: The rule that the value of `field` breaks.
    """

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None
    rule: str | None = None


class HttpProblem(Exception):  # noqa: N818  RFC 9457 calls it a problem
    """A request that ends with a problem instead of an answer.

    Args:
        kind: The kind of problem, from a catalogue.
        detail: What happened this time, one sentence without secrets.
        field: Name of the offending field, query parameter or header.
        rule: The rule that was broken.
        extra: Extension members (RFC 9457, 3.2); names must not be those of `Problem`.
        headers: Headers that the answer carries, such as `Retry-After` or `Allow`.
    """

    def __init__(
        self,
        kind: ProblemType,
        detail: str,
        *,
        field: str | None = None,
        rule: str | None = None,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{kind.status} {kind.slug}: {detail}")
        self.kind = kind
        self.problem = Problem(kind.uri, kind.title, kind.status, detail, field, rule)
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """The status code of the answer."""
        return self.kind.status

    def members(self) -> dict[str, Any]:
        """All members of the problem object, the extension members last."""
        members: dict[str, Any] = msgspec.to_builtins(self.problem)
        return members | {name: v for name, v in self.extra.items() if name not in members}

    def body(self) -> bytes:
        """The problem object as JSON."""
        return msgspec.json.encode(self.members())


MALFORMED_REQUEST = ProblemType("malformed-request", 400, "The request is not valid HTTP")
MALFORMED_BODY = ProblemType("malformed-body", 400, "The body cannot be decoded")
INVALID_VALUE = ProblemType("invalid-value", 400, "A value breaks a rule")
UNAUTHORIZED = ProblemType("unauthorized", 401, "A valid token is required")
FORBIDDEN = ProblemType("forbidden", 403, "The scope of the token does not permit this")
NOT_FOUND = ProblemType("not-found", 404, "There is nothing at this address")
METHOD_NOT_ALLOWED = ProblemType("method-not-allowed", 405, "This address has other methods")
NOT_ACCEPTABLE = ProblemType("not-acceptable", 406, "No acceptable media type is offered")
REQUEST_TIMEOUT = ProblemType("request-timeout", 408, "The request took too long to arrive")
STALE_REVISION = ProblemType("stale-revision", 412, "The revision given is not the current one")
BODY_TOO_LARGE = ProblemType("body-too-large", 413, "The body is larger than allowed")
UNSUPPORTED_MEDIA_TYPE = ProblemType(
    "unsupported-media-type", 415, "The body has a media type that is not understood"
)
PRECONDITION_REQUIRED = ProblemType("precondition-required", 428, "If-Match is required")
HEADERS_TOO_LARGE = ProblemType("headers-too-large", 431, "The headers are larger than allowed")
INTERNAL_ERROR = ProblemType("internal-error", 500, "The server failed; it has been recorded")
UNAVAILABLE = ProblemType("unavailable", 503, "The server cannot answer now")


def invalid(field: str, rule: str, detail: str | None = None) -> HttpProblem:
    """Make the problem of a value that breaks a rule (400).

    Args:
        field: The field, parameter or header.
        rule: The rule, as it is documented: "an integer from 1 to 500".
        detail: What happened; by default field and rule in one sentence.
    """
    return HttpProblem(INVALID_VALUE, detail or f"{field} must be {rule}", field=field, rule=rule)
