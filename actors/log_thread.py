"""The thread that writes trace files, so that a slow or full disk never holds the node up.

What waits for it is bounded: more is dropped and counted, and a line in the file says how many are
missing there. A write that fails is tried again until it succeeds or the thread is told to end.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from msgspec import Struct

from actors.trace_file import TraceFile

BATCH_BYTES = 65_536
RETRY_MIN_S = 0.1
RETRY_MAX_S = 5.0


class Fence(Struct, frozen=True, eq=False):
    """A place in the queue; `reached` is called on the thread when all before it is written."""

    reached: Callable[[], None]


class LogCounts(Struct):
    """What became of the lines; counts since the thread began.

    Attributes:
        written: Lines in the file.
        written_bytes: Their bytes.
        dropped: Lines for which there was no room in the queue.
        failures: Writes that failed.
        failing: Why the last write failed; empty when it succeeded.
        lost: Lines given up because the thread had to end while writes failed.
    """

    written: int = 0
    written_bytes: int = 0
    dropped: int = 0
    failures: int = 0
    failing: str = ""
    lost: int = 0


class LogThread:
    """A queue and the thread that empties it.

    Args:
        file: Belongs to the thread from now on.
        limit: Lines that may wait.
        notice: Makes the line that tells how many are missing.
        changed: Called on the thread when writing begins to fail or succeeds again, with the
            reason or an empty text.

    Attributes:
        counts: To be read from any thread.

    Nothing is written before `begin`; what is put meanwhile waits.
    """

    def __init__(
        self,
        file: TraceFile,
        limit: int,
        notice: Callable[[int], bytes],
        changed: Callable[[str], None],
    ) -> None:
        self.counts = LogCounts()
        self._file = file
        self._limit = limit
        self._notice = notice
        self._changed = changed
        self._queue: deque[bytes | Fence] = deque()
        self._untold = 0
        self._stopping = False
        self._wakeup = threading.Condition()
        self._thread: threading.Thread | None = None

    # For the node's thread: none of these waits for the disk

    def begin(self) -> None:
        """Write from now on; not once it is told to stop."""
        if self._thread is None and not self._stopping:
            self._thread = threading.Thread(target=self._run, name="vigie-logs", daemon=True)
            self._thread.start()

    def put(self, line: bytes) -> bool:
        """Have a line written; False where it is dropped, the queue being full."""
        with self._wakeup:
            if len(self._queue) >= self._limit or self._stopping:
                self._untold += 1
                self.counts.dropped += 1
                return False
            self._queue.append(line)
            self._wakeup.notify()
        return True

    def fence(self, reached: Callable[[], None]) -> None:
        """Have `reached` called on the thread once every line put before is in the file."""
        with self._wakeup:
            self._queue.append(Fence(reached))
            self._wakeup.notify()

    @property
    def waiting(self) -> int:
        """Lines in the queue."""
        return len(self._queue)

    def stop(self) -> None:
        """Have the thread write what waits, without trying again what fails, and end."""
        with self._wakeup:
            self._stopping = True
            self._wakeup.notify()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end of the thread after `stop`; return whether it has ended."""
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # The thread

    def _run(self) -> None:
        while (batch := self._take()) is not None:
            lines = [item for item in batch if not isinstance(item, Fence)]
            if self._write(b"".join(lines), len(lines)):
                for item in batch:
                    if isinstance(item, Fence):
                        item.reached()
        self._file.close()

    def _take(self) -> list[bytes | Fence] | None:
        """Wait for lines and take as many as are written at once; None at the end."""
        with self._wakeup:
            self._wakeup.wait_for(lambda: self._queue or self._stopping)
            if not self._queue:
                return None
            batch: list[bytes | Fence] = []
            size = 0
            while self._queue and size < BATCH_BYTES:
                item = self._queue.popleft()
                size += 0 if isinstance(item, Fence) else len(item)
                batch.append(item)
            if self._untold:  # they came when what is in the batch filled the queue
                batch.append(self._notice(self._untold))
                self._untold = 0
            return batch

    def _write(self, data: bytes, lines: int) -> bool:
        """Write, trying again while it fails; return whether it is done."""
        left, retry_s = memoryview(data), RETRY_MIN_S
        while left:
            try:
                left = left[self._file.append(left) :]
            except OSError as error:
                self._failed(error)
                if self._stop_comes(retry_s):
                    self.counts.lost += lines
                    return False
                retry_s = min(2 * retry_s, RETRY_MAX_S)
        self._succeeded(lines, len(data))
        return True

    def _failed(self, error: OSError) -> None:
        self.counts.failures += 1
        why = error.strerror or str(error)
        if self.counts.failing != why:
            self.counts.failing = why
            self._changed(why)

    def _succeeded(self, lines: int, size: int) -> None:
        self.counts.written += lines
        self.counts.written_bytes += size
        if self.counts.failing and size:
            self.counts.failing = ""
            self._changed("")

    def _stop_comes(self, within_s: float) -> bool:
        with self._wakeup:
            return self._wakeup.wait_for(lambda: self._stopping, within_s)
