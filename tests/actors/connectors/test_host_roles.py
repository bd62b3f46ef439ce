"""Which host is the primary, and how well each suits a query."""

from hypothesis import given
from hypothesis import strategies as st

from actors.connectors import breaker, host_roles
from actors.connectors.breaker import BreakerLimits
from actors.connectors.host_roles import Seen

LIMITS = BreakerLimits(1, 1.0)
REPLICA, UNREACHABLE = Seen("replica"), Seen("unreachable", why="refused")


def cluster(**seen):
    hosts = host_roles.begin(tuple(seen), LIMITS)
    for name, one in seen.items():
        host_roles.said(hosts, name, one)
    return hosts


def ranks(hosts, *, reads, avoid=None, now=0.0):
    return {
        name: host_roles.rank(hosts, name, reads=reads, avoid=avoid, now=now)
        for name in hosts.by_name
    }


def best(hosts, **asked):
    found = {rank: name for name, rank in ranks(hosts, **asked).items() if rank is not None}
    return found[min(found)] if found else None


def test_writes_go_to_the_primary_only_and_reads_to_a_replica_first():
    hosts = cluster(a=Seen("primary", 1), b=REPLICA)
    assert ranks(hosts, reads=False) == {"a": 0, "b": None}
    assert ranks(hosts, reads=True) == {"a": 1, "b": 0}


def test_a_read_that_was_lost_on_a_host_goes_elsewhere_where_it_can():
    hosts = cluster(a=Seen("primary", 1), b=REPLICA)
    assert best(hosts, reads=True, avoid="b") == "a"
    breaker.failed(hosts.by_name["a"].breaker, 0.0)
    assert best(hosts, reads=True, avoid="b") == "b"


def test_of_two_primaries_the_one_of_the_younger_timeline_counts_and_the_other_is_not_read():
    hosts = cluster(a=Seen("primary", 1), b=Seen("primary", 2))
    assert hosts.primary == "b"
    assert ranks(hosts, reads=False) == {"a": None, "b": 0}
    assert ranks(hosts, reads=True) == {"a": None, "b": 1}


def test_the_one_host_gets_everything_whatever_its_role():
    hosts = cluster(a=REPLICA)
    assert ranks(hosts, reads=False) == ranks(hosts, reads=True) == {"a": 0}
    assert host_roles.missing(hosts) == ""


def test_a_primary_is_missed_when_every_host_has_said_what_it_is():
    hosts = cluster(a=UNREACHABLE, b=Seen())
    assert host_roles.missing(hosts) == ""
    host_roles.said(hosts, "b", REPLICA)
    assert host_roles.missing(hosts) == "no primary is reachable (a: refused; b: replica)"
    host_roles.said(hosts, "b", Seen("primary", 2))
    assert host_roles.missing(hosts) == ""


def test_an_open_breaker_keeps_reads_away_until_its_probe_but_not_writes():
    hosts = cluster(a=Seen("primary", 1), b=REPLICA)
    breaker.failed(hosts.by_name["b"].breaker, 0.0)
    breaker.failed(hosts.by_name["a"].breaker, 0.0)
    assert host_roles.open_breakers(hosts) == ["a", "b"]
    assert best(hosts, reads=True, now=0.5) is None
    assert best(hosts, reads=False, now=0.5) == "a"
    assert best(hosts, reads=True, now=1.0) == "b"


def test_a_host_that_nobody_knows_is_ignored():
    hosts = cluster(a=REPLICA, b=REPLICA)
    assert not host_roles.said(hosts, "c", Seen("primary", 9))
    assert host_roles.rank(hosts, "c", reads=True, avoid=None, now=0.0) is None


SEEN = st.builds(
    Seen, st.sampled_from(["unknown", "primary", "replica", "unreachable"]), st.integers(0, 3)
)


@given(st.lists(st.tuples(st.sampled_from("abc"), SEEN), max_size=20))
def test_whatever_hosts_say_at_most_one_is_written_to_and_it_says_that_it_is_the_primary(events):
    hosts = cluster(a=Seen(), b=Seen(), c=Seen())
    for name, seen in events:
        host_roles.said(hosts, name, seen)
        written = [one for one, rank in ranks(hosts, reads=False).items() if rank is not None]
        assert written == ([hosts.primary] if hosts.primary else [])
        says = [one for one, host in hosts.by_name.items() if host.seen.role == "primary"]
        assert set(written) <= set(says)
        assert bool(written) == bool(says)
