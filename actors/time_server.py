"""timeServer: the one clock of the tree, to whose ticks other actors subscribe.

A subscriber calls `subscribe` once, in its `init`, and takes two messages in `handle_info`: `Tick`,
and `ClockStarted`, upon which it subscribes again. So neither the order in which actors start nor a
restart of the timeServer matters. Ticks of all actors with the same period come in the same turn.

In the same way `subscribe_opening` has an actor told by `Opening` how it is with a calendar, at
once and whenever it opens or closes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, ValidationError, convert

from actors import ticks
from actors.calendars import watching
from actors.calendars.hours import Calendar
from actors.calendars.watching import CalendarRefused, Opening, Watches
from actors.ticks import Schedule
from supervision import Down, GenServer, Timeout
from supervision.behaviour import Behaviour
from supervision.eventloop.calls import PendingCall
from supervision.eventloop.cell import LocalAddress
from supervision.eventloop.links import Monitor
from supervision.eventloop.timers import Timer

NAME = "timeServer"
SUBSCRIBERS = "timeServer subscribers"
"""The group of the actors that a timeServer tells when it starts."""

LOOK_S = 1.0
"""The clock is looked at this often at least, seconds: a step of it is noticed within that."""

Period = Annotated[float, Meta(ge=0.1, le=86_400.0)]


class Subscribe(Struct, frozen=True):
    """Have ticks sent; cast or called. Once more by the same subscriber changes nothing.

    Answered with the time of the first tick, seconds since the epoch, or with `PeriodRefused`.

    Attributes:
        subscriber: Who wants them.
        period_s: From 0.1 to 86,400 seconds.
    """

    subscriber: LocalAddress
    period_s: float


class Unsubscribe(Struct, frozen=True):
    """Have no more of these ticks sent; cast or called, answered with True."""

    subscriber: LocalAddress
    period_s: float


class SubscribeOpening(Struct, frozen=True):
    """Have `Opening` sent when a calendar opens or closes; cast or called.

    Answered with the first `Opening`, how it is now, or with `CalendarRefused`; where it is cast
    that `Opening` is sent.

    Attributes:
        subscriber: Who wants to know.
        calendar: Its name.
    """

    subscriber: LocalAddress
    calendar: str


class UnsubscribeOpening(Struct, frozen=True):
    """Have no more of a calendar's openings sent; cast or called, answered with True."""

    subscriber: LocalAddress
    calendar: str


class UseCalendars(Struct, frozen=True):
    """Call: go by these calendars from now on; answered with True, or with `CalendarRefused`."""

    calendars: Mapping[str, Calendar]


class PeriodRefused(Struct, frozen=True):
    """Refusal: the period breaks a rule."""

    rule: str


class Tick(Struct, frozen=True):
    """A period has begun.

    Attributes:
        period_s: Which one.
        at: When it began, seconds since the epoch.
        missed: Periods that went by untold, the node being busy or its clock set forward.
    """

    period_s: float
    at: float
    missed: int


class ClockStarted(Struct, frozen=True):
    """A timeServer has started and knows nobody: subscribe again."""


class Beat(Struct):
    """The subscribers of one period."""

    schedule: Schedule
    subscribers: dict[LocalAddress, Monitor] = {}
    told: int = 0
    missed: int = 0


class Told(Struct):
    """How far a period has been told, in whatever version of the node."""

    schedule: Schedule
    told: int
    missed: int


class TimeState(Struct):
    """What the timeServer knows."""

    beats: dict[float, Beat] = {}
    timer: Timer | None = None
    openings: Watches = msgspec.field(default_factory=Watches)


def subscribe(actor: Behaviour, period_s: float) -> None:
    """Have `actor` sent a `Tick` at each beginning of a period, now and after restarts.

    Args:
        actor: The subscriber; called in one of its handlers.
        period_s: From 0.1 to 86,400 seconds; another one is reported as refused.
    """
    actor.join(SUBSCRIBERS)
    if actor.whereis(NAME) is not None:
        actor.cast(NAME, Subscribe(actor.address, period_s))


def subscribe_opening(actor: Behaviour, calendar: str) -> None:
    """Have `actor` sent an `Opening`, now and at each change of a calendar, and after restarts.

    Args:
        actor: The subscriber; called in one of its handlers.
        calendar: Its name; one that there is not is reported as refused.
    """
    actor.join(SUBSCRIBERS)
    if actor.whereis(NAME) is not None:
        actor.cast(NAME, SubscribeOpening(actor.address, calendar))


class TimeServer(GenServer):
    """The clock; its argument is the calendars by name, or None where there are none."""

    version = 1
    carried = dict[float, Told]
    state: TimeState

    def init(self, args: Any) -> None:
        """Tell those who subscribed to an earlier incarnation."""
        self.state = TimeState()
        if args is not None:
            self.state.openings.calendars = args
        self.register(NAME)
        for subscriber in self.members(SUBSCRIBERS):
            self.send(subscriber, ClockStarted())
        self._look_later()

    def handle_call(self, request: Any, from_: PendingCall) -> Any:
        """Take a subscription, or end one."""
        match request:
            case SubscribeOpening(subscriber, calendar):
                return self._subscribe_opening(subscriber, calendar)
            case UnsubscribeOpening(subscriber, calendar):
                self._unsubscribe_opening(subscriber, calendar)
                return True
            case UseCalendars(calendars):
                return self._use(calendars)
            case Subscribe(subscriber, period_s):
                return self._subscribe(subscriber, period_s)
            case Unsubscribe(subscriber, period_s):
                self._unsubscribe(subscriber, period_s)
                return True
        return super().handle_call(request, from_)

    def handle_cast(self, request: Any) -> None:
        """Take a subscription, or end one, without an answer."""
        match request:
            case Subscribe(subscriber, period_s):
                answer = self._subscribe(subscriber, period_s)
                if isinstance(answer, PeriodRefused):
                    path = subscriber.path
                    self.kernel.report("unexpected", path, period_s=period_s, rule=answer.rule)
            case Unsubscribe(subscriber, period_s):
                self._unsubscribe(subscriber, period_s)
            case SubscribeOpening(subscriber, calendar):
                opening = self._subscribe_opening(subscriber, calendar)
                if isinstance(opening, Opening):
                    self.send(subscriber, opening)
                else:
                    path, rule = subscriber.path, opening.rule
                    self.kernel.report("unexpected", path, calendar=str(calendar), rule=rule)
            case UnsubscribeOpening(subscriber, calendar):
                self._unsubscribe_opening(subscriber, calendar)
            case _:
                super().handle_cast(request)

    def handle_info(self, message: Any, sender: Any) -> None:
        """Look at the clock, or drop a subscriber that has ended."""
        match message:
            case Timeout(ref) if ref is self.state.timer:
                self._look()
            case Timeout():
                return  # cancelled when it was already on its way
            case Down(address=LocalAddress() as subscriber):
                for period_s in tuple(self.state.beats):
                    self._unsubscribe(subscriber, period_s)
                for calendar in tuple(self.state.openings.watched):
                    self._unsubscribe_opening(subscriber, calendar)
            case _:
                super().handle_info(message, sender)

    def hand_over(self) -> dict[float, Told]:
        """How far each period has been told; its subscribers subscribe anew in each version."""
        return {
            period_s: Told(beat.schedule, beat.told, beat.missed)
            for period_s, beat in self.state.beats.items()
        }

    def adopt(self, state: dict[float, Told]) -> None:
        """Tell no period twice, and none too few."""
        for period_s, before in state.items():
            beat = self.state.beats.get(period_s)
            if beat is not None:
                beat.schedule = before.schedule
                beat.told += before.told
                beat.missed += before.missed
        self._look_later()

    def format_status(self, state: TimeState) -> dict[str, Any]:
        """Each period, and each calendar that is watched, with its subscribers."""
        calendars = {
            f"calendar {name}": {
                "open": watch.told,
                "until": watch.status.until,
                "subscribers": [address.path for address in watch.subscribers],
            }
            for name, watch in state.openings.watched.items()
        }
        return calendars | {
            f"{period_s:g}": {
                "told": beat.told,
                "missed": beat.missed,
                "subscribers": [address.path for address in beat.subscribers],
            }
            for period_s, beat in state.beats.items()
        }

    def _subscribe(self, subscriber: LocalAddress, period_s: float) -> float | PeriodRefused:
        try:
            period_s = convert(period_s, Period)
        except ValidationError as refused:
            return PeriodRefused(str(refused))
        beat = self.state.beats.get(period_s)
        if beat is None:
            beat = Beat(ticks.begin(period_s, self.wall(), self.now()))
            self.state.beats[period_s] = beat
            self._look_later()
        if subscriber not in beat.subscribers:
            beat.subscribers[subscriber] = self.monitor(subscriber)
        return self.wall() + ticks.wait_s(beat.schedule, self.wall())

    def _unsubscribe(self, subscriber: LocalAddress, period_s: float) -> None:
        beat = self.state.beats.get(period_s)
        if beat is None or subscriber not in beat.subscribers:
            return
        self.demonitor(beat.subscribers.pop(subscriber))
        if not beat.subscribers:
            del self.state.beats[period_s]

    def _subscribe_opening(
        self, subscriber: LocalAddress, calendar: str
    ) -> Opening | CalendarRefused:
        watches = self.state.openings
        opening = watching.begin(watches, calendar, self.wall())
        if isinstance(opening, Opening):
            subscribers = watches.watched[calendar].subscribers
            if subscriber not in subscribers:
                subscribers[subscriber] = self.monitor(subscriber)
            self._look_later()
        return opening

    def _unsubscribe_opening(self, subscriber: LocalAddress, calendar: str) -> None:
        monitor = watching.end(self.state.openings, calendar, subscriber)
        if isinstance(monitor, Monitor):
            self.demonitor(monitor)

    def _use(self, calendars: Mapping[str, Calendar]) -> bool | CalendarRefused:
        refused = watching.replaced(self.state.openings, calendars)
        if refused is not None:
            return refused
        self._look()
        return True

    def _look(self) -> None:
        wall, now = self.wall(), self.now()
        for opening in watching.look(self.state.openings, wall):
            for subscriber in self.state.openings.watched[opening.calendar].subscribers:
                self.send(subscriber, opening)
        for period_s, beat in self.state.beats.items():
            due = ticks.advance(beat.schedule, wall, now)
            if due is not None:
                beat.told += 1
                beat.missed += due.missed
                self._tell(beat, Tick(period_s, due.at, due.missed))
        self._look_later()

    def _tell(self, beat: Beat, tick: Tick) -> None:
        for subscriber in beat.subscribers:
            self.send(subscriber, tick)

    def _look_later(self) -> None:
        wall = self.wall()
        waits = [ticks.wait_s(beat.schedule, wall) for beat in self.state.beats.values()]
        waits += watching.waits_s(self.state.openings, wall)
        if self.state.timer is not None:
            self.cancel_timer(self.state.timer)
        self.state.timer = self.start_timer(min([LOOK_S, *waits]), "look")
