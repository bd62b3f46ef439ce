"""Real anchors that upgrade a scripted program: each step done, killed, hung and failing."""

import pytest
from anchor_upgrade_kit import LIMITS, Upgradable

from supervision.anchor.testing import wait_gone

pytestmark = pytest.mark.system


@pytest.fixture
def start(tmp_path):
    anchors = []

    def begin(limits=LIMITS, **faults):
        anchors.append(Upgradable(tmp_path, limits, **faults))
        anchors[-1].node(do="remember", word="call 17")
        return anchors[-1]

    yield begin
    for anchor in anchors:
        anchor.clean_up()


def test_a_new_release_takes_the_memory_over_and_is_permanent_when_it_is_committed(start):
    anchor = start()
    anchor.install("2.0")
    before = anchor.node()
    answer = anchor.upgrade()
    after = anchor.node()
    assert answer["state"] == "current"
    assert (after["vsn"], after["memory"], after["serving"]) == ("2.0", "call 17", True)
    assert after["pid"] != before["pid"]
    assert after["incarnation"] == before["incarnation"] + 1
    assert after["schema"] == "1.0"
    assert after["release"] == {
        "vsn": "2.0",
        "permanent": "1.0",
        "provisional": True,
        "permanent_states": {"word": 1},
    }
    wait_gone(before["pid"])
    assert (anchor.pointers().permanent, anchor.pointers().current) == ("1.0", "2.0")
    assert anchor.ask("release.commit", who="ann")["state"] == "permanent"
    assert anchor.node()["schema"] == "2.0"
    assert (anchor.pointers().permanent, anchor.pointers().old) == ("2.0", ("1.0",))
    assert anchor.history() == [
        ("upgrade", "2.0", "begun"),
        ("upgrade", "2.0", "provisional"),
        ("commit", "2.0", "done"),
    ]
