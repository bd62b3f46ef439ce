"""The tree: node over its independent parts, none of which takes another down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from actors.call_sup import CallSup, CallSupArgs, flags
from actors.channels.channel_sup import NAME as CHANNEL_SUP
from actors.channels.channel_sup import ChannelSup, ChannelSupArgs
from actors.http_server import HttpServerArgs, WebSup, WebSupArgs
from actors.log_sup import LogSup
from actors.odbc_server import OdbcServer, OdbcSettings
from actors.ref_server import RefServer, RefServerArgs
from actors.reference_messages import NAME as REF_SERVER
from actors.release_handler import NAME as RELEASE_HANDLER
from actors.release_handler import HandlerArgs, ReleaseHandler
from actors.time_server import TimeServer
from supervision import ChildSpec, Supervisor, SupervisorFlags

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.calendars.hours import Calendar
    from actors.config import SupervisionConfig
    from actors.log_writer import LogSettings

NAME = "node"


class NodeArgs(Struct, frozen=True):
    """What each part of the tree starts with."""

    supervision: SupervisionConfig
    log: LogSettings
    calendars: Mapping[str, Calendar]
    database: OdbcSettings
    reference: RefServerArgs
    call: CallSupArgs
    http: HttpServerArgs
    release: HandlerArgs
    channels: ChannelSupArgs | None = None


class Node(Supervisor):
    """one_for_one over independent parts; where it gives up, the process ends."""

    def init(self, args: NodeArgs) -> tuple[SupervisorFlags, Sequence[ChildSpec]]:
        """The log first, so that it hears of the others; calls late, for there is most to do.

        While they are recovered, and at the end while they are saved, the web says so.
        """
        bounds = flags(args.supervision)
        web = WebSupArgs(server=args.http, flags=bounds)
        channels = [] if args.channels is None else [_channels(args.channels)]
        return bounds, [
            ChildSpec("logSup", LogSup, args.log, type="supervisor"),
            ChildSpec("timeServer", TimeServer, args.calendars),
            ChildSpec("odbcServer", OdbcServer, args.database, type="supervisor"),
            ChildSpec(REF_SERVER, RefServer, args.reference),
            ChildSpec("webSup", WebSup, web, type="supervisor"),
            ChildSpec("callSup", CallSup, args.call, type="supervisor"),
            *channels,
            ChildSpec(RELEASE_HANDLER, ReleaseHandler, args.release),
        ]


def _channels(args: ChannelSupArgs) -> ChildSpec:
    """After calls, so that sessions are there: at the end they stop first."""
    return ChildSpec(CHANNEL_SUP, ChannelSup, args, type="supervisor")
