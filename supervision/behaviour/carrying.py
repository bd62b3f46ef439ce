"""What of a behaviour travels when a new version of its node takes over, and its conversion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from supervision.release.messages import NO_ADAPTERS
from supervision.release.values import plain, typed
from supervision.release.versions import SAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervision.release.messages import Adapters
    from supervision.release.versions import Conversions


class Carrying:
    """The part of a behaviour that goes on in another process, under newer or older code.

    The new version's actor has started by its own ``init`` when it is given what the old one's
    was: it keeps of its own what comes from a new configuration, and takes over the rest.

    Attributes:
        version: of the layout of what travels, from 1; None is 1.
        carried: the type of what travels, as msgspec knows it (of a machine, that of its data);
            None: this actor begins anew.
        carried_as: the name by which every version knows this state; the class' where empty.
        conversions: the ways between the versions of it.
        adapters: what becomes of waiting messages of other versions.
        carries_mailbox: whether the messages that wait travel too; else operators are told of
            them, and callers that nobody answers.
        was: the path that it had in the version before, where it was renamed or moved.
    """

    version: ClassVar[int | str | None]
    carried: ClassVar[Any] = None
    carried_as: ClassVar[str] = ""
    conversions: ClassVar[Conversions] = SAME
    adapters: ClassVar[Adapters] = NO_ADAPTERS
    carries_mailbox: ClassVar[bool] = True
    was: ClassVar[str] = ""
    state_type: ClassVar[Any]
    system_get_state: Any
    system_replace_state: Any

    def hand_over(self) -> Any:
        """What of the state travels: a value of the type ``carried``; by default all of it.

        Where it is all of it, all timers and monitors of the actor travel too. Who overrides this
        hands over a part: then only the timers and monitors that are in that part do, callers who
        are not in it are told that nobody answers them, and what it has asked itself is forgotten.
        """
        return self.system_get_state()

    def adopt(self, state: Any) -> None:
        """Go on from what the other version's actor was: by default that is the state now.

        Its timers, monitors, names and callers are there already; its messages come next. Where
        all of the state has travelled, the timers and monitors that this actor's own ``init`` has
        begun with are gone: one that the other version did not have is set here.

        Args:
            state: of the type ``carried``, converted to this version.
        """
        self.system_replace_state(lambda _: state)

    def config_change(
        self, changed: Mapping[str, Any], new: Mapping[str, Any], removed: frozenset[str]
    ) -> None:
        """Know how the configuration differs from that of the version before (``config_change/3``).

        Called after ``adopt``, once, where something differs.

        Args:
            changed: what has another value now, by key.
            new: what was not there.
            removed: what is there no longer.
        """

    # Converting

    def converted(self, name: str, state: Any, have: Any, want: Any) -> Any:
        """Walk ``conversions`` from one version to another.

        Args:
            name: ``code_change`` or ``downgrade``, for the error.
            state: typed or plain.
            have: its version.
            want: the version to make.

        Returns:
            Plain data; the state itself where nothing is to be converted.

        Raises:
            TypeError: there are no conversions.
            NoConversion: a step is missing.
            ConversionFailed: one raised.
        """
        if have == want:
            return state
        kind = self.carried_as or type(self).__name__
        if self.conversions is SAME or not (type(have) is int and type(want) is int):
            word = (
                f"code_change from {have!r}" if name == "code_change" else f"downgrade to {want!r}"
            )
            raise TypeError(f"{kind} has no {word}")
        return self.conversions.convert(kind, plain(state, "state"), have, want)

    def of_own_type(self, state: Any) -> Any:
        """What conversions made, as the type that the state has; others are returned as they are.

        Raises:
            ValueError: it is of another shape; the message names the place.
        """
        whole = type(self).hand_over is Carrying.hand_over
        kind = self.state_type if self.state_type is not None or not whole else self.carried
        if kind is None or self.conversions is SAME:
            return state
        return typed(plain(state, "state"), kind)
