import asyncio
import json
import socket

import pytest

from actors.web.event_hub import EventHub, TooManySubscriptions
from actors.web.event_operations import EventStream
from protocols.http import sse

EVENTS = "/api/v1/events"
BULK = [["x" * 1000] * 100] * 40
"""What no socket takes at once: 4 MB."""


class Reader:
    """A client of the event stream that reads one event at a time."""

    def __init__(self, site, query="", headers=""):
        self._connection = site.connect()
        self._connection.sendall(
            f"GET {EVENTS}{query} HTTP/1.1\r\nHost: x\r\n{headers}"
            f"Authorization: Bearer {site.secrets['viewer']}\r\n\r\n".encode()
        )
        self._file = self._connection.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        self.headers = dict(
            line.decode().strip().split(": ", 1) for line in iter(self._file.readline, b"\r\n")
        )
        if self.status == 200:
            assert self._block() == {"retry": "1000"}

    def _block(self):
        """One event; each chunk of the transfer coding may hold several."""
        fields = {}
        while True:
            line = self._file.readline().decode().rstrip("\n")
            if line.endswith("\r"):  # size of a chunk, or its end
                continue
            if not line:
                return fields
            name, _, value = line.partition(":")
            fields[name] = value.strip()

    def event(self):
        fields = self._block()
        return fields["event"], json.loads(fields["data"]), fields.get("id")

    def close(self):
        self._file.close()
        self._connection.close()


@pytest.fixture
def reader(site):
    readers = []

    def read(*args, **options):
        readers.append(Reader(site, *args, **options))
        return readers[-1]

    yield read
    for each in readers:
        each.close()


def publish(site, kind, data):
    site.soon(site.services.events.publish, kind, data, 5.0)


def test_what_happens_is_streamed_with_ids(site, reader):
    stream = reader()
    assert stream.headers["Content-Type"] == "text/event-stream"
    publish(site, "crash", {"path": "node/a1"})
    data = {"id": "ab-1", "kind": "crash", "at": 5.0, "data": {"path": "node/a1"}}
    assert stream.event() == ("crash", data, "ab-1")


def test_what_json_cannot_say_is_told_in_words(site, reader):
    stream = reader()
    publish(site, "crash", {"path": ("a", 1), "reason": ValueError("no")})
    assert stream.event()[1]["data"] == {"path": ["a", 1], "reason": "ValueError('no')"}


def test_only_the_kinds_asked_for_are_streamed(site, reader):
    stream = reader("?kinds=crash,node")
    for kind in ("supervisor", "node"):
        publish(site, kind, None)
    assert stream.event()[0] == "node"


@pytest.mark.parametrize("kinds", ["", "crash,", "crashes", "crash node"])
def test_a_kind_that_does_not_exist_is_named(site, kinds):
    answer = site.get(f"{EVENTS}?kinds={kinds.replace(' ', '%20')}")
    assert answer.rule == (400, "invalid-value", "kinds")


def test_a_reader_who_reconnects_goes_on_where_it_was(site, reader):
    for number in range(3):
        publish(site, "node", number)
    stream = reader(headers="Last-Event-ID: ab-1\r\n")
    assert [stream.event()[2] for _ in range(2)] == ["ab-2", "ab-3"]


def test_a_reader_whose_events_are_no_longer_known_is_told_how_many_it_missed(site, reader):
    for number in range(60):
        publish(site, "node", number)
    stream = reader(headers="Last-Event-ID: ab-2\r\n")
    assert stream.event() == ("gap", {"missed": 8}, None)
    assert stream.event()[2] == "ab-11"


def test_a_long_trace_takes_no_other_event_from_who_reconnects(site, reader):
    publish(site, "crash", "first")
    for number in range(60):
        publish(site, "trace", number)
    publish(site, "crash", "last")
    stream = reader("?kinds=crash", headers="Last-Event-ID: ab-0\r\n")
    assert stream.event() == ("gap", {"missed": 10}, None)
    assert [stream.event()[1]["data"] for _ in range(2)] == ["first", "last"]
    latest = site.get(f"{EVENTS}?kinds=crash,trace", headers={"Accept": "application/json"})
    ids = [item["id"] for item in latest.json()["items"]]
    assert (ids[0], ids[1], ids[-1]) == ("ab-1", "ab-12", "ab-62")


@pytest.mark.parametrize("position", ["ff-1", "ab-99"])
def test_a_position_of_another_life_is_a_gap_of_unknown_size(site, reader, position):
    stream = reader(headers=f"Last-Event-ID: {position}\r\n")
    assert stream.event() == ("gap", {"missed": None}, None)


def test_a_position_that_is_none_is_400(site):
    answer = site.get(EVENTS, headers={"Last-Event-ID": "yesterday"})
    assert answer.rule == (400, "invalid-value", "Last-Event-ID")


def test_one_stream_too_many_is_429_until_another_ends(make_site):
    site = make_site(max_event_streams=2)
    first, second = Reader(site), Reader(site)
    answer = site.get(EVENTS, scope="viewer")
    assert answer.rule == (429, "too-many-streams", None)
    assert answer.headers["retry-after"] == "5"
    first.close()
    wait_until(lambda: len(site.services.events._subscriptions) == 1, site)
    third = Reader(site)
    publish(site, "node", None)
    assert third.event()[0] == second.event()[0] == "node"
    second.close()
    third.close()


def wait_until(condition, site):
    """Pass through the site's loop until something is so; the test's time limit bounds it."""
    while not site.soon(condition):
        pass


def test_a_slow_reader_loses_the_oldest_events_and_is_told_how_many(make_site):
    site = make_site(events_buffer=10, write_timeout_s=30)
    stream = Reader(site)
    transport = slow_down(site, stream)
    publish(site, "node", BULK)  # more than the socket takes: the writer waits
    wait_until(lambda: transport.get_write_buffer_size() > 0, site)
    for number in range(25):
        publish(site, "node", number)
    assert stream.event()[1]["data"] == BULK
    assert stream.event() == ("gap", {"missed": 15}, None)
    assert [stream.event()[1]["data"] for _ in range(10)] == list(range(15, 25))
    stream.close()


def test_a_reader_who_takes_nothing_is_cut_off(make_site):
    site = make_site(write_timeout_s=0.05)
    stream = Reader(site)
    slow_down(site, stream)
    publish(site, "node", BULK)
    wait_until(lambda: not site.services.events.watched, site)
    stream.close()


def slow_down(site, stream):
    """Give the connection small buffers on both sides, so that its writer soon waits."""
    stream._connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    (protocol,) = site.server._protocols.streams
    server_side = protocol.transport.get_extra_info("socket")
    server_side.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    return protocol.transport


def test_without_a_stream_the_latest_events_are_shown(site):
    for number in range(3):
        publish(site, "node", number)
    answer = site.get(EVENTS, headers={"Accept": "application/json"})
    assert [item["data"] for item in answer.json()["items"]] == [0, 1, 2]


def test_head_of_the_stream_ends_at_once_and_holds_nothing(site):
    answer = site.ask("HEAD", EVENTS)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
    wait_until(lambda: not site.services.events.watched, site)


def test_a_closing_server_ends_its_streams(site, reader):
    stream = reader()
    site.do(site.server.close())
    stream._file.read()  # returns: the connection has ended
    assert not site.services.events.watched


def test_a_quiet_stream_is_kept_alive_with_comments():
    async def scenario():
        hub = EventHub("ab")
        stream = EventStream(hub.subscribe(["node"], 10), hub.epoch, 0.001)
        return [await stream.chunk(), await stream.chunk()]

    assert asyncio.run(scenario()) == [sse.retry(1000), sse.KEEPALIVE]


def test_the_hub_counts_its_readers():
    hub = EventHub("ab", max_subscriptions=1)
    subscription = hub.subscribe(["node"], 1)
    assert hub.watched
    with pytest.raises(TooManySubscriptions, match="at most 1"):
        hub.subscribe(["node"], 1)
    subscription.close()
    assert not hub.watched
