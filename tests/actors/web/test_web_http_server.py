"""httpServer in a tree: it comes back on the same socket, and leaves nothing behind."""

import asyncio
import json
import socket
from dataclasses import replace

import pytest

from actors.config import HttpConfig
from actors.http_server import HttpServer, HttpServerArgs, WebSup, WebSupArgs
from actors.web.api import Api
from actors.web.server import CLOSE_S
from supervision import (
    KILLED,
    SHUTDOWN,
    ChildSpec,
    Supervisor,
    SupervisorFlags,
    actor_system,
)
from supervision.introspection import Introspection

REQUEST = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


async def until(condition):
    """Let the loop go round until something is so; the scenario's time limit bounds it."""
    while not condition():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0)


class Tree:
    """webSup on a node of its own, with a plain client."""

    def __init__(self, kernel, web_sup, listening):
        self.kernel = kernel
        self.web_sup = web_sup
        self._port = listening.getsockname()[1]

    @property
    def server(self):
        return self.kernel.registry.whereis("httpServer")

    def connect(self):
        return asyncio.open_connection("127.0.0.1", self._port)

    async def ask(self, method, path, token):
        reader, writer = await self.connect()
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return json.loads(answer.partition(b"\r\n\r\n")[2])

    async def status(self):
        reader, writer = await self.connect()
        writer.write(REQUEST)
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return line

    async def ended(self, address, reason):
        incarnation = address.incarnation
        self.kernel.exit(address.cell, reason)
        await until(lambda: address.incarnation != incarnation or address.cell is None)


class Above(Supervisor):
    """A supervisor of webSup, as the node's top is one."""

    def init(self, args):
        return SupervisorFlags(), [ChildSpec("webSup", WebSup, args, type="supervisor")]


def in_tree(scenario, site, listening, root=("webSup", WebSup)):
    """Run a scenario with a tree on a loop of its own."""

    async def run():
        kernel = actor_system(loop=asyncio.get_running_loop())._systemBase.kernel
        name, start = root
        services = replace(site.services, introspection=Introspection(kernel, name))
        args = HttpServerArgs(
            api=Api(services, site.operations), config=HttpConfig(), listening=listening
        )
        sup_args = WebSupArgs(server=args, flags=SupervisorFlags(intensity=5, period=5.0))
        started = await kernel.start_root(start(), sup_args, name, lambda: None)
        address = started.address
        tree = Tree(kernel, address, listening)
        async with asyncio.timeout(10):
            await scenario(tree)
            if address.cell is not None:
                await tree.ended(address, SHUTDOWN)

    asyncio.run(run())


def test_a_killed_server_closes_its_connections_and_its_successor_serves_the_same_socket(
    site, listening
):
    async def scenario(tree):
        reader, writer = await tree.connect()
        writer.write(REQUEST)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        first = tree.server.incarnation
        await tree.ended(tree.server, KILLED)
        await reader.read()  # returns: the connection has ended
        writer.close()
        assert await tree.status() == b"HTTP/1.1 200 OK\r\n"
        assert tree.server.incarnation == first + 1

    in_tree(scenario, site, listening)


def test_who_connects_while_no_server_runs_waits_and_is_served(site, listening):
    async def scenario(tree):
        await tree.ended(tree.web_sup, SHUTDOWN)
        assert tree.server is None
        with socket.create_connection(listening.getsockname(), timeout=5) as waiting:
            waiting.sendall(REQUEST)

    in_tree(scenario, site, listening)

    async def successor(tree):
        assert await tree.status() == b"HTTP/1.1 200 OK\r\n"

    in_tree(successor, site, listening)


def test_a_server_that_stops_in_order_lets_a_running_request_end(site, listening):
    async def scenario(tree):
        site.services.sessions.blocked = blocked = asyncio.Event()
        reader, writer = await tree.connect()
        token = site.secrets["ivr"]
        path = "/api/v1/sessions/" + "d" * 20
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        await until(lambda: blocked._waiters)
        stopping = asyncio.create_task(tree.ended(tree.web_sup, SHUTDOWN))
        await asyncio.sleep(0)
        blocked.set()
        assert (await reader.readline()).startswith(b"HTTP/1.1 404")
        await stopping
        writer.close()

    in_tree(scenario, site, listening)


def test_what_is_shown_of_the_server_is_where_it_listens_and_what_is_open(site, listening):
    async def scenario(tree):
        _, writer = await tree.connect()
        actor = tree.server.cell.actor
        assert isinstance(actor, HttpServer)
        await until(lambda: actor.status()["connections"])
        host, port = listening.getsockname()
        assert actor.status() == {"host": host, "port": port, "connections": 1, "streams": 0}
        writer.close()

    in_tree(scenario, site, listening)


def test_the_tree_that_is_shown_is_the_one_that_runs(site, listening):
    async def scenario(tree):
        token = site.secrets["viewer"]
        shown = await tree.ask("GET", "/api/v1/tree", token)
        assert (shown["path"], shown["kind"]) == ("webSup", "supervisor")
        assert [child["path"] for child in shown["children"]] == ["webSup/httpServer"]
        rows = await tree.ask("GET", "/api/v1/actors?q=http", token)
        assert [(row["path"], row["status"]) for row in rows["items"]] == [
            ("webSup/httpServer", "running")
        ]
        state = await tree.ask("GET", "/api/v1/actors/webSup%2FhttpServer/state", token)
        assert state["state"]["port"] == listening.getsockname()[1]
        for path in ("webSup", "webSup%2FhttpServer"):
            assert (await tree.ask("GET", f"/api/v1/actors/{path}", token))["status"] == "running"
        assert (await tree.ask("GET", "/api/v1/actors/webSup%2Fx", token))["status"] == 404

    in_tree(scenario, site, listening)


def test_an_operator_who_kills_the_server_that_serves_him_is_answered(site, listening):
    async def scenario(tree):
        first = tree.server.incarnation
        path = "/api/v1/actors/webSup%2FhttpServer/kill"
        done = await tree.ask("POST", path, site.secrets["operator"])
        assert done["action"] == "kill"
        await until(lambda: tree.server is not None and tree.server.incarnation > first)
        detail = await tree.ask("GET", path.removesuffix("/kill"), site.secrets["viewer"])
        assert detail["last_exit"]["reason"] == "killed"

    in_tree(scenario, site, listening)


@pytest.mark.parametrize("path", ["node/webSup", "node/webSup/httpServer"])
def test_a_restart_of_what_carries_its_answer_is_answered_at_once(site, listening, path):
    async def scenario(tree):
        first = tree.server.cell
        begun = asyncio.get_running_loop().time()
        asked = f"/api/v1/actors/{path.replace('/', '%2F')}/restart"
        done = await tree.ask("POST", asked, site.secrets["operator"])
        assert (done["action"], done["by"]) == ("restart", site.who["operator"])
        await until(lambda: tree.server is not None and tree.server.cell not in (None, first))
        assert await tree.status() == b"HTTP/1.1 200 OK\r\n"
        assert asyncio.get_running_loop().time() - begun < CLOSE_S

    in_tree(scenario, site, listening, root=("node", Above))


def test_what_cannot_be_done_to_an_actor_is_409(site, listening):
    async def scenario(tree):
        answer = await tree.ask("POST", "/api/v1/actors/webSup/restart", site.secrets["operator"])
        assert (answer["status"], answer["type"]) == (409, "urn:vigie:problem:action-refused")

    in_tree(scenario, site, listening)
