"""What of a node travels in a takeover, in the order in which it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors import migrations
from actors.etc_files import etc_file
from actors.takeover.actor_kinds import actors_part
from actors.takeover.agents import AgentsPart
from actors.takeover.answers import AnswersPart
from actors.takeover.channels_part import ChannelsPart
from actors.takeover.counters import CountersPart
from actors.takeover.http_connections import HttpPart
from actors.takeover.journal_part import JournalPart
from actors.takeover.links import LinksPart
from actors.takeover.sessions import SessionsBulk
from supervision.release.records import TakeoverLimits

if TYPE_CHECKING:
    from actors.assembly import Assembly
    from actors.config import ReleaseConfig
    from supervision.release.carrier import Part


def giving_parts(node: Assembly) -> list[Part]:
    """The parts of a node that serves.

    Args:
        node: the shared parts of it.
    """
    return _parts(node, taking=False)


def taking_parts(node: Assembly) -> list[Part]:
    """The parts of a node in standby.

    Args:
        node: the shared parts of it.
    """
    return _parts(node, taking=True)


def _parts(node: Assembly, *, taking: bool) -> list[Part]:
    migration = migrations.last(etc_file("sql"))
    return [
        JournalPart(
            node.journal,
            node.release.permanence,
            migration=migration,
            patience_s=node.config.release.freeze_timeout_s,
        ),
        SessionsBulk(node.kernel, node.pool, node.journal, node.openings.settings),
        actors_part(node.kernel, node.config, taking=taking),
        LinksPart(node.kernel, node.links, node.pool),
        AgentsPart(node.links.agents),
        ChannelsPart(node.kernel, node.services.channels),
        HttpPart(node.kernel, node.web, node.services.events),
        AnswersPart(node.services.requests),
        CountersPart(
            node.kernel,
            node.journal,
            node.alarms,
            node.openings.settings.count,
            node.services.tokens,
            overload=node.services.overload,
        ),
    ]


def limits(config: ReleaseConfig) -> TakeoverLimits:
    """The bounds of a takeover.

    Args:
        config: ``[release]``.
    """
    return TakeoverLimits(
        drain_s=config.drain_timeout_s,
        quiet_s=config.quiet_ms / 1000,
        freeze_s=config.freeze_timeout_s,
        freeze_key="release.freeze_timeout_s",
        stragglers=config.stragglers,
    )
