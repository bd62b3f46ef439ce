"""Listening sockets that refuse while no program will ever accept."""

import socket

import pytest

from supervision.anchor import listening
from supervision.anchor.boot import bind
from supervision.anchor.spec import AnchorSpec, ListenerSpec, ProgramSpec

SPEC = AnchorSpec(
    "/data",
    (ProgramSpec("node", ("/bin/node",), listeners=("http",)),),
    listeners=(ListenerSpec("http", "127.0.0.1", 0),),
)


@pytest.fixture
def listener():
    with bind(SPEC.listeners[0]) as one:
        yield one


def connect(listener):
    return socket.create_connection(listener.getsockname(), timeout=5)


def test_who_connects_is_refused_and_who_waits_is_reset(listener):
    with connect(listener) as waiting:
        listening.refuse([listener])
        listening.refuse([listener])
        with pytest.raises(ConnectionResetError):
            waiting.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect(listener)


def test_it_listens_again_at_the_same_address(listener):
    address = listener.getsockname()
    listening.refuse([listener])
    assert listener.getsockname() == address
    listening.accept({"http": listener}, SPEC)
    listening.accept({"http": listener}, SPEC)
    assert listener.getsockname() == address
    with connect(listener):
        accepted, _ = listener.accept()
        accepted.close()


def test_an_address_that_was_taken_meanwhile_is_told(listener):
    listening.refuse([listener])
    other = ListenerSpec("other", *listener.getsockname())
    with bind(other), pytest.raises(OSError, match="in use"):
        listening.accept({"http": listener}, SPEC)
