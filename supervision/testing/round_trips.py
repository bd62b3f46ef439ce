"""A property test of a state's conversions, in three lines; needs hypothesis.

def test_the_counter_survives_every_upgrade_and_rollback():
    round_trips(Counter, RECORDED)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from supervision.behaviour import Behaviour
from supervision.gen_statem.machine import StateMachine
from supervision.release.actor_trial import first_difference
from supervision.release.coverage import StateType, of_actor, outline
from supervision.release.values import plain, typed
from supervision.release.versions import Conversions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypothesis.strategies import SearchStrategy

    Walk = Callable[[int, int, Any], Any]

_MOST = 6
"""Items of a list or a dictionary that is made up."""


def round_trips(
    of: type[Behaviour] | StateType,
    recorded: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    states: SearchStrategy[Any] | None = None,
    older: Mapping[int, SearchStrategy[Any]] | None = None,
    examples: int = 100,
) -> None:
    """Convert random states to every other version and back; each comes back as it was.

    States of this version go down and up again, those of older versions up and down again. What
    goes up has to be of the present type.

    Args:
        of: a class of actors that travel, or a type of state.
        recorded: the shapes of its versions, as ``coverage.record`` makes them; None: its own
            version, and those that ``older`` tells.
        states: makes states of this version, where random ones of its type make no sense.
        older: likewise by version, as plain data.
        examples: how many of each.

    Raises:
        AssertionError: a state comes back as another; the place is told.
        NoConversion: a step is missing.
        ConversionFailed: a conversion raised.
    """
    kind = of if isinstance(of, StateType) else of_actor(of)
    walk = _walk(of, kind)
    shapes = dict((recorded or {}).get(kind.name, {}))
    makers = {int(version): plain_states(shape) for version, shape in shapes.items()}
    makers |= dict(older or {})
    makers.pop(kind.version, None)
    own = states if states is not None else typed_states(kind.kind)
    for version, maker in sorted(makers.items()):
        _each(own, examples, _there_and_back(kind, walk, version))
        _each(maker, examples, _up_and_back(kind, walk, version))
    if not makers:
        _each(own, examples, lambda state: _same(_written(state), _again(kind, state), kind, ""))


def _each(maker: SearchStrategy[Any], examples: int, look: Callable[[Any], None]) -> None:
    from hypothesis import HealthCheck, given, settings

    bounds = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    bounds(given(maker)(look))()


def _there_and_back(kind: StateType, walk: Walk, version: int) -> Callable[[Any], None]:
    def look(state: Any) -> None:
        down = walk(kind.version, version, _written(state))
        up = walk(version, kind.version, down)
        typed(up, kind.kind)
        _same(_written(state), up, kind, f"by way of version {version}")

    return look


def _up_and_back(kind: StateType, walk: Walk, version: int) -> Callable[[Any], None]:
    def look(state: Any) -> None:
        before = plain(state, "state")
        up = walk(version, kind.version, state)
        now = _written(typed(up, kind.kind))
        down = walk(kind.version, version, now)
        _same(before, down, kind, f"of version {version}")

    return look


def _written(state: Any) -> Any:
    return plain(state, "state")


def _again(kind: StateType, state: Any) -> Any:
    return _written(typed(_written(state), kind.kind))


def _same(before: Any, after: Any, kind: StateType, how: str) -> None:
    found = first_difference(before, plain(after, "state"), "state")
    if found:
        raise AssertionError(f"{kind.name} {how} does not come back as it was: {found}")


def _walk(of: type[Behaviour] | StateType, kind: StateType) -> Walk:
    """What converts a state from one version to another: steps, or the code of an actor."""
    if isinstance(of, StateType) or not kind.by_hand:
        ways: Conversions = kind.conversions
        return lambda have, want, state: ways.convert(kind.name, state, have, want)
    actor: Any = of.__new__(of)
    if issubclass(of, StateMachine):
        raise TypeError(f"{kind.name}: a machine that converts by hand needs a test by hand")

    def walk(have: int, want: int, state: Any) -> Any:
        if want > have:
            return plain(actor.code_change(have, state, None), "state")
        return plain(actor.downgrade(want, state, None), "state")

    return walk


# Made up


def typed_states(kind: Any) -> SearchStrategy[Any]:
    """States of a type.

    Args:
        kind: as msgspec knows it.
    """
    return plain_states(outline(kind)).map(lambda made: typed(made, kind))


def plain_states(shape: Any) -> SearchStrategy[Any]:
    """Plain data of a shape, as ``coverage.outline`` tells it.

    Raises:
        ValueError: something in it cannot be made up; give ``states``.
    """
    from hypothesis import strategies as st

    if isinstance(shape, str):
        made = _simple().get(shape)
        if made is None:
            raise ValueError(f"no {shape} can be made up: say how (states=, older=)")
        return made
    ((word, inside),) = shape.items()
    if word in _PARTS:
        return _PARTS[word](inside)
    if word == "words":
        return st.sampled_from(inside)
    if word == "one of":
        return st.one_of(_possible(inside))
    return plain_states(inside)


def _record(fields: Mapping[str, Any]) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    return st.fixed_dictionaries({name: plain_states(one) for name, one in fields.items()})


def _array(shapes: Sequence[Any]) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    return st.tuples(*map(plain_states, shapes)).map(list)


def _many(shape: Any, *, unique: bool) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    return st.lists(plain_states(shape), max_size=_MOST, unique_by=repr if unique else None)


def _map(shapes: Sequence[Any]) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    return st.dictionaries(plain_states(shapes[0]), plain_states(shapes[1]), max_size=_MOST)


_PARTS: dict[str, Callable[[Any], SearchStrategy[Any]]] = {
    "record": _record,
    "array": lambda fields: _array([shape for _, shape in fields]),
    "tuple": _array,
    "list": lambda shape: _many(shape, unique=False),
    "set": lambda shape: _many(shape, unique=True),
    "dict": _map,
}


def _possible(shapes: Sequence[Any]) -> list[SearchStrategy[Any]]:
    """Those of some shapes that can be made up."""
    found = []
    for shape in shapes:
        try:
            found.append(plain_states(shape))
        except ValueError:
            continue
    if not found:
        raise ValueError(f"none of {shapes} can be made up: say how (states=, older=)")
    return found


def _simple() -> dict[str, SearchStrategy[Any]]:
    from hypothesis import strategies as st

    numbers, texts = st.integers(-(2**63), 2**63 - 1), st.text(max_size=20)
    return {
        "none": st.none(),
        "bool": st.booleans(),
        "int": numbers,
        "float": st.floats(allow_nan=False),
        "str": texts,
        "bytes": st.binary(max_size=20),
        "any": st.none() | st.booleans() | numbers | texts,
    }
