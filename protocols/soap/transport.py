"""What SOAP 1.1 over HTTP says in headers (SOAP 1.1, 6)."""

from __future__ import annotations

from protocols.http import problem
from protocols.http.problem import HttpProblem
from protocols.soap.names import MEDIA_TYPE


def charset_of(content_type: str | None) -> str | None:
    """Read the header `Content-Type` of an envelope.

    Args:
        content_type: The header, or None: then the envelope is taken for what it should be.

    Returns:
        The parameter `charset`, None where there is none.

    Raises:
        HttpProblem: 415 for another media type: `application/soap+xml` is SOAP 1.2's.
    """
    if content_type is None:
        return None
    media, *parameters = (piece.strip() for piece in content_type.split(";"))
    if media.lower() != MEDIA_TYPE:
        raise HttpProblem(
            problem.UNSUPPORTED_MEDIA_TYPE,
            f"understood here: {MEDIA_TYPE}",
            field="Content-Type",
            rule=MEDIA_TYPE,
            headers={"Accept": MEDIA_TYPE},
        )
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"') or None
    return None
