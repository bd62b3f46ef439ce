"""The API over the control channel: the user the node runs as, without a token.

The channel carries JSON: `{"method", "path", "query", "headers", "body"}` in, `{"status", "body"}`
out. A stream cannot be carried; what streams over HTTP is shown here as it is now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import Struct, field

from actors.web.api import Api
from actors.web.auth import LOCAL_ADMIN
from actors.web.exchange import ApiRequest, ApiResponse, problem_response
from actors.web.problems import unavailable
from protocols.http import media
from protocols.http.problem import HttpProblem

RETRY_AFTER_S = 1.0


class ControlRequest(Struct, frozen=True, kw_only=True):
    """The arguments of the control channel's operation `api`.

    Attributes:
        method: HTTP method.
        path: Percent-encoded path, without query.
        query: Parameters of the query, as they are.
        headers: Headers that matter to the operation, such as `If-Match`.
        body: The body as plain data, None for no body.
    """

    method: str
    path: str
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    body: Any = None


class ControlResponse(Struct, frozen=True):
    """The result of the operation: status, plain data, and the headers that say something."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


async def answer(api: Api, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Answer one operation `api` of the control channel.

    Args:
        api: The API with the operations of the control channel.
        arguments: A `ControlRequest` as plain data.

    Returns:
        A `ControlResponse` as plain data; bad arguments are answered like a bad request.
    """
    try:
        request = media.convert(arguments, ControlRequest)
        async with asyncio.timeout(api.request_timeout_s):
            response = await api.dispatch(_request(request))
    except TimeoutError:
        late = unavailable(f"no answer within {api.request_timeout_s} s", RETRY_AFTER_S)
        response = problem_response(late)
    except HttpProblem as error:
        response = problem_response(error)
    result: dict[str, Any] = msgspec.to_builtins(_response(response))
    return result


def _request(request: ControlRequest) -> ApiRequest:
    body = b"" if request.body is None else msgspec.json.encode(request.body)

    async def read_body() -> bytes:
        return body

    headers = {name.lower(): value for name, value in request.headers.items()}
    return ApiRequest(
        method=request.method.upper(),
        path=request.path,
        query=urlencode(request.query),
        headers=headers | {"accept": f"{media.JSON}, */*;q=0.1", "content-type": media.JSON},
        read_body=read_body,
        principal=LOCAL_ADMIN,
    )


def _response(response: ApiResponse) -> ControlResponse:
    headers = dict(response.headers)
    if not response.body:
        return ControlResponse(response.status, None, headers)
    if response.media_type.endswith("json"):
        return ControlResponse(response.status, msgspec.json.decode(response.body), headers)
    return ControlResponse(response.status, response.body.decode(), headers)
