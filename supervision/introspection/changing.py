"""Changing one actor's state or code while it lives (``sys:replace_state``, ``change_code``)."""

from __future__ import annotations

import asyncio
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from supervision.introspection.between import TIMEOUT_S, between
from supervision.introspection.errors import (
    ActionRefused,
    CallbackFailed,
    NotPlain,
    NotSuspended,
    StillBusy,
)
from supervision.introspection.finding import NOBODY, Asked, Finder
from supervision.introspection.machines import Word
from supervision.introspection.merging import NoPatch, an, plain_copy
from supervision.introspection.patching import MANY_STATES, named, patched
from supervision.introspection.showing import kind_of, shown_state
from supervision.introspection.watching import class_of, watch_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from supervision.eventloop.cell import Cell


class Changing(Finder):
    """What an operator or a release does to the state of one actor."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._changing: set[Cell] = set()

    async def get_state(self, path: str, within_s: float = TIMEOUT_S) -> Any:
        """The state itself, for the node's own code; with its secrets (``sys:get_state/2``).

        Raises:
            NoSuchActor: nothing runs at this path.
            ActionRefused: the actor has none that is known.
            StillBusy: a handler of its goes on.
        """
        cell = self._running(path)
        get = _system_call(cell, path, "system_get_state")
        return await between(cell, path, within_s, get)

    async def replace_state(
        self,
        path: str,
        function: Callable[[Any], Any],
        asked: Asked = NOBODY,
        *,
        dry_run: bool = False,
        within_s: float = TIMEOUT_S,
        fields: Sequence[str] = (),
    ) -> Any:
        """Put what ``function`` makes of the state in its place (``sys:replace_state/3``).

        Args:
            path: of the actor.
            function: given a copy of the state's plain parts; returns the new state.
            asked: who asks, and why.
            dry_run: only show what would come of it.
            within_s: seconds that a handler which runs now has to end.
            fields: what is changed, for the report that tells of it.

        Returns:
            The new state as ``format_status`` shows it.

        Raises:
            NoSuchActor: nothing runs at this path.
            ActionRefused: the actor has no state that can be replaced.
            CallbackFailed: the function raised; the state is as it was.
            StillBusy: a handler of its goes on.
        """
        cell = self._running(path)
        replace = _system_call(cell, path, "system_replace_state")
        get = _system_call(cell, path, "system_get_state")

        if dry_run and kind_of(cell, None) in MANY_STATES:
            raise ActionRefused(path, "has many states; they cannot be tried")

        def change() -> Any:
            try:
                if dry_run:
                    made = function(plain_copy(get()))
                else:
                    replace(lambda state: function(plain_copy(state)))
            except NoPatch as mistake:
                raise NotPlain(path, mistake.field, mistake.rule) from None
            except Exception as error:
                raise CallbackFailed(path, "replace_state", error) from error
            return _tried(cell, path, made) if dry_run else _applied(cell, path)

        shown = await between(cell, path, within_s, change)
        if not dry_run:
            self._note("replace_state", path, asked, **({"fields": [*fields]} if fields else {}))
        return shown

    async def patch_state(
        self, path: str, patch: dict[str, Any], asked: Asked = NOBODY, *, dry_run: bool = False
    ) -> Any:
        """Merge a patch of plain fields into the state (``replace_state`` for operators).

        Args:
            path: of the actor.
            patch: fields and their new values, as in ``merged``; of a state machine ``state``
                and ``data``. Only what the state shows and ``patchable`` names can be changed.
            asked: who asks, and why.
            dry_run: only show what would come of it.

        Raises:
            NotPlain: a field is not there, is no plain data, or the value has not its type.
            NoSuchActor, ActionRefused, CallbackFailed, StillBusy: as for ``replace_state``.
        """
        cell = self._running(path)
        kind = kind_of(cell, None)
        if kind in MANY_STATES:
            raise NotPlain(path, "state", f"that of {an(kind)} is not one plain record")

        def change(state: Any) -> Any:
            return patched(cell, path, state, patch)

        return await self.replace_state(path, change, asked, dry_run=dry_run, fields=named(patch))

    async def change_code(
        self,
        path: str,
        old_vsn: Any,
        extra: Any = None,
        asked: Asked = NOBODY,
        within_s: float = TIMEOUT_S,
    ) -> None:
        """Have a suspended actor convert its state to this code's (``sys:change_code/5``).

        Args:
            path: of the actor.
            old_vsn: version of the layout that its state has.
            extra: what the release has to say.
            asked: who asks, and why.
            within_s: seconds that it may take.

        Raises:
            NoSuchActor: nothing runs at this path.
            NotSuspended: only a suspended actor can be changed.
            CallbackFailed: it refuses; it has its old state and stays suspended.
            StillBusy: it takes too long, and was given up.
        """
        cell = self._running(path)
        change = _system_call(cell, path, "system_code_change")
        if not cell.suspended or cell in self._changing:
            raise NotSuspended(path)
        await between(cell, path, within_s)
        self._changing.add(cell)
        try:
            await self._changed(cell, path, within_s, lambda: change(old_vsn, extra))
        finally:
            self._changing.discard(cell)
        if (known := watch_of(cell)) is not None:
            known.say("code_change", Word(str(old_vsn)))
        self._note("change_code", path, asked, old_vsn=str(old_vsn))

    async def _changed(
        self, cell: Cell, path: str, within_s: float, change: Callable[[], Any]
    ) -> None:
        try:
            async with asyncio.timeout(within_s):
                changed = change()
                if isawaitable(changed):
                    await changed
        except TimeoutError:
            raise StillBusy(path, within_s) from None
        except Exception as error:
            raise CallbackFailed(path, "code_change", error) from error


def _system_call(cell: Cell, path: str, name: str) -> Callable[..., Any]:
    call: Callable[..., Any] | None = getattr(cell.actor, name, None)
    if call is None:
        raise ActionRefused(path, f"{class_of(cell.actor).__name__} is no behaviour")
    return call


def _tried(cell: Cell, path: str, state: Any) -> Any:
    """A state that would be, as ``format_status`` would show it."""
    actor: Any = cell.actor
    try:
        if kind_of(cell, None) == "statem":
            name, data = state
            top = actor._top()  # noqa: SLF001 - who handles the events of a machine has its secrets
            return {"state": name, "data": top.format_status(data)}
        return actor.format_status(state)
    except Exception as error:
        raise CallbackFailed(path, "format_status", error) from error


def _applied(cell: Cell, path: str) -> Any:
    """The new state as it is shown; it has changed even where it cannot be shown."""
    try:
        return shown_state(cell, path)
    except CallbackFailed as failure:
        return str(failure)
