"""What the routing core refuses, by name."""

from __future__ import annotations


class RoutingRefused(Exception):  # noqa: N818 - it is an answer, not an accident
    """Something that is not done because it breaks a rule.

    Args:
        field: what is wrong.
        rule: what it must be.
    """

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        self.rule = rule
