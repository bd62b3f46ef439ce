"""The difference of two versions' trees is told, in both directions, and nobody writes it down."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision import Backoff, ChildSpec, GenServer, StartChild, Supervisor, SupervisorFlags
from supervision.release.tree_plan import difference, order, shape
from supervision.testing import Kit


class Worker(GenServer):
    pass


class Other(GenServer):
    pass


class Counting(GenServer):
    carried = int
    version = 2

    def init(self, args: Any) -> None:
        self.state = 0


class Sup(Supervisor):
    """Its argument is its flags, and its children: names with their class or their arguments."""

    def init(self, args: Any) -> Any:
        flags, children = args
        return flags, [_spec(*one) for one in children]


class WasAtB(Sup):
    was = "top/b"


class WasX(Worker):
    was = "top/a/x"


def _spec(name: str, what: Any, **options: Any) -> ChildSpec:
    if isinstance(what, type):
        return ChildSpec(name, what, **options)
    kind, args = what if isinstance(what[0], type) else (Sup, what)
    return ChildSpec(name, kind, args, type="supervisor")


ONE = SupervisorFlags()


class SpecsOf(Supervisor):
    def init(self, args: Any) -> Any:
        return args


def shaped(top: Any) -> Any:
    with Kit() as kit:
        kit.start(Sup, top, name="top")
        return shape(kit.kernel)


def specified(flags: SupervisorFlags, *specs: ChildSpec) -> Any:
    with Kit() as kit:
        kit.start(SpecsOf, (flags, list(specs)), name="top")
        return shape(kit.kernel)


A = ("a", (ONE, [("x", Worker), ("y", Worker)]))
B = ("b", (ONE, [("z", Worker)]))


def told(old: Any, new: Any) -> list[tuple[str, str]]:
    return [(one["kind"], one["path"]) for one in difference(old, new)]


def test_a_tree_that_is_the_same_differs_in_nothing() -> None:
    assert difference(shaped((ONE, [A, B])), shaped((ONE, [A, B]))) == []


def test_what_is_added_and_removed_is_told_in_the_order_of_starts_and_stops() -> None:
    small, large = shaped((ONE, [A])), shaped((ONE, [B, A]))
    assert told(small, large) == [("added", "top/b"), ("added", "top/b/z")]
    assert told(large, small) == [("removed", "top/b/z"), ("removed", "top/b")]
    assert order(small, large) == ([], ["top/b", "top/b/z"])
    assert order(large, small) == (["top/b/z", "top/b"], [])


def test_a_supervisor_that_was_renamed_takes_its_children_along() -> None:
    old = shaped((ONE, [A, B]))
    new = shaped((ONE, [A, ("c", (WasAtB, B[1]))]))
    assert told(old, new) == [("renamed", "top/c"), ("class", "top/c")]
    assert told(new, old) == [("renamed", "top/b"), ("class", "top/b")]
    assert order(old, new) == ([], [])


def test_an_actor_that_moved_under_another_supervisor_is_told_with_both_places() -> None:
    old = shaped((ONE, [A, B]))
    new = shaped((ONE, [("a", (ONE, [("y", Worker)])), ("b", (ONE, [("z", Worker), ("x", WasX)]))]))
    (moved, _) = difference(old, new)
    assert moved["text"] == "top/a/x is top/b/x from now on"
    assert (moved["kind"], moved["was"]) == ("moved", "top/a/x")
    assert told(new, old)[0] == ("moved", "top/a/x")


def test_changed_specs_and_strategies_are_told_by_field() -> None:
    old = specified(ONE, ChildSpec("w", Worker))
    new = specified(
        SupervisorFlags(strategy="one_for_all", intensity=3),
        ChildSpec("w", Worker, restart="transient", shutdown=2.0, backoff=Backoff(1.0, 2.0)),
    )
    texts = [one["text"] for one in difference(old, new)]
    assert texts[:2] == [
        "top: strategy one_for_one becomes one_for_all",
        "top: intensity 1 becomes 3",
    ]
    assert [one["field"] for one in difference(old, new)[2:]] == ["restart", "shutdown", "backoff"]
    assert texts[3] == "top/w: shutdown 5.0 becomes 2.0"


def test_an_other_class_and_an_other_version_of_a_state_are_told() -> None:
    old, new = (specified(ONE, ChildSpec("w", kind)) for kind in (Worker, Counting))
    assert difference(old, new)[0]["text"].endswith("test_tree_plan:Worker")
    assert told(old, new)[:2] == [("class", "top/w"), ("state", "top/w")]
    assert difference(old, new)[1]["text"] == (
        "top/w: state that did not travel becomes Counting 2"
    )


def test_another_start_order_is_told() -> None:
    old, new = shaped((ONE, [A, B])), shaped((ONE, [B, A]))
    assert [one["text"] for one in difference(old, new)] == [
        "top: its children start in the order b, a"
    ]


def test_a_pool_is_its_template() -> None:
    pool = SupervisorFlags(strategy="simple_one_for_one")
    with Kit() as kit:
        kit.start(SpecsOf, (pool, [ChildSpec("member", Worker)]), name="top")
        empty = shape(kit.kernel)
        kit.call(kit.address("top"), StartChild(id="one"))
        assert shape(kit.kernel) == empty
    changed = specified(pool, ChildSpec("member", Other, restart="transient"))
    assert told(empty, changed) == [("class", "top/*"), ("spec", "top/*")]
    assert ("pool", "top") in told(empty, specified(ONE, ChildSpec("member", Worker)))


def test_a_child_that_was_added_later_is_no_part_of_the_tree_of_a_version() -> None:
    with Kit() as kit:
        kit.start(Sup, (ONE, [("w", Worker)]), name="top")
        before = shape(kit.kernel)
        kit.call(kit.address("top"), StartChild(ChildSpec("more", Worker)))
        assert shape(kit.kernel) == before


def test_start_arguments_are_not_told() -> None:
    secret = specified(ONE, ChildSpec("w", Worker, {"password": "4711"}))
    assert "4711" not in str(secret)


TREES = st.recursive(
    st.just(Worker),
    lambda inside: st.lists(st.tuples(st.sampled_from("abcdef"), inside), unique_by=lambda p: p[0]),
    max_leaves=8,
)


def described(name: str, tree: Any) -> Any:
    children = [] if tree is Worker else [described(*one) for one in tree]
    return {
        "id": name,
        "class": "m:Worker" if tree is Worker else "m:Sup",
        "was": "",
        "state": None,
        "spec": {},
        "children": children,
    }


def paths(tree: Any, above: str = "") -> list[str]:
    path = f"{above}/{tree['id']}" if above else tree["id"]
    return [path, *(one for child in tree["children"] for one in paths(child, path))]


@given(TREES, TREES)
def test_what_ends_and_begins_makes_one_tree_of_the_other(one: Any, other: Any) -> None:
    old, new = described("top", one), described("top", other)
    stops, starts = order([old], [new])
    assert set(paths(old)) - set(stops) | set(starts) == set(paths(new))
    assert starts == [path for path in paths(new) if path in starts]
    assert stops == [path for path in reversed(paths(old)) if path in stops]
    assert order([new], [old]) == (list(reversed(starts)), list(reversed(stops)))


@pytest.mark.parametrize("tops", [["top"], ["elsewhere"]])
def test_only_the_named_roots_are_described(tops: list[str]) -> None:
    with Kit() as kit:
        kit.start(Sup, (ONE, []), name="top")
        assert [one["id"] for one in shape(kit.kernel, tops)] == [
            name for name in tops if name == "top"
        ]
