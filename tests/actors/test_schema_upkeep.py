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


# While another release may come back

MORE = Migration(2, "002_more.sql", "ALTER TABLE one ADD x int", "b", serves=1)
LESS = Migration(3, "003_less.sql", "ALTER TABLE one DROP y", "c", contract=True)


def provisional(*answers):
    """The steps of a provisional release that ships two more, and what is known then."""
    state = Upkeep([*SHIPPED, MORE, LESS], 50, 5, provisional=True, known=1)
    steps = [schema_upkeep.begin(state)]
    steps += [schema_upkeep.answered(state, answer) for answer in answers]
    return steps, state


WITH_MORE = Rows([*DONE.rows, {"number": 2, "name": "002_more.sql", "checksum": "b", "serves": 1}])
REST = Ask(migrations.apply([LESS], 50))


def test_a_contract_waits_until_the_release_is_permanent():
    steps, state = provisional(DONE, Executed(1))
    assert steps == [READ, Ask(migrations.apply([MORE], 50)), Ready()]
    assert state.held == [LESS]
    assert schema_upkeep.permanent(state) == READ
    assert schema_upkeep.answered(state, WITH_MORE) == REST
    assert schema_upkeep.answered(state, Executed(1)) == Ready()
    assert state.held == []
    assert schema_upkeep.permanent(state) is None


@pytest.mark.parametrize("so_far", [(), (DONE,)])
def test_a_release_that_becomes_permanent_meanwhile_goes_on_when_that_is_done(so_far):
    _, state = provisional(DONE, Executed(1))
    schema_upkeep.begin(state)
    for answer in so_far:
        schema_upkeep.answered(state, answer)
    assert schema_upkeep.permanent(state) is None
    rest = [WITH_MORE] if not so_far else [Executed(1), WITH_MORE]
    steps = [schema_upkeep.answered(state, answer) for answer in rest]
    assert REST in steps


def test_a_release_that_becomes_permanent_while_the_database_is_down_does_it_later():
    _, state = provisional(DONE, Executed(1))
    schema_upkeep.begin(state)
    schema_upkeep.answered(state, DatabaseDown("gone"))
    assert schema_upkeep.permanent(state) is None
    assert schema_upkeep.begin(state) == READ
    assert schema_upkeep.answered(state, WITH_MORE) == REST


def test_what_comes_behind_a_contract_is_refused():
    state = Upkeep([*SHIPPED, LESS, Migration(4, "004_new.sql", "", "d", serves=1)], 50, 5)
    state.provisional, state.known = True, 1
    schema_upkeep.begin(state)
    step = schema_upkeep.answered(state, DONE)
    assert isinstance(step, Refused)
    assert "004_new.sql comes behind 003_less.sql" in step.why
