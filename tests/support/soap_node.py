"""A real node, in a process of its own, that SOAP clients are tried on."""

import socket
import urllib.request

from lxml import etree
from node_alone import NodeAlone

from actors.web.soap_operations import PATH
from protocols.soap.names import XSD

CONFIG = """
[http]
port = 0
[cti]
port = 0
[database]
dsn = "postgresql://nobody@127.0.0.1:1/none"
[overload]  # a busy machine is not what is tried here
new_after_ms = 50_000
all_after_ms = 60_000
new_above_journal_load = 0.99
all_above_journal_load = 1.0
[rp.sales]
target = "7100"
rtype = "label"
[ivr.send_list]
default = ["session", "ani"]
asking = ["ani", "ud.offer", "auth_level"]
"""

DROPPED = {
    "SessionView": ["ud", "not_icm_portable", "events", "durable", "prev_call", "ucid"],
    "JourneyStep": ["data"],
    "SessionOpened": ["replayed"],
    "RouteAnswer": ["stale", "durable"],
    "AddJourneyStep": ["app", "idempotency_key"],
    "FindSessions": ["open"],
    "OpenSession": ["prev_call", "ucid"],
    "GetJourney": ["calls"],
    "PreviousCall": ["link"],
    "SessionJourney": ["complete", "missing"],
}
"""What the older WSDL does not know yet: the last fields of some records."""


def older(wsdl):
    """The WSDL of a release before some fields were added."""
    root = etree.fromstring(wsdl)
    names = {"xs": XSD}
    for name, fields in DROPPED.items():
        for field in fields:
            found = root.xpath(
                f"//xs:schema/*[@name='{name}']//xs:element[@name='{field}']", namespaces=names
            )
            assert len(found) == 1, (name, field)
            found[0].getparent().remove(found[0])
    return etree.tostring(root)


class SoapNode:
    """A node without a database, and tokens for it.

    Args:
        directory: Its data directory.
        stack: What it is ended by.
        more: Further sections of its configuration.
    """

    def __init__(self, directory, stack, more=""):
        (directory / "vigie.toml").write_text(CONFIG + more)
        listeners = {name: socket.create_server(("127.0.0.1", 0)) for name in ("http", "cti")}
        for one in listeners.values():
            one.setblocking(False)
            stack.enter_context(one)
        self.node = NodeAlone(directory, directory / "vigie.toml", listeners)
        stack.callback(self.node.clean_up)
        self.node.expect("ready")
        self.base = "http://127.0.0.1:{}".format(listeners["http"].getsockname()[1])
        self.wsdl = f"{self.base}{PATH}?wsdl"

    def token(self, scope="ivr"):
        """Make a token."""
        body = {"scope": scope, "name": "client"}
        made = self.node.ask("api", method="POST", path="/api/v1/tokens", query={}, body=body)
        return made["body"]["token"]

    def older_wsdl(self):
        """What a release before some fields were added would have served."""
        request = urllib.request.Request(self.wsdl)
        request.add_header("Authorization", f"Bearer {self.token('viewer')}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return older(answer.read())
