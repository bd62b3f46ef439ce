"""Which host is the primary, which are replicas, and which of them a query is run on.

A host's role is what its connector has seen of it last. Two that both say they are the primary are
told apart by their timeline (PostgreSQL, 25.3.6): a promotion begins a new one, so the highest is
the youngest promotion; the other one has not heard of it and gets nothing.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from actors.connectors import breaker
from actors.connectors.breaker import Breaker, BreakerLimits

Role: TypeAlias = Literal["unknown", "primary", "replica", "unreachable"]

_FAR = 8
"""By how much a host is worse for having lost this very query before."""


class Seen(Struct, frozen=True):
    """What a connector has seen of its host.

    Attributes:
        role: What it is.
        timeline: Of a primary; 0 of others.
        why: Why it is unreachable; empty of others.
    """

    role: Role = "unknown"
    timeline: int = 0
    why: str = ""


class Host(Struct):
    """One host.

    Attributes:
        breaker: Of the reads on it.
        seen: What its connector has said last.
    """

    breaker: Breaker
    seen: Seen = Seen()

    @property
    def primary(self) -> bool:
        """Whether it says that it is the primary."""
        return self.seen.role == "primary"


class Hosts(Struct):
    """All of them.

    Attributes:
        by_name: In the order of the DSN.
        primary: The one that is written to; empty where none is known.
    """

    by_name: dict[str, Host]
    primary: str = ""

    @property
    def several(self) -> bool:
        """Whether roles matter; the role of one alone does not, it gets everything."""
        return len(self.by_name) > 1


def begin(names: tuple[str, ...], limits: BreakerLimits) -> Hosts:
    """Return what is known of hosts before anything is.

    Args:
        names: Of the hosts, in the order of the DSN.
        limits: Of their breakers.
    """
    return Hosts({name: Host(Breaker(limits)) for name in names or ("",)})


def said(hosts: Hosts, name: str, seen: Seen) -> bool:
    """A connector tells what it has seen of its host.

    Args:
        hosts: What is known.
        name: Of the host; one that is not known is ignored.
        seen: What it is.

    Returns:
        Whether anything is other than before.
    """
    host = hosts.by_name.get(name)
    if host is None or host.seen == seen:
        return False
    host.seen = seen
    found = [(one.seen.timeline, name) for name, one in hosts.by_name.items() if one.primary]
    hosts.primary = max(found, key=lambda one: one[0])[1] if found else ""
    return True


def missing(hosts: Hosts) -> str:
    """Return why nothing can be written; empty where there is a primary, or may still be one."""
    if not hosts.several or hosts.primary:
        return ""
    if any(host.seen.role == "unknown" for host in hosts.by_name.values()):
        return ""
    each = [f"{name}: {host.seen.why or host.seen.role}" for name, host in hosts.by_name.items()]
    return f"no primary is reachable ({'; '.join(each)})"


def rank(hosts: Hosts, name: str, *, reads: bool, avoid: str | None, now: float) -> int | None:
    """How well a host suits a query: the less the better.

    Args:
        hosts: What is known.
        name: Of the host.
        reads: Whether a replica will do.
        avoid: The host that has lost this query before; None where none has.
        now: Monotonic seconds.

    Returns:
        None where it must not run there.
    """
    host = hosts.by_name.get(name)
    if host is None:
        return None
    if not reads:
        return 0 if not hosts.several or name == hosts.primary else None
    if not breaker.permits(host.breaker, now):
        return None
    if host.primary and name != hosts.primary:
        return None  # it goes on from before a promotion: what it has is not what was written
    best = 0 if not hosts.several or host.seen.role == "replica" else 1 if host.primary else 2
    return best + (_FAR if name == avoid else 0)


def readable(hosts: Hosts, names: set[str], now: float) -> bool:
    """Whether the breaker of any of some hosts permits a read."""
    return any(breaker.permits(hosts.by_name[name].breaker, now) for name in names)


def open_breakers(hosts: Hosts) -> list[str]:
    """The hosts whose breakers are not closed."""
    return [name for name, host in hosts.by_name.items() if host.breaker.state != "closed"]
