"""The body of a request, as its operation takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocols.http import media, problem
from protocols.http.problem import HttpProblem

if TYPE_CHECKING:
    from actors.web.api import Operation
    from actors.web.exchange import ApiRequest


async def read(operation: Operation, request: ApiRequest) -> object:
    """Read and decode the body; without one an operation whose fields are optional has them all.

    Args:
        operation: what is asked for.
        request: what the transport received.

    Raises:
        HttpProblem: it is not what the operation takes.
    """
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
