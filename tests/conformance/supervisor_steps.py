"""What the ports of OTP's supervisor cases do again and again, in its suite's words."""

from __future__ import annotations

from supervisor_children import DIED, Plain

from supervision import (
    ChildSpec,
    CountChildren,
    Down,
    StartChild,
    Started,
    SupervisorFlags,
    WhichChildren,
    reasons,
)
from supervision.testing import Kit, Probe

INFO = reasons.shutdown("some_info")
GAVE_UP = reasons.shutdown("reached_max_restart_intensity")
"""Why a supervisor ends whose children end too often; OTP says ``shutdown`` alone."""


def flags(strategy="one_for_one", intensity=2, period=3600.0, **more):
    """An hour's period by default: only the number of restarts counts."""
    return SupervisorFlags(strategy=strategy, intensity=intensity, period=period, **more)


def child(name, args=None, start=Plain, **options):
    options.setdefault("shutdown", 1.0)
    return ChildSpec(name, start, args, **options)


def start_child(kit: Kit, top, spec_or_name, args=None):
    """Add a child, or a member of a pool, that starts; return its address."""
    request = (
        StartChild(id=spec_or_name, args=args)
        if isinstance(spec_or_name, str)
        else StartChild(spec_or_name)
    )
    answer = kit.call(top, request)
    assert isinstance(answer, Started), answer
    return answer.address


def counts(kit: Kit, top):
    """``[specs, active, supervisors, workers]``."""
    answer = kit.call(top, CountChildren())
    return [answer[key] for key in ("specs", "active", "supervisors", "workers")]


def listed(kit: Kit, top):
    """``which_children``: each name with what is behind it, the newest first."""
    return [(one.id, one.status) for one in kit.call(top, WhichChildren())]


def pids(kit: Kit, top):
    """The actor that is behind each name now; None where there is none."""
    return {one.id: kit.actor(one.address) for one in kit.call(top, WhichChildren())}


def has_ended(actor):
    """Whether an actor, unlike its successors behind the same address, is gone."""
    return actor._myRef.actor is None


def leave(kit: Kit, address, how):
    """Have a child end: ``normal``, ``abnormal``, ``kill`` or a Reason; it must end so."""
    watch = watching(kit, address)
    match how:
        case "normal":
            kit.cast(address, "stop")
            expected = reasons.NORMAL
        case "abnormal":
            kit.cast(address, "die")
            expected = DIED
        case "kill":
            kit.faults.kill(address)
            expected = reasons.KILLED
        case reason:
            kit.faults.exit(address, reason)
            expected = reason
    kit.settle()
    assert [down.reason for down in watch.of_type(Down)] == [expected]


def watching(kit: Kit, *addresses) -> Probe:
    """A probe that will be told how these actors end."""
    watch = kit.probe()
    for address in addresses:
        watch.monitor(address)
    return watch


def ends(watch: Probe):
    """The watched actors that have ended, in order, by their names."""
    return {down.address.name: down.reason for down in watch.of_type(Down)}


def told(kit: Kit, *contexts):
    """The supervisor reports: each one's context, child and reason; of all contexts if none."""
    return [
        (report.data["context"], report.data["child"], report.data["reason"])
        for report in kit.reported("supervisor")
        if not contexts or report.data["context"] in contexts
    ]
