"""What later releases know of links becomes what the one before knows, and back."""

import msgspec
import pytest
from link_kit import LinkKit

from actors import cti_record
from actors.cti_record import LinkRecord
from actors.cti_ways import Pending
from actors.takeover import links, links_versions
from actors.takeover.links_state import LinksState, row_state
from actors.takeover.part_states import there_and_back
from protocols.cti import link_session
from protocols.cti.events import Received
from protocols.cti.messages import Error
from protocols.cti.parsing import parse
from supervision.release.versions import Conversions

REFUSED = Error(code=409, ref=3, msg="rev is 2", field="rev", rev=2, i=5)
LATER = {
    "agent.state": {"agent": "anna", "st": "ready", "ts": 1.0},
    "resync": {},
    "snapshot": {"calls": ["c1"]},
    "data.update": {"session": "5e55", "rev": 1, "set": {}},
}


def older(state):
    plain = msgspec.to_builtins(state, builtin_types=(bytes,))
    return links_versions.WAYS.convert("links", plain, have=2, want=1)


def state_of(kit):
    rows = [row_state(row, None, listed=True) for row in kit.links.known if row.session is not None]
    counts = kit.links.counts
    return LinksState(rows=rows, closing=[], resting=[], last=9, counts=counts, held_at=0.0)


@pytest.mark.parametrize("tag", sorted(links_versions.LATER_FRAMES))
def test_a_frame_that_the_release_before_does_not_know_is_refused_there_by_its_number(tag):
    with LinkKit() as kit:
        row = kit.connect().row
        frame = {"t": tag, "i": 1, **LATER[tag]}
        row.pending[1] = Pending(parse(frame), 1.0)
        row.events.append(Received(parse(frame | {"i": 2}), 1.0))
        [plain] = older(state_of(kit))["rows"]
        row.pending.clear()
        row.events.clear()
    stand_ins = [one["message"] for one in (*plain["pending"], *plain["events"])]
    assert [one["i"] for one in stand_ins] == [1, 2]
    # Nobody has such a dialogue: its session is not found, and the frame gets 404.
    assert {parse(one).xref for one in stand_ins} == {f"{tag} is not served"}


def test_a_refusal_loses_its_revision_on_the_way_down_and_nothing_else():
    with LinkKit() as kit:
        peer = kit.connect()
        session = peer.row.session
        session.recent = [REFUSED]
        session.withheld = [link_session.Withheld(REFUSED, 1.0)]
        plain = older(state_of(kit))["rows"][0]["session"]
        told = msgspec.to_builtins(REFUSED)
        del told["rev"]
        assert plain["recent"] == [told]
        assert [one["error"] for one in plain["withheld"]] == [told]
        session.withheld = []


def test_the_state_of_a_node_goes_there_and_back():
    with LinkKit() as kit:
        peer = kit.connect()
        peer.route()
        part = links.LinksPart(kit.kernel, kit.links, kit.pool)
        body = msgspec.msgpack.encode(state_of(kit))
        plain = msgspec.msgpack.decode(body)
        plain = links_versions.WAYS.convert("links", plain, have=links_versions.VERSION, want=1)
        again = there_and_back(part, LinksState, 1, msgspec.msgpack.encode(plain))
        assert again == plain


def test_a_record_of_the_journal_is_read_by_the_release_before_and_by_this_one():
    record = LinkRecord(
        link_session.Record(id="l", name="cti", side="primary", last_in=3, recent=(REFUSED,)),
        {"reg-1": ("sales",)},
        1.5,
    )
    text = cti_record.CODEC.down[2](cti_record.encode(record))
    assert b'"rev":' not in text
    back = cti_record.decode(cti_record.CODEC.older[1](text), 2)
    assert back.record.recent[0].msg == REFUSED.msg
    assert back.record.recent[0].rev is None
    assert msgspec.structs.replace(back, record=record.record) == record


def test_the_ways_are_complete():
    for ways in (links_versions.WAYS, cti_record.WAYS):
        assert isinstance(ways, Conversions)
        assert ways.missing(2) == []
