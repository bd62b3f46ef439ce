"""The ways between the versions of a state: functions on plain data, chained step by step.

Every type of state has one number, which grows by one with each change of its shape. For a change
one function makes the newer shape of the older (``up``) and one the older of the newer (``down``);
longer ways are walked through the steps in between. The functions see plain data, what
``msgspec.to_builtins`` makes: dictionaries, lists, strings, numbers, booleans, None. So the same
functions serve a takeover, the rows of a journal and a change in place, and never need the classes
of a version that is gone.

    WAYS = Conversions(
        up={1: lambda state: {**state, "retries": 0}},
        down={2: lambda state: {k: v for k, v in state.items() if k != "retries"}},
    )
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Step = Callable[[Any], Any]

__all__ = ["SAME", "ConversionFailed", "Conversions", "NoConversion"]


class NoConversion(Exception):  # noqa: N818 - a state of affairs
    """No way leads from one version of a state to another; the message names type and versions."""


class ConversionFailed(ValueError):  # noqa: N818 - says what is so
    """A function of a way raised; the message names type and step, the cause says what.

    Attributes:
        kind: the type of state.
        have: the version that the step began with.
        want: the version that it was to make.
    """

    def __init__(self, kind: str, have: int, want: int, why: BaseException) -> None:
        super().__init__(f"{kind}: from version {have} to {want}: {type(why).__name__}: {why}")
        self.kind, self.have, self.want = kind, have, want


class Conversions:
    """The known steps between neighbouring versions of one type of state.

    A function may change what it is given and return it; it must not look at anything else. Where
    nothing is to be converted none is called, and the value is returned as it is.

    Args:
        up: by the version that it converts from: ``{1: f}``, f makes a state of version 2.
        down: likewise: ``{2: g}``, g makes a state of version 1.

    Raises:
        ValueError: a version is no number from 1 on (``down``: from 2 on).
        TypeError: a step cannot be called.
    """

    __slots__ = ("down", "up")

    def __init__(
        self, up: Mapping[int, Step] | None = None, down: Mapping[int, Step] | None = None
    ) -> None:
        self.up: dict[int, Step] = dict(up or {})
        self.down: dict[int, Step] = dict(down or {})
        for name, steps, least in (("up", self.up, 1), ("down", self.down, 2)):
            for version, step in steps.items():
                if type(version) is not int or version < least:
                    raise ValueError(f"{name}: {version!r} is no version from {least} on")
                if not callable(step):
                    raise TypeError(f"{name}: {version}: {step!r} cannot be called")

    def convert(self, kind: str, value: Any, have: int, want: int) -> Any:
        """Make a state of one version of one of another.

        Args:
            kind: the type of state, for errors.
            value: the state as plain data; it is given away.
            have: its version.
            want: the version to make.

        Raises:
            NoConversion: a step is missing; nothing has been called.
            ConversionFailed: a function raised.
        """
        return self.way(kind, have, want)(value)

    def way(self, kind: str, have: int, want: int) -> Step:
        """The function that leads from one version to another; for many states of one type.

        Raises:
            NoConversion: a step is missing.
        """
        if have == want:
            return _same
        steps = self._steps(kind, have, want)

        def walk(value: Any) -> Any:
            for at, then, step in steps:
                try:
                    value = step(value)
                except Exception as why:
                    # A step is the code of whoever wrote the state, on data of any age: anything
                    # comes out of it. The caller learns which step it was; it refuses a takeover,
                    # or a row. No actor has failed, and none is to be restarted for it.
                    raise ConversionFailed(kind, at, then, why) from why
            return value

        return walk

    def leads(self, have: int, want: int) -> bool:
        """Whether a way leads from one version to another."""
        return not any(step is None for _, _, step in self._path(have, want))

    def missing(self, newest: int, oldest: int = 1) -> list[str]:
        """The steps that are not there, of all between two versions, both directions.

        Returns:
            For each a word for operators: ``up from 1 to 2``.
        """
        ways = (("up", oldest, newest), ("down", newest, oldest))
        return [
            f"{name} from {at} to {then}"
            for name, have, want in ways
            for at, then, step in self._path(have, want)
            if step is None
        ]

    def _path(self, have: int, want: int) -> Iterator[tuple[int, int, Step | None]]:
        steps, by = (self.up, 1) if want > have else (self.down, -1)
        for at in range(have, want, by):
            yield at, at + by, steps.get(at)

    def _steps(self, kind: str, have: int, want: int) -> list[tuple[int, int, Step]]:
        steps: list[tuple[int, int, Step]] = []
        for at, then, step in self._path(have, want):
            if step is None:
                name = "code_change" if want > have else "downgrade"
                whole = "" if abs(want - have) == 1 else f", on the way from {have} to {want}"
                raise NoConversion(f"{kind}: no {name} from version {at} to {then}{whole}")
            steps.append((at, then, step))
        return steps


def _same(value: Any) -> Any:
    return value


SAME = Conversions()
"""The ways of what has only ever had one version."""
