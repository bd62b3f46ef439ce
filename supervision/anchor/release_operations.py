"""The operations ``release.*``, for clients of the control socket and for programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from supervision.anchor import composing, history, pointers, upgrade
from supervision.anchor.guardian import clocks
from supervision.anchor.messages import ExitCode, Message, Refusal
from supervision.anchor.pointers import PointersUnreadable, ReleaseState
from supervision.anchor.upgrade_states import Step

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from supervision.anchor.guardian import Guardian
    from supervision.anchor.pointers import Pointers
    from supervision.anchor.spec import UpgradeSpec
    from supervision.anchor.upgrade_states import Order

MAX_HISTORY = 10_000
MAX_WORDS = 1_000


class ReleaseOperations:
    """Does what is asked of releases.

    Args:
        guardian: Whose releases they are.
    """

    def __init__(self, guardian: Guardian) -> None:
        self._guardian = guardian
        self._directory = Path(guardian.spec.directory)
        self._checked: list[str] = []  # what the program tries for somebody right now
        self._own: dict[str, Callable[[Message], Awaitable[Message]]] = {
            "release.list": self._list,
            "release.status": self._status,
            "release.history": self._history,
            "release.check": self._check,
            "release.upgrade": self._upgrade,
            "release.commit": self._commit,
            "release.rollback": self._rollback,
            "release.note": self._note,
            "release.forget": self._forget,
        }

    def __contains__(self, op: str) -> bool:
        """Whether it is one of them."""
        return op in self._own

    async def dispatch(self, op: str, args: Message) -> Any:
        """Do one operation.

        Args:
            op: Its name.
            args: Its arguments.

        Returns:
            Its result.

        Raises:
            Refusal: It is none of them, or cannot be done.
        """
        if op not in self._own:
            raise Refusal(ExitCode.USAGE, f"op: {op!r} may not be asked for", "op")
        return await self._own[op](args)

    async def _list(self, _: Message) -> Message:
        known = self._guardian.releases.known()
        names = sorted({*pointers.installed(self._directory), known.permanent, known.current})
        shown = [self._shown(known, vsn) for vsn in names]
        return {"permanent": known.permanent, "current": known.current, "releases": shown}

    def _shown(self, known: Pointers, vsn: str) -> Message:
        refused = known.refused.get(vsn)
        shown: Message = {
            "vsn": vsn,
            "state": known.state(vsn).value,
            "refused": refused and {"why": refused.why, "at": refused.at},
        }
        try:
            manifest = pointers.manifest(self._directory, vsn) or {"damaged": "no manifest"}
        except (PointersUnreadable, OSError) as error:
            manifest = {"damaged": str(error)}
        keys = ("origin", "path", "python", "states", "installed", "damaged")
        return shown | {key: manifest[key] for key in keys if key in manifest}

    async def _status(self, _: Message) -> Message:
        known, state, now = self._guardian.releases.known(), self._guardian.state.upgrade, clocks()
        under_way, probation = state.takeover, state.probation
        return {
            "permanent": known.permanent,
            "current": known.current,
            "old": list(known.old),
            "takeover": under_way
            and {
                "step": under_way.order.step.value,
                "vsn": under_way.order.vsn,
                "from": under_way.order.origin,
                "who": under_way.order.who,
                "stage": under_way.stage.value,
                "began": now.wall(under_way.began),
            },
            "probation": probation
            and {
                "vsn": probation.order.vsn,
                "who": probation.order.who,
                "since": now.wall(probation.since),
                "until": probation.until and now.wall(probation.until),
            },
            "busy": upgrade.busy(self._guardian.state, Step.UPGRADE) or self._checking(),
        }

    async def _history(self, args: Message) -> Message:
        limit = args.get("limit", MAX_HISTORY)
        if not isinstance(limit, int) or not 1 <= limit <= MAX_HISTORY:
            raise Refusal(ExitCode.USAGE, f"limit: 1 to {MAX_HISTORY} is required", "limit")
        return {"items": history.read(self._directory, limit)}

    async def _check(self, args: Message) -> Any:
        vsn, limits = _vsn(args), self._limits()
        self._must_be_still()
        text = await self._composed(vsn)
        question = self._question(vsn, text, force=_flag(args, "force"))
        self._must_be_still()  # something may have begun meanwhile
        relay, bound_s = self._guardian.relay, limits.check_timeout_s
        self._checked.append(vsn)
        try:
            return await relay(limits.program, "release.check", question, bound_s)
        finally:
            self._checked.remove(vsn)

    def _must_be_still(self) -> None:
        """A program that is taken over from tries nothing else on copies of its states."""
        if self._guardian.state.upgrade.takeover is not None:
            raise Refusal(ExitCode.TRY_AGAIN, upgrade.busy(self._guardian.state, Step.CHECK))

    def _checking(self) -> str:
        return f"the check of {self._checked[0]} is under way" if self._checked else ""

    async def _upgrade(self, args: Message) -> Message:
        vsn = _vsn(args)
        force, shadow = _flag(args, "force"), _flag(args, "shadow")
        step = Step.SHADOW if shadow else Step.UPGRADE
        await self._must_be_free(step)
        self._must_be_wanted(vsn, force=force)
        text = await self._composed(vsn)
        order = self._guardian.releases.order(
            step,
            vsn,
            text,
            who=_word(args, "who"),
            why=_word(args, "why"),
            check=self._question(vsn, text, force=force),
            force=force,
            seconds=self._seconds(args),
        )
        return await self._begin(order, args)

    async def _begin(self, order: Order, args: Message) -> Message:
        """Have a takeover begin; one that begins with a check waits for no other one.

        The way back from what is on probation begins with none: the program ends what it checks.
        """
        if order.check is not None and (why := self._checking()):
            raise Refusal(ExitCode.TRY_AGAIN, why)
        wait = _flag(args, "wait", default=True)
        return await self._guardian.releases.take_over(order, wait=wait)

    async def _commit(self, args: Message) -> Message:
        wait = _flag(args, "wait", default=True)
        return await self._guardian.releases.commit(_word(args, "who"), wait=wait)

    async def _rollback(self, args: Message) -> Message:
        await self._must_be_free(Step.ROLLBACK)
        return await self._begin(await self._way_back(args), args)

    async def _way_back(self, args: Message) -> Order:
        """To the permanent release; where that runs, to the one before it, on probation."""
        releases, force = self._guardian.releases, _flag(args, "force")
        who, why, known = _word(args, "who"), _word(args, "why"), releases.known()
        if known.provisional:
            if not force:
                await self._must_be_as_recorded(known)
            return releases.back(who, why, force=force, insists=force)
        if not known.old:
            raise Refusal(ExitCode.FAILED, "no release was permanent before this one")
        vsn = known.old[-1]
        self._must_be_wanted(vsn, force=force)
        text = await self._composed(vsn)
        return releases.order(
            Step.ROLLBACK,
            vsn,
            text,
            who=who,
            why=why,
            check=self._question(vsn, text, force=force),
            force=force,
            seconds=self._seconds(args),
        )

    async def _must_be_as_recorded(self, known: Pointers) -> None:
        """An installation that is used in place may have changed: other code is no way back."""
        try:
            await self._composed(known.permanent)
        except Refusal as refusal:
            raise Refusal(
                refusal.code,
                f"{refusal.msg}; the way back would lead to something else than {known.permanent}"
                f" was: mend that and go back then, or commit {known.current}, or go back with"
                " force to what there is",
            ) from None
        await self._must_be_free(Step.ROLLBACK)
        if self._guardian.releases.known() != known:
            raise Refusal(ExitCode.TRY_AGAIN, "another release is permanent, or runs, by now")

    async def _note(self, args: Message) -> Message:
        step = _word(args, "step")
        if not step:
            raise Refusal(ExitCode.USAGE, "step: a word is required", "step")
        self._guardian.releases.record(args)
        return {}

    async def _forget(self, args: Message) -> Message:
        releases, vsn = self._guardian.releases, _vsn(args)
        known, under_way = releases.known(), self._guardian.state.upgrade.takeover
        in_use = known.state(vsn) in {ReleaseState.PERMANENT, ReleaseState.CURRENT}
        if in_use or (under_way is not None and under_way.order.vsn == vsn):
            raise Refusal(ExitCode.FAILED, f"{vsn} is in use", "vsn")
        try:
            releases.change(known.without(vsn).allowed(vsn))
        except OSError as error:
            why = f"the pointers cannot be written: {error.strerror}"
            raise Refusal(ExitCode.FAILED, why) from None
        return {"vsn": vsn}

    def _limits(self) -> UpgradeSpec:
        limits = self._guardian.spec.upgrade
        if limits is None:
            raise Refusal(ExitCode.FAILED, "this anchor keeps no releases")
        return limits

    async def _must_be_free(self, step: Step) -> None:
        self._limits()
        self._guardian.releases.known()
        if self._guardian.state.upgrade.takeover is None:
            # The old process has a bounded time to end: who comes straight after a switch waits.
            await self._guardian.until(lambda state: state.upgrade.leaving is None)
        if why := upgrade.busy(self._guardian.state, step):
            raise Refusal(ExitCode.TRY_AGAIN, why)

    def _must_be_wanted(self, vsn: str, *, force: bool) -> None:
        known = self._guardian.releases.known()
        if vsn == known.current:
            raise Refusal(ExitCode.FAILED, f"{vsn} runs already", "vsn")
        refused = known.refused.get(vsn)
        if refused is not None and not force:
            why = f"{vsn} has failed before ({refused.why}); force tries it again"
            raise Refusal(ExitCode.FAILED, why, "vsn")

    async def _composed(self, vsn: str) -> str:
        limits = self._limits()
        text = await composing.compose(
            self._directory, vsn, limits.config, limits.compose_timeout_s
        )
        composing.fitting(self._guardian.spec, text, vsn)
        return text

    def _question(self, vsn: str, text: str, *, force: bool) -> Message:
        """What the node is asked: whether a release could take over from it."""
        found, known = composing.composition(self._directory, vsn), self._guardian.releases.known()
        return {
            "vsn": vsn,
            "from": known.current,
            "force": force,
            "python": found.argv[0],
            "compose": {"argv": list(found.argv), "env": dict(found.env)},
            "directory": str(self._directory / pointers.DIRECTORY / vsn),
            "spec": text,
        }

    def _seconds(self, args: Message) -> float:
        seconds = args.get("seconds")
        if seconds is None:
            return self._limits().probation_s
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0:
            raise Refusal(ExitCode.USAGE, "seconds: a number above 0 is required", "seconds")
        return float(seconds)


def _vsn(args: Message) -> str:
    vsn = args.get("vsn")
    if not isinstance(vsn, str) or not pointers.usable(vsn):
        raise Refusal(ExitCode.USAGE, "vsn: the version of a release is required", "vsn")
    return vsn


def _word(args: Message, key: str) -> str:
    word = args.get(key) or ""
    if not isinstance(word, str) or len(word) > MAX_WORDS:
        raise Refusal(ExitCode.USAGE, f"{key}: at most {MAX_WORDS} characters are required", key)
    return word


def _flag(args: Message, key: str, *, default: bool = False) -> bool:
    flag = args.get(key)
    if flag is not None and not isinstance(flag, bool):
        raise Refusal(ExitCode.USAGE, f"{key}: true or false is required", key)
    return default if flag is None else flag
