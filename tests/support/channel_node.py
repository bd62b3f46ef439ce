"""A real node with channels whose anchor is the test, and its peers of mail, chat and webhooks."""

from __future__ import annotations

import json
import smtplib
import socket
import time
import urllib.error
import urllib.request
from email.message import EmailMessage
from email.policy import SMTP

from node_alone import NodeAlone

from protocols.http.signature import SIGNATURE, TIMESTAMP, sign
from supervision.anchor.inheritance import TakeoverOrder

CONFIG = """
[http]
port = 0
[cti]
port = 0
[database]
dsn = "postgresql://nobody@127.0.0.1:1/none"
[rp.support]
target = "7010"
rtype = "direct"
[rp.sales]
target = "7001"
rtype = "direct"
{more}
"""
MAIL = """
[channels.mail]
enabled = true
port = 0
{limits}
[channels.mail.recipients]
"support@example.com" = "support"
"sales@example.com" = "sales"
"help@example.com" = "support"
"""
PATIENCE_S = 30.0
SECRET = "no one else knows"


class ChannelNode:
    """A node of its own directory, which may be killed and started again on the same sockets.

    Args:
        directory: empty.
        more: of the configuration.
        names: of its listening sockets.
    """

    def __init__(self, directory, more, names=("http", "cti", "mail")):
        self.directory = directory
        self.config = directory / "vigie.toml"
        self.config.write_text(CONFIG.format(more=more))
        self.listeners = {name: socket.create_server(("127.0.0.1", 0)) for name in names}
        for one in self.listeners.values():
            one.setblocking(False)
        self.start()
        self.token = (directory / "operator.token").read_text().strip()

    def start(self):
        self.node = NodeAlone(self.directory, self.config, self.listeners)
        self.node.expect("ready")

    def take_over(self, *, back=False):
        """Have another process take over, or only begin to, and the first one go on."""
        path = self.node.ask("takeover.listen", secret=SECRET, mode="takeover")["path"]
        order = TakeoverOrder(path, SECRET).to_json()
        new = NodeAlone(self.directory, self.config, self.listeners, ANCHOR_TAKEOVER=order)
        new.expect("takeover", phase="copied")
        self.node.ask("takeover.freeze")
        new.expect("takeover", phase="prepared")
        if back:
            new.clean_up()
            self.node.ask("takeover.resume")
            return
        new.ask("takeover.switch", probation_s=60.0)
        self.node.say("takeover.exit")
        self.node.ended()
        self.node.control.close()
        self.node = new

    def kill(self):
        self.node.clean_up()

    def close(self):
        self.node.clean_up()
        for one in self.listeners.values():
            one.close()

    def port(self, name):
        return self.listeners[name].getsockname()[1]

    def ask(self, method, path, body=None, headers=None, token=True):
        """Ask the API; return status and decoded answer."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.port('http')}{path}", data, method=method
        )
        if data is not None:
            asked.add_header("Content-Type", "application/json")
        if token:
            asked.add_header("Authorization", f"Bearer {self.token}")
        for name, value in (headers or {}).items():
            asked.add_header(name, value)
        try:
            with urllib.request.urlopen(asked, timeout=PATIENCE_S) as answer:
                return answer.status, _decoded(answer.read())
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, _decoded(refusal.read())

    def session(self, session):
        status, view = self.ask("GET", f"/api/v1/sessions/{session}")
        assert status == 200, view
        return view

    def until(self, fits, look):
        """What is looked at, once it fits."""
        limit = time.monotonic() + PATIENCE_S
        while not fits(found := look()):
            assert time.monotonic() < limit, found
            time.sleep(0.02)
        return found

    def routed(self, session):
        return self.until(lambda view: view["routing"], lambda: self.session(session))

    def smtp(self):
        return smtplib.SMTP("127.0.0.1", self.port("mail"), "peer.example.com", PATIENCE_S)

    def mail(self, message, sender="ann@example.com", to=("support@example.com",)):
        """Send a message; return the sessions that the answer names."""
        with self.smtp() as smtp:
            smtp.ehlo()
            assert smtp.mail(sender)[0] == 250
            for one in to:
                assert smtp.rcpt(one)[0] == 250
            content = message if isinstance(message, bytes) else message.as_bytes(policy=SMTP)
            code, text = smtp.data(content)
        assert code == 250, text
        return text.decode().split()[1:]


def _decoded(body):
    try:
        return json.loads(body)
    except ValueError:
        return body


def letter(number, text="Bonjour", **headers):
    message = EmailMessage()
    message["From"] = "Ann <Ann@Example.com>"
    message["To"] = "support@example.com"
    message["Subject"] = "Facture"
    message["Message-ID"] = f"<{number}@example.com>"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message


SOCIAL = """
[channels.social]
enabled = true
{limits}
[channels.social.sources.birds]
rp = "sales"
secrets = ["the-new-secret-of-birds", "the-old-secret-of-birds"]
verify_token = "the-token-of-birds-0"
[channels.social.sources.texts]
rp = "support"
secrets = ["the-only-secret-of-texts"]
numbers = true
"""


def event(number, text="salut", **fields):
    return {"id": f"e{number}", "from": "ann", "to": "shop", "text": text} | fields


def signed(body, secret="the-new-secret-of-birds", at=None):
    at = int(time.time()) if at is None else at
    return {TIMESTAMP: str(at), SIGNATURE: sign(secret, at, body)}


CHAT = """
[channels.chat]
enabled = true
origins = ["https://www.example.com"]
{limits}
"""
ORIGIN = "https://www.example.com"


class Visitor:
    """A page's WebSocket.

    Args:
        node: a ChannelNode.
        http: an aiohttp session.
    """

    def __init__(self, node, http):
        self.node, self.http = node, http
        self.token, self.seq, self.n, self.hello = None, 0, 0, None

    def ticket(self, **fields):
        status, made = self.node.ask(
            "POST", "/api/v1/channels/chat/tickets", {"rp": "support", **fields}
        )
        assert status == 201, made
        return made["ticket"]

    async def connect(self, origin=ORIGIN):
        url = f"ws://127.0.0.1:{self.node.port('http')}/channels/chat"
        self.socket = await self.http.ws_connect(url, origin=origin, max_msg_size=0)
        return self

    async def begin(self, **fields):
        await self.connect()
        await self.send(t="hello", ticket=self.ticket(**fields))
        return await self.greeted()

    async def resume(self, **more):
        await self.connect()
        await self.send(t="hello", token=self.token, n=self.n, **more)
        return await self.greeted()

    async def greeted(self):
        self.hello = await self.take("hello")
        self.token, self.seq = self.hello["token"], self.hello["seq"]
        return self

    async def send(self, **frame):
        await self.socket.send_str(json.dumps(frame))

    async def next(self):
        message = await self.socket.receive(timeout=PATIENCE_S)
        if message.type.name != "TEXT":
            return {"t": "closed", "code": self.socket.close_code}
        frame = json.loads(message.data)
        self.n = max(self.n, frame.get("n", 0)) if frame["t"] != "hello" else self.n
        return frame

    async def take(self, kind):
        frame = await self.next()
        assert frame["t"] == kind, frame
        return frame

    async def say(self, text):
        self.seq += 1
        await self.send(t="message", seq=self.seq, text=text)
        return await self.take("ack")

    async def refused(self):
        error = await self.take("error")
        closed = await self.take("closed")
        return error["error"], closed["code"]
