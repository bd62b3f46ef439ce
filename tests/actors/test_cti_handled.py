"""Frames that are confirmed in the row of their link: no message goes to its actor."""

import pytest
from link_kit import LinkKit, session


@pytest.fixture
def kit():
    with LinkKit() as kit:
        yield kit


def confirm(kit, peer, i):
    kit.loop.run(kit.confirm, peer.session, i)


def test_an_event_that_is_confirmed_is_acknowledged_without_a_word_to_the_actor(kit):
    peer = kit.connect()
    told = session(kit, confirms=False)
    i = peer.event()
    assert told.told == [i]
    before = peer.address.cell.handled
    confirm(kit, peer, i)
    kit.settle()
    assert (peer.row.pending, peer.address.cell.handled) == ({}, before)
    kit.advance(0.05)
    peer.frames()
    assert peer.acked == i


def test_of_a_request_the_actor_is_told(kit):
    peer = kit.connect()
    session(kit, xrefs=["x1"], confirms=False)
    i = peer.route()
    before = peer.address.cell.handled
    confirm(kit, peer, i)
    kit.settle()
    assert (peer.row.pending, peer.address.cell.handled) == ({}, before + 1)


def test_of_a_link_session_that_is_over_nothing_is_left_to_confirm(kit):
    peer = kit.connect()
    told = session(kit, confirms=False)
    i = peer.event()
    kit.loop.run(kit.links.end, peer.row)
    confirm(kit, peer, i)
    assert told.told == [i]
