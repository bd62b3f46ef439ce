"""Finds what serves a method and a path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

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
        self._routes: dict[int, list[_Route[T]]] = {}
        by_pattern: dict[str, _Route[T]] = {}
        for (method, path), operation in table.items():
            route = by_pattern.get(path)
            if route is None:
                route = by_pattern[path] = _Route(tuple(path[1:].split("/")), {})
                self._routes.setdefault(len(route.pattern), []).append(route)
            route.methods[method] = operation

    def find(self, method: str, segments: tuple[str, ...]) -> Found[T]:
        """Find what serves a request.

        Args:
            method: HTTP method, in capitals.
            segments: The decoded segments of the path.

        Raises:
            HttpProblem: 404 when nothing has this path; 405, with `Allow`, when it has other
                methods.
        """
        for route in self._routes.get(len(segments), ()):
            parameters = route.match(segments)
            if parameters is not None and "" not in parameters.values():
                return Found(_by_method(route.methods, method), parameters)
        raise HttpProblem(problem.NOT_FOUND, "no operation has this path")


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
