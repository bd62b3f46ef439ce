"""The API without a transport: a request in, an answer out.

A transport (HTTP, the control channel) makes an `ApiRequest` and carries the `ApiResponse`. In
between everything is the same for all of them: finding the operation, who may, decoding, the
operation itself, encoding, and problems for whatever goes wrong.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

from msgspec import Struct

from actors import metrics
from actors.session_api import IdempotentKey
from actors.web import auth, once, problems
from actors.web.auth import Principal
from actors.web.dialect import Dialect, Refusal
from actors.web.exchange import ApiRequest, ApiResponse, ByteStream, patient, problem_response
from actors.web.router import Router
from actors.web.services import Services
from actors.web.tokens import Scope
from protocols.http import idempotency, media, problem, target
from protocols.http.openapi import OperationDoc
from protocols.http.problem import HttpProblem, ProblemType

logger = logging.getLogger(__name__)

Q = TypeVar("Q")
B = TypeVar("B")

Rememberer: TypeAlias = Literal["sessions", "node", "nobody"]
"""Who remembers what was done under an idempotency key: the sessions, durably; the node, as long as
it runs; or nobody, and a key is refused."""

_KEY_FOR = {
    "sessions": "Done once, however often it is sent with this key; known as long as the session.",
    "node": "Done once, however often it is sent with this key; known as long as the node runs.",
}
_REPLAYED = {idempotency.REPLAYED: "true where it was done before and is only answered again."}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an operation answers.

    Attributes:
        value: A record or plain data, encoded in the type that was negotiated; `bytes` are sent as
            they are; None is no body.
        status: The status, None for the usual one of the operation.
        headers: Further headers.
        stream: Chunks instead of a value.
    """

    value: object = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: ByteStream | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[Q, B]):
    """One request, decoded, as its operation sees it.

    Attributes:
        services: The parts of the node that operations use.
        principal: Who asks; None for operations that need no token.
        path: Parameters of the path by name.
        parameters: Parameters of the query as text, for those that pages are made of.
        query: Parameters of the query as the operation's record.
        body: The body as the operation's record.
        headers: Headers by lower-case name.
        media_type: Type of the answer.
        once: Under which key it is to be done once; None where it came without.
        leaving: Set once what carries the answer closes and waits for it; None where it never does.
    """

    services: Services
    principal: Principal | None
    path: Mapping[str, str]
    parameters: Mapping[str, str]
    query: Q
    body: B
    headers: Mapping[str, str]
    media_type: str
    once: IdempotentKey | None = None
    leaving: asyncio.Event | None = None

    @property
    def who(self) -> str:
        """Who asks, for logs and histories."""
        return self.principal.who if self.principal else "anybody"


class Handler(Protocol):
    """A coroutine function that serves an operation."""

    __name__: str

    def __call__(self, call: Call[Any, Any], /) -> Awaitable[Reply]:
        """Serve one call."""
        ...


class Admission(Protocol):
    """Says whether an operation can be done now."""

    def __call__(self, services: Services, principal: Principal | None, /) -> None:
        """Raise `HttpProblem` where it cannot; asked before the body is read."""
        ...


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: what is said of it and what does it.

    Attributes:
        doc: What is said of it.
        handler: What does it.
        remembered_by: Who remembers that it was done under a key; of GET nobody.
        admit: What must let it through first.
        dialect: How it is asked and refused, where that differs from the others.
    """

    doc: OperationDoc
    handler: Handler
    remembered_by: Rememberer = "nobody"
    admit: Admission | None = None
    dialect: Dialect | None = None


class _Keyed(NamedTuple):
    """What is said of an operation because it takes a key."""

    headers: dict[str, str]
    response_headers: dict[str, str]
    problems: tuple[ProblemType, ...]

    @classmethod
    def by(cls, keeper: Rememberer) -> _Keyed:
        if keeper == "nobody":
            return cls({}, {}, ())
        problems = idempotency.KEY_IN_USE, idempotency.KEY_REUSED
        return cls({idempotency.HEADER: _KEY_FOR[keeper]}, _REPLAYED, problems)


def operation(
    method: str,
    path: str,
    *,
    scopes: tuple[Scope, ...] = (),
    status: int = 200,
    query: type[Struct] | None = None,
    headers: Mapping[str, str] | None = None,
    request: type[Struct] | None = None,
    request_optional: bool = False,
    request_texts: Mapping[str, str] | None = None,
    response: object = None,
    media_types: tuple[str, ...] = media.BODY_TYPES,
    problems: tuple[ProblemType, ...] = (),
    remembered_by: Rememberer = "node",
    admit: Admission | None = None,
    dialect: Dialect | None = None,
) -> Callable[[Handler], Operation]:
    """Make an operation of a handler; its name and docstring become those of the description.

    Args:
        method: HTTP method, in capitals.
        path: Path with its parameters in braces.
        scopes: Scopes of which one is needed; none means that everybody may.
        status: Usual status of the answer.
        query: Record of the query's parameters.
        headers: Headers that matter, with what they are for.
        request: Record of the body.
        request_optional: Whether the body may be left out, for a record of optional fields.
        request_texts: Media types of text that are taken too, and the record's field that it is.
        response: Type of the answer; None for one that is not described by a type.
        media_types: Types that may be negotiated for the answer, the usual one first.
        problems: Problems that a caller should expect.
        remembered_by: Who remembers what a POST has done under an idempotency key.
        admit: What must let it through first.
        dialect: How it is asked and refused, where that differs from the others.
    """
    keeper: Rememberer = remembered_by if method == "POST" else "nobody"
    keyed = _Keyed.by(keeper)

    def make(handler: Handler) -> Operation:
        doc = OperationDoc(
            name=_camel_case(handler.__name__),
            method=method,
            path=path,
            summary=(handler.__doc__ or "").partition("\n")[0],
            status=status,
            scopes=scopes,
            query=query,
            headers={**keyed.headers, **(headers or {})},
            response_headers=keyed.response_headers,
            request=request,
            request_optional=request_optional,
            request_texts=dict(request_texts or {}),
            response=response,
            media_types=(dialect.media_type,) if dialect else media_types,
            foreign=dialect is not None,
            problems=(*problems, *keyed.problems),
        )
        return Operation(doc, handler, keeper, admit, dialect)

    return make


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


class Api:
    """Answers requests with the operations of a table.

    Args:
        services: The parts of the node that operations use.
        operations: The table.
    """

    def __init__(self, services: Services, operations: tuple[Operation, ...]) -> None:
        self._services = services
        self._router = Router({(op.doc.method, op.doc.path): op for op in operations})
        self._requests = services.requests

    @property
    def request_timeout_s(self) -> float:
        """How long a transport should wait for an answer."""
        return self._services.config.request_timeout_s

    async def dispatch(self, request: ApiRequest) -> ApiResponse:
        """Answer one request; whatever goes wrong is answered with a problem.

        Args:
            request: What the transport received.

        Raises:
            asyncio.CancelledError: The transport gave the request up.
        """
        started = time.perf_counter()
        name = "none"
        refusal: Refusal = problem_response
        try:
            found = self._router.find(request.method, target.segments(request.path))
            name, refusal = found.operation.doc.name, _refusal(found.operation)
            response = await self._run(found.operation, found.parameters, request)
        except HttpProblem as error:
            response = refusal(error)
        except problems.DOMAIN_ERRORS as error:
            response = refusal(problems.of(error, request.method))
        except Exception:
            logger.exception("%s failed", name, extra={"operation": name})
            response = refusal(HttpProblem(problem.INTERNAL_ERROR, "the failure has been logged"))
        metrics.HTTP_SECONDS.labels(name).observe(time.perf_counter() - started)
        metrics.HTTP_REQUESTS.labels(name, str(response.status)).inc()
        return response

    def refused(self, request: ApiRequest, error: HttpProblem) -> ApiResponse:
        """Make the answer of a problem that the transport has with a request.

        Args:
            request: What the transport received.
            error: Such as that the answer has not come in time.
        """
        try:
            found = self._router.find(request.method, target.segments(request.path))
        except HttpProblem:
            return problem_response(error)
        return _refusal(found.operation)(error)

    async def _run(
        self, operation: Operation, path: Mapping[str, str], request: ApiRequest
    ) -> ApiResponse:
        doc = operation.doc
        principal = self._principal(request) if doc.scopes else None
        auth.require(principal, doc.scopes)
        if operation.admit is not None:
            operation.admit(self._services, principal)
        media_type = media.negotiate(request.headers.get("accept"), doc.media_types)
        read_query = operation.dialect.query if operation.dialect else target.query
        parameters = read_query(request.query)
        query = media.convert(parameters, doc.query, strict=False) if doc.query else None
        body = await _read(operation, request)
        call = Call(
            services=self._services,
            principal=principal,
            path=path,
            parameters=parameters,
            query=query,
            body=body,
            headers=request.headers,
            media_type=media_type,
            once=_once(operation, request, principal, path, parameters, body),
            leaving=request.leaving,
        )
        return await self._answer(operation, call)

    async def _answer(self, operation: Operation, call: Call[Any, Any]) -> ApiResponse:
        if call.once is None:
            return _response(operation.doc, await operation.handler(call), call.media_type)
        async with self._requests.alone(call.once):
            before: ApiResponse | None = self._requests.answered(call.once)
            if before is not None:
                return replace(before, headers={**before.headers, idempotency.REPLAYED: "true"})
            response = _response(operation.doc, await operation.handler(call), call.media_type)
            if operation.remembered_by == "node":
                self._requests.keep(call.once, response)
            return response

    def _principal(self, request: ApiRequest) -> Principal | None:
        if request.principal is not None:
            return request.principal
        services = self._services
        return auth.authenticate(
            request.headers.get("authorization"), services.tokens, services.wall()
        )


def _refusal(operation: Operation) -> Refusal:
    return problem_response if operation.dialect is None else operation.dialect.refusal


def _once(
    operation: Operation, request: ApiRequest, principal: Principal | None, *content: object
) -> IdempotentKey | None:
    if operation.doc.method != "POST" or operation.dialect is not None:
        return None
    doc = operation.doc
    found = once.once_of(request.headers, principal, doc.method, doc.path, *content)
    if found is not None and operation.remembered_by == "nobody":
        raise problem.invalid(idempotency.HEADER, "absent: what this does cannot be repeated")
    return found


async def _read(operation: Operation, request: ApiRequest) -> object:
    """Read and decode the body; without one an operation whose fields are optional has them all."""
    doc, dialect = operation.doc, operation.dialect
    if doc.request is None and (dialect is None or doc.method != "POST"):
        return None
    if "content-encoding" in request.headers:
        raise HttpProblem(
            problem.UNSUPPORTED_MEDIA_TYPE,
            "bodies are taken as they are, without a content coding",
            field="Content-Encoding",
            rule="absent",
        )
    content_type = request.headers.get("content-type")
    if dialect is not None:
        dialect.content_type(content_type)
        return await request.read_body()
    text_type = media.text_type(content_type, doc.request_texts)
    if text_type is not None:
        text = media.text(await request.read_body())
        return media.convert({doc.request_texts[text_type]: text}, doc.request)
    media_type = media.body_type(content_type)
    body = await request.read_body()
    if not body and doc.request_optional:
        return media.convert({}, doc.request)
    return media.decode(body, media_type, doc.request)


def _response(doc: OperationDoc, reply: Reply, media_type: str) -> ApiResponse:
    value = reply.value
    if value is None:
        body = b""
    elif isinstance(value, bytes):
        body = value
    else:
        body = media.encode(value, media_type)
    status = reply.status or doc.status
    return ApiResponse(
        status=status,
        media_type=media_type,
        body=body,
        headers=patient(status, reply.headers),
        stream=reply.stream,
    )
