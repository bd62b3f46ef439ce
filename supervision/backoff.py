"""How long a restart waits: doubling, bounded, with jitter, and forgotten after a good run.

OTP restarts at once. A child that cannot work for a while, because something outside is down, then
spends its supervisor's intensity in a moment; here it may be given time.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

import msgspec

_MOST_DOUBLINGS = 64  # two to the power of all that a child can fail is no float


class Backoff(msgspec.Struct, frozen=True):
    """How long a restart waits; OTP restarts at once.

    Attributes:
        min_s: seconds before the first restart; each further failure in a row doubles them.
        max_s: seconds that the wait never exceeds, ``jitter`` apart.
        jitter: the share of the wait that is added at random, so that many children which failed
            together do not come back together; 0 is none.
        reset_after_s: a child that ran for so many seconds begins with ``min_s`` again; None is
            the middle of ``min_s`` and ``max_s``.
        crash_loop_after: failures in a row from which a child is shown as crash looping.
    """

    min_s: float
    max_s: float
    jitter: float = 0.2
    reset_after_s: float | None = None
    crash_loop_after: int = 3

    @property
    def reset_after(self) -> float:
        """Seconds after which a child that runs has recovered."""
        return (self.min_s + self.max_s) / 2 if self.reset_after_s is None else self.reset_after_s

    def delay(self, failures: int, roll: float) -> float:
        """Seconds to wait after so many failures in a row; ``roll`` is a random one of [0, 1)."""
        doubled = self.min_s * 2.0 ** min(max(failures - 1, 0), _MOST_DOUBLINGS)
        return min(doubled, self.max_s) * (1.0 + self.jitter * roll)


def is_backoff(value: Any) -> bool:
    """Whether a spec or flags may have this for their ``backoff``."""
    if not isinstance(value, Backoff):
        return value is None
    reset, after = value.reset_after_s, value.crash_loop_after
    return (
        all(map(_is_number, (value.min_s, value.max_s, value.jitter, reset or 0.0, after)))
        and 0 < value.min_s <= value.max_s
        and 0 <= value.jitter <= 1
        and (reset is None or reset >= 0)
        and after >= 1
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
