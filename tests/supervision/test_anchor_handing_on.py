"""What an anchor hands on survives being written and read, whatever it is; the rest is refused."""

import asyncio
import json
import os
import signal
import socket
import threading
from dataclasses import dataclass, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision.anchor import handing_on
from supervision.anchor.handing_on import (
    Asked,
    HandedChild,
    HandedConversation,
    HandedLease,
    HandedOn,
    NotHandedOn,
    WayBack,
)
from supervision.anchor.interrupts import Interrupts
from supervision.anchor.messages import ExitCode
from supervision.anchor.plain import NotReadable, plain, record
from supervision.anchor.spec import AnchorSpec, ListenerSpec, ProgramSpec
from supervision.anchor.states import AnchorState, Exit, Mode, Phase, ProgramState
from supervision.anchor.unsent import Unsent

SECONDS = st.floats(0.0, 1e9)
NUMBERS = st.integers(0, 2**31)
TEXT = st.text(max_size=20)
MAYBE_SECONDS = st.none() | SECONDS
PROGRAMS = st.builds(
    ProgramState,
    phase=st.sampled_from(Phase),
    pid=st.none() | NUMBERS,
    incarnation=NUMBERS,
    restarts=NUMBERS,
    failures=NUMBERS,
    since=SECONDS,
    deadline=MAYBE_SECONDS,
    ping_due=MAYBE_SECONDS,
    ping_sent=MAYBE_SECONDS,
    last_exit=st.none() | st.builds(Exit, reason=TEXT, at=SECONDS),
    killed_for=st.none() | TEXT,
    last_words=TEXT,
    start_again=st.booleans(),
    info=st.dictionaries(TEXT, st.none() | TEXT | NUMBERS | st.lists(NUMBERS)),
)
CONVERSATIONS = st.builds(
    HandedConversation,
    descriptor=NUMBERS,
    unread=st.binary(max_size=50).map(handing_on.text),
    ended=st.booleans(),
    unsent=st.binary(max_size=50).map(handing_on.text),
    number=st.none() | NUMBERS | TEXT,
    asked=st.none() | st.builds(Asked, TEXT, NUMBERS, SECONDS, SECONDS),
)
CHILDREN = st.builds(
    HandedChild,
    key=TEXT,
    name=TEXT,
    pid=NUMBERS,
    pidfd=NUMBERS,
    channel=st.none() | NUMBERS,
    last_id=NUMBERS,
    unread=st.binary(max_size=50).map(handing_on.text),
    unsent=st.binary(max_size=50).map(handing_on.text),
    pending=st.lists(NUMBERS, max_size=5).map(tuple),
)
SPEC = AnchorSpec(
    "/var/nowhere", (ProgramSpec("node", ("/bin/true",)),), (ListenerSpec("http", "::1", 0),)
)


def handed(node=None, conversations=(), children=(), **changes):
    given = {
        "format": handing_on.FORMAT,
        "vsn": "2.0",
        "spec": SPEC.to_json(),
        "state": AnchorState(
            Mode.RUNNING, {"node": node or ProgramState()}, exit_code=ExitCode.DONE
        ),
        "started_at": 1.0,
        "log_starts": {"node": 17},
        "lease": HandedLease(3, 4, {"node": {"name": "node", "pid": 7, "start_time": None}}),
        "listeners": {"http": 5},
        "control": 6,
        "conversations": tuple(conversations),
        "children": tuple(children),
        "at": 2.0,
        "back": WayBack(("/bin/python", "-P"), None),
    }
    return HandedOn(**{**given, **changes})


@given(PROGRAMS, st.lists(CONVERSATIONS, max_size=3), st.lists(CHILDREN, max_size=3))
def test_all_that_is_handed_on_comes_back_equal(node, conversations, children):
    given_on = handed(node, conversations, children)
    assert handing_on.read(json.loads(json.dumps(plain(given_on)))) == given_on


def test_it_travels_in_memory_and_names_every_descriptor_that_stays_open():
    given_on = handed(
        children=[HandedChild("node", "node", 1, 20, 21), HandedChild("x", "x", 2, 22, None)],
        conversations=[HandedConversation(23)],
    )
    written = given_on.written()
    assert handing_on.read(handing_on.content(written)) == given_on
    os.close(written)
    assert sorted(given_on.descriptors) == [3, 4, 5, 6, 20, 21, 22, 23]


def test_a_field_that_is_not_known_is_left_out_and_one_that_is_missing_has_its_default():
    data = plain(handed(ProgramState(restarts=3)))
    data["new"] = {"x": 1}
    data["state"]["newer"] = 2
    data["state"]["programs"]["node"]["newest"] = 3
    del data["state"]["programs"]["node"]["last_words"]
    del data["state"]["upgrade"]
    assert handing_on.read(data) == handed(ProgramState(restarts=3))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"format": 2}, "format 2; this release goes on from 1"),
        ({"state": 1}, "HandedOn.state: an object is required"),
        ({"control": "six"}, "HandedOn.control: int is required, not 'six'"),
        ({"control": True}, "HandedOn.control: int is required, not True"),
        ({"spec": "{}"}, "directory"),
        ({"listeners": {}}, "listeners: http: not handed on"),
        ({"children": [{}]}, "HandedOn.children.key is missing"),
        ({"children": {}}, "HandedOn.children: list is required"),
    ],
)
def test_what_cannot_be_gone_on_with_is_refused_with_where_it_is(change, why):
    with pytest.raises(NotHandedOn) as refused:
        handing_on.read({**plain(handed()), **change})
    assert why in str(refused.value)


def test_a_phase_that_is_not_known_is_refused():
    data = plain(handed())
    data["state"]["programs"]["node"]["phase"] = "dancing"
    with pytest.raises(NotHandedOn, match="'dancing' is no Phase"):
        handing_on.read(data)


def test_programs_that_are_not_on_both_sides_are_refused():
    state = AnchorState(Mode.RUNNING, {"other": ProgramState()})
    with pytest.raises(NotHandedOn, match="programs: node, other"):
        handing_on.read(plain(handed(state=state)))


@pytest.mark.parametrize("data", [None, [], "x", {}])
def test_what_is_no_object_of_a_known_format_is_refused(data):
    with pytest.raises(NotHandedOn, match="format None"):
        handing_on.read(data)


def test_a_descriptor_that_is_not_open_is_refused():
    closed, other = os.pipe()
    os.close(closed)
    os.close(other)
    with pytest.raises(NotHandedOn, match=f"descriptor {closed}: "):
        handing_on.check_open([closed])


def test_every_record_of_the_core_can_be_read_back_by_its_hints():
    for kind in (AnchorState, ProgramState):
        for item in fields(kind):
            assert item.type  # a hint that cannot be resolved would raise below
    assert record(ProgramState, {}) == ProgramState()
    assert record(AnchorState, {"mode": "running", "programs": {}}) == AnchorState(Mode.RUNNING, {})


@dataclass
class Either:
    """A record that plain data cannot tell apart."""

    value: int | str


def test_a_record_that_could_be_several_things_is_not_guessed():
    with pytest.raises(NotReadable, match="one of several types"):
        record(Either, {"value": 1})


@given(st.lists(st.binary(min_size=1, max_size=40_000), max_size=12), st.integers(0, 200_000))
def test_what_is_not_sent_is_known_to_the_byte(chunks, taken):
    """Whatever the other end has read: what it read and what is unsent are all that was written."""

    async def go():
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
        unsent, read = Unsent(transport), bytearray()
        for index, chunk in enumerate(chunks):
            unsent.write(chunk)
            if index % 3 == 2:
                read += some(theirs, taken)
                await asyncio.sleep(0)
        left = unsent.bytes()
        read += some(theirs, sum(map(len, chunks)))
        assert bytes(read) + left == b"".join(chunks)
        transport.abort()
        await asyncio.sleep(0)
        theirs.close()

    asyncio.run(go())


def some(peer, limit):
    read = bytearray()
    while len(read) < limit:
        try:
            data = peer.recv(limit - len(read))
        except BlockingIOError:
            break
        read += data
    return bytes(read)


def test_a_signal_that_comes_while_signals_are_blocked_is_heard_afterwards():
    heard = []

    async def go():
        interrupts = Interrupts(heard.append)
        interrupts.install(asyncio.get_running_loop())
        with interrupts.blocked():
            signal.pthread_kill(threading.get_ident(), signal.SIGHUP)
            assert not interrupts.caught
        assert interrupts.caught
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    before = {number: signal.getsignal(number) for number in (1, 2, 15)}
    try:
        asyncio.run(go())
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert heard == ["SIGHUP"]


def test_the_way_back_is_left_out_of_what_is_sent_back():
    once = handed(failed="no", back=None)
    assert handing_on.read(plain(once)) == replace(handed(), failed="no", back=None)
