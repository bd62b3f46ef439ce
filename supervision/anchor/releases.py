"""The shell around an upgrade: pointers, history, successors, and whoever waits for an outcome."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import secrets
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from supervision.anchor import children, composing, history, pointers
from supervision.anchor.inheritance import RELEASE, TAKEOVER, Release, TakeoverOrder
from supervision.anchor.messages import ExitCode, Message, Refusal
from supervision.anchor.pointers import NotCurrent, PointersUnreadable
from supervision.anchor.upgrade_events import (
    Answer,
    Answered,
    Ask,
    Commit,
    GoOn,
    Kill,
    NotAnswered,
    NotPointed,
    Ordered,
    Point,
    Pointed,
    Prepare,
    Record,
    SpawnSuccessor,
    SuccessorNotSpawned,
    SuccessorSpawned,
    Swap,
    Told,
    UseSpec,
    Verdict,
)
from supervision.anchor.upgrade_states import Order, Pointing, Role, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervision.anchor.guarded import Guarded
    from supervision.anchor.pointers import Pointers
    from supervision.anchor.spec import UpgradeSpec
    from supervision.anchor.upgrade_events import UpgradeAction, UpgradeEvent

_log = logging.getLogger(__name__)

_BACK = frozenset({Step.ROLLBACK.value, Step.FALLBACK.value})


class Releases:
    """The releases of one anchor.

    Args:
        guardian: Whose programs are of them.

    Attributes:
        pointers: Which release is what; None where there are none yet.
    """

    def __init__(self, guardian: Guarded) -> None:
        self._guardian = guardian
        self._directory = Path(guardian.spec.directory)
        self._numbers = itertools.count(1)
        self._comparing: set[asyncio.Task[None]] = set()
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._prepared: tuple[Pointers, Point, Pointers] | None = None
        self._unknown = Refusal(ExitCode.FAILED, f"no release is known in {self._directory}")
        self.pointers: Pointers | None = None
        try:
            self.pointers = pointers.read(self._directory)
        except (PointersUnreadable, OSError) as error:
            self._unknown = _unreadable(self._directory, error)
            _log.error("no release is known: %s", self._unknown)

    # What others want --------------------------------------------------------------------

    async def take_over(self, order: Order, *, wait: bool) -> Message:
        """Have a takeover begin.

        Args:
            order: As made by `order`.
            wait: Whether to return when it has come to its end, or at once.

        Returns:
            What came of it.

        Raises:
            Refusal: Something else is under way, or it came to nothing.
        """
        return await self._outcome(order.number, Ordered(order), wait=wait)

    async def commit(self, who: str, *, wait: bool) -> Message:
        """Have what runs on probation made permanent; returns and raises as `take_over`."""
        number = next(self._numbers)
        return await self._outcome(number, Commit(number, who), wait=wait)

    def order(self, step: Step, vsn: str, spec: str, **more: Any) -> Order:
        """An order for a takeover to a release.

        Args:
            step: What it is.
            vsn: The release.
            spec: What `composing.compose` made of it.
            more: The other attributes of an Order.
        """
        known = self.known()
        return Order(
            number=next(self._numbers),
            step=step,
            vsn=vsn,
            origin=known.current,
            permanent=known.permanent,
            spec=spec,
            secret=secrets.token_hex(32),
            states=self._states(known.permanent),
            **more,
        )

    def back(self, who: str, why: str = "", **more: Any) -> Order:
        """An order that leads from what is on probation to the permanent release."""
        spec = self._guardian.spec.to_json()
        return self.order(Step.ROLLBACK, self.known().permanent, spec, who=who, why=why, **more)

    def known(self) -> Pointers:
        """The pointers.

        Raises:
            Refusal: There are none, or they could not be read when the anchor started.
        """
        if self.pointers is None:
            raise self._unknown
        return self.pointers

    def after_a_stop(self) -> Message:
        """What a stop leads to.

        Returns:
            ``{starts_next, was_on_probation}``: the permanent release, and the one that runs and
            is not started again by itself, or None; empty where no release is known.
        """
        if (known := self.pointers) is None:
            return {}
        ends = known.current if known.provisional else None
        return {"starts_next": known.permanent, "was_on_probation": ends}

    def change(self, known: Pointers) -> None:
        """Change what is known; OSError where the disk does not take it."""
        self._prepared = None
        pointers.write(self._directory, known)
        self.pointers = known

    def record(self, entry: Mapping[str, Any]) -> None:
        """Add a line to the history."""
        try:
            history.append(self._directory, {"at": time.time(), **entry})
        except OSError as error:  # a full disk: what is done is done, and told in the log
            _log.error("the history cannot be written: %s: %s", error.strerror, dict(entry))

    # What the guardian asks for ----------------------------------------------------------

    def environment(self, name: str) -> dict[str, str]:
        """What a program is told of its release at a plain start, which is the permanent one."""
        limits = self._guardian.spec.upgrade
        if limits is None or name != limits.program or self.pointers is None:
            return {}
        vsn = self.pointers.permanent
        release = Release(vsn, vsn, provisional=False, permanent_states=self._states(vsn))
        return {RELEASE: release.to_json()}

    def heard(self, key: str, event: str, info: Mapping[str, Any]) -> bool:
        """Take an event of a process.

        Returns:
            Whether it concerns releases, or a process that is of no program.
        """
        limits = self._guardian.spec.upgrade
        if limits is None:
            return False
        if key == children.successor(limits.program):
            phase = str(info.get("phase", "")) if event == "takeover" else event
            self._tell(phase, info, successor=True)
        elif key == limits.program and event == "takeover":
            self._tell(str(info.get("phase", "")), info, successor=False)
        elif key == limits.program and event == "probation":
            self._judged(info)
        elif key != children.leaving(limits.program):
            return False
        return True

    async def perform(self, action: UpgradeAction) -> UpgradeEvent | None:
        """Do one thing; what has to be known before anything else is done comes back."""
        match action:
            case SpawnSuccessor(order, path):
                return await self._spawn(order, path)
            case Point():
                return self._point(action)
            case GoOn(text):
                if self._guardian.on_permanent is not None:
                    self._guardian.on_permanent(text)
            case _:
                self._do(action)
        return None

    # -------------------------------------------------------------------------------------

    def _do(self, action: Ask | Kill | Swap | Prepare | Record | Answer | UseSpec) -> None:
        match action:
            case Ask():
                self._ask(action)
            case Kill(role):
                self._guardian.children.signal(self._key(role), signal.SIGKILL)
            case Swap():
                self._swap()
            case Prepare(point):
                self._prepare(point)
            case Record(entry):
                self.record(entry)
                if entry["step"] in _BACK and entry["result"] == "done":
                    self._compare(entry)
            case Answer():
                self._answer(action)
            case UseSpec(text):
                self._guardian.use(text)

    def _compare(self, entry: Mapping[str, Any]) -> None:
        """Have the history say so where what went back went to other code than was permanent.

        Nobody waits for it: what fell back has no other code, what failed its probation is known
        to be worse, and whoever forced it was told.
        """
        task = asyncio.get_running_loop().create_task(self._compared(entry))
        self._comparing.add(task)
        task.add_done_callback(self._comparing.discard)

    async def _compared(self, entry: Mapping[str, Any]) -> None:
        limits, vsn = self._limits(), str(entry["vsn"])
        try:
            await composing.compose(self._directory, vsn, limits.config, limits.compose_timeout_s)
        except Refusal as refusal:
            why = f"what runs may be something else than {vsn} was: {refusal.msg}"
            _log.warning("%s", why)
            self.record({**entry, "result": "warning", "why": why})

    async def _outcome(self, number: int, event: UpgradeEvent, *, wait: bool) -> Message:
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self._guardian.post(event)
        if not wait:
            future.add_done_callback(_look_at)
            return {"number": number}
        return await future

    def _answer(self, action: Answer) -> None:
        future = self._waiting.pop(action.number, None)
        if future is None or future.done():
            return
        if action.code is ExitCode.DONE:
            future.set_result(dict(action.result))
        else:
            future.set_exception(Refusal(action.code, action.why))

    def _tell(self, phase: str, info: Mapping[str, Any], *, successor: bool) -> None:
        under_way = self._guardian.state.upgrade.takeover
        if under_way is not None:
            number = under_way.order.number if successor else None
            self._guardian.post(Told(number, phase, info))

    def _judged(self, info: Mapping[str, Any]) -> None:
        if info.get("verdict") != "failed" or self.pointers is None:
            return
        why = str(info.get("why", "it did not say why"))
        self._guardian.post(Verdict(self.back("probation", why, insists=True, blames=True)))

    def _key(self, role: Role) -> str:
        name = self._limits().program
        keys = {Role.SUCCESSOR: children.successor(name), Role.LEAVING: children.leaving(name)}
        return keys.get(role, name)

    def _limits(self) -> UpgradeSpec:
        assert self._guardian.spec.upgrade is not None
        return self._guardian.spec.upgrade

    def _ask(self, action: Ask) -> None:
        try:
            answer = self._guardian.children.ask(self._key(action.role), action.op, action.args)
        except Refusal as refusal:
            self._not_answered(action, refusal)
            return
        answer.add_done_callback(lambda done: self._asked(action, done))

    def _asked(self, action: Ask, done: asyncio.Future[Any]) -> None:
        error = done.exception()
        if isinstance(error, Refusal):
            self._not_answered(action, error)
        else:
            result = done.result()
            result = result if isinstance(result, dict) else {}
            self._guardian.post(Answered(action.number, action.op, result))

    def _not_answered(self, action: Ask, refusal: Refusal) -> None:
        """Report it; the end of a process is another event, which says more, and comes as well."""
        if refusal.code is not ExitCode.UNREACHABLE:
            self._guardian.post(NotAnswered(action.number, action.op, refusal.msg))

    async def _spawn(self, order: Order, path: str) -> UpgradeEvent:
        name = self._limits().program
        release = Release(order.vsn, order.permanent, order.provisional, order.states)
        takeover = TakeoverOrder(path, order.secret, order.mode)
        extra = {RELEASE: release.to_json(), TAKEOVER: takeover.to_json()}
        incarnation = self._guardian.state.programs[name].incarnation + 1
        try:
            own = composing.fitting(self._guardian.spec, order.spec, order.vsn).program(name)
            key = children.successor(name)
            pid = await self._guardian.launch(key, own, extra, incarnation)
        except Refusal as refusal:
            return SuccessorNotSpawned(order.number, refusal.msg)
        except OSError as error:
            return SuccessorNotSpawned(order.number, str(error))
        return SuccessorSpawned(order.number, pid)

    def _swap(self) -> None:
        name = self._limits().program
        self._guardian.move(name, children.leaving(name))
        self._guardian.move(children.successor(name), name)

    def _point(self, action: Point) -> UpgradeEvent:
        before, prepared = self.known(), self._prepared
        ready = prepared is not None and prepared[:2] == (before, action)
        self._prepared = None
        try:
            after = prepared[2] if prepared and ready else pointed(before, action, time.time())
        except NotCurrent as error:
            return NotPointed(action.how, str(error))
        try:
            pointers.write(self._directory, after, prepared=ready)
        except OSError as error:
            self.pointers = after if action.anyway else before  # the next start finds out
            with contextlib.suppress(OSError):  # the rename may have been done
                pointers.write(self._directory, self.pointers)
            return NotPointed(action.how, error.strerror or str(error))
        self.pointers = after
        return Pointed(action.how)

    def _prepare(self, action: Point) -> None:
        """What fails here fails again where it counts."""
        before = self.known()
        after = pointed(before, action, time.time())
        with contextlib.suppress(OSError):
            pointers.prepare(self._directory, after)
            self._prepared = before, action, after

    def _states(self, vsn: str) -> Mapping[str, int]:
        try:
            return composing.composition(self._directory, vsn).states
        except Refusal as refusal:
            _log.warning("the states of %s are not known: %s", vsn, refusal)
            return {}


def pointed(before: Pointers, action: Point, at: float) -> Pointers:
    """What the pointers are after a change.

    Args:
        before: What they were.
        action: The change.
        at: Now, in seconds since the epoch.

    Raises:
        NotCurrent: What is to be made permanent is not what runs.
    """
    after = before
    if action.how is Pointing.CURRENT:
        after = before.on_probation(action.vsn)
    elif action.how is Pointing.BACK:
        after = before.back()
    elif action.how is Pointing.PERMANENT:
        after = before.made_permanent(action.vsn)
    return after.refusing(action.refuse, action.why, at) if action.refuse else after


def _look_at(future: asyncio.Future[Message]) -> None:
    """Whoever began it does not wait for its end, which is in the history."""
    if not future.cancelled():
        future.exception()


def _unreadable(directory: Path, error: PointersUnreadable | OSError) -> Refusal:
    if isinstance(error, PointersUnreadable):
        return Refusal(ExitCode.DATA_ERROR, f"{directory / pointers.DIRECTORY}/{error}")
    path = directory / pointers.DIRECTORY / pointers.FILE
    return Refusal(ExitCode.FAILED, f"{path} cannot be read: {error.strerror}")
