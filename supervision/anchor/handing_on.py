"""What an anchor hands on to the code that replaces it in the same process, through execve(2).

State travels as JSON in a memory file, descriptors simply stay open. The process remains what it
was: its id, its children, its locks, its sockets. Whoever reads may be of a newer release, or of an
older one (`plain`).
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from supervision.anchor.plain import NotReadable, plain, record
from supervision.anchor.spec import AnchorSpec, SpecInvalid
from supervision.anchor.states import AnchorState

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT = 1
GO_ON = "--go-on-fd"
CHECK = "--check-fd"
MODULE = ("-P", "-m", "supervision.anchor")


class NotHandedOn(ValueError):  # noqa: N818 - a state of affairs
    """What was handed on cannot be gone on with; the message says why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to a program that somebody waits for.

    Attributes:
        key: The process that was asked.
        number: Of the request, on its channel.
        deadline: When nobody waits any longer, in monotonic seconds.
        timeout_s: How long that was at the beginning, in seconds.
    """

    key: str
    number: int
    deadline: float
    timeout_s: float


@dataclass(frozen=True, slots=True)
class HandedConversation:
    """A control connection.

    Attributes:
        descriptor: Its socket.
        unread: What was read of requests not yet begun, base64.
        ended: Whether the client sends nothing more.
        unsent: What is left of answers, base64.
        number: The id of the request under way.
        asked: What that waits for; None where nothing is under way.
    """

    descriptor: int
    unread: str = ""
    ended: bool = False
    unsent: str = ""
    number: object = None
    asked: Asked | None = None


@dataclass(frozen=True, slots=True)
class HandedChild:
    """A process and the channel to it.

    Attributes:
        key: What it is known by.
        name: Of its program.
        pid: Its id.
        pidfd: The descriptor that tells its end.
        channel: The socket of its channel; None where the channel has ended.
        last_id: Of the requests to it.
        unread: The beginning of a message of it, base64.
        unsent: What is left of messages to it, base64.
        pending: Requests to it that it has not answered.
    """

    key: str
    name: str
    pid: int
    pidfd: int
    channel: int | None
    last_id: int = 0
    unread: str = ""
    unsent: str = ""
    pending: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class HandedLease:
    """The right to the directory: two locked files, and what one of them says."""

    lock: int
    programs: int
    recorded: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WayBack:
    """The code that handed on, for where it cannot be gone on.

    Attributes:
        argv: Its command.
        python_path: Its PYTHONPATH; None where it had none.
    """

    argv: tuple[str, ...]
    python_path: str | None = None


@dataclass(frozen=True, slots=True)
class HandedOn:
    """All that an anchor is.

    Attributes:
        format: Of this record.
        vsn: The release whose code is to go on.
        spec: What is guarded, the JSON of an AnchorSpec.
        state: The core's.
        started_at: When the anchor began, in monotonic seconds.
        log_starts: How long the programs' logs were then.
        lease: The right to the directory.
        listeners: The listening sockets, by name.
        control: The listening control socket.
        conversations: The connections to it.
        children: The processes.
        at: When it was handed on, in monotonic seconds.
        back: The code that did it.
        failed: Why the code that was to go on did not; empty where nobody has tried.
    """

    format: int
    vsn: str
    spec: str
    state: AnchorState
    started_at: float
    log_starts: Mapping[str, int]
    lease: HandedLease
    listeners: Mapping[str, int]
    control: int
    conversations: tuple[HandedConversation, ...]
    children: tuple[HandedChild, ...]
    at: float
    back: WayBack | None = None
    failed: str = ""

    @property
    def descriptors(self) -> list[int]:
        """All that have to stay open."""
        found = [self.lease.lock, self.lease.programs, self.control, *self.listeners.values()]
        found += [item.descriptor for item in self.conversations]
        for child in self.children:
            found += [child.pidfd] if child.channel is None else [child.pidfd, child.channel]
        return found

    def specification(self) -> AnchorSpec:
        """What is guarded.

        Raises:
            NotHandedOn: It is no specification, or does not fit the rest.
        """
        try:
            spec = AnchorSpec.from_json(self.spec, lenient=True)
        except SpecInvalid as invalid:
            raise NotHandedOn(str(invalid)) from None
        unknown = {program.name for program in spec.programs} ^ self.state.programs.keys()
        if unknown:
            raise NotHandedOn(f"programs: {', '.join(sorted(unknown))}: not on both sides")
        missing = {item.name for item in spec.listeners} - self.listeners.keys()
        if missing:
            raise NotHandedOn(f"listeners: {', '.join(sorted(missing))}: not handed on")
        return spec

    def written(self) -> int:
        """Write this into a memory file; return its descriptor."""
        return in_memory(plain(self))


def in_memory(data: Any) -> int:
    """Write plain data as JSON into a memory file; return its descriptor."""
    descriptor = os.memfd_create("anchor")
    with open(os.dup(descriptor), "wb") as file:  # noqa: PTH123 - a descriptor has no path
        file.write(json.dumps(data).encode())
    return descriptor


def content(descriptor: int) -> Any:
    """Read what `in_memory` wrote.

    Raises:
        NotHandedOn: It is not JSON.
    """
    try:
        return json.loads(os.pread(descriptor, os.fstat(descriptor).st_size, 0))
    except ValueError as error:
        raise NotHandedOn(f"not JSON: {error}") from None


def read(data: Any) -> HandedOn:
    """Make a record of the content of a memory file.

    Args:
        data: The content.

    Raises:
        NotHandedOn: It is none that this release can go on with.
    """
    found = data.get("format") if isinstance(data, dict) else None
    if found != FORMAT:
        raise NotHandedOn(f"format {found!r}; this release goes on from {FORMAT}")
    try:
        handed = record(HandedOn, data)
    except NotReadable as error:
        raise NotHandedOn(str(error)) from None
    handed.specification()
    return handed


def check_open(descriptors: Iterable[int]) -> None:
    """See that descriptors are open; from now on no other program inherits them.

    Raises:
        NotHandedOn: One is not.
    """
    for number in descriptors:
        try:
            os.set_inheritable(number, False)
        except OSError as error:
            raise NotHandedOn(f"descriptor {number}: {error.strerror}") from None


def text(data: bytes) -> str:
    """Bytes as they travel."""
    return b64encode(data).decode()


def octets(travelled: str) -> bytes:
    """Bytes that travelled.

    Raises:
        NotHandedOn: They are none.
    """
    try:
        return b64decode(travelled, validate=True)
    except ValueError as error:
        raise NotHandedOn(f"base64: {error}") from None
