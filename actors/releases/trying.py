"""A takeover tried on copies: the parts of both nodes, wrapped so that nothing fails but is told.

The node that serves gives copies of some of its states, the trial process takes them in as the new
release would, and writes them back as the release that runs would have to read them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
from msgspec import Struct

from actors.takeover.part_states import there_and_back
from supervision.release.actor_trial import first_difference
from supervision.release.carrier import Bulk, NoConversion, NotCarried, Part, Slice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_TOLD = 5
"""Failures, and losses, of one type that are told in words; all are counted."""


class WrongSideError(TypeError):
    """A part of a trial was to do what only those of the other side do; a mistake of the caller."""


class Tried(Struct):
    """What came of one type of state.

    Attributes:
        have: the version that it was written in.
        want: the version of the release that was tried.
        tried: states.
        failed: of these: they could not be taken in.
        lossy: of these: what came back is not what was.
        back: whether the way back was tried.
        why: the first failures and losses, in words.
    """

    have: int
    want: int
    tried: int = 0
    failed: int = 0
    lossy: int = 0
    back: bool = False
    why: list[str] = []

    def say(self, words: str) -> None:
        """Tell of a failure or a loss, if it is among the first."""
        if len(self.why) < MOST_TOLD and words not in self.why:
            self.why.append(words)


class Given(Part):
    """A part of the node that serves; what cannot travel is noted.

    Args:
        part: of that node.
        problems: takes what cannot travel, in words.
    """

    def __init__(self, part: Part, problems: list[str]) -> None:
        self._part = part
        self._problems = problems
        self.name, self.version, self.optional = part.name, part.version, part.optional

    def writes(self, version: int) -> bool:
        """As the part itself says."""
        return self._part.writes(version)

    def types(self) -> dict[str, int]:
        """As the part itself says."""
        return self._part.types()

    def agree(self, theirs: dict[str, int]) -> None:
        """As the part itself does."""
        try:
            self._part.agree(theirs)
        except NoConversion as none:
            self._problems.append(str(none))

    def copy(self, version: int) -> bytes | None:
        """The state as it is now, or None where it cannot travel."""
        try:
            return self._part.copy(version)
        except (NoConversion, NotCarried) as none:
            self._problems.append(f"{self.name}: {none}")
            return None

    def pack(self, version: int) -> NoReturn:
        """Nothing is ever packed for a trial."""
        raise WrongSideError(self.name)

    def unpack(self, version: int, body: bytes, descriptors: tuple[int, ...]) -> NoReturn:
        """Nothing is ever taken in on this side."""
        raise WrongSideError(self.name)


class GivenSome(Given, Bulk):
    """A bulk of the node that serves, of which some items are given.

    Args:
        part: of that node.
        problems: takes what cannot travel, in words.
        most: how many items are given.
    """

    def __init__(self, part: Bulk, problems: list[str], most: int) -> None:
        super().__init__(part, problems)
        self._bulk = part
        self._left = most
        self.given = 0

    def begin(self) -> None:
        """As the part itself does."""
        self._bulk.begin()

    @property
    def due(self) -> int:
        """What is due, but no more than is to be given."""
        return min(self._left, self._bulk.due)

    def take(self, limit: int, version: int) -> Slice:
        """The next items."""
        try:
            taken = self._bulk.take(min(limit, self._left), version)
        except (NoConversion, NotCarried) as none:
            self._problems.append(f"{self.name}: {none}")
            taken = Slice(dropped=("",))
            self._left = 0
        self._left = max(0, self._left - len(taken.items) - len(taken.dropped))
        self.given += len(taken.items)
        return taken

    def end(self) -> None:
        """As the part itself does."""
        self._bulk.end()

    def count(self) -> int:
        """As the part itself says."""
        return self._bulk.count()

    def give(self, version: int, items: Slice) -> NoReturn:
        """Nothing is ever taken in on this side."""
        raise WrongSideError(self.name)


def given(parts: Sequence[Part], problems: list[str], most: int) -> list[Part]:
    """The parts of the node that serves, for a trial.

    Args:
        parts: of that node.
        problems: takes what cannot travel, in words.
        most: how many items of each bulk are given.
    """
    return [
        GivenSome(part, problems, most) if isinstance(part, Bulk) else Given(part, problems)
        for part in parts
    ]


class Taken(Part):
    """A part of the trial; what becomes of each state is noted.

    Args:
        part: of the release that is tried.
        results: by type of state.
        problems: takes what is no matter of one type.
        shape: of its state, where it is one record.
    """

    def __init__(
        self,
        part: Part,
        results: dict[str, Tried],
        problems: list[str],
        shape: type[Struct] | None = None,
    ) -> None:
        self._part = part
        self._shape = shape
        self._theirs: dict[str, int] = {}
        self._results = results
        self._problems = problems
        self.name, self.version, self.optional = part.name, part.version, part.optional

    def reads(self, version: int) -> bool:
        """Whatever comes is looked at; no way to this version is a result like others."""
        if not self._part.reads(version):
            way = f"no way leads from version {version} to version {self.version}"
            self._result(version).say(way)
            self._results[self.name].failed += 1
        return True

    def types(self) -> dict[str, int]:
        """As the part itself says."""
        return self._part.types()

    def agree(self, theirs: dict[str, int]) -> None:
        """As the part itself does; no way between two versions is a result like others."""
        self._theirs = theirs
        try:
            self._part.agree(theirs)
        except NoConversion as none:
            self._problems.append(str(none))

    def pack(self, version: int) -> NoReturn:
        """Nothing is ever given from this side."""
        raise WrongSideError(self.name)

    def unpack(self, version: int, body: bytes, descriptors: tuple[int, ...]) -> None:
        """Try a state: part by part where the part itself knows them apart."""
        if not self._part.reads(version):
            return
        trials = self._part.trials(version, body)
        if trials is None:
            self._one(version, body)
            return
        versions = self._part.types()
        for kind, (outcome, why) in trials.items():
            have, want = self._theirs.get(kind, 0), versions.get(kind, 0)
            result = self._results.setdefault(kind, Tried(have, want))
            result.tried += 1
            result.back = True
            self._note(result, outcome, why)

    def _one(self, version: int, body: bytes) -> None:
        result = self._result(version)
        result.tried += 1
        try:
            self._part.unpack(version, body, ())
            if version == self.version or self._shape is None:
                return
            again = there_and_back(self._part, self._shape, version, body)
        except (NoConversion, NotCarried, ValueError) as error:
            self._note(result, "failed", str(error))
            return
        result.back = True
        if lost := first_difference(plain(body), again, self.name):
            self._note(result, "lossy", lost)

    def _result(self, version: int) -> Tried:
        return self._results.setdefault(self.name, Tried(version, self.version))

    @staticmethod
    def _note(result: Tried, outcome: str, why: str) -> None:
        if outcome == "failed":
            result.failed += 1
        elif outcome == "lossy":
            result.lossy += 1
        if why:
            result.say(why)


class TakenSome(Taken, Bulk):
    """A bulk of the trial.

    Args:
        part: of the release that is tried.
        results: by type of state.
        problems: takes what is no matter of one type.
    """

    def __init__(self, part: Bulk, results: dict[str, Tried], problems: list[str]) -> None:
        super().__init__(part, results, problems)
        self._bulk = part

    def give(self, version: int, items: Slice) -> None:
        """Try items, each for itself."""
        if not self._part.reads(version):
            return
        result = self._result(version)
        for key, body in items.items:
            result.tried += 1
            try:
                again = self._bulk.tried(version, body)
                if again is None:
                    self._bulk.give(version, Slice(((key, body),)))
            except (NoConversion, NotCarried, ValueError) as error:
                self._note(result, "failed", f"{key}: {error}")
                continue
            if again is not None:
                result.back = True
                self._compare(result, key, body, again)

    def _compare(self, result: Tried, key: str, before: bytes, after: bytes) -> None:
        if before == after:
            return
        lost = first_difference(plain(before), plain(after), key)
        if lost:
            self._note(result, "lossy", lost)

    def begin(self) -> None:
        """Nothing is ever given from this side."""

    @property
    def due(self) -> int:
        """Nothing."""
        return 0

    def take(self, limit: int, version: int) -> NoReturn:
        """Nothing is ever given from this side."""
        raise WrongSideError(self.name)

    def end(self) -> None:
        """Nothing is ever given from this side."""

    def count(self) -> int:
        """As the part itself says."""
        return self._bulk.count()


def taken(
    parts: Sequence[Part],
    results: dict[str, Tried],
    problems: list[str],
    shapes: Mapping[str, type[Struct]],
) -> list[Part]:
    """The parts of a node in standby, for a trial.

    Args:
        parts: of that node.
        results: by type of state.
        problems: takes what is no matter of one type.
        shapes: of the states of parts that are one record, by name.
    """
    return [
        TakenSome(part, results, problems)
        if isinstance(part, Bulk)
        else Taken(part, results, problems, shapes.get(part.name))
        for part in parts
    ]


def plain(body: bytes) -> Any:
    """A state as plain data; one that is not MessagePack as it is."""
    try:
        return msgspec.msgpack.decode(body)
    except msgspec.DecodeError:
        return body
