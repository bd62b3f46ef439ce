"""The SOAP twin of the IVR API: each operation asks the JSON API's own, and says it in XML.

What is asked in an envelope becomes a request of the JSON API and is answered by it, within the
process: the same scopes, admission, keys and functions, and the same problems, as the detail of a
fault. What is refused before an envelope has been read keeps its status (400, 401, 413, 415); every
other fault has 500, as SOAP 1.1 (6.2) wants.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from actors.web.api import Api, Call, Operation, Reply, operation
from actors.web.dialect import Dialect
from actors.web.exchange import ApiRequest, ApiResponse, patient
from actors.web.services import Services
from actors.web.soap_records import BY_NAME, TWINS, Asked, Twin, session_context
from actors.web.tokens import Scope
from protocols.http import etag, idempotency, media, problem
from protocols.http.problem import HttpProblem
from protocols.soap import envelope, names, wsdl
from protocols.soap.reading import REFUSALS, Limits
from protocols.soap.service import OperationForm, Service
from protocols.soap.transport import charset_of

PATH = "/soap/session-context"

_SCOPES: tuple[Scope, ...] = ("viewer", "ivr")
_ADDRESSES = 16
"""WSDLs that are kept, each for an address it was asked at: making one takes milliseconds."""

_AUTHORITY = re.compile(
    r"[A-Za-z0-9.\-_]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?"
)
_FAILED = 400
_FAULT_STATUS = 500
_FEW = 1_000
"""Pieces of an answer that take no longer than the rest of a request: some sessions."""
_HEADERS = {
    "SOAPAction": "What the body says, or empty.",
    idempotency.HEADER: "As `idempotency_key` in the envelope, which goes before it.",
}
_PROBLEMS = (*REFUSALS, problem.NOT_ACCEPTABLE, problem.UNSUPPORTED_MEDIA_TYPE)
"""Those of an envelope that is not read; all others have 500."""

_RETRY_AFTER = "Retry-After"
_TYPED = {"Content-Type": names.CONTENT_TYPE}
"""With the charset, without which text/xml was ASCII (RFC 3023, 3.1)."""


class SoapEndpoint:
    """Answers envelopes with the operations of the JSON API.

    Args:
        service: What is served.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._served: tuple[Services, Api] | None = None

    def dialect(
        self,
        query: Callable[[str], Mapping[str, str]],
        content_type: Callable[[str | None], object],
    ) -> Dialect:
        """Make the dialect of an operation: XML, and faults.

        Args:
            query: Reads the query as it was sent.
            content_type: Raises `HttpProblem` for a `Content-Type` that is not understood.
        """
        return Dialect(
            media_type=names.MEDIA_TYPE,
            query=query,
            content_type=content_type,
            refusal=self.refusal,
        )

    async def ask(self, call: Call[Any, bytes]) -> Reply:
        """Answer one envelope.

        Raises:
            HttpProblem: What came is no envelope, or too large for one.
        """
        try:
            twin, form, request = self._read(call)
        except HttpProblem as error:
            if error.kind in REFUSALS:
                raise
            return _said(self.refusal(error, status=_FAULT_STATUS))
        answer = await self._api(call.services).dispatch(request)
        if answer.status >= _FAILED:
            return _said(self._fault(answer, _FAULT_STATUS))
        pieces = self._answer(twin, form, answer)
        return Reply(value=await _enveloped(pieces, call.services), headers=_TYPED)

    def _read(self, call: Call[Any, bytes]) -> tuple[Twin, OperationForm, ApiRequest]:
        charset = charset_of(call.headers.get("content-type"))
        asked = envelope.asked(call.body, _limits(call.services), charset)
        form = self._service.operation_of(asked, call.headers.get("soapaction"))
        twin = BY_NAME[form.spec.name]
        plain = self._service.binding.read(asked, form.request)
        return twin, form, _request(twin, twin.asked(plain), call)

    def _answer(self, twin: Twin, form: OperationForm, answer: ApiResponse) -> Iterator[str]:
        content = msgspec.json.decode(answer.body)
        result = {"result": twin.shape(answer.status, answer.headers, content)}
        return self._service.binding.write(form.answer.name, result, form.answer)

    def refusal(self, error: HttpProblem, status: int | None = None) -> ApiResponse:
        """Make the fault of a problem.

        Args:
            error: The problem.
            status: Of the answer; None is the problem's own.
        """
        headers = patient(error.status, error.headers)
        said = ApiResponse(status=error.status, body=error.body(), headers=headers)
        return self._fault(said, error.status if status is None else status)

    def _fault(self, answer: ApiResponse, status: int) -> ApiResponse:
        members: dict[str, Any] = msgspec.json.decode(answer.body)
        retry_after = answer.headers.get(_RETRY_AFTER)
        later = {} if retry_after is None else {"retry_after_s": int(retry_after)}
        form = self._service.problem
        detail = self._service.binding.write(form.name, members | later, form)
        fault = envelope.fault_of(members, later=retry_after is not None)
        return ApiResponse(
            status=status,
            media_type=names.CONTENT_TYPE,
            body=envelope.faulty(fault, detail),
            headers=answer.headers,
        )

    def describe(self, call: Call[None, None]) -> bytes:
        """The description that was asked for."""
        if "xsd" in call.parameters:
            return _xsd(self._service)
        authority = call.headers.get("host", "")
        if not _AUTHORITY.fullmatch(authority):
            authority = f"{call.services.config.host}:{call.services.config.port}"
        return _wsdl(self._service, f"http://{authority}{PATH}")

    def _api(self, services: Services) -> Api:
        """The operations that are asked, on the parts of the node that asks."""
        if self._served is None or self._served[0] is not services:
            self._served = services, Api(services, tuple(twin.operation for twin in TWINS))
        return self._served[1]


@lru_cache(maxsize=1)
def _xsd(service: Service) -> bytes:
    return wsdl.xsd_of(service)


@lru_cache(maxsize=_ADDRESSES)
def _wsdl(service: Service, location: str) -> bytes:
    return wsdl.wsdl_of(service, location)


async def _enveloped(pieces: Iterator[str], services: Services) -> bytes:
    """Put an answer into an envelope; a long one with pauses, in which calls are served."""
    text = list(islice(pieces, _FEW))
    if len(text) == _FEW:
        text += [piece async for piece in services.introspection.pace.sliced(pieces)]
    return envelope.enveloped(text)


def _said(answer: ApiResponse) -> Reply:
    return Reply(value=answer.body, status=answer.status, headers={**answer.headers, **_TYPED})


def _limits(services: Services) -> Limits:
    config = services.config
    return Limits(
        size=config.max_body_bytes,
        depth=config.soap_max_depth,
        elements=config.soap_max_elements,
        attributes=config.soap_max_attributes,
    )


def _request(twin: Twin, asked: Asked, call: Call[Any, bytes]) -> ApiRequest:
    """Say in terms of the JSON API what was asked."""
    doc = twin.operation.doc
    body = msgspec.json.encode(asked.body)

    async def read_body() -> bytes:
        return body

    return ApiRequest(
        method=doc.method,
        path=_path(doc.path, asked),
        query=_query(asked),
        headers=_headers(asked, call),
        read_body=read_body,
        principal=call.principal,
        leaving=call.leaving,
    )


def _path(pattern: str, asked: Asked) -> str:
    def value(match: re.Match[str]) -> str:
        given = asked.path.get(match[1])
        if not given:
            raise problem.invalid(match[1], "given")
        return quote(given, safe="")

    return re.sub(r"\{([a-z_]+)\}", value, pattern)


def _query(asked: Asked) -> str:
    given = {name: value for name, value in asked.query.items() if value is not None}
    return urlencode(given, quote_via=quote)


def _headers(asked: Asked, call: Call[Any, bytes]) -> dict[str, str]:
    headers = {"content-type": media.JSON}
    if asked.rev is not None:
        headers["if-match"] = etag.tag(asked.rev)
    key = idempotency.HEADER.lower()
    if asked.key is not None:
        escaped = asked.key.replace("\\", "\\\\").replace('"', '\\"')
        headers[key] = f'"{escaped}"'
    elif key in call.headers:
        headers[key] = call.headers[key]
    return headers


def _which(raw_query: str) -> dict[str, str]:
    """Read what description is asked for; `?wsdl` has no value, and is written in any case."""
    name = raw_query.rpartition("=")[0] or raw_query
    if name.lower() not in ("wsdl", "xsd"):
        raise problem.invalid("query", "wsdl or xsd")
    return {name.lower(): ""}


def _any_query(_raw_query: str) -> dict[str, str]:
    """What asks is the envelope; some clients post to the address of the WSDL."""
    return {}


def _no_content(_content_type: str | None) -> None:
    """A description is asked for without a body."""


def operations(service: Service | None = None) -> tuple[Operation, ...]:
    """Make the operations of the SOAP endpoint.

    Args:
        service: What is served; None is the service of IVR applications.
    """
    endpoint = SoapEndpoint(service or session_context())
    speaks = endpoint.dialect(_any_query, charset_of)
    describes = endpoint.dialect(_which, _no_content)

    @operation(
        "POST",
        PATH,
        scopes=_SCOPES,
        headers=_HEADERS,
        problems=_PROBLEMS,
        remembered_by="nobody",
        dialect=speaks,
    )
    async def soap_session_context(call: Call[Any, bytes]) -> Reply:
        """The operations of IVR applications in SOAP 1.1; `?wsdl` describes them."""
        return await endpoint.ask(call)

    @operation("GET", PATH, scopes=_SCOPES, dialect=describes)
    async def describe_session_context(call: Call[None, None]) -> Reply:
        """The WSDL (`?wsdl`) or XML Schema (`?xsd`) of the SOAP endpoint."""
        return Reply(value=endpoint.describe(call), headers=_TYPED)

    return soap_session_context, describe_session_context
