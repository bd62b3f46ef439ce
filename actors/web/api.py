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
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from actors.session_api import IdempotentKey
from actors.web import auth, bodies, once, problems
from actors.web.auth import Principal
from actors.web.dialect import Dialect, Refusal
from actors.web.exchange import ApiRequest, ApiResponse, ByteStream, patient, problem_response
from actors.web.keyed import Keyed, Rememberer
from actors.web.meters import Meters
from actors.web.router import Router
from actors.web.services import Services
from actors.web.tokens import Scope
from protocols.http import idempotency, media, problem, target
from protocols.http.openapi import OperationDoc
from protocols.http.problem import HttpProblem, ProblemType

logger = logging.getLogger(__name__)

Q = TypeVar("Q")
B = TypeVar("B")


class Reply(Struct, frozen=True, kw_only=True):
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
    headers: Mapping[str, str] = {}
    stream: ByteStream | None = None


class Call(Struct, Generic[Q, B], kw_only=True):
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


class AtOnce(Protocol):
    """Serves an operation without waiting for anybody, where that gives what its handler gives."""

    def __call__(self, call: Call[Any, Any], /) -> Reply | None:
        """Serve one call; None leaves it to the handler, and then nothing has been done."""
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
        at_once: What answers it without waiting, where it can; of GET without a body only.
    """

    doc: OperationDoc
    handler: Handler
    remembered_by: Rememberer = "nobody"
    admit: Admission | None = None
    dialect: Dialect | None = None
    at_once: AtOnce | None = None


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
    at_once: AtOnce | None = None,
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
        at_once: What answers it without waiting, where it can; of GET without a body only.
    """
    keeper: Rememberer = remembered_by if method == "POST" else "nobody"
    keyed = Keyed.by(keeper)

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
        return Operation(doc, handler, keeper, admit, dialect, at_once)

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
        self._meters = Meters()

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
        except Exception as error:  # noqa: BLE001 - of one request: it is answered, and logged
            response = self._failed(error, request, name, refusal)
        self._meters.count(name, response.status, time.perf_counter() - started)
        return response

    def at_once(self, request: ApiRequest, limit: int) -> ApiResponse | None:
        """Answer one request as `dispatch` would, where that needs no waiting.

        Args:
            request: What the transport received; its body is not read.
            limit: The longest body of an answer that need not be waited for, bytes.

        Returns:
            None where it is to be dispatched: nothing has been done.
        """
        started = time.perf_counter()
        try:
            found = self._router.find(request.method, target.segments(request.path))
        except HttpProblem:
            return None
        operation = found.operation
        if operation.at_once is None:
            return None
        try:
            call = self._call(operation, found.parameters, request)
            reply = operation.at_once(call)
            if reply is None:
                return None
            response = _response(operation.doc, reply, call.media_type)
            if len(response.body) > limit:
                return None
        except Exception as error:  # noqa: BLE001 - as above
            response = self._failed(error, request, operation.doc.name, _refusal(operation))
        self._meters.count(operation.doc.name, response.status, time.perf_counter() - started)
        return response

    def _failed(
        self, error: Exception, request: ApiRequest, name: str, refusal: Refusal
    ) -> ApiResponse:
        """Make the answer of what was raised."""
        if isinstance(error, HttpProblem):
            return refusal(error)
        if isinstance(error, problems.DOMAIN_ERRORS):
            return refusal(problems.of(error, request.method))
        logger.error("%s failed", name, exc_info=error, extra={"operation": name})
        return refusal(HttpProblem(problem.INTERNAL_ERROR, "the failure has been logged"))

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
        call = self._call(operation, path, request)
        if operation.doc.method == "GET":
            return await self._answer(operation, call)
        call.body = await bodies.read(operation, request)
        call.once = _once(operation, call)
        return await self._answer(operation, call)

    def _call(
        self, operation: Operation, path: Mapping[str, str], request: ApiRequest
    ) -> Call[Any, Any]:
        """What comes before the body: who asks, whether they may, what for, in which type."""
        doc = operation.doc
        principal = self._principal(request) if doc.scopes else None
        auth.require(principal, doc.scopes)
        if operation.admit is not None:
            operation.admit(self._services, principal)
        media_type = media.negotiate(request.headers.get("accept"), doc.media_types)
        read_query = operation.dialect.query if operation.dialect else target.query
        parameters = read_query(request.query)
        query = media.convert(parameters, doc.query, strict=False) if doc.query else None
        return Call(
            services=self._services,
            principal=principal,
            path=path,
            parameters=parameters,
            query=query,
            body=None,
            headers=request.headers,
            media_type=media_type,
            leaving=request.leaving,
        )

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


def _once(operation: Operation, call: Call[Any, Any]) -> IdempotentKey | None:
    doc = operation.doc
    if doc.method != "POST" or operation.dialect is not None:
        return None
    content = doc.method, doc.path, call.path, call.parameters, call.body
    found = once.once_of(call.headers, call.principal, *content)
    if found is not None and operation.remembered_by == "nobody":
        raise problem.invalid(idempotency.HEADER, "absent: what this does cannot be repeated")
    return found


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
