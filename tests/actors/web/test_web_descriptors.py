"""A server that has no descriptor left goes on, and accepts again when it has."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LIMIT = 40
SERVER = f"""
import asyncio, resource, socket, time
from types import SimpleNamespace
from actors.config import HttpConfig
from actors.web import health
from actors.web.api import Api
from actors.web.once import Requests
from actors.web.server import WebServer

async def main():
    config = HttpConfig()
    services = SimpleNamespace(config=config, requests=Requests(time.monotonic))
    server = WebServer(Api(services, health.operations(metrics_public=True)), config)
    listening = socket.create_server(("127.0.0.1", 0))
    await server.start(listening)
    print(listening.getsockname()[1], flush=True)
    await asyncio.Event().wait()

resource.setrlimit(resource.RLIMIT_NOFILE, ({LIMIT}, {LIMIT}))
asyncio.run(main())
"""
REQUEST = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


def served(connection):
    connection.sendall(REQUEST)
    return connection.recv(65_536).startswith(b"HTTP/1.1 200")


@pytest.fixture
def server():
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process, int(process.stdout.readline())
        process.kill()


@pytest.mark.system
def test_connections_that_cannot_be_accepted_wait_until_others_are_closed(server):
    process, port = server
    connections = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(LIMIT + 20)]
    first, last = connections[0], connections[-1]
    assert served(first)
    assert "out of system resource" in process.stderr.readline()  # it has noticed, and lives
    assert served(first)
    for connection in connections[1:-1]:
        connection.close()
    assert served(last)
    assert served(first)
    for connection in (first, last):
        connection.close()
