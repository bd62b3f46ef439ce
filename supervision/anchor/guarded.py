"""What the releases of an anchor need of who guards its programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from supervision.anchor.children import Children
    from supervision.anchor.spec import AnchorSpec, ProgramSpec
    from supervision.anchor.states import AnchorState, Event


class Guarded(Protocol):
    """Programs and their processes, as `supervision.anchor.guardian` has them.

    Attributes:
        spec: What is guarded.
        state: What the core decides on.
        children: The processes.
        on_permanent: Called with the specification of the release in whose code the anchor may go
            on; None where nobody does.
    """

    spec: AnchorSpec
    state: AnchorState
    children: Children
    on_permanent: Callable[[str], None] | None

    def post(self, event: Event) -> None:
        """Hand an event to the core."""

    async def launch(
        self, key: str, own: ProgramSpec, extra: Mapping[str, str], incarnation: int
    ) -> int:
        """Start a process, known by `key`, and return its number; OSError where that fails."""

    def move(self, key: str, to: str) -> None:
        """Have a process be known by another key."""

    def use(self, text: str) -> None:
        """Guard what another specification says from now on: an AnchorSpec's JSON."""
