"""How the schema is brought up to date, step by step."""

import pytest

from actors import migrations, schema_upkeep
from actors.database import DatabaseDown, Executed, QueryFailed, Rows
from actors.migrations import Migration
from actors.schema_upkeep import Ask, Failed, Ready, Refused, Upkeep

SHIPPED = [Migration(1, "001_one.sql", "CREATE TABLE one ()", "a")]
READ = Ask(migrations.applied(5))
PREPARE = Ask(migrations.prepare(50))
APPLY = Ask(migrations.apply(SHIPPED, 50))
DONE = Rows([{"number": 1, "name": "001_one.sql", "checksum": "a", "serves": None}])
NO_TABLE = QueryFailed("42P01", "no such table")
NO_COLUMN = QueryFailed("42703", "no such column")


def play(*answers):
    """The steps that follow each other, the first included."""
    state = Upkeep(SHIPPED, 50, 5)
    steps = [schema_upkeep.begin(state)]
    steps += [schema_upkeep.answered(state, answer) for answer in answers]
    return steps, state


def test_where_all_is_applied_nothing_is_changed():
    steps, state = play(DONE)
    assert steps == [READ, Ready()]
    assert (state.phase, state.under_way) == ("ready", False)


def test_an_empty_database_gets_the_table_then_the_migrations():
    steps, _ = play(NO_TABLE, Executed(0), Rows([]), Executed(1))
    assert steps == [READ, PREPARE, READ, APPLY, Ready()]


def test_a_table_of_an_older_release_gets_its_column():
    steps, _ = play(NO_COLUMN, Executed(0), DONE)
    assert steps == [READ, PREPARE, READ, Ready()]


def test_a_table_that_is_still_missing_when_it_was_made_is_a_failure_not_a_circle():
    steps, state = play(NO_TABLE, Executed(0), NO_TABLE)
    assert steps[-1] == Failed(NO_TABLE)
    assert state.phase == "waiting"


def test_where_another_node_was_quicker_it_is_read_again():
    steps, _ = play(Rows([]), QueryFailed("23505", "duplicate key"), DONE)
    assert steps == [READ, APPLY, READ, Ready()]


@pytest.mark.parametrize("failure", [DatabaseDown("gone"), QueryFailed("42501", "no right")])
@pytest.mark.parametrize("before", [(), (NO_TABLE,), (Rows([]),)])
def test_a_step_that_fails_is_begun_again_from_the_first(before, failure):
    steps, state = play(*before, failure)
    assert steps[-1] == Failed(failure)
    assert schema_upkeep.begin(state) == READ


def test_what_does_not_go_together_is_refused_by_name():
    later = {"number": 2, "name": "002_two.sql", "checksum": "b", "serves": None}
    steps, state = play(Rows([*DONE.rows, later]))
    assert isinstance(steps[-1], Refused)
    assert "002_two.sql was applied by a newer release" in steps[-1].why
    assert state.phase == "refused"


def test_a_later_migration_that_serves_this_release_is_no_obstacle():
    later = {"number": 2, "name": "002_two.sql", "checksum": "b", "serves": 1}
    steps, _ = play(Rows([*DONE.rows, later]))
    assert steps[-1] == Ready()
