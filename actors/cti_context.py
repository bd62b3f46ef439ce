"""The context of calls and the agents on a CTI link, as a part of its actor."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec.structs import replace

from actors.call_messages import DataTold, FrameHandled, QueueTold
from actors.call_names import link_name
from actors.cti_routing import RoutingLink
from actors.session_changes import InvalidChange, check_changes
from protocols.cti.framing import FramingError
from protocols.cti.messages import QUEUE_SELECT, AgentState, DataChanged, DataUpdate

if TYPE_CHECKING:
    from actors.cti_ways import Pending

SHOWN_CHARS = 64
"""Of a key that breaks a rule, in the refusal."""


class ContextLink(RoutingLink):
    """The context of calls on one link; ``CtiLink`` is the whole actor."""

    def _data_update(self, pending: Pending) -> None:
        """Hand a change to its session, where its keys and values may be."""
        message = pending.message
        assert isinstance(message, DataUpdate)
        try:
            check_changes(message.set, message.delete)
        except InvalidChange as invalid:
            key = invalid.field
            field = "set" if key in message.set else "del"
            rule = f"{key[:SHOWN_CHARS]} must be {invalid.rule}"
            self._error(message, 400, rule, field)
        else:
            self._give(pending)

    def _data_told(self, told: DataTold) -> None:
        self._send_data(told.message)

    def _send_data(self, message: DataChanged) -> None:
        """Tell the peer of a change, in as many frames as it takes."""
        try:
            self._send(message)
        except FramingError:
            for half in halves(message):
                self._send_data(half)

    def _queue_told(self, told: QueueTold) -> None:
        """An agent is there for a call that waits: told to a peer that wants to hear it."""
        session = self._row.session
        if session is not None and QUEUE_SELECT in session.caps:
            self._send(told.message)

    def _agent_state(self, pending: Pending) -> None:
        """Note what an agent is now; it is handled once that is durable."""
        message, row, agents = pending.message, self._row, self._table.agents
        assert isinstance(message, AgentState)
        assert row.session is not None
        if not agents.take(message, row.session.name):
            rule = f"cti.max_agents is {self._table.limits.max_agents}"
            self._error(message, 429, rule, "agent")
            return
        pending.handed = self._now
        agents.when_durable(message.agent, partial(self._handled_by_node, row.id, message.i))

    def _handled_by_node(self, link: str, i: int) -> None:
        """What a frame has changed is durable; this incarnation may have ended since."""
        address = self.kernel.registry.whereis(link_name(link))
        if address is not None:
            self.kernel.send(address, FrameHandled(i), None)

    def _give(self, pending: Pending) -> None:
        """Hand a frame to its session, or to the node's own tables."""
        if type(pending.message) is AgentState:
            self._agent_state(pending)
        else:
            super()._give(pending)

    CONTEXT_INFO: ClassVar[dict[type, Any]] = {DataTold: _data_told, QueueTold: _queue_told}
    CONTEXT_FRAMES: ClassVar[dict[type, Any]] = {
        DataUpdate: _data_update,
        AgentState: _agent_state,
    }


def halves(message: DataChanged) -> tuple[DataChanged, ...]:
    """The messages that say together what one does which is too long for a frame.

    Returns:
        Two; of one that says a single thing the revision alone, and nothing of one that says no
        more than that.
    """
    values, gone = list(message.set.items()), message.delete
    if len(values) + len(gone) <= 1:
        return (replace(message, set={}, delete=[]),) if values or gone else ()
    middle = (len(values) + 1) // 2, len(gone) // 2
    first = replace(message, set=dict(values[: middle[0]]), delete=gone[: middle[1]])
    rest = replace(message, set=dict(values[middle[0] :]), delete=gone[middle[1] :])
    return first, rest
