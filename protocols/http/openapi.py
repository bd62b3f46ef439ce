"""An OpenAPI 3.1 description made from a table of operations and the typed records they use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from protocols.http import media, problem
from protocols.http.problem import Problem

_PARAMETER = re.compile(r"\{([a-z_]+)\}")
_REF = "#/components/schemas/{name}"


class OperationDoc(msgspec.Struct, frozen=True, kw_only=True):
    """What the description says of one operation.

    Attributes:
        name: Unique name of the operation, in camel case.
        method: HTTP method in capitals.
        path: Path with its parameters in braces.
        summary: One sentence.
        status: Status of the usual answer.
        scopes: Scopes of which a token needs one; empty when no token is needed.
        query: Record of the query parameters, or None.
        headers: Request headers that matter, with what they are for.
        response_headers: Those of the usual answer, likewise.
        request: Type of the body, or None.
        request_optional: Whether the body may be left out.
        request_texts: Media types of text that are taken too, and the field of the body's record
            that the text is.
        response: Type of the answer, or None when it has no body.
        media_types: Media types of the answer.
        foreign: Whether it speaks another protocol: then what is asked, and problems, are of the
            media types of the answer, and described elsewhere.
        problems: Kinds of problems that the caller should expect.
    """

    name: str
    method: str
    path: str
    summary: str
    status: int = 200
    scopes: tuple[str, ...] = ()
    query: Any = None
    headers: dict[str, str] = {}
    response_headers: dict[str, str] = {}
    request: Any = None
    request_optional: bool = False
    request_texts: dict[str, str] = {}
    response: Any = None
    media_types: tuple[str, ...] = media.BODY_TYPES
    foreign: bool = False
    problems: tuple[problem.ProblemType, ...] = ()


def document(title: str, version: str, operations: Sequence[OperationDoc]) -> dict[str, Any]:
    """Describe an API.

    Args:
        title: Name of the API.
        version: Its version.
        operations: Its operations, in the order wanted.

    Returns:
        The document, ready to be encoded as JSON.
    """
    types = _types(operations)
    schemas, components = msgspec.json.schema_components(list(types.values()), ref_template=_REF)
    by_type = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        item = paths.setdefault(operation.path, {})
        item[operation.method.lower()] = _operation(operation, by_type, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _types(operations: Sequence[OperationDoc]) -> dict[str, Any]:
    """Every type that needs a schema, once, by its representation."""
    wanted = [Problem]
    for operation in operations:
        wanted += [operation.query, operation.request, operation.response]
    return {repr(wanted_type): wanted_type for wanted_type in wanted if wanted_type is not None}


def _operation(
    operation: OperationDoc, schemas: dict[str, Any], components: dict[str, Any]
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": _parameters(operation, schemas, components),
        "responses": _responses(operation, schemas),
    }
    if operation.scopes:
        described["security"] = [{"bearer": []}]
        described["description"] = f"Scope: {' or '.join(operation.scopes)}."
    if operation.foreign and operation.method == "POST":
        described["requestBody"] = {"required": True, "content": _foreign(operation)}
    if operation.request is not None:
        schema = schemas[repr(operation.request)]
        described["requestBody"] = {
            "required": not operation.request_optional,
            "content": _content(media.BODY_TYPES, schema)
            | _content(tuple(operation.request_texts), {"type": "string"}),
        }
    return described


def _responses(operation: OperationDoc, schemas: dict[str, Any]) -> dict[str, Any]:
    usual: dict[str, Any] = {"description": operation.summary}
    if operation.response_headers:
        usual["headers"] = {
            name: {"description": what, "schema": {"type": "string"}}
            for name, what in operation.response_headers.items()
        }
    if operation.response is not None:
        usual["content"] = _content(operation.media_types, schemas[repr(operation.response)])
    elif operation.status != 204:  # noqa: PLR2004  204 No Content has no content
        usual["content"] = _foreign(operation)
    responses = {str(operation.status): usual}
    error = (
        _foreign(operation)
        if operation.foreign
        else _content((problem.MEDIA_TYPE,), schemas[repr(Problem)])
    )
    titles: dict[int, list[str]] = {}
    for kind in sorted(operation.problems, key=lambda kind: kind.status):
        titles.setdefault(kind.status, []).append(kind.title)
    for status, said in titles.items():
        described = {"description": "; ".join(dict.fromkeys(said)), "content": error}
        responses[str(status)] = described | _headers_of(status)
    refused = "A fault" if operation.foreign else "A problem (RFC 9457)"
    responses["default"] = {"description": refused, "content": error}
    return responses


def _headers_of(status: int) -> dict[str, Any]:
    """What is refused for now tells when to ask again (RFC 9110, 10.2.3)."""
    if status not in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        return {}
    said = "Seconds after which to ask again."
    return {"headers": {"Retry-After": {"description": said, "schema": {"type": "integer"}}}}


def _foreign(operation: OperationDoc) -> dict[str, Any]:
    """Content that no record describes."""
    return {media_type: {} for media_type in operation.media_types}


def _content(media_types: Sequence[str], schema: dict[str, Any]) -> dict[str, Any]:
    return {media_type: {"schema": schema} for media_type in media_types}


def _parameters(
    operation: OperationDoc, schemas: dict[str, Any], components: dict[str, Any]
) -> list[dict[str, Any]]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(operation.path)
    ]
    in_headers = [
        {"name": name, "in": "header", "description": what, "schema": {"type": "string"}}
        for name, what in operation.headers.items()
    ]
    if operation.query is None:
        return in_path + in_headers
    record = components[schemas[repr(operation.query)]["$ref"].rpartition("/")[2]]
    required = record.get("required", [])
    in_query = [
        {"name": name, "in": "query", "required": name in required, "schema": schema}
        for name, schema in record["properties"].items()
    ]
    return in_path + in_query + in_headers
