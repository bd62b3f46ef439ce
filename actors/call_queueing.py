"""What a call that waits in a queue hears of its agent, as a part of its session's state machine.

The router keeps an agent who becomes ready for the first call that he can take. The CTI asks for
that call again and gets him, or is told of him without asking where it wants to be.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec.structs import replace

from actors import session_context
from actors.call_data import ContextCall
from actors.call_messages import QueueTold
from actors.router_messages import AgentFound
from actors.session_api import Routing
from protocols.cti.messages import QueueSelect
from supervision import Keep, Transition

if TYPE_CHECKING:
    from actors.dialogues import Dialogue
    from actors.session_data import Session


class QueuedCall(ContextCall):
    """The waiting of one call; ``CallSession`` is the whole session."""

    def _agent_found(self, event: AgentFound, _state: str, data: Session) -> Transition:
        """An agent is there: that is decided, and the links are told once it is durable."""
        waiting = waits_by(data, event.queue)
        if data.closed is not None or waiting is None or event.target in waiting[1].tried:
            return Keep()
        why = f"agent {event.agent} of queue {event.queue} is kept for this call that has waited"
        wall = self.wall()
        decided = Routing(
            target=event.target,
            rtype="direct_agent",
            reason=event.reason,
            ts=wall,
            ms=0.0,
            why=(why,),
        )
        told = QueueTold(_message(event, waiting[0], data))
        for link in session_context.links_of(data):
            self._later(partial(self._tell_if_known, link, told))
        return Keep(replace(data, routing=decided, updated=wall))

    QUEUE_EVENTS: ClassVar[dict[type, Any]] = {AgentFound: _agent_found}


def waits_by(data: Session, queue: str) -> tuple[str, Dialogue] | None:
    """The dialogue that was answered last with a place in a queue, and its xref.

    Args:
        data: of the session.
        queue: where.
    """
    for xref, dialogue in reversed(data.dialogues):
        decision = dialogue.decision
        if decision is not None and ("queue", queue) in decision.treat:
            return xref, dialogue
    return None


def _message(event: AgentFound, xref: str, data: Session) -> QueueSelect:
    return QueueSelect(
        xref=xref,
        call=data.leg or data.call,
        session=data.session,
        rev=data.rev,
        queue=event.queue,
        target=event.target,
        rtype="direct_agent",
        reason=event.reason,
        for_ms=round(event.for_s * 1000),
    )
