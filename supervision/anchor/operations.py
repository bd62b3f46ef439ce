"""The anchor's own operations: ping, info, status, stop, restart; others are relayed."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from supervision.anchor import upgrade
from supervision.anchor.guardian import clocks
from supervision.anchor.messages import ExitCode, Message, Refusal
from supervision.anchor.release_operations import ReleaseOperations
from supervision.anchor.report import status
from supervision.anchor.states import AnchorState, Mode, Phase, Restart, Stop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from supervision.anchor.guardian import Guardian

RELAY_TIMEOUT_S = 30.0


class Operations:
    """Does what the control socket's clients ask.

    Args:
        guardian: Whom they ask.

    Attributes:
        on_go_on: Called with the specification of the release in whose code the anchor is to go on.
    """

    def __init__(self, guardian: Guardian) -> None:
        self.on_go_on: Callable[[str], None] | None = None
        self._guardian = guardian
        self._releases = ReleaseOperations(guardian)
        guardian.serve = self._releases.dispatch
        self._own: dict[str, Callable[[Message], Awaitable[Message]]] = {
            "ping": self._ping,
            "info": self._info,
            "status": self._status,
            "stop": self._stop,
            "restart": self._restart,
            "go_on": self._go_on,
        }

    async def dispatch(self, op: str, args: Message) -> Any:
        """Do one operation.

        Args:
            op: Its name.
            args: Its arguments.

        Returns:
            Its result.

        Raises:
            Refusal: It is unknown, or cannot be done.
        """
        if op in self._own:
            return await self._own[op](args)
        if op in self._releases:
            return await self._releases.dispatch(op, args)
        program = self._guardian.spec.relays.get(op)
        if program is None:
            raise Refusal(ExitCode.USAGE, f"op: unknown operation {op!r}", "op")
        return await self._guardian.relay(program, op, args, RELAY_TIMEOUT_S)

    async def _ping(self, _: Message) -> Message:
        return {"pid": os.getpid(), "state": self._guardian.state.mode.value}

    async def _info(self, _: Message) -> Message:
        return self._guardian.info()

    async def _status(self, _: Message) -> Message:
        return status(self._guardian.state, clocks())

    async def _stop(self, _: Message) -> Message:
        """Stop; say how long that takes at most, and what is started next time."""
        guardian = self._guardian
        bound_s = upgrade.stop_bound_s(guardian.spec, guardian.state)
        guardian.post(Stop("a client asked"))
        return {"pid": os.getpid(), "bound_s": bound_s} | guardian.releases.after_a_stop()

    async def _restart(self, args: Message) -> Message:
        name = args.get("program")
        state = self._guardian.state
        if not isinstance(name, str) or name not in state.programs:
            known = ", ".join(state.programs)
            raise Refusal(ExitCode.USAGE, f"program: one of {known} is required", "program")
        if state.mode is not Mode.RUNNING:
            raise Refusal(ExitCode.TRY_AGAIN, f"the anchor is {state.mode}")
        if why := upgrade.kept(self._guardian.spec, state, name):
            raise Refusal(ExitCode.TRY_AGAIN, why)
        await self._restarted(name, state.programs[name].incarnation)
        program = self._guardian.state.programs[name]
        return {"program": name, "pid": program.pid, "incarnation": program.incarnation}

    async def _go_on(self, _: Message) -> Message:
        """Have the anchor go on in the code of the release that it guards, once more."""
        if self.on_go_on is None:
            raise Refusal(ExitCode.FAILED, "this anchor cannot go on in other code")
        self.on_go_on(self._guardian.spec.to_json())
        return {"pid": os.getpid()}

    async def _restarted(self, name: str, incarnation: int) -> None:
        """Wait for the next incarnation of a program to be ready, or to fail for good."""

        def decided(state: AnchorState) -> bool:
            program = state.programs[name]
            settled = program.phase in {Phase.RUNNING, Phase.FAILED}
            return (program.incarnation > incarnation and settled) or state.mode is not Mode.RUNNING

        bound_s = self._guardian.spec.program(name).stop_timeout_s
        bound_s += self._guardian.spec.start_timeout_s
        self._guardian.post(Restart(name))
        try:
            async with asyncio.timeout(bound_s):
                await self._guardian.until(decided)
        except TimeoutError:
            raise Refusal(ExitCode.FAILED, f"{name} not ready after {bound_s:g} s") from None
        if self._guardian.state.mode is not Mode.RUNNING:
            raise Refusal(ExitCode.FAILED, "the anchor was stopped meanwhile")
        program = self._guardian.state.programs[name]
        if program.phase is Phase.FAILED and program.last_exit is not None:
            raise Refusal(ExitCode.FAILED, f"{name} has failed: {program.last_exit.reason}")
