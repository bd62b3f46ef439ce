"""The reference tables as the API asks refServer for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from actors.reference_messages import (
    NAME,
    GetRow,
    LoadTable,
    Refused,
    RollBack,
    Row,
    ShowTables,
    Switched,
    TableInfo,
)
from supervision import CallFailed
from supervision.eventloop.calls import CallTimeout

if TYPE_CHECKING:
    from supervision.eventloop.kernel import Kernel

ANSWER_S = 2.0

T = TypeVar("T")


class TableRefused(Exception):  # noqa: N818 named for what it says of the request
    """refServer has refused; nothing has changed.

    Attributes:
        refused: what it said.
    """

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.rule)
        self.refused = refused


class TablesUnavailable(Exception):  # noqa: N818 named for what it says of the tables
    """refServer does not answer now."""


class ReferenceAccess:
    """Asks refServer.

    Args:
        kernel: the node.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    async def tables(self) -> tuple[TableInfo, ...]:
        """What there is.

        Raises:
            TablesUnavailable: it cannot be told now.
        """
        return await self._ask(ShowTables(), tuple)

    async def row(self, table: str, key: str) -> Row:
        """One row, as it is read now.

        Args:
            table: its name.
            key: a number in any notation, or a name.

        Raises:
            TableRefused: there is no such table or row.
            TablesUnavailable: it cannot be told now.
        """
        return await self._ask(GetRow(table, key), Row)

    async def switch(self, asked: LoadTable | RollBack, within_s: float) -> TableInfo | None:
        """Have another version of a table read.

        Args:
            asked: what is to be done.
            within_s: how long that may take before it goes on without being waited for, seconds.

        Returns:
            The table as it is then; None where that takes longer.

        Raises:
            TableRefused: nothing has changed.
            TablesUnavailable: it cannot be told what has become of it.
        """
        try:
            switched = await self._ask(asked, Switched, within_s)
        except TablesUnavailable as error:
            if isinstance(error.__cause__, CallTimeout):
                return None
            raise
        return switched.info

    async def _ask(self, request: Any, wanted: type[T], within_s: float = ANSWER_S) -> T:
        try:
            answer = await self._kernel.call(NAME, request, within_s)
        except CallFailed as failure:
            raise TablesUnavailable(f"{NAME} does not answer now: {failure}") from failure
        if isinstance(answer, Refused):
            raise TableRefused(answer)
        assert isinstance(answer, wanted)
        return answer
