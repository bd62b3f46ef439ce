"""What an anchor is asked to guard, as typed records with a JSON form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

_Record = TypeVar("_Record")
_MAX_PORT = 0xFFFF
_MIN_LOG_BYTES = 4096


class SpecInvalid(ValueError):  # noqa: N818 - reads as what it is where it is caught
    """A specification that cannot be guarded; the message names the field and the rule."""


@dataclass(frozen=True, slots=True)
class ListenerSpec:
    """A listening TCP socket that outlives the programs that serve it.

    Attributes:
        name: How programs ask for it.
        host: The address to bind, or a name that resolves to one.
        port: The port; 0 lets the system choose.
        backlog: Connections that may wait to be accepted, while a program restarts too.
    """

    name: str
    host: str
    port: int
    backlog: int = 1024

    def __post_init__(self) -> None:
        """Raise SpecInvalid for what cannot be."""
        _require_name("listeners.name", self.name)
        _require(f"listeners.{self.name}.host", "not empty", met=bool(self.host))
        _require(f"listeners.{self.name}.port", "0 to 65535", met=0 <= self.port <= _MAX_PORT)
        _require(f"listeners.{self.name}.backlog", "at least 1", met=self.backlog >= 1)


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How long to wait before a program that died is started again.

    The n-th failure in a row waits ``min_s * 2 ** (n - 1)`` seconds, at most `max_s`, less a
    random share of up to a half, so that a herd of programs does not come back in step.

    Attributes:
        min_s: The first delay, in seconds.
        max_s: The longest delay, in seconds.
        reset_s: A program that was ready this long, in seconds, starts counting anew.
    """

    min_s: float = 0.1
    max_s: float = 30.0
    reset_s: float = 60.0

    def __post_init__(self) -> None:
        """Raise SpecInvalid for what cannot be."""
        _require("restart.min_s", "above 0", met=self.min_s > 0)
        _require("restart.max_s", "at least restart.min_s", met=self.max_s >= self.min_s)
        _require("restart.reset_s", "at least 0", met=self.reset_s >= 0)


@dataclass(frozen=True, slots=True)
class ProgramSpec:
    """One program.

    Attributes:
        name: Its name in status, log file and control protocol.
        argv: The command; the first word is a path.
        env: Variables added to the anchor's own environment.
        listeners: The names of the listeners it inherits.
        awaited: Whether the anchor's start is complete only when this program is ready.
        ready_timeout_s: A program that is not ready after this time, in seconds, is killed and
            counts as failed; None waits for ever.
        hang_timeout_s: A program that leaves a ping unanswered this long, in seconds, is killed;
            None never pings.
        stop_timeout_s: From SIGTERM to SIGKILL, in seconds.
        restart: How it comes back.
        final_exit_codes: During the anchor's start, ending with one of these fails the start at
            once: trying again could not help.
        restart_prevent_exit_codes: Whenever the program ends with one of these, it is not started
            again before somebody asks for it; during the anchor's start they are final as well.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    listeners: tuple[str, ...] = ()
    awaited: bool = False
    ready_timeout_s: float | None = None
    hang_timeout_s: float | None = None
    stop_timeout_s: float = 10.0
    restart: RestartPolicy = field(default_factory=RestartPolicy)
    final_exit_codes: tuple[int, ...] = ()
    restart_prevent_exit_codes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Raise SpecInvalid for what cannot be."""
        _require_name("programs.name", self.name)
        where = f"programs.{self.name}"
        _require(f"{where}.argv", "at least the path of the program", met=bool(self.argv))
        _require(f"{where}.stop_timeout_s", "above 0", met=self.stop_timeout_s > 0)
        for key in ("ready_timeout_s", "hang_timeout_s"):
            limit = getattr(self, key)
            _require(f"{where}.{key}", "above 0", met=limit is None or limit > 0)


@dataclass(frozen=True, slots=True)
class UpgradeSpec:
    """How a new release of a program takes over from the one that runs.

    Each step that takes longer than it may is given up, and the old one goes on.

    Attributes:
        program: The program that is taken over from.
        config: The configuration's file that a release composes itself with; empty: none.
        compose_timeout_s: For a release to say how its programs are started, in seconds.
        check_timeout_s: For the program to compare a release with itself, in seconds.
        spawn_timeout_s: For the successor to start and to connect, in seconds.
        precopy_timeout_s: For states to be copied while the old one serves, in seconds.
        drain_timeout_s: At the freeze, for what is in flight to end, in seconds.
        freeze_timeout_s: From there to all being with the successor, in seconds.
        switch_timeout_s: For the successor to serve, in seconds; the same for the old one to end,
            or to go on where the takeover is given up.
        permanent_timeout_s: For the program to do what waited for the end of the probation.
        probation_s: How long a new release must behave before it is permanent, in seconds.
        keep: Old releases kept; older ones are removed when another becomes permanent.
    """

    program: str
    config: str = ""
    compose_timeout_s: float = 30.0
    check_timeout_s: float = 60.0
    spawn_timeout_s: float = 30.0
    precopy_timeout_s: float = 120.0
    drain_timeout_s: float = 1.0
    freeze_timeout_s: float = 2.0
    switch_timeout_s: float = 5.0
    permanent_timeout_s: float = 60.0
    probation_s: float = 300.0
    keep: int = 5

    def __post_init__(self) -> None:
        """Raise SpecInvalid for what cannot be."""
        for item in fields(self):
            if item.name.endswith("_s"):
                _require(f"upgrade.{item.name}", "above 0", met=getattr(self, item.name) > 0)
        _require("upgrade.keep", "at least 1", met=self.keep >= 1)


@dataclass(frozen=True, slots=True)
class AnchorSpec:
    """Everything one anchor guards.

    Attributes:
        directory: The absolute directory of lock, control socket and logs; the programs' working
            directory.
        programs: In the order they are started; they stop in the reverse order, one by one.
        listeners: The listening sockets.
        relays: Operation -> program: requests that are passed to a program unread.
        labels: Facts for ``info`` that mean nothing to the anchor.
        start_timeout_s: The awaited programs are ready within this time, in seconds, or the
            start has failed.
        start_attempts: Failures of an awaited program that fail the start.
        log_max_bytes: A program's log file makes way when it is longer, looked at whenever a
            program is started or pinged.
        log_keep: Rotated log files kept.
        upgrade: How a new release takes over; None: none does.
    """

    directory: str
    programs: tuple[ProgramSpec, ...]
    listeners: tuple[ListenerSpec, ...] = ()
    relays: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    start_timeout_s: float = 30.0
    start_attempts: int = 3
    log_max_bytes: int = 16 * 1024 * 1024
    log_keep: int = 3
    upgrade: UpgradeSpec | None = None

    def __post_init__(self) -> None:
        """Raise SpecInvalid for what cannot be."""
        _require("directory", "an absolute path", met=Path(self.directory).is_absolute())
        _require("programs", "at least one", met=bool(self.programs))
        _require("start_timeout_s", "above 0", met=self.start_timeout_s > 0)
        _require("start_attempts", "at least 1", met=self.start_attempts >= 1)
        _require("log_max_bytes", "at least 4096", met=self.log_max_bytes >= _MIN_LOG_BYTES)
        _require("log_keep", "at least 1", met=self.log_keep >= 1)
        self._check_references()

    def _check_references(self) -> None:
        programs = [program.name for program in self.programs]
        listeners = [listener.name for listener in self.listeners]
        _require("programs.name", "unique", met=len(set(programs)) == len(programs))
        _require("listeners.name", "unique", met=len(set(listeners)) == len(listeners))
        _require("relays", "names of programs", met=set(self.relays.values()) <= set(programs))
        for program in self.programs:
            known = set(program.listeners) <= set(listeners)
            _require(f"programs.{program.name}.listeners", "names of listeners", met=known)
        known = self.upgrade is None or self.upgrade.program in programs
        _require("upgrade.program", "the name of a program", met=known)

    @property
    def stop_bound_s(self) -> float:
        """The longest an orderly stop takes, in seconds."""
        return sum(program.stop_timeout_s for program in self.programs)

    def program(self, name: str) -> ProgramSpec:
        """The program called `name`; KeyError when there is none."""
        return {program.name: program for program in self.programs}[name]

    def to_json(self) -> str:
        """The specification as text that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes, *, lenient: bool = False) -> AnchorSpec:
        """Read what `to_json` wrote, or somebody by hand.

        Args:
            text: A JSON object with the attributes of this class.
            lenient: Whether fields that this code does not know are passed over, as another
                release may have written it.

        Raises:
            SpecInvalid: Not JSON, an unknown or missing field, a wrong type or a broken rule.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise SpecInvalid(f"specification: not JSON: {error}") from None
        data = _object("specification", data)
        read = _Reader(lenient=lenient)
        data["programs"] = tuple(map(read.program, _array("programs", data)))
        listeners = (_object("listeners", item) for item in _array("listeners", data))
        data["listeners"] = tuple(read.record(ListenerSpec, "listeners", i) for i in listeners)
        if data.get("upgrade") is not None:
            limits = _object("upgrade", data["upgrade"])
            data["upgrade"] = read.record(UpgradeSpec, "upgrade", limits)
        return read.record(cls, "specification", data)


@dataclass(frozen=True, slots=True)
class _Reader:
    lenient: bool

    def program(self, item: object) -> ProgramSpec:
        data = _object("programs", item)
        for key in ("argv", "listeners", "final_exit_codes", "restart_prevent_exit_codes"):
            data[key] = tuple(_array(key, data))
        policy = _object("restart", data.get("restart", {}))
        data["restart"] = self.record(RestartPolicy, "restart", policy)
        return self.record(ProgramSpec, "programs", data)

    def record(self, kind: type[_Record], where: str, data: dict[str, Any]) -> _Record:
        known = {item.name for item in fields(kind)}  # type: ignore[arg-type]
        unknown = data.keys() - known
        strange = f"no unknown field ({', '.join(sorted(unknown))})"
        _require(where, strange, met=self.lenient or not unknown)
        try:
            return kind(**{key: value for key, value in data.items() if key in known})
        except TypeError as error:
            raise SpecInvalid(f"{where}: {error}") from None


def _object(where: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise SpecInvalid(f"{where}: an object is required")
    return dict(value)


def _array(key: str, data: Mapping[str, Any]) -> list[Any]:
    value = data.get(key, [])
    if not isinstance(value, list):
        raise SpecInvalid(f"{key}: an array is required")
    return value


def _require(key: str, rule: str, *, met: bool) -> None:
    if not met:
        raise SpecInvalid(f"{key}: {rule}")


def _require_name(key: str, name: str) -> None:
    plain = name.replace("_", "").replace("-", "").isalnum() and name.isascii()
    _require(key, "letters, digits, - and _", met=plain)
