"""Clients of HTTP while the node is killed: one broken connection, then waiting; nothing twice."""

import http.client
import json
import os
import signal
import threading
from urllib.parse import urlsplit

import pytest

from actors.cli import main
from supervision.anchor.testing import wait_for

pytestmark = pytest.mark.system

CLIENTS = 4
KILLS = 2
PROGRESS = 12
"""Changes that each client makes before the node is killed, and after it has come back."""

CONFIG = """
[http]
port = 0
[cti]
port = 0
[database]
dsn = "postgresql://nobody@127.0.0.1:1/none"  # nothing of this needs it
[sessions]
max_journey = 5000
[anchor]
restart_min_s = 0.05
"""
BROKEN = (ConnectionError, http.client.HTTPException)
PAUSE_S = 0.02


@pytest.fixture
def vigie(tmp_path, capfd):
    """Run commands of one data directory: what was printed as JSON."""

    def run(*words):
        code = main([*words, "--data", str(tmp_path / "var"), "--json"])
        out, _ = capfd.readouterr()
        assert code == 0, out
        return json.loads(out)

    config = tmp_path / "vigie.toml"
    config.write_text(CONFIG)
    run("start", "--config", str(config))
    yield run
    run("stop")


class Client:
    """An IVR application with one call and one connection that it keeps.

    Attributes:
        broken: connections that broke.
        waited: answers 503.
        done: changes that were acknowledged.
        replayed: those of them that had been made before.
    """

    def __init__(self, number, address, token):
        self.number = number
        self._address = address
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._connection = None
        self.broken = self.waited = self.done = self.replayed = 0
        self.failure = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self):
        """Make no more changes of its own."""
        self._ended.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self.failure is not None:
            raise self.failure

    def close(self):
        self._ended.set()
        self._thread.join(60)
        self._drop()

    def _drop(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _run(self):
        try:
            self.session = self.change("/api/v1/sessions", {"call": f"c{self.number}"})["session"]
            self.path = f"/api/v1/sessions/{self.session}"
            self.steps = self.patches = 0
            while not self._ended.is_set():
                self._go_on()
                self._ended.wait(PAUSE_S)
        except BaseException as failure:  # noqa: BLE001 - told to the test
            self.failure = failure

    def _go_on(self):
        body = {"ev": "in", "step": f"s{self.steps}"}
        answer = self.change(f"{self.path}/events", body)
        self.steps += 1
        assert answer["steps"] == self.steps
        self.patch()
        view = self.ask("GET", self.path)[1]
        assert len(view["journey"]) == self.steps
        assert view["rev"] == 1 + self.patches

    def change(self, path, body):
        """A POST with a key, again and again until it is acknowledged."""
        headers = {"Idempotency-Key": f'"{self.number}-{self.done}"'}
        status, answer, replayed = self.ask("POST", path, body, headers)
        assert status in (200, 201), answer
        self.done += 1
        self.replayed += replayed
        return answer

    def patch(self):
        """One PATCH; where it had been made before the answer was lost, its revision tells."""
        headers = {"If-Match": f'"{1 + self.patches}"'}
        body = {"set": {"ud.n": str(self.patches)}}
        status, answer, _ = self.ask("PATCH", self.path, body, headers)
        self.patches += 1
        assert status == 200 or (status, answer["rev"]) == (412, 1 + self.patches)

    def ask(self, method, path, body=None, headers=None):
        """One answer that is not 503, whatever it takes; never 404."""
        while True:
            try:
                answer, content = self._once(method, path, body, headers or {})
            except BROKEN:
                self.broken += 1
                self._drop()
                continue
            if answer.status == 503:
                self.waited += 1
                assert int(answer.headers["retry-after"]) >= 1
                self._ended.wait(0.05)
                continue
            assert answer.status != 404, content
            return answer.status, content, answer.headers["idempotency-replayed"] == "true"

    def _once(self, method, path, body, headers):
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._address, timeout=30)
            self._connection.connect()  # refused would be a failure: the anchor listens
        payload = None if body is None else json.dumps(body)
        self._connection.request(method, path, payload, self._headers | headers)
        answer = self._connection.getresponse()
        return answer, json.loads(answer.read())


@pytest.fixture
def make_clients(vigie):
    """Makes applications with a token."""
    made = []

    def make(count):
        token = vigie("token", "create", "--scope", "ivr", "--name", "test")["token"]
        address = urlsplit(vigie("info")["http"]).netloc
        made.extend(Client(number, address, token) for number in range(count))
        return made

    yield make
    for client in made:
        client.close()


def progress(clients):
    """Wait until every client has got on."""
    goals = [(client, client.done + PROGRESS) for client in clients]
    wait_for(
        lambda: all(client.failure or client.done >= goal for client, goal in goals), patience_s=60
    )
    for client in clients:
        if client.failure is not None:
            raise client.failure


def test_a_killed_node_breaks_a_connection_once_and_does_every_change_once(vigie, make_clients):
    clients = make_clients(CLIENTS)
    progress(clients)
    for _ in range(KILLS):
        os.kill(vigie("info")["node"]["pid"], signal.SIGKILL)
        progress(clients)
    for client in clients:
        client.end()
    assert all(client.broken <= KILLS for client in clients), [client.broken for client in clients]
    assert sum(client.broken for client in clients) >= KILLS
    for client in clients:
        status, view, _ = client.ask("GET", client.path)
        assert status == 200
        assert [step["step"] for step in view["journey"]] == [
            f"s{number}" for number in range(client.steps)
        ]
        assert view["rev"] == 1 + client.patches


def test_a_change_whose_answer_was_lost_is_made_once_when_it_is_sent_again(vigie, make_clients):
    (client,) = make_clients(1)
    progress([client])
    client.end()
    path, steps = client.path, client.steps
    key = {"Idempotency-Key": "lost"}
    first = client.ask("POST", f"{path}/events", {"ev": "x", "step": "lost"}, key)
    assert first[0] == 200
    os.kill(vigie("info")["node"]["pid"], signal.SIGKILL)
    again = client.ask("POST", f"{path}/events", {"ev": "x", "step": "lost"}, key)
    assert again == (200, first[1], True)
    other = client.ask("POST", f"{path}/events", {"ev": "x", "step": "other"}, key)
    assert other[0] == 422
    assert len(client.ask("GET", path)[1]["journey"]) == steps + 1
