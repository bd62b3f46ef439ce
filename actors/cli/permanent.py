"""Which release a start starts: the permanent one, whatever installation it was asked of.

What ran on probation when the node ended, however it did, was not made permanent: the permanent
release starts, and the history says so (OTP: a node that restarts comes back in the old release).
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from actors.cli import installation
from actors.cli.peer import Peer
from actors.releases import damage
from actors.user_name import user
from supervision.anchor import history, pointers
from supervision.anchor.lease import Held, Lease
from supervision.anchor.messages import ExitCode, Refusal
from supervision.anchor.pointers import DIRECTORY, PointersUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from supervision.anchor.pointers import Pointers

HANDED_ON = "VIGIE_HANDED_ON"
"""The version for which a command was handed on: once, so that it cannot go in circles."""


ENDED = "the node ended while the release was on probation; it may be tried again"
"""What the history says of a release that is not what starts."""


class Elsewhere(NamedTuple):
    """A release that runs by another command than this one.

    Attributes:
        vsn: its version.
        argv: its `vigie`.
        environ: the variables that it gets.
    """

    vsn: str
    argv: tuple[str, ...]
    environ: Mapping[str, str]

    def execute(self, words: Sequence[str]) -> None:
        """Become that release's `vigie`, and say so; does not return.

        Raises:
            Refusal: its interpreter cannot be executed.
        """
        sys.stderr.write(f"vigie: the permanent release is {self.vsn}: {self.argv[0]} goes on\n")
        sys.stderr.flush()
        try:
            os.execve(self.argv[0], [*self.argv, *words], dict(self.environ))  # noqa: S606 - a release
        except OSError as error:
            raise Refusal(ExitCode.USAGE, f"{self.argv[0]}: {error.strerror}") from None


@contextlib.contextmanager
def alone(data: Path) -> Iterator[None]:
    """Be the only one that changes what starts in a data directory: no command, no anchor does.

    Whoever starts an anchor is this until it guards, so that none begins to meanwhile.

    Args:
        data: the data directory, absolute; it is made where it is not there.

    Raises:
        Refusal: TRY_AGAIN: somebody is at it; or the directory cannot be used.
    """
    with contextlib.ExitStack() as stack:
        try:
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not stack.enter_context(history.lock(data)):
                why = f"another command starts a node or changes releases in {data} just now"
                raise Refusal(ExitCode.TRY_AGAIN, why)
            unguarded(data)
        except OSError as error:
            why = f"{data / DIRECTORY} cannot be used: {error.strerror}"
            raise Refusal(ExitCode.FAILED, why) from None
        yield


def unguarded(data: Path) -> None:
    """Make sure that no anchor guards a data directory, reachable or not; `history.lock` is held.

    Raises:
        Refusal: TRY_AGAIN: one does.
        OSError: nobody can say.
    """
    try:
        Lease(data).release()
    except Held as held:
        more = "it begins or stops, or does not answer; try again, or end it"
        raise Refusal(ExitCode.TRY_AGAIN, f"{held}: {more}") from None


def refuse_running(data: Path) -> None:
    """Make sure that no node runs in a data directory.

    Raises:
        Refusal: FAILED: one does; or its anchor does not answer.
    """
    try:
        with Peer(data) as peer:
            pid = peer.ask("ping")["pid"]
    except Refusal as refusal:
        if refusal.code is ExitCode.UNREACHABLE:
            return
        raise
    why = f"a node runs already in {data}: its anchor is process {pid}; stop it with vigie stop"
    raise Refusal(ExitCode.FAILED, why)


def settle(data: Path) -> Pointers | None:
    """Read the pointers before a start; a release on probation is not what starts.

    Args:
        data: the data directory, absolute, with nobody else at it (`alone`).

    Returns:
        The pointers as they are now; None where no release was ever started here.

    Raises:
        Refusal: they cannot be read, or changed.
    """
    try:
        found = pointers.read(data)
        return _back(data, found) if found is not None and found.provisional else found
    except PointersUnreadable as damaged:
        raise damage.refusal(data, damaged) from None
    except OSError as error:
        why = f"the pointers of {data / DIRECTORY} cannot be used: {error}"
        raise Refusal(ExitCode.FAILED, why) from None


def elsewhere(data: Path, vsn: str, environ: Mapping[str, str]) -> Elsewhere | None:
    """How the permanent release is executed.

    Args:
        data: the data directory, absolute.
        vsn: the permanent release.
        environ: the environment, as ``os.environ``.

    Returns:
        None where this process is of that release.

    Raises:
        Refusal: it is not there any more, or has changed; the message says what mends it.
    """
    try:
        manifest = pointers.manifest(data, vsn)
    except (PointersUnreadable, OSError) as error:
        raise _unusable(data, vsn, str(error)) from None
    if manifest is None:
        raise _unusable(data, vsn, f"{data / DIRECTORY / vsn} is not there")
    if manifest.get("origin") == installation.EXTERNAL:
        why = installation.changed(manifest)
        if why:
            raise _unusable(data, vsn, why)
        found, mine = installation.of(manifest), installation.running()
        own = found.home == mine.home and found.python == mine.python
    else:
        own = installation.own_place(data) == vsn
    return None if own else _command(data, vsn, manifest, environ)


def _command(
    data: Path, vsn: str, manifest: dict[str, Any], environ: Mapping[str, str]
) -> Elsewhere:
    compose = manifest["compose"]
    python = str(data / DIRECTORY / vsn / compose["argv"][0])  # an absolute one stays what it is
    if not os.access(python, os.X_OK):
        raise _unusable(data, vsn, f"{python} is not there")
    if environ.get(HANDED_ON) == vsn:
        raise _unusable(data, vsn, f"{python} is not what it should be: it runs {sys.prefix}")
    given = {name: value for name, value in environ.items() if name != "PYTHONPATH"}
    given |= {name: value for name, value in compose.get("env", {}).items() if value}
    return Elsewhere(vsn, (python, "-P", "-m", "actors.cli"), {**given, HANDED_ON: vsn})


def _back(data: Path, found: Pointers) -> Pointers:
    """The permanent release is what runs again.

    Nothing is held against the other one: power cuts, reboots and the killing of an anchor say
    nothing about it. What does, crashes and verdicts, a living anchor has seen, and written down.
    """
    after = found.back()
    pointers.write(data, after)
    line = {"at": time.time(), "who": user(), "step": "fallback", "result": "permanent"}
    _note(data, line | {"vsn": found.permanent, "from": found.current, "why": ENDED})
    words = f"{found.current} was on probation when the node ended; {found.permanent} starts"
    again = f"vigie release upgrade {found.current} tries it again"
    sys.stderr.write(f"vigie: {words}; {again}\n")
    return after


def _note(data: Path, line: dict[str, object]) -> None:
    try:
        history.append(data, line)
    except OSError as error:  # what is done is done; a disk that is full may let a node start
        sys.stderr.write(f"vigie: the history cannot be written: {error.strerror}\n")


def _unusable(data: Path, vsn: str, why: str) -> Refusal:
    mended = f"vigie release adopt --data {data}"
    text = f"the permanent release {vsn} cannot be started: {why}; to make this installation the"
    return Refusal(ExitCode.USAGE, f"{text} permanent release instead: {mended}")
