"""Descriptors: how many the configuration can need, whether they may be had, whether they run out.

A process that has none left accepts nobody, opens no file and reaches no database, all at once and
without a word of why. So the node counts at its start what its limits can add up to, raises its
soft limit to that, and does not start where the hard one is lower (getrlimit(2), RLIMIT_NOFILE).
"""

from __future__ import annotations

import fcntl
import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from actors.connectors.targets import targets

if TYPE_CHECKING:
    from actors.alarms import Alarms
    from actors.config import Config
    from supervision.eventloop.kernel import Kernel
    from supervision.eventloop.timers import Timer

ALARM: Final = "descriptors"
CHECK_S = 5.0
ALARM_SHARE = 0.9
CLEAR_SHARE = 0.8

ACCEPTED_AT_ONCE = 320
"""What the listeners of HTTP (64) and CTI (256) may accept in one turn, to be refused in the
next one because as many are open as may: they need descriptors meanwhile."""

SPARE = 128
"""For listening sockets, the journal, logs, traces, the channel, the loop and libraries."""


class Need(Struct, frozen=True):
    """How many descriptors something can take.

    Attributes:
        what: a key of the configuration, or words.
        count: how many.
    """

    what: str
    count: int


class TooFewDescriptors(Exception):  # noqa: N818 - named for what it says
    """The hard limit is lower than what the configuration can need; the message has both."""


def needs(config: Config) -> tuple[Need, ...]:
    """What a node with this configuration can take, the configurable first."""
    return (
        Need("http.max_connections", config.http.max_connections),
        Need("cti.max_links", config.cti.max_links),
        *_mail(config),
        Need("database.max_connections", _database(config)),
        Need("connections about to be refused", ACCEPTED_AT_ONCE),
        Need("files and the rest", SPARE),
    )


def _mail(config: Config) -> tuple[Need, ...]:
    mail = config.channels.mail
    return (Need("channels.mail.max_connections", mail.max_connections),) if mail.enabled else ()


def _database(config: Config) -> int:
    """Connections to each host, and where there are several that of each one's connector."""
    hosts = len(targets(config.database.dsn))
    return hosts * config.database.max_connections + (hosts if hosts > 1 else 0)


def check(config: Config, hard: int) -> int:
    """Count what is needed.

    Args:
        config: the configuration.
        hard: the hard limit of open files; ``resource.RLIM_INFINITY`` is none.

    Returns:
        The soft limit that the node needs.

    Raises:
        TooFewDescriptors: The hard limit is lower.
    """
    wanted = needs(config)
    count = sum(need.count for need in wanted)
    if hard == resource.RLIM_INFINITY or count <= hard:
        return count
    parts = " + ".join(f"{need.what} {need.count}" for need in wanted)
    raise TooFewDescriptors(
        f"the hard limit of open files is {hard}, but {parts} = {count} can be needed: "
        f"lower these keys, or start with LimitNOFILE={count} (systemd), ulimit -Hn {count}"
    )


def hard_limit() -> int:
    """The hard limit of this process."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def provide(config: Config) -> int:
    """Raise this process's soft limit to what is needed, never lower it, and make room for that.

    Returns:
        The soft limit now.

    Raises:
        TooFewDescriptors: The hard limit is too low.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = check(config, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    make_room(wanted)
    return soft


def make_room(count: int) -> None:
    """Have the system's table of open files be as large as it may become; before threads start.

    It grows by doubling, and in a process with threads each time waits until every processor has
    been through a grace period: some 10 ms in which the loop stands still, several times over
    where a takeover brings a thousand connections at once.

    Args:
        count: descriptors; the soft limit allows them.
    """
    with Path("/dev/null").open("rb") as any_file:
        os.close(fcntl.fcntl(any_file, fcntl.F_DUPFD_CLOEXEC, count - 1))


def in_use() -> int:
    """Descriptors that this process has open (proc(5), /proc/pid/fd)."""
    return sum(1 for _ in os.scandir("/proc/self/fd"))


class DescriptorWatch:
    """Raises an alarm while nearly all descriptors are in use; used on the node's loop only.

    Args:
        kernel: the node.
        alarms: where ``descriptors`` is raised.
        limit: the soft limit; None asks for that of this process.
    """

    def __init__(self, kernel: Kernel, alarms: Alarms, limit: int | None = None) -> None:
        self._kernel = kernel
        self._alarms = alarms
        self._limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if limit is None else limit

    def begin(self) -> None:
        """Look every ``CHECK_S`` seconds from now on."""
        self._kernel.set_timer(CHECK_S, self._look, None, None)

    def _look(self, timer: Timer) -> None:
        del timer
        self.begin()
        used = in_use()
        if used >= ALARM_SHARE * self._limit:
            text = f"{used} of {self._limit} descriptors are in use (LimitNOFILE)"
            self._alarms.raised(ALARM, "node", text)
        elif used < CLEAR_SHARE * self._limit:
            self._alarms.cleared(ALARM)
