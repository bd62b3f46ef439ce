"""The router as the API asks it: what is in force, where a call would go, other rules."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from actors.explained_route import data
from actors.router_messages import (
    NAME,
    ExplainRoute,
    FloorShown,
    ReplaceRules,
    RoutingNot,
    RoutingShown,
    RulesReplaced,
    ShowFloor,
    ShowRouting,
)
from actors.routing_core.core import Explanation
from actors.routing_core.rules_file import RuleSet, parse
from supervision import CallFailed

if TYPE_CHECKING:
    from actors.customer_access import CustomerAccess
    from actors.routing_core.facts import Request
    from actors.routing_desk import RoutingDesk
    from actors.send_lists import SendLists
    from supervision.eventloop.kernel import Kernel

ANSWER_S = 2.0
SENT = "routing.toml"
"""What messages call rules that come along."""

T = TypeVar("T")


class RulesRefused(Exception):  # noqa: N818 named for what it says of the request
    """The router has refused; nothing has changed.

    Attributes:
        refused: what it said.
    """

    def __init__(self, refused: RoutingNot) -> None:
        super().__init__(f"{refused.field}: {refused.rule}")
        self.refused = refused


class RouterUnavailable(Exception):  # noqa: N818 named for what it says of the router
    """The router does not answer now."""


class RoutingAccess:
    """Asks the router, and keeps rules that are applied.

    Args:
        kernel: the node.
        desk: of its router.
        customers: of the node, looked up before a decision is explained.
        lists: what goes along with calls.
    """

    def __init__(
        self, kernel: Kernel, desk: RoutingDesk, customers: CustomerAccess, lists: SendLists
    ) -> None:
        self._lists = lists
        self._kernel = kernel
        self._customers = customers
        self._desk = desk
        self._applying = asyncio.Lock()

    async def shown(self) -> RoutingShown:
        """What the router works with.

        Raises:
            RouterUnavailable: it cannot be told now.
        """
        return await self._ask(ShowRouting(), RoutingShown)

    async def floor(self) -> FloorShown:
        """Who is there, and who waits.

        Raises:
            RouterUnavailable: it cannot be told now.
        """
        return await self._ask(ShowFloor(), FloorShown)

    async def explain(self, request: Request, at: float | None) -> dict[str, Any]:
        """Say where a call would go, and why; nothing is changed.

        Args:
            request: the call.
            at: when, seconds since the epoch; None is now.

        Raises:
            RulesRefused: the moment is none that calendars know.
            RouterUnavailable: it cannot be told now.
        """
        if request.number is not None:
            await self._customers.warm(request.number.number, request.rp)
        explanation = await self._ask(ExplainRoute(request, at), Explanation)
        return data(explanation, self._desk.source, self._lists.at_point(request.rp))

    async def apply(self, content: bytes, *, dry: bool = False) -> RulesReplaced:
        """Check rules, keep them on the disk and have them hold; one file after another.

        They are read beside the loop: a long file takes seconds.

        Args:
            content: of the file.
            dry: whether they are only to be checked.

        Returns:
            What holds now, or would.

        Raises:
            RulesInvalid: they have mistakes; each with its line.
            RulesRefused: their version does not go up.
            RouterUnavailable: it cannot be told what has become of it.
            OSError: the disk does not take them; the others hold on.
        """
        ruleset: RuleSet = await asyncio.to_thread(parse, content, SENT)
        async with self._applying:
            tried = await self._ask(ReplaceRules(ruleset, dry=True), RulesReplaced)
            shelf = self._desk.shelf
            if dry:
                return tried
            source = "" if shelf is None else await asyncio.to_thread(shelf.keep, content)
            return await self._ask(ReplaceRules(ruleset, source), RulesReplaced)

    async def _ask(self, request: Any, wanted: type[T]) -> T:
        try:
            answer = await self._kernel.call(NAME, request, ANSWER_S)
        except CallFailed as failure:
            raise RouterUnavailable(f"{NAME} does not answer now: {failure}") from failure
        if isinstance(answer, RoutingNot):
            raise RulesRefused(answer)
        assert isinstance(answer, wanted)
        return answer
