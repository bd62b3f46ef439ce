"""System services and monitors of a link in framing B, in both directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocols.csta.events import MonitorStarted, MonitorStopped, StatusTold
from protocols.csta.link_state import Question
from protocols.csta.monitoring import (
    MonitorStart,
    MonitorStartResponse,
    MonitorStop,
    MonitorStopResponse,
)
from protocols.csta.session_link import SessionLink
from protocols.csta.system_status import (
    RequestSystemStatus,
    RequestSystemStatusResponse,
    SystemRegister,
    SystemRegisterCancel,
    SystemRegisterCancelResponse,
    SystemRegisterResponse,
    SystemStatus,
    SystemStatusResponse,
)
from protocols.csta.values import Device, ErrorValue
from protocols.cti.events import Transmit

if TYPE_CHECKING:
    from protocols.csta.deflecting import DeflectCallResponse
    from protocols.csta.errors import CSTAErrorCode
    from protocols.csta.events import Event
    from protocols.csta.link_state import Origin

SYSTEM_REGISTER = "system"
"""The id of a peer's SystemRegister; it has one at most."""

_TOO_MANY_MONITORS = ErrorValue("subscribedResourceAvailability", "objectMonitorLimitExceeded")


class SystemLink(SessionLink):
    """The system services and monitors of one link; ``link.Link`` is the whole link."""

    # What vigie asks

    def monitor(self, device: str, now: float) -> bytes:
        """Make the bytes that ask the peer for the events of a device.

        ``MonitorStarted`` or ``MonitorStopped`` follows.

        Args:
            device: its number.
            now: monotonic seconds.

        Raises:
            WrongPhaseError: the link is not open.
        """
        del now
        self._open_session("monitor")
        question = Question("monitor-start", device)
        return self._ask(MonitorStart(Device(device)), self.state.edition, question)

    def stop_monitor(self, monitor: str, now: float) -> bytes:
        """Make the bytes that ask for no more events; ``MonitorStopped`` follows.

        Args:
            monitor: the reference that ``MonitorStarted`` has told.
            now: monotonic seconds.

        Raises:
            WrongPhaseError: the link is not open.
        """
        del now
        self._open_session("stop_monitor")
        question = Question("monitor-stop", monitor)
        return self._ask(MonitorStop(monitor), self.state.edition, question)

    # What the peer answers

    def _monitor_started(
        self, service: MonitorStartResponse, origin: Origin, now: float
    ) -> list[Event]:
        del now
        question = self._answered(origin, "monitor-start")
        if question is None:
            return []
        self.state.monitors[service.monitor] = question.subject
        return [MonitorStarted(question.subject, service.monitor)]

    def _monitor_stopped(
        self, service: MonitorStopResponse, origin: Origin, now: float
    ) -> list[Event]:
        del service, now
        question = self._answered(origin, "monitor-stop")
        if question is None:
            return []
        device = self.state.monitors.pop(question.subject, "")
        return [MonitorStopped(device, question.subject)]

    def _status_taken(
        self, service: SystemStatusResponse, origin: Origin, now: float
    ) -> list[Event]:
        del service, now
        self._answered(origin, "status")
        return []

    def _call_deflected(
        self, service: DeflectCallResponse, origin: Origin, now: float
    ) -> list[Event]:
        del service, now
        self._answered(origin, "deflect")
        return []

    def _complaint(self, service: CSTAErrorCode, origin: Origin, now: float) -> list[Event]:
        """The peer refuses what vigie has said."""
        del now
        self.state.complaints += 1
        question = self.state.questions.pop(origin.invoke_id, None)
        why = f"{service.error.category} {service.error.value}".strip()
        if question is None or question.kind in ("status", "deflect"):
            return []  # a call that is not deflected has lost its agent in time
        if question.kind == "monitor-start":
            return [MonitorStopped(question.subject, "", why)]
        return [
            MonitorStopped(self.state.monitors.pop(question.subject, ""), question.subject, why)
        ]

    def _answered(self, origin: Origin, kind: str) -> Question | None:
        """The question that a response is about; None, counted, where it is about none."""
        question = self.state.questions.get(origin.invoke_id)
        if question is None or question.kind != kind:
            self.state.ignored += 1
            return None
        return self.state.questions.pop(origin.invoke_id)

    # What the peer asks

    def _system_register(self, service: SystemRegister, origin: Origin, now: float) -> list[Event]:
        del service, now
        self.state.system_register = SYSTEM_REGISTER
        return [Transmit(self._respond(SystemRegisterResponse(SYSTEM_REGISTER), origin))]

    def _system_cancel(
        self, service: SystemRegisterCancel, origin: Origin, now: float
    ) -> list[Event]:
        del now
        if service.register_id != self.state.system_register:
            return self._refuse(origin, 404, "is not registered", "sysStatRegisterID")
        self.state.system_register = None
        return [Transmit(self._respond(SystemRegisterCancelResponse(), origin))]

    def _status_asked(
        self, service: RequestSystemStatus, origin: Origin, now: float
    ) -> list[Event]:
        del service, now
        response = RequestSystemStatusResponse(self.state.status)
        return [Transmit(self._respond(response, origin))]

    def _status_told(self, service: SystemStatus, origin: Origin, now: float) -> list[Event]:
        del now
        self.state.peer_status = service.status
        data = self._respond(SystemStatusResponse(), origin)
        return [Transmit(data), StatusTold(service.status)]

    def _monitor_start(self, service: MonitorStart, origin: Origin, now: float) -> list[Event]:
        del now
        state = self.state
        if service.device is None and service.call is None:
            return self._refuse(origin, 400, "a device or a call", "monitorObject")
        if len(state.monitors) >= self.csta.max_monitors:
            rule = f"at most {self.csta.max_monitors} monitors at once"
            return self._refuse(origin, 429, rule, "monitorObject", _TOO_MANY_MONITORS)
        name = f"m{state.next_name}"
        state.next_name += 1
        call = service.call.call if service.call else None
        state.monitors[name] = service.device.number if service.device else call or ""
        return [Transmit(self._respond(MonitorStartResponse(name), origin))]

    def _monitor_stop(self, service: MonitorStop, origin: Origin, now: float) -> list[Event]:
        del now
        device = self.state.monitors.pop(service.monitor, None)
        if device is None:
            error = ErrorValue("operation", "invalidMonitorCrossRefID")
            return self._refuse(origin, 404, "is not known", "monitorCrossRefID", error)
        data = self._respond(MonitorStopResponse(), origin)
        return [Transmit(data), MonitorStopped(device, service.monitor)]
