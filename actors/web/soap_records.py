"""What the SOAP twin of the IVR API asks and answers: the records of the JSON API, put together.

SOAP has no paths, queries and headers for an operation's arguments, so what JSON asks in these and
in its body is one record here; and what it answers in headers is a field. Nothing is declared
twice: the fields, their types and their bounds are those of the operations in `session_operations`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, structs

from actors.customer_access import CustomerView
from actors.journeys import SessionJourney
from actors.session_api import RouteAnswer, SessionView
from actors.web import customer_operations, session_operations
from actors.web.api import Operation
from actors.web.session_operations import StepNoted
from protocols.http import etag, idempotency
from protocols.http.openapi import OperationDoc
from protocols.http.problem import Problem
from protocols.soap.service import OperationSpec, Service

NAMESPACE = "urn:vigie:session-context:v1"
REV = "rev"
KEY = "idempotency_key"

_PARAMETER = re.compile(r"\{([a-z_]+)\}")
_Rev = Annotated[int, Meta(ge=0)]
_Key = Annotated[str, Meta(min_length=1, max_length=idempotency.MAX_CHARS)]

Headers = Mapping[str, str]
Shape = Callable[[int, Headers, Any], dict[str, Any]]
"""Makes the fields of a result of a status, headers and the decoded body."""


class OneSession(Struct, frozen=True, kw_only=True):
    """A session."""

    session: SessionView


class SessionOpened(Struct, frozen=True, kw_only=True):
    """The session of a call; whether it was opened now, and whether that had been asked before."""

    session: SessionView
    created: bool
    replayed: bool


class SessionsFound(Struct, frozen=True, kw_only=True):
    """A page of sessions, as lists of the JSON API have them."""

    items: list[SessionView]
    next_cursor: str | None
    total: int


class SendList(Struct, frozen=True, kw_only=True):
    """What an application is sent, and the revision that it is of."""

    rev: int
    fields: dict[str, str]


class StepAdded(Struct, frozen=True, kw_only=True):
    """The step is in the journey; whether it had been there already."""

    noted: StepNoted
    replayed: bool


class SessionRouted(Struct, frozen=True, kw_only=True):
    """A routing decision; whether it had been taken before."""

    decision: RouteAnswer
    replayed: bool


class SessionEnded(Struct, frozen=True, kw_only=True):
    """A session that is closed; whether that had been asked before."""

    session: SessionView
    replayed: bool


class OneCustomer(Struct, frozen=True, kw_only=True):
    """A customer."""

    customer: CustomerView


class ProblemDetail(Problem, kw_only=True):
    """The detail of a fault: the problem that the JSON API answers.

    Attributes:
        rev: The current revision, where another one was given.
        retry_after_s: When to ask again, seconds, where that may help.
    """

    rev: int | None = None
    retry_after_s: int | None = None


ProblemDetail.__name__ = "Problem"  # what clients call it


class Asked(Struct, frozen=True):
    """What an operation is asked, apart as the JSON API has it.

    Attributes:
        path: Parameters of the path.
        query: Parameters of the query.
        body: Members of the body.
        rev: What `If-Match` tells there.
        key: What `Idempotency-Key` tells there.
    """

    path: dict[str, str]
    query: dict[str, Any]
    body: dict[str, Any]
    rev: int | None
    key: str | None


class Twin(Struct, frozen=True):
    """An operation in both APIs.

    Attributes:
        name: In SOAP.
        operation: In JSON.
        result: Record of the answer in SOAP.
        shape: Makes that of the answer in JSON.
    """

    name: str
    operation: Operation
    result: Any
    shape: Shape

    @property
    def spec(self) -> OperationSpec:
        """What the WSDL says of it."""
        return OperationSpec(
            name=self.name,
            summary=self.operation.doc.summary,
            request=request_record(self.name, self.operation.doc),
            result=self.result,
        )

    def asked(self, plain: Mapping[str, Any]) -> Asked:
        """Take apart what was asked.

        Args:
            plain: Plain data by the names of fields, of those that are there.
        """
        doc = self.operation.doc

        def those(names: set[str]) -> dict[str, Any]:
            return {name: plain[name] for name in plain if name in names}

        return Asked(
            path=those(set(_PARAMETER.findall(doc.path))),
            query=those(_names(doc.query)),
            body=those(_names(doc.request)),
            rev=plain.get(REV),
            key=plain.get(KEY),
        )


def request_record(name: str, doc: OperationDoc) -> Any:
    """Make the record of what an operation is asked in SOAP.

    Args:
        name: Of the record.
        doc: What is said of the operation in the JSON API.
    """
    fields: list[Any] = [(parameter, str) for parameter in _PARAMETER.findall(doc.path)]
    renamed: dict[str, str] = {}
    if "If-Match" in doc.headers:
        fields.append((REV, _Rev))
    for record in (doc.query, doc.request):
        for field in structs.fields(record) if record is not None else ():
            optional = () if field.required else (None,)
            fields.append((field.name, field.type, *optional))
            renamed[field.name] = field.encode_name
    if idempotency.HEADER in doc.headers:
        fields.append((KEY, _Key | None, None))
    return msgspec.defstruct(name, fields, kw_only=True, rename=renamed)


def _names(record: Any) -> set[str]:
    return set() if record is None else {field.encode_name for field in structs.fields(record)}


def _replayed(headers: Headers) -> bool:
    return headers.get(idempotency.REPLAYED) == "true"


_CREATED = 201

TWINS = (
    Twin(
        "OpenSession",
        session_operations.open_session,
        SessionOpened,
        lambda status, headers, view: {
            "session": view,
            "created": status == _CREATED,
            "replayed": _replayed(headers),
        },
    ),
    Twin(
        "FindSessions",
        session_operations.find_sessions,
        SessionsFound,
        lambda _status, _headers, page: page,
    ),
    Twin(
        "GetSession",
        session_operations.get_session,
        OneSession,
        lambda _status, _headers, view: {"session": view},
    ),
    Twin(
        "GetSendList",
        session_operations.get_send_list,
        SendList,
        lambda _status, headers, fields: {"rev": etag.if_match(headers["ETag"]), "fields": fields},
    ),
    Twin(
        "GetJourney",
        session_operations.get_journey,
        SessionJourney,
        lambda _status, _headers, journey: journey,
    ),
    Twin(
        "PatchSession",
        session_operations.patch_session,
        OneSession,
        lambda _status, _headers, view: {"session": view},
    ),
    Twin(
        "AddJourneyStep",
        session_operations.add_journey_step,
        StepAdded,
        lambda _status, headers, noted: {"noted": noted, "replayed": _replayed(headers)},
    ),
    Twin(
        "RouteSession",
        session_operations.route_session,
        SessionRouted,
        lambda _status, headers, decision: {
            "decision": decision,
            "replayed": _replayed(headers),
        },
    ),
    Twin(
        "CloseSession",
        session_operations.close_session,
        SessionEnded,
        lambda _status, headers, view: {"session": view, "replayed": _replayed(headers)},
    ),
    Twin(
        "GetCustomer",
        customer_operations.get_customer,
        OneCustomer,
        lambda _status, _headers, view: {"customer": view},
    ),
)
"""Every operation of IVR applications."""

BY_NAME = {twin.name: twin for twin in TWINS}


def session_context() -> Service:
    """Make the service of IVR applications."""
    return Service("SessionContext", NAMESPACE, tuple(twin.spec for twin in TWINS), ProblemDetail)
