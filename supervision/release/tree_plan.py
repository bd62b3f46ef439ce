"""The difference of two versions' trees: what is added, removed, moved, changed, in which order.

Pure: it is given two descriptions (``tree_shape.shape``) and may be asked in both directions.
Nobody has to write it down: the new version's tree starts as it is, beside the old one; states go
from each actor to the one at the same path, or to the one that says it ``was`` there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervision.release.tree_shape import shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from supervision.release.tree_shape import Shape

__all__ = ["Change", "difference", "order", "shape"]

Change = dict[str, Any]
"""``kind``, ``path`` (in the new tree; of what is removed in the old) and ``text`` for operators.

Kinds: added, removed, moved, renamed, class, state, spec, strategy, order, pool.
"""


class _Place:
    """One actor of a tree, and where it is."""

    __slots__ = ("of", "parent", "path")

    def __init__(self, path: str, of: Shape, parent: str) -> None:
        self.path, self.of, self.parent = path, of, parent


def difference(old: Sequence[Shape], new: Sequence[Shape]) -> list[Change]:
    """What is different in the new tree.

    Args:
        old: the tree that runs.
        new: the one that takes its place.

    Returns:
        What is removed in the order of its end, then all else in the order of the new tree's start.
    """
    before, after = _places(old), _places(new)
    came_from = _pairs(before, after)
    gone = before.keys() - came_from.values()
    changes = [_removed(before[path]) for path in _stops(before) if path in gone]
    for path, place in after.items():
        known = came_from.get(path)
        changes += [_added(place)] if known is None else _changed(before[known], place, came_from)
    return changes


def order(old: Sequence[Shape], new: Sequence[Shape]) -> tuple[list[str], list[str]]:
    """In which order actors end and begin that only one of the versions has.

    Returns:
        Paths in the old tree of those that end, the last started first; paths in the new tree of
        those that begin, in start order.
    """
    before, after = _places(old), _places(new)
    came_from = _pairs(before, after)
    gone = before.keys() - came_from.values()
    return [path for path in _stops(before) if path in gone], [
        path for path in after if path not in came_from
    ]


def _places(trees: Sequence[Shape]) -> dict[str, _Place]:
    """Every actor by its path, in start order: a supervisor begins before its children."""
    found: dict[str, _Place] = {}
    for tree in trees:
        _place(tree, "", found)
    return found


def _place(of: Shape, above: str, found: dict[str, _Place]) -> None:
    path = f"{above}/{of['id']}" if above else of["id"]
    found[path] = _Place(path, of, above)
    for child in of.get("children", ()):
        _place(child, path, found)


def _stops(before: Mapping[str, _Place]) -> Iterator[str]:
    return reversed(list(before))


def _pairs(before: Mapping[str, _Place], after: Mapping[str, _Place]) -> dict[str, str]:
    """For paths of the new tree those of the old one that they go on from."""
    came_from: dict[str, str] = {}
    back = {place.of["was"]: path for path, place in before.items() if place.of["was"]}
    for path, place in after.items():
        known = _origin(place, before, came_from, back)
        if known is not None and known not in came_from.values():
            came_from[path] = known
    return came_from


def _origin(
    place: _Place,
    before: Mapping[str, _Place],
    came_from: Mapping[str, str],
    back: Mapping[str, str],
) -> str | None:
    """Where an actor was: by its own word, by the other's, or in the same place of its parent."""
    was = place.of["was"]
    if was in before and place.path not in before:
        return str(was)
    if place.path in back and place.path not in before:
        return back[place.path]
    parent = came_from.get(place.parent, place.parent)
    path = f"{parent}/{place.of['id']}" if parent else place.path
    return path if path in before else None


# What is told


def _removed(place: _Place) -> Change:
    return _change("removed", place, f"{place.path} ends: this version does not have it")


def _added(place: _Place) -> Change:
    return _change("added", place, f"{place.path} begins: the version before does not have it")


def _changed(before: _Place, after: _Place, came_from: Mapping[str, str]) -> list[Change]:
    one, other = before.of, after.of
    changes = list(_moves(before, after, came_from))
    if one["class"] != other["class"]:
        text = f"{after.path} is a {other['class']}, was a {one['class']}"
        changes.append(_change("class", after, text))
    if one["state"] != other["state"]:
        text = f"{after.path}: state {_state(one['state'])} becomes {_state(other['state'])}"
        changes.append(_change("state", after, text))
    changes += _values("spec", after, one["spec"] or {}, other["spec"] or {})
    changes += _values("strategy", after, one.get("flags") or {}, other.get("flags") or {})
    changes += _pool(after, one.get("pool"), other.get("pool"))
    return changes + _reordered(before, after, came_from)


def _moves(before: _Place, after: _Place, came_from: Mapping[str, str]) -> Iterator[Change]:
    if before.path == after.path:
        return
    with_parent = came_from.get(after.parent) == before.parent
    if with_parent and before.of["id"] == after.of["id"]:
        return  # its supervisor has moved, which is told
    kind = "renamed" if with_parent or before.parent == after.parent else "moved"
    yield _change(kind, after, f"{before.path} is {after.path} from now on", was=before.path)


def _values(kind: str, at: _Place, one: dict[str, Any], other: dict[str, Any]) -> list[Change]:
    return [
        _change(
            kind,
            at,
            f"{at.path}: {name} {_said(one.get(name))} becomes {_said(other.get(name))}",
            field=name,
            old=one.get(name),
            new=other.get(name),
        )
        for name in {**one, **other}
        if one.get(name) != other.get(name)
    ]


def _pool(at: _Place, one: Shape | None, other: Shape | None) -> list[Change]:
    if one is None and other is None:
        return []
    if one is None or other is None:
        kind = "a pool" if one is None else "no pool any more"
        return [_change("pool", at, f"{at.path} is {kind}")]
    member = _Place(f"{at.path}/*", other, at.path)
    return _changed(_Place(member.path, one, at.path), member, {})


def _reordered(before: _Place, after: _Place, came_from: Mapping[str, str]) -> list[Change]:
    there = [f"{before.path}/{child['id']}" for child in before.of.get("children", ())]
    here = [
        came_from.get(f"{after.path}/{child['id']}", "") for child in after.of.get("children", ())
    ]
    kept = [path for path in there if path in here]
    now = [path for path in here if path in there]
    if kept == now:
        return []
    names = ", ".join(path.rpartition("/")[2] for path in now)
    return [_change("order", after, f"{after.path}: its children start in the order {names}")]


def _change(kind: str, at: _Place, text: str, **more: Any) -> Change:
    return {"kind": kind, "path": at.path, "text": text, **more}


def _state(state: Mapping[str, Any] | None) -> str:
    return "that did not travel" if state is None else f"{state['kind']} {state['version']}"


def _said(value: Any) -> str:
    return "nothing" if value is None else str(value)
