"""The context of a call as its peers change it, as a part of its session's state machine.

IVR applications and CTI links change the same keys under the same revision: who has not seen the
change before last is refused, so that none is lost. The links that have told of the call are told
of every change once it is durable, by whomever it was made.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from actors import session_context, session_data
from actors.call_messages import (
    ContextAsked,
    DataAsked,
    DataTold,
    QueueTold,
    RouteRefused,
    SnapshotTaken,
)
from actors.call_names import link_name, ucid_group
from actors.call_routing import RoutedCall
from actors.session_api import PatchSession, RevStale, UserDataTooLarge
from actors.session_data import Session
from protocols.cti.messages import DataChanged, DataUpdate
from supervision import CancelTimeout, Keep, SetTimeout, Transition

if TYPE_CHECKING:
    from protocols.cti.messages import ErrorCode


class ContextCall(RoutedCall):
    """The context of one call; ``CallSession`` is the whole session."""

    def _join_legs(self, data: Session) -> None:
        """Be found by the universal id that other legs of the call have too."""
        if data.ucid is not None:
            self.join(ucid_group(data.ucid))

    def _changed(self, request: PatchSession, data: Session) -> Any:
        """Change the context; answer as ``session_data.patched``."""
        limit = self._args.settings.sessions.max_user_data_bytes
        return session_data.patched(data, request, limit, self.wall())

    def _tell_change(self, before: Session, after: Session, link: str = "", i: int = 0) -> None:
        """Tell the links of the call what has changed, and the one that asked that it has."""
        change = session_context.difference(before, after)
        for one in dict.fromkeys((*session_context.links_of(after), link)):
            ref = i if one == link and i else None
            if one and (ref or after is not before):
                self._tell_data(one, after, change, ref)

    def _tell_data(
        self, link: str, data: Session, change: tuple[dict[str, Any], list[str]], ref: int | None
    ) -> None:
        values, gone = change
        changed = DataChanged(
            session=data.session, call=data.call, rev=data.rev, set=values, delete=gone, ref=ref
        )
        self._later(partial(self._tell_if_known, link, DataTold(changed)))

    def _tell_if_known(self, link: str, message: DataTold | QueueTold) -> None:
        """Tell a link session; one that nobody has resumed is nobody to be told."""
        address = self.kernel.registry.whereis(link_name(link))
        if address is not None:
            self.kernel.send(address, message, self.address)

    def _data_asked(self, event: DataAsked, state: str, data: Session) -> Transition:
        message = event.message
        field = "call" if message.session is None else "session"
        if state == "closed":
            return self._refuse_data(event, 404, "the session is closed", field)
        changes = PatchSession(rev=message.rev, set=message.set, delete=message.delete)
        after = self._changed(changes, data)
        match after:
            case RevStale(rev):
                return self._refuse_data(event, 409, f"rev is {rev}", "rev", rev)
            case UserDataTooLarge(limit):
                rule = f"user data takes at most {limit} bytes"
                return self._refuse_data(event, 413, rule, "set")
        self._tell_change(data, after, event.link, message.i)
        self._confirm(event.link, message.i)
        return Keep(after)

    def _refuse_data(
        self, event: DataAsked, code: ErrorCode, msg: str, field: str, rev: int | None = None
    ) -> Transition:
        """Refuse a frame: nothing of it is kept, should it come again it is looked at anew."""
        self._frame = None
        self._tell(event.link, RouteRefused("", event.message.i, code, msg, field, rev))
        return Keep()

    def repeated(self, event: Any, data: Session) -> Transition:
        """Answer a frame that has been applied; of a change, with what its keys are now."""
        if isinstance(event, DataAsked):
            message: DataUpdate = event.message
            now = session_context.values_of(data, (*message.set, *message.delete))
            self._tell_data(event.link, data, now, message.i)
        return super().repeated(event, data)

    def _context_asked(self, event: ContextAsked, state: str, data: Session) -> Transition:
        del state
        self._tell_data(event.link, data, session_context.context_of(data), event.i)
        return Keep()

    def _snapshot_taken(self, event: SnapshotTaken, state: str, data: Session) -> Transition:
        """A CTI has said which calls it has: one that it has no more is closed after a while."""
        if state == "closed":
            return Keep()
        grace_s = self._args.settings.sessions.orphan_grace_s
        until = self.wall() + grace_s
        after = session_context.after_snapshot(data, event.cti, event.calls, event.at, until)
        if after is data:
            return Keep()
        if after.orphan is None:
            return Keep(after, CancelTimeout("orphan"))
        return Keep(after, SetTimeout("orphan", grace_s))

    DATA_EVENTS: ClassVar[dict[type, Any]] = {
        DataAsked: _data_asked,
        ContextAsked: _context_asked,
        SnapshotTaken: _snapshot_taken,
    }
