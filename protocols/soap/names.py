"""Names that SOAP 1.1, WSDL 1.1 and XML Schema give."""

from __future__ import annotations

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
SOAP_NEXT = "http://schemas.xmlsoap.org/soap/actor/next"
SOAP_HTTP = "http://schemas.xmlsoap.org/soap/http"
WSDL = "http://schemas.xmlsoap.org/wsdl/"
WSDL_SOAP = "http://schemas.xmlsoap.org/wsdl/soap/"
XSD = "http://www.w3.org/2001/XMLSchema"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

SEPARATOR = "}"
"""Between the namespace of a name and its local part; expat takes no namespace that has it."""

MAX_SHOWN = 128
"""Characters of a name that came, in what is said of it."""

MEDIA_TYPE = "text/xml"
CONTENT_TYPE = "text/xml; charset=utf-8"


def qualified(namespace: str, local: str) -> str:
    """Name an element or attribute as `{namespace}local`."""
    return f"{{{namespace}}}{local}"


def local_of(name: str) -> str:
    """The part of a `{namespace}local` after the namespace."""
    return name.rpartition("}")[2]


def namespace_of(name: str) -> str:
    """The namespace of a `{namespace}local`; empty where it has none."""
    return name.rpartition("}")[0].removeprefix("{")
