import pytest
from journal_kit import journal

from actors.journal.no_writer import NoWriter
from actors.journal.records import JournalError
from supervision.testing import Kit


@pytest.fixture
def kit():
    with Kit() as kit:
        yield kit


def test_effects_leave_though_nothing_is_kept(kit, caplog):
    one = journal(kit, writer=NoWriter(kit.kernel))
    kit.run(one.open())
    assert "nothing survives a crash" in caplog.text
    done, answers = [], []

    def put():
        one.put("session", "a", {"n": 1})
        one.after(lambda: done.append("told"))
        assert done == []

    kit.loop.run(put)
    kit.advance(0.1)
    assert done == ["told"]
    assert one.statistics().commits == 1
    kit.loop.run(one.read, lambda _: None, answers.append)
    kit.advance(0.1)
    assert isinstance(answers[0], JournalError)
    kit.run(one.close())
    other = journal(kit, writer=NoWriter(kit.kernel))
    assert kit.run(other.open()).values == {}
