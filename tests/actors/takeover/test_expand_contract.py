"""Two versions on one database: what is added is there for both, what is taken away waits."""

from __future__ import annotations

import asyncio
import shutil

import msgspec
import pytest
from store_kit import Storing, view

from actors import session_store
from actors.etc_files import etc_file
from actors.permanence import Permanence
from actors.session_store import NAME as STORE
from actors.standby import Standby
from actors.takeover import held_back

pytestmark = pytest.mark.system

EXPAND = """-- A column more.
-- serves: 003
ALTER TABLE closed_session ADD COLUMN note text;
"""
CONTRACT = """-- Nobody looks for that any more.
-- contract
DROP INDEX closed_session_closed;
"""
CONTRACT_NAME = "005_less.sql"


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Have the stores that start from now on ship the migrations of a release."""
    directories = {1: tmp_path / "1", 2: tmp_path / "2"}
    for directory in directories.values():
        shutil.copytree(etc_file("sql"), directory)
    (directories[2] / "004_more.sql").write_text(EXPAND)
    (directories[2] / CONTRACT_NAME).write_text(CONTRACT)

    def of(release):
        monkeypatch.setattr(session_store, "etc_file", lambda _: directories[release])

    return of


class Release(Storing):
    """A version of what stores sessions, on a node of its own."""

    def __init__(self, node, dsn, **release):
        super().__init__(node, dsn)
        self.settings = msgspec.structs.replace(self.settings, **release)


def applied(postgres, dsn):
    rows = postgres.run("SELECT number FROM vigie_schema ORDER BY number", dsn)
    return [row["number"] for row in rows]


def stored(postgres, dsn):
    return {row["call"] for row in postgres.run("SELECT call FROM closed_session", dsn)}


async def stores(release, number):
    """Whether a version can store a session now."""
    release.close(view(number))
    await release.drained()


def has_column(postgres, dsn):
    return bool(
        postgres.run(
            "SELECT 1 FROM information_schema.columns"
            " WHERE table_name = 'closed_session' AND column_name = 'note'",
            dsn,
        )
    )


def threaded(function, *args):
    """Run what has a loop of its own beside the one of the test."""
    return asyncio.to_thread(function, *args)


async def restarted(release):
    """Have a version start its store again, which looks at the schema."""
    node = release.node
    before = node.whereis(STORE).incarnation
    node.kill(STORE)

    def again():
        found = node.whereis(STORE)
        return found is not None and found.incarnation > before

    await node.until(again)


def test_both_versions_work_on_the_schema_until_the_new_one_is_permanent(
    on_node, postgres, shipped
):
    dsn = postgres.new_database()
    standby, permanence = Standby(waiting=True), Permanence(provisional=True)

    async def scenario(node):
        shipped(1)
        old = await Release(node, dsn).ready()
        await stores(old, 1)

        other = type(node)()
        shipped(2)
        permanence.known = 3
        new = Release(other, dsn, standby=standby, permanence=permanence)
        new.close(view(2))
        await new.start()
        await other.until(lambda: new.status("schema") == "waiting" and _idle(other))
        assert await threaded(applied, postgres, dsn) == [1, 2, 3]

        standby.open()
        await new.drained()
        assert new.status("held") == [CONTRACT_NAME]
        assert await threaded(applied, postgres, dsn) == [1, 2, 3, 4]
        assert await threaded(has_column, postgres, dsn)

        await stores(old, 3)
        await restarted(old)
        await node.until(lambda: old.status("schema") == "ready")
        await stores(old, 4)
        await stores(new, 5)

        names = held_back.held(other.kernel)
        assert names == [CONTRACT_NAME]
        permanence.become()
        assert await held_back.missing(other.kernel, new.alarms, names, 20.0) == ""
        assert (new.status("held"), new.status("schema")) == ([], "ready")
        assert await threaded(applied, postgres, dsn) == [1, 2, 3, 4, 5]
        await stores(new, 6)
        assert await threaded(stored, postgres, dsn) == {f"c-{number}" for number in range(1, 7)}

        shipped(1)
        await restarted(old)
        text = await old.alarmed("schema-refused")
        assert f"{CONTRACT_NAME} was applied by a newer release" in text
        await other.stop_all()

    on_node(scenario)


def _idle(node):
    """Whether a node's connections are up, so that nothing but the gate holds its store back."""
    cell = node.kernel.cell_of("connectionRouter")
    return cell is not None and "idle" in cell.actor.status()["connections"].values()
