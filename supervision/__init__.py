"""OTP on Thespian: supervised actors on one asyncio loop. Knows nothing of calls.

Names are imported when they are first used (PEP 562): ``supervision.anchor`` must start in a
half-broken environment, without Thespian.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from supervision.backoff import Backoff
    from supervision.behaviour import NO_REPLY
    from supervision.childspec import ChildSpec, SpecError, SupervisorFlags, check_childspecs
    from supervision.eventloop.base import EventLoopBase, actor_system
    from supervision.eventloop.calls import (
        CallFailed,
        CallingSelf,
        CallTimeout,
        MailboxFull,
        NoProc,
        PendingCall,
        Response,
        ServerDied,
    )
    from supervision.eventloop.collecting import Answered, Collection, MultiAnswer, Requests
    from supervision.eventloop.lifecycle import Failed, Ignored, Started
    from supervision.eventloop.links import Down, Exit
    from supervision.eventloop.mailbox import MailboxPolicy, Rejected
    from supervision.eventloop.managed import IGNORE, Cast, Continue, Info, Stop, Timeout
    from supervision.eventloop.reports import Report
    from supervision.eventloop.timekeeping import SchedulerLimits
    from supervision.gen_event import (
        AddHandler,
        AddSupHandler,
        CallHandler,
        DeleteHandler,
        EventHandler,
        EventManager,
        GetModules,
        HandlerExit,
        HandlerFailed,
        Notify,
        SwapHandler,
        SwapSupHandler,
        SyncNotify,
        WhichHandlers,
    )
    from supervision.gen_server import GenServer
    from supervision.gen_statem import (
        BadTransition,
        CancelTimeout,
        ChangeCallbacks,
        EventTimeout,
        Hibernate,
        Keep,
        Next,
        NextEvent,
        PopCallbacks,
        Postpone,
        PushCallbacks,
        Repeat,
        Reply,
        SetTimeout,
        Snapshot,
        StateCallbacks,
        StateMachine,
        StateTimeout,
        StopMachine,
        Transition,
        UpdateTimeout,
    )
    from supervision.management import (
        ChildInfo,
        CountChildren,
        CycleChild,
        DeleteChild,
        GetCallbackModule,
        GetChildSpec,
        Refused,
        RestartChild,
        StartChild,
        TerminateChild,
        WhichChild,
        WhichChildren,
    )
    from supervision.portal import NotStarted, Portal
    from supervision.reasons import KILLED, NORMAL, SHUTDOWN, Reason
    from supervision.registry import NameTaken
    from supervision.report_text import format_report
    from supervision.supervisor import Supervisor, shutdown_bound

_HOMES = {
    "backoff": "Backoff",
    "behaviour": "NO_REPLY",
    "childspec": "ChildSpec SpecError SupervisorFlags check_childspecs",
    "eventloop": "EventLoopBase SchedulerLimits actor_system",
    "eventloop.calls": "CallFailed CallTimeout CallingSelf MailboxFull NoProc PendingCall "
    "Response ServerDied",
    "eventloop.collecting": "Answered Collection MultiAnswer Requests",
    "eventloop.lifecycle": "Failed Ignored Started",
    "eventloop.links": "Down Exit",
    "eventloop.mailbox": "MailboxPolicy Rejected",
    "eventloop.managed": "IGNORE Cast Continue Info Stop Timeout",
    "eventloop.reports": "Report",
    "gen_event": "AddHandler AddSupHandler CallHandler DeleteHandler EventHandler EventManager "
    "GetModules HandlerExit HandlerFailed Notify SwapHandler SwapSupHandler "
    "SyncNotify WhichHandlers",
    "gen_server": "GenServer",
    "gen_statem": "BadTransition CancelTimeout ChangeCallbacks EventTimeout Hibernate Keep Next "
    "NextEvent PopCallbacks Postpone PushCallbacks Repeat Reply SetTimeout Snapshot "
    "StateCallbacks StateMachine StateTimeout StopMachine Transition UpdateTimeout",
    "management": "ChildInfo CountChildren CycleChild DeleteChild GetCallbackModule GetChildSpec "
    "Refused RestartChild StartChild TerminateChild WhichChild WhichChildren",
    "portal": "NotStarted Portal",
    "reasons": "KILLED NORMAL SHUTDOWN Reason",
    "registry": "NameTaken",
    "report_text": "format_report",
    "supervisor": "Supervisor shutdown_bound",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


__all__ = [
    "IGNORE",
    "KILLED",
    "NORMAL",
    "NO_REPLY",
    "SHUTDOWN",
    "AddHandler",
    "AddSupHandler",
    "Answered",
    "Backoff",
    "BadTransition",
    "CallFailed",
    "CallHandler",
    "CallTimeout",
    "CallingSelf",
    "CancelTimeout",
    "Cast",
    "ChangeCallbacks",
    "ChildInfo",
    "ChildSpec",
    "Collection",
    "Continue",
    "CountChildren",
    "CycleChild",
    "DeleteChild",
    "DeleteHandler",
    "Down",
    "EventHandler",
    "EventLoopBase",
    "EventManager",
    "EventTimeout",
    "Exit",
    "Failed",
    "GenServer",
    "GetCallbackModule",
    "GetChildSpec",
    "GetModules",
    "HandlerExit",
    "HandlerFailed",
    "Hibernate",
    "Ignored",
    "Info",
    "Keep",
    "MailboxFull",
    "MailboxPolicy",
    "MultiAnswer",
    "NameTaken",
    "Next",
    "NextEvent",
    "NoProc",
    "NotStarted",
    "Notify",
    "PendingCall",
    "PopCallbacks",
    "Portal",
    "Postpone",
    "PushCallbacks",
    "Reason",
    "Refused",
    "Rejected",
    "Repeat",
    "Reply",
    "Report",
    "Requests",
    "Response",
    "RestartChild",
    "SchedulerLimits",
    "ServerDied",
    "SetTimeout",
    "Snapshot",
    "SpecError",
    "StartChild",
    "Started",
    "StateCallbacks",
    "StateMachine",
    "StateTimeout",
    "Stop",
    "StopMachine",
    "Supervisor",
    "SupervisorFlags",
    "SwapHandler",
    "SwapSupHandler",
    "SyncNotify",
    "TerminateChild",
    "Timeout",
    "Transition",
    "UpdateTimeout",
    "WhichChild",
    "WhichChildren",
    "WhichHandlers",
    "actor_system",
    "check_childspecs",
    "format_report",
    "shutdown_bound",
]
