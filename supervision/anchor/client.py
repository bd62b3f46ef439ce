"""The client's end of a control socket, blocking, for command lines."""

from __future__ import annotations

import itertools
import os
import select
from typing import TYPE_CHECKING, Any, Self

from supervision.anchor import unixpath
from supervision.anchor.messages import (
    ExitCode,
    LineSplitter,
    LineTooLong,
    Refusal,
    decode,
    encode,
    outcome,
    request,
)
from supervision.anchor.peer import peer_process

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

CONTROL_SOCKET = "anchor.sock"
"""The control socket's name in the anchor's directory."""

MAX_ANSWER_BYTES = 32 * 1024 * 1024
_READ_BYTES = 64 * 1024


class Client:
    """A connection to the anchor of a directory; a context manager.

    Args:
        directory: The anchor's directory.
        timeout_s: How long an answer may take, in seconds.

    Raises:
        Refusal: UNREACHABLE when no anchor lives there, NOT_PERMITTED when it is not ours.
    """

    def __init__(self, directory: Path, timeout_s: float = 40.0) -> None:
        try:
            self._socket = unixpath.connect(directory / CONTROL_SOCKET, timeout_s)
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            raise Refusal(ExitCode.UNREACHABLE, f"no anchor runs in {directory}") from None
        except PermissionError as error:
            why = f"the anchor of {directory} may not be asked: {error.strerror}"
            raise Refusal(ExitCode.NOT_PERMITTED, why) from None
        self._lines = LineSplitter(MAX_ANSWER_BYTES)
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self.close()

    def call(self, op: str, args: Mapping[str, Any] | None = None) -> Any:
        """Ask for an operation and wait for its result.

        Args:
            op: The operation.
            args: Its arguments.

        Returns:
            The result.

        Raises:
            Refusal: It was refused, the answer took too long, or the anchor went away.
        """
        try:
            self._socket.sendall(encode(request(next(self._numbers), op, args)))
            return outcome(decode(self._read_line()))
        except TimeoutError:
            why = f"the anchor did not answer {op} within {self._socket.gettimeout():g} s"
            raise Refusal(ExitCode.TRY_AGAIN, why) from None
        except (ConnectionError, LineTooLong) as error:
            raise Refusal(ExitCode.UNREACHABLE, f"the anchor went away: {error}") from None

    def wait_for_end(self, timeout_s: float) -> bool:
        """Wait until the anchor's process has ended.

        Args:
            timeout_s: How long, in seconds.

        Returns:
            Whether it has.
        """
        try:
            process = os.pidfd_open(peer_process(self._socket))
        except ProcessLookupError:
            return True
        try:
            poller = select.poll()
            poller.register(process, select.POLLIN)
            return bool(poller.poll(timeout_s * 1000))
        finally:
            os.close(process)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _read_line(self) -> bytes:
        while data := self._socket.recv(_READ_BYTES):
            lines = self._lines.feed(data)
            if lines:
                return lines[0]
        raise ConnectionResetError("it closed the connection")
