"""Which actor is struck: every kind in turn, so that none is left out by chance."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_NUMBER = re.compile(r"[-#:.]?[0-9a-f]*[0-9][0-9a-f]*$")
ROOT = "node"
"""The top of the tree; its end is the end of the process, which is struck as such."""


def kind_of(path: str, pools: Iterable[str] = ()) -> str:
    """Name the kind of an actor: its path, with one name for all members of a pool.

    Args:
        path: of the actor.
        pools: paths of the pools.
    """
    above, _, name = path.rpartition("/")
    if above in pools:
        return f"{above}/*"
    return f"{above}/{_NUMBER.sub('', name)}" if above else name


def actors_of(tree: Mapping[str, Any]) -> list[str]:
    """The paths of a tree's actors but its root, as `GET /api/v1/tree` gives it."""
    return [node["path"] for node in _nodes(tree) if node["path"] != ROOT]


def pools_of(tree: Mapping[str, Any]) -> list[str]:
    """The paths of the pools that have members, which are paged and not in the tree."""
    return [node["path"] for node in _nodes(tree) if (node.get("pool") or {}).get("count")]


def _nodes(tree: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield tree
    for child in tree.get("children") or ():
        yield from _nodes(child)


class Choice:
    """Chooses by lot among the kinds that were struck least.

    Attributes:
        seen: every kind that was there, and how often one of it was struck.
    """

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def choose(self, paths: Iterable[str], pools: Iterable[str], draw: float, more: float) -> str:
        """Choose one actor; `struck` counts it once it is.

        Args:
            paths: of the actors that live, members of pools among them.
            pools: of the pools.
            draw: which kind, 0 to 1.
            more: which actor of it, 0 to 1.

        Raises:
            ValueError: there is none.
        """
        kinds: dict[str, list[str]] = {}
        known = frozenset(pools)
        for path in sorted(paths):
            kinds.setdefault(kind_of(path, known), []).append(path)
        if not kinds:
            raise ValueError("no actor lives")
        for kind in kinds:
            self.seen.setdefault(kind, 0)
        least = min(self.seen[kind] for kind in kinds)
        rare = [kind for kind in kinds if self.seen[kind] == least]
        kind = rare[int(draw * len(rare)) % len(rare)]
        members = kinds[kind]
        return members[int(more * len(members)) % len(members)]

    def struck(self, path: str, pools: Iterable[str]) -> None:
        """Count an actor as struck."""
        self.seen[kind_of(path, frozenset(pools))] += 1

    @property
    def spared(self) -> list[str]:
        """Kinds that were there and never struck."""
        return sorted(kind for kind, count in self.seen.items() if not count)
