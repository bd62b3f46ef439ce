"""start: an anchor with a node, in the background or here."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.cli import installation, permanent, rooms
from actors.cli.command import Answer
from actors.cli.compose import specification
from actors.cli.config import mistakes
from actors.cli.life import shape
from actors.config import ConfigInvalid
from supervision.anchor import logs
from supervision.anchor.messages import ExitCode, Refusal
from supervision.anchor.pointers import DIRECTORY

if TYPE_CHECKING:
    from argparse import Namespace

    from supervision.anchor.messages import Message
    from supervision.anchor.pointers import Pointers
    from supervision.anchor.spec import AnchorSpec

TAIL_LINES = 20
ANCHOR_LOG = "anchor.log"
OPERATOR_FILE = "operator.token"
MARGIN_S = 10.0
"""Over the bounds of the anchor's own steps, for the making of processes."""

_Anchor = subprocess.Popen[bytes]


def start(options: Namespace) -> Answer:
    """Start a node and return when it is ready; with ``--foreground`` when it has stopped.

    Raises:
        Refusal: One runs already, or it cannot start; why is in the message.
    """
    data = options.data.absolute()
    file = options.config and options.config.absolute()
    permanent.refuse_running(data)
    with contextlib.ExitStack() as held:
        known = (data / DIRECTORY).is_dir()
        found = _settled(data, held) if known else None
        if found is not None:
            other = permanent.elsewhere(data, found.permanent, os.environ)
            if other is not None:
                other.execute(_words(options, data, file))
        try:
            spec = specification(data, file)
        except ConfigInvalid as invalid:
            return mistakes(str(file or "vigie.toml"), invalid)
        _make_directory(data)
        if found is None:
            _adopt(data, held, known=known)
        os.environ.pop(permanent.HANDED_ON, None)
        os.environ["PYTHONPATH"] = rooms.python_path(os.environ)
        return _foreground(spec) if options.foreground else _background(spec, data)


def _settled(data: Path, held: contextlib.ExitStack) -> Pointers | None:
    """The pointers, with nobody else at them while `held` is not closed."""
    held.enter_context(permanent.alone(data))
    return permanent.settle(data)


def _adopt(data: Path, held: contextlib.ExitStack, *, known: bool) -> None:
    """The first start: what is permanent is this installation."""
    if not known and _settled(data, held) is not None:
        raise Refusal(ExitCode.TRY_AGAIN, f"another command has just started a node in {data}")
    installation.adopt(data)


def _words(options: Namespace, data: Path, file: Path | None) -> list[str]:
    """The words of this very command."""
    words = ["start", f"--data={data}"]
    words += [] if file is None else [f"--config={file}"]
    words += ["--foreground"] if options.foreground else []
    return [*words, "--json"] if options.json else words


def _make_directory(data: Path) -> None:
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        why = f"{data} cannot be the data directory: {error.strerror}"
        raise Refusal(ExitCode.USAGE, why, "data") from None
    if not os.access(data, os.W_OK | os.X_OK):
        raise Refusal(ExitCode.USAGE, f"the data directory {data} cannot be written to", "data")


def _foreground(spec: AnchorSpec) -> Answer:
    """Become the anchor; Ctrl-C and SIGTERM stop it. Another process tells how the start went."""
    read, write = os.pipe()
    _tell_aside(read, write, _bound_s(spec))
    given = os.memfd_create("specification")
    os.write(given, spec.to_json().encode())
    os.lseek(given, 0, os.SEEK_SET)
    os.dup2(given, 0)
    os.set_inheritable(write, True)
    os.execv(sys.executable, _command(write))  # noqa: S606 - our own program


def _tell_aside(read: int, write: int, bound_s: float) -> None:
    """Print the outcome of the start from a process that is no child of this one.

    This process becomes the anchor, which would not know a child that it did not start.
    """
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    if not os.fork():
        os.close(write)
        outcome = _outcome(read, bound_s) or {}
        if "started" in outcome:
            sys.stdout.write("\n".join(_started(outcome["started"]).lines) + "\n")
        elif "failed" in outcome:
            sys.stderr.write(f"vigie: {_failure(outcome['failed']).msg}\n")
        sys.stdout.flush()
    os._exit(0)


def _background(spec: AnchorSpec, data: Path) -> Answer:
    read, write = os.pipe()
    anchor = _spawn(spec, data, write)
    os.close(write)
    try:
        outcome = _outcome(read, _bound_s(spec))
    except KeyboardInterrupt:
        _end(anchor, spec)
        raise
    finally:
        os.close(read)
    if outcome is None or "failed" in outcome:
        _end(anchor, spec)
        raise _failure(_silence(data) if outcome is None else outcome["failed"])
    anchor.returncode = 0  # it lives on after this process; Popen would warn of that
    return _started(outcome["started"])


def _command(announce: int) -> list[str]:
    return [sys.executable, "-P", "-m", "supervision.anchor", f"--announce-fd={announce}"]


def _spawn(spec: AnchorSpec, data: Path, announce: int) -> _Anchor:
    log_file = data / "logs" / ANCHOR_LOG
    with logs.open_log(log_file, max_bytes=spec.log_max_bytes, keep=spec.log_keep) as log:
        anchor = subprocess.Popen(  # noqa: S603 - our own program
            _command(announce),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd="/",
            pass_fds=[announce],
            start_new_session=True,
        )
    assert anchor.stdin is not None
    with contextlib.suppress(BrokenPipeError), anchor.stdin as pipe:
        pipe.write(spec.to_json().encode())
    return anchor


def _end(anchor: _Anchor, spec: AnchorSpec) -> None:
    """End an anchor whose start failed or is no longer wanted."""
    anchor.terminate()
    try:
        anchor.wait(spec.stop_bound_s + MARGIN_S)
    except subprocess.TimeoutExpired:
        anchor.kill()  # its programs end by themselves
        anchor.wait()


def _silence(data: Path) -> dict[str, Any]:
    log = data / "logs" / ANCHOR_LOG
    reason = "the anchor ended, or took too long, without a word"
    return {"reason": reason, "log": logs.tail(log, TAIL_LINES), "log_file": str(log)}


def _bound_s(spec: AnchorSpec) -> float:
    """How long a start takes at most: predecessors end, the node gets ready, or all is stopped."""
    return 2 * spec.stop_bound_s + spec.start_timeout_s + spec.stop_bound_s + MARGIN_S


def _outcome(pipe: int, bound_s: float) -> Message | None:
    """The line that the anchor announces; None when it says nothing in time or dies."""
    deadline, line = time.monotonic() + bound_s, b""
    poller = select.poll()
    poller.register(pipe, select.POLLIN)
    while not line.endswith(b"\n"):
        poller.poll(max(0.0, deadline - time.monotonic()) * 1000)
        data = os.read(pipe, 65_536) if time.monotonic() < deadline else b""
        if not data:
            return None
        line += data
    message: Message = json.loads(line)
    return message


def _started(info: dict[str, Any]) -> Answer:
    data = shape(info, {"state": "running", "programs": {}})
    lines = [f"vigie runs at {data['http']}", f"CTI link {data['cti']}", f"data {data['data']}"]
    token = info["programs"]["node"].get("operator_token")
    file = Path(data["data"]) / OPERATOR_FILE
    if token:
        data["operator_token"] = token
        lines.append(f"operator token {token}, also in {file}")
    elif file.exists():
        lines.append(f"operator token in {file}")
    return Answer(data, lines)


def _failure(failed: dict[str, Any]) -> Refusal:
    lines = [f"not started: {failed['reason']}"]
    if failed["log"]:
        lines += [f"the end of {failed['log_file']}:", *(f"  {line}" for line in failed["log"])]
    return Refusal(ExitCode.FAILED, "\n".join(lines))
