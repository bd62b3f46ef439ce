"""SOAP 1.1's envelope: what is asked in one, and answers and faults in another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from protocols.http.problem import HttpProblem, ProblemType
from protocols.soap import entries
from protocols.soap.names import (
    MAX_SHOWN,
    SOAP,
    SOAP_12,
    SOAP_NEXT,
    local_of,
    namespace_of,
    qualified,
)
from protocols.soap.reading import Element, Limits, read, refuse

VERSION_MISMATCH = ProblemType("version-mismatch", 400, "The envelope is not one of SOAP 1.1")
NOT_UNDERSTOOD = ProblemType("header-not-understood", 400, "A header block must be understood")
NO_SUCH_OPERATION = ProblemType("no-such-operation", 404, "The body names no operation")

_ENVELOPE, _HEADER, _BODY = (qualified(SOAP, name) for name in ("Envelope", "Header", "Body"))
_MUST_UNDERSTAND, _ACTOR = qualified(SOAP, "mustUnderstand"), qualified(SOAP, "actor")
_CODES = {VERSION_MISMATCH.uri: "VersionMismatch", NOT_UNDERSTOOD.uri: "MustUnderstand"}
_OPENING = f'<?xml version="1.0" encoding="UTF-8"?>\n<soap:Envelope xmlns:soap="{SOAP}"><soap:Body>'
_CLOSING = "</soap:Body></soap:Envelope>"
_SERVER_FROM = 500
_TOO_MANY = 429


class Fault(Struct, frozen=True, kw_only=True):
    """What a fault says.

    Attributes:
        code: `Client`, `Server`, `MustUnderstand` or `VersionMismatch`.
        text: For a person.
    """

    code: str
    text: str


def asked(data: bytes, limits: Limits, charset: str | None = None) -> Element:
    """Read what an envelope asks: the one element of its body.

    Args:
        data: The envelope.
        limits: What it may take.
        charset: What the transport says of its encoding.

    Raises:
        HttpProblem: The document is refused, is no envelope of SOAP 1.1, or has a header block that
            must be understood: none is.
    """
    root = read(data, limits, charset)
    _check_version(root)
    parts = list(root.children)
    if parts and parts[0].name == _HEADER:
        _check_header(parts.pop(0))
    if not parts or parts[0].name != _BODY or len(parts[0].children) != 1:
        refuse("soap:Envelope has one soap:Body with one element in it, after its soap:Header")
    return parts[0].children[0]


def _check_version(root: Element) -> None:
    if root.name == _ENVELOPE:
        return
    if local_of(root.name) == "Envelope":
        said = "SOAP 1.2" if namespace_of(root.name) == SOAP_12 else "another version"
        raise HttpProblem(
            VERSION_MISMATCH,
            f"the envelope is of {said}",
            field="Envelope",
            rule=f"of the namespace {SOAP}",
        )
    refuse("the root is soap:Envelope")


def _check_header(header: Element) -> None:
    """Refuse what must be understood by whoever gets the message (SOAP 1.1, 4.2)."""
    for block in header.children:
        ours = block.attributes.get(_ACTOR, "") in ("", SOAP_NEXT)
        if ours and block.attributes.get(_MUST_UNDERSTAND, "0").strip() in ("1", "true"):
            name = local_of(block.name)[:MAX_SHOWN]
            raise HttpProblem(
                NOT_UNDERSTOOD,
                f"the header block {name} is not understood here",
                field=name,
                rule="absent, or not mustUnderstand",
            )


def enveloped(content: Iterable[str]) -> bytes:
    """Put what is answered into an envelope.

    Args:
        content: The element of the body, piece by piece.
    """
    return "".join((_OPENING, *content, _CLOSING)).encode()


def fault_of(members: Mapping[str, Any], *, later: bool) -> Fault:
    """Say whose fault a problem is.

    Args:
        members: Of the problem (RFC 9457).
        later: Whether the same message may be taken later: it is not at fault (4.4.1).
    """
    status = int(members["status"])
    server = later or status >= _SERVER_FROM or status == _TOO_MANY
    code = _CODES.get(members["type"], "Server" if server else "Client")
    return Fault(code=code, text=f"{members['title']}: {members['detail']}")


def faulty(fault: Fault, detail: Iterable[str]) -> bytes:
    """Put a fault into an envelope (SOAP 1.1, 4.4).

    Args:
        fault: What it says.
        detail: The problem, piece by piece.
    """
    said = f"<faultcode>soap:{fault.code}</faultcode><faultstring>{entries.escaped(fault.text)}"
    opening, closing = f"<soap:Fault>{said}</faultstring><detail>", "</detail></soap:Fault>"
    return enveloped((opening, *detail, closing))
