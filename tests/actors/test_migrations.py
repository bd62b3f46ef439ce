"""Which migrations are applied, and what is refused."""

import re

import pytest

from actors import migrations
from actors.etc_files import etc_file
from actors.migrations import Applied, SchemaRefused, apply, expanding, last, load, pending


@pytest.fixture
def directory(tmp_path):
    for number, name in enumerate(("one", "two", "three"), 1):
        (tmp_path / f"{number:03}_{name}.sql").write_text(f"CREATE TABLE {name} ()")
    (tmp_path / "README.md").write_text("not a migration")
    return tmp_path


def names(found):
    return [migration.name for migration in found]


def applied(directory, count):
    return [
        Applied(one.number, one.name, one.checksum, one.serves) for one in load(directory)[:count]
    ]


def test_migrations_are_read_in_the_order_of_their_numbers(directory):
    assert names(load(directory)) == ["001_one.sql", "002_two.sql", "003_three.sql"]


def test_what_is_applied_already_is_not_applied_again(directory):
    assert names(pending(load(directory), applied(directory, 2))) == ["003_three.sql"]
    assert pending(load(directory), applied(directory, 3)) == []


def test_a_schema_of_a_newer_release_is_refused_by_name(directory):
    with pytest.raises(SchemaRefused, match=re.escape("003_three.sql was applied by a newer")):
        pending(load(directory)[:2], applied(directory, 3))


@pytest.mark.parametrize(("known", "served"), [(1, False), (2, True)])
def test_a_newer_schema_serves_the_releases_that_it_says_it_serves(directory, known, served):
    last = directory / "003_three.sql"
    last.write_text(f"-- Only adds.\n-- serves: 002\n{last.read_text()}")
    later = [one for one in applied(directory, 3) if one.number <= known or one.number == 3]
    if served:
        assert pending(load(directory)[:known], later) == []
    else:
        with pytest.raises(SchemaRefused, match=re.escape("knows the schema up to 001")):
            pending(load(directory)[:known], later)


def test_a_migration_that_changed_after_it_was_applied_is_refused_by_name(directory):
    before = applied(directory, 3)
    (directory / "002_two.sql").write_text("DROP TABLE one")
    with pytest.raises(SchemaRefused, match=re.escape("002_two.sql has changed")):
        pending(load(directory), before)


def test_a_migration_that_comes_in_between_is_refused_by_name(directory):
    before = [one for one in applied(directory, 3) if one.number != 2]
    with pytest.raises(SchemaRefused, match=re.escape("002_two.sql comes before 003")):
        pending(load(directory), before)


@pytest.mark.parametrize("name", ["4_four.sql", "004-four.sql", "004_Four.sql", "003_again.sql"])
def test_a_file_whose_name_or_number_is_wrong_is_refused(directory, name):
    (directory / name).write_text("")
    with pytest.raises(SchemaRefused, match=re.escape(name)):
        load(directory)


def test_all_that_is_pending_is_one_transaction_under_the_lock(directory):
    statements = apply(load(directory), 5).statements
    assert statements[0].args == (migrations.LOCK,)
    assert [one.args[:2] for one in statements[1::2]] == [
        (1, "001_one.sql"),
        (2, "002_two.sql"),
        (3, "003_three.sql"),
    ]


def test_the_migrations_that_ship_can_be_read():
    assert names(load(etc_file("sql")))[0] == "001_closed_session.sql"


# While another release may come back


def marked(directory, **lines):
    """The migrations of a directory, with lines in front of some."""
    for path in directory.glob("*.sql"):
        line = lines.get(path.stem[4:])
        if line:
            path.write_text(f"-- What it does.\n{line}\n{path.read_text()}")
    return load(directory)


def test_only_what_serves_the_release_before_is_applied_until_this_one_is_permanent(directory):
    found = marked(directory, two="-- serves: 001", three="-- contract")
    assert [one.contract for one in found] == [False, False, True]
    now, held = expanding(found[1:], 1)
    assert (names(now), names(held)) == (["002_two.sql"], ["003_three.sql"])


@pytest.mark.parametrize("known", [0, 1])
def test_what_is_not_said_to_serve_the_release_before_waits(directory, known):
    found = marked(directory, two="-- serves: 002", three="")
    now, held = expanding(found[1:], known)
    assert (names(now), names(held)) == ([], ["002_two.sql", "003_three.sql"])


def test_a_contract_waits_whatever_else_it_says(directory):
    found = marked(directory, three="-- contract\n-- serves: 001")
    assert names(expanding(found[2:], 1)[1]) == ["003_three.sql"]


def test_nothing_may_come_behind_what_waits(directory):
    found = marked(directory, two="-- contract", three="-- serves: 001")
    with pytest.raises(SchemaRefused, match=re.escape("003_three.sql comes behind 002_two.sql")):
        expanding(found[1:], 1)


def test_the_last_migration_is_known_by_its_number(directory, tmp_path_factory):
    assert last(directory) == 3
    assert last(tmp_path_factory.mktemp("empty")) == 0
