"""Finds what serves a method and a path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from protocols.http import problem
from protocols.http.problem import HttpProblem

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What serves a request, and the parameters of its path by name."""

    operation: T
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Route(Generic[T]):
    pattern: tuple[str, ...]
    methods: dict[str, T]

    def match(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        parameters = {}
        for wanted, given in zip(self.pattern, segments, strict=True):
            if wanted.startswith("{"):
                parameters[wanted[1:-1]] = given
            elif wanted != given:
                return None
        return parameters


class Router(Generic[T]):
    """Routes by method and by pattern: `/api/v1/actors/{path}/state`.

    A parameter takes one segment, which may be anything but empty. Where a literal segment and a
    parameter both fit, the pattern given first wins. HEAD is served by what serves GET.

    Args:
        table: What serves each (method, pattern).
    """

    def __init__(self, table: Mapping[tuple[str, str], T]) -> None:
        by_pattern: dict[str, _Route[T]] = {}
        for (method, path), operation in table.items():
            route = by_pattern.get(path)
            if route is None:
                route = by_pattern[path] = _Route(tuple(path[1:].split("/")), {})
            route.methods[method] = operation
        self._routes = _placed(tuple(by_pattern.values()))

    def find(self, method: str, segments: tuple[str, ...]) -> Found[T]:
        """Find what serves a request.

        Args:
            method: HTTP method, in capitals.
            segments: The decoded segments of the path.

        Raises:
            HttpProblem: 404 when nothing has this path; 405, with `Allow`, when it has other
                methods.
        """
        routes = self._routes.get(_place(segments)) or self._routes.get((len(segments), None))
        for route in routes or ():
            parameters = route.match(segments)
            if parameters is not None and "" not in parameters.values():
                return Found(_by_method(route.methods, method), parameters)
        raise HttpProblem(problem.NOT_FOUND, "no operation has this path")


_Place: TypeAlias = tuple[int, str | None]
"""How many segments there are, and the one that tells most; None for any other than the known."""

TELLING = 2
"""Which segment tells operations apart best: that after `/api/v1`."""


def _place(segments: tuple[str, ...]) -> _Place:
    return len(segments), segments[TELLING] if len(segments) > TELLING else None


def _placed(routes: tuple[_Route[T], ...]) -> dict[_Place, list[_Route[T]]]:
    """Routes by the places in which they may be asked for, in their order."""
    lengths = {len(route.pattern) for route in routes}
    places = {_place(route.pattern) for route in routes} | {(length, None) for length in lengths}
    found: dict[_Place, list[_Route[T]]] = {place: [] for place in places}
    for route in routes:
        length, literal = _place(route.pattern)
        anywhere = literal is None or literal.startswith("{")
        for place in places:
            if place[0] == length and (anywhere or place[1] == literal):
                found[place].append(route)
    return found


def _by_method(methods: Mapping[str, T], method: str) -> T:
    wanted = "GET" if method == "HEAD" else method
    if wanted in methods:
        return methods[wanted]
    allowed = sorted({*methods, "HEAD"} if "GET" in methods else methods)
    raise HttpProblem(
        problem.METHOD_NOT_ALLOWED,
        f"allowed here: {', '.join(allowed)}",
        field="method",
        rule=f"one of {', '.join(allowed)}",
        headers={"Allow": ", ".join(allowed)},
    )
