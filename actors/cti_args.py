"""What the actor of a link session starts with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from actors.call_messages import CallSettings
    from actors.cti_row import LinkRow
    from actors.cti_table import LinkTable
    from actors.overload import Overload
    from actors.session_opening import Openings
    from actors.session_pool import SessionPool
    from actors.web.tokens import TokenStore


class LinkArgs(Struct, frozen=True):
    """What a link starts with.

    Attributes:
        row: its link session, or its connection that has not said hello.
        table: of the node's links.
        settings: those of calls.
        tokens: who may connect.
        openings: how sessions of new calls are opened.
        overload: what is refused so that the rest is answered in time.
        pool: the sessions that live.
    """

    row: LinkRow
    table: LinkTable
    settings: CallSettings
    tokens: TokenStore
    openings: Openings
    overload: Overload
    pool: SessionPool
