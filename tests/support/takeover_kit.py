"""Two nodes in one virtual time: the sessions of one go to the other."""

from __future__ import annotations

from call_kit import CallKit, Count, route_request

from actors.call_messages import CallTold, RouteAsked, RouteTold
from actors.session_api import AddJourneyStep, IdempotentKey
from actors.session_record import SCHEMA
from actors.session_unread import known
from actors.takeover.sessions import SessionsBulk
from protocols.cti.messages import CallEvent, RouteUsed
from supervision.introspection import Introspection
from supervision.release.actors_part import ActorsPart

NUMBER = "+33612345678"


def bulk(kit, schema=SCHEMA):
    return SessionsBulk(kit.kernel, kit.pool, kit.journal, kit.settings, schema)


def introspection(kit):
    return Introspection(kit.kernel, "callSup")


class Two:
    """A node that gives and one that takes; use it as a context manager.

    Args:
        old: the kit that gives; None makes one.
        schemas: what sessions are made of on the two sides.
        count: makes what counts the open sessions.
        sessions: keys of ``[sessions]``.
    """

    def __init__(self, old=None, schemas=(SCHEMA, SCHEMA), count=Count, **sessions):
        self.old = CallKit(count=count(), **sessions) if old is None else old
        self.new = CallKit(clock=self.old.clock, standby=True, count=count(), **sessions)
        self._made = [self.new] if old is not None else [self.old, self.new]
        self.gives, self.takes = bulk(self.old, schemas[0]), bulk(self.new, schemas[1])
        self.frozen = False

    def __enter__(self):
        self.quiet = dict(self.new.kernel.reports.counts)
        return self

    def __exit__(self, *what):
        for kit in self._made:
            kit.close()

    def begin(self):
        self.gives.begin()
        self.copy()

    def copy(self, limit=2):
        """Give all that is due."""
        version = min(self.gives.version, self.takes.version)
        while self.gives.due:
            assert self.takes.give(version, self.gives.take(limit, version)) is None

    def freeze(self):
        """The last slices; nothing of the new node has been heard of till then."""
        self.frozen = True
        self.old.settle()
        self.old.run(self.gives.stop())
        self.copy()
        assert self.gives.count() == self.takes.count() == self.new.pool.count()
        assert self.new.kernel.reports.counts == self.quiet
        assert not self.new.disk.commits
        assert not self.new.journal.waiting
        assert self.new.count.open == self.old.count.open
        assert not self.new.pool.ready

    def switch(self, *, actors=False):
        """The new node serves; with what waits for actors that do not run, where a test says so."""
        if not self.frozen:
            self.freeze()
        self.gives.end()
        part = ActorsPart(self.new.kernel, tops=("callSup",), taking=True)
        if actors:
            packed = ActorsPart(self.old.kernel, tops=("callSup",)).pack(1)
            part.unpack(1, packed.body, packed.descriptors)
        self.new.run(self.takes.switch())
        self.new.run(part.switch())
        self.new.kernel.release_timers()
        self.new.standby.open()
        self.new.settle()
        assert self.new.pool.ready


def kept(kit):
    """State and data of each session."""
    return {
        name: child.kept and (child.kept[0], known(child.kept[1]))
        for name, child in kit.pool.children.items()
    }


def names(kit):
    """Whose each name is."""
    registry = kit.kernel.registry
    owned = {name: str(address.name) for name, address in registry._names.items()}
    sessions = kit.pool.children
    return {name: owner for name, owner in owned.items() if owner in sessions}


def timers(kit):
    """When each timer of each session fires."""
    return {
        name: {left.name: round(left.at, 4) for left in child.address.cell.actor.timers_left()}
        for name, child in kit.pool.children.items()
        if child.address.cell is not None
    }


def same(two):
    """What lives on the two sides is the same."""
    assert kept(two.old) == kept(two.new)
    assert names(two.old) == names(two.new)
    assert timers(two.old) == timers(two.new)


def ask(kit, session, xref="x1", link="link-1", **fields):
    message = route_request(xref=xref, **fields)
    kit.send(session, RouteAsked(message, link, kit.marks()))


def busy(kit, number):
    """A session that has lived: asked, answered, told of, patched; return its address."""
    call = f"c{number}"
    session = kit.open(call, ani=NUMBER)
    ask(kit, session, f"x{number}", call=call)
    kit.settle()
    used = RouteUsed(i=900 + number, xref=f"x{number}", target="7001", reason="ok")
    kit.send(session, RouteTold(used, "link-1"))
    event = CallEvent(i=950 + number, call=call, ev="established", ts=2.0, seq=number)
    kit.send(session, CallTold(event, "link-1"))
    kit.settle()
    key = IdempotentKey(f"k{number}", "f")
    kit.call(session, AddJourneyStep(step="menu", ev="in", app="ivr", once=key))
    return session
