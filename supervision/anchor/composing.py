"""Have a release say how its programs are started.

Each release knows that best itself: ``compose`` of its manifest is a command that prints the
specification of its anchor, run in the release's own environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from supervision.anchor.messages import ExitCode, Refusal
from supervision.anchor.pointers import DIRECTORY, PointersUnreadable, manifest
from supervision.anchor.process import die_with_parent
from supervision.anchor.spec import AnchorSpec, SpecInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PYTHONPATH = "PYTHONPATH"
"""What would have one release import the code of another: never passed on to it."""

MAX_TEXT = 1024 * 1024
MAX_WORDS = 2_000


@dataclass(frozen=True, slots=True)
class Composition:
    """The command that composes a release.

    Attributes:
        argv: Its words, the first one an absolute path.
        env: The variables that it needs.
        states: The schema versions of the release, by type of state.
    """

    argv: tuple[str, ...]
    env: dict[str, str]
    states: Mapping[str, int]


def composition(directory: Path, vsn: str) -> Composition:
    """How a release is composed.

    Args:
        directory: The anchor's.
        vsn: The release.

    Raises:
        Refusal: It is not installed, or its manifest cannot be used.
    """
    try:
        found = manifest(directory, vsn)
    except (PointersUnreadable, OSError) as error:
        raise Refusal(ExitCode.FAILED, f"{vsn}: {error}", "vsn") from None
    if found is None:
        raise Refusal(ExitCode.FAILED, f"{vsn} is not installed", "vsn")
    compose = found.get("compose")
    compose = compose if isinstance(compose, dict) else {}
    argv = compose.get("argv")
    if not isinstance(argv, list) or not argv or not all(isinstance(i, str) for i in argv):
        raise Refusal(ExitCode.FAILED, f"{vsn}: manifest: compose.argv: a command is required")
    home = directory / DIRECTORY / vsn
    words = (str(home / argv[0]) if "/" in argv[0] else argv[0], *argv[1:])
    return Composition(words, _words(compose.get("env")), _numbers(found.get("states")))


async def compose(directory: Path, vsn: str, config: str, timeout_s: float) -> str:
    """Have a release say how its programs are started.

    Args:
        directory: The anchor's.
        vsn: The release.
        config: The configuration's file; empty is the one that ships.
        timeout_s: How long it may take, in seconds.

    Returns:
        The JSON of an AnchorSpec, as the release itself wrote it.

    Raises:
        Refusal: It cannot, or not in time.
    """
    found = composition(directory, vsn)
    words = [f"--data={directory}"] + ([f"--config={config}"] if config else [])
    environ = {key: value for key, value in os.environ.items() if key != PYTHONPATH}
    try:
        command = [*found.argv, *words]
        code, output, errors = await run(command, {**environ, **found.env}, timeout_s)
    except TimeoutError:  # which is an OSError
        why = f"{vsn} did not say within {timeout_s:g} s how its programs are started"
        raise Refusal(ExitCode.FAILED, why) from None
    except OSError as error:
        raise Refusal(ExitCode.FAILED, f"{vsn} cannot be composed: {error}") from None
    if code:
        said = errors.decode(errors="replace").strip()[-MAX_WORDS:]
        raise Refusal(ExitCode.FAILED, f"{vsn} cannot be composed: {said or f'exit {code}'}")
    return _own_path(output, found.env.get(PYTHONPATH, ""))


def fitting(spec: AnchorSpec, text: str, vsn: str) -> AnchorSpec:
    """Read what a release says of its programs.

    Args:
        spec: What is guarded now.
        text: What the release says.
        vsn: The release.

    Returns:
        Its specification.

    Raises:
        Refusal: It is none, or does not fit what is guarded.
    """
    try:
        new = AnchorSpec.from_json(text, lenient=True)
    except SpecInvalid as invalid:
        raise Refusal(ExitCode.FAILED, f"{vsn}: {invalid}") from None
    rules = {
        f"directory: {new.directory} is another one": new.directory == spec.directory,
        "programs: other ones are guarded; that takes a stop and a start": _names(new.programs)
        == _names(spec.programs),
        "listeners: some are not bound; that takes a stop and a start": _names(new.listeners)
        <= _names(spec.listeners),
        "upgrade: missing, nothing could take over from it": new.upgrade is not None,
    }
    for rule, met in rules.items():
        if not met:
            raise Refusal(ExitCode.FAILED, f"{vsn}: {rule}")
    return new


def _names(items: Any) -> set[str]:
    return {item.name for item in items}


def _words(env: object) -> dict[str, str]:
    items = env.items() if isinstance(env, dict) else ()
    return {str(key): str(value) for key, value in items}


def _numbers(states: object) -> dict[str, int]:
    items = states.items() if isinstance(states, dict) else ()
    return {str(key): value for key, value in items if isinstance(value, int)}


def _own_path(output: bytes, path: str) -> str:
    """Where a program does not say where it finds its code, it finds that of its release only."""
    try:
        data = json.loads(output)
        for program in data["programs"]:
            program["env"] = {PYTHONPATH: path, **program.get("env", {})}
        return json.dumps(data)
    except (ValueError, TypeError, KeyError, AttributeError):
        return output.decode(errors="replace")  # whoever reads it says what is wrong with it


async def run(
    argv: list[str], env: Mapping[str, str], timeout_s: float, descriptors: tuple[int, ...] = ()
) -> tuple[int, bytes, bytes]:
    """Run a command; no thread is made, as this process forks with `preexec_fn`.

    Args:
        argv: The command.
        env: All of its environment.
        timeout_s: After this time, in seconds, it is killed.
        descriptors: What it inherits.

    Returns:
        The exit code, and the beginning of what it wrote to stdout and to stderr.

    Raises:
        OSError: It cannot be executed.
        TimeoutError: It did not end in time.
    """
    with contextlib.ExitStack() as stack:
        output, errors = (
            stack.enter_context(open(os.memfd_create(name), "w+b"))  # noqa: PTH123, ASYNC230 - in memory
            for name in ("output", "errors")
        )
        popen = subprocess.Popen(  # noqa: S603, ASYNC220 - of an installed release; not waited for
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            cwd="/",
            env=dict(env),
            pass_fds=descriptors,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - this process has one thread
        )
        code = await _ended(popen, timeout_s)
        return code, _content(output), _content(errors)


def _content(file: Any) -> bytes:
    return os.pread(file.fileno(), MAX_TEXT, 0)


async def _ended(popen: subprocess.Popen[bytes], timeout_s: float) -> int:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    pidfd = os.pidfd_open(popen.pid)
    loop.add_reader(pidfd, ended.set)
    try:
        async with asyncio.timeout(timeout_s):
            await ended.wait()
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)
        popen.kill()
        code = popen.wait()
    return code
