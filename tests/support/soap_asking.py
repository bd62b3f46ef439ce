"""Asks the SOAP endpoint of a site byte by byte, and reads what it says."""

from dataclasses import dataclass
from xml.sax.saxutils import escape

from lxml import etree

from actors.web.soap_records import NAMESPACE
from protocols.soap.names import SOAP

PATH = "/soap/session-context"
NAMES = {"v": NAMESPACE, "s": SOAP}


def element(name, value):
    """An element of a request: text, a list, a mapping of entries, or XML as it is."""
    match value:
        case dict():
            entries = "".join(entry(key, one) for key, one in value.items())
            return f"<{name}>{entries}</{name}>"
        case list():
            items = "".join(element("item", one) for one in value)
            return f"<{name}>{items}</{name}>"
    return f"<{name}>{escape(str(value))}</{name}>"


def entry(key, value):
    kinds = {bool: "boolean", int: "integer", float: "number", type(None): "null"}
    kind = kinds.get(type(value), "string")
    text = "" if value is None else str(value).lower() if kind == "boolean" else str(value)
    parts = {"key": key, "value": text, "type": kind}
    return "<entry>" + "".join(element(name, one) for name, one in parts.items()) + "</entry>"


def asking(operation, namespace=NAMESPACE, **fields):
    """An envelope that asks for an operation."""
    inside = "".join(element(name.rstrip("_"), value) for name, value in fields.items())
    body = f"<{operation} xmlns='{namespace}'>{inside}</{operation}>"
    return f"<s:Envelope xmlns:s='{SOAP}'><s:Body>{body}</s:Body></s:Envelope>".encode()


@dataclass
class Said:
    """What the endpoint said."""

    status: int
    headers: object
    body: bytes

    @property
    def xml(self):
        assert self.headers["content-type"] == "text/xml; charset=utf-8", self.body
        return etree.fromstring(self.body)

    @property
    def content(self):
        """What is in the body of the envelope."""
        return self.xml.find("s:Body", NAMES)[0]

    @property
    def code(self):
        return self.xml.findtext(".//faultcode")

    def text(self, path):
        """The text of an element of the answer, by its local names: `session/rev`."""
        steps = "/".join(f"v:{step}" for step in path.split("/"))
        return self.content.findtext(f".//{steps}", None, NAMES)

    @property
    def problem(self):
        """The members of a fault's problem that are there, as JSON has them."""
        detail = self.xml.find(".//v:Problem", NAMES)
        members = {etree.QName(one).localname: one.text for one in detail if one.text is not None}
        return members | {"status": int(members["status"])}

    @property
    def rule(self):
        """Status, last part of the problem's URI, field and rule."""
        said = self.problem
        kind = said["type"].rpartition(":")[2]
        return said["status"], kind, said.get("field"), said.get("rule")

    @property
    def view(self):
        """Its session: the id and the rev."""
        return self.text("result/session/session"), self.text("result/session/rev")


def post(site, data, scope="ivr", **headers):
    """Send bytes to the endpoint."""
    sent = {"Content-Type": "text/xml; charset=utf-8"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    if headers.get("Content_Type", "") is None:
        del sent["Content-Type"]
    answer = site.ask("POST", PATH, data, scope=scope, headers=sent)
    return Said(answer.status, answer.headers, answer.body)


def ask(site, operation, /, scope="ivr", headers=None, **fields):
    """Ask for an operation."""
    return post(site, asking(operation, **fields), scope, **headers or {})
