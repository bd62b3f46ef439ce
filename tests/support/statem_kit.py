"""A state machine that is a table, for tests."""

from __future__ import annotations

from supervision import Keep, StateMachine


class Machine(StateMachine):
    """Looks its answers up in a table of (state, kind, event) that the test writes.

    Entries are transitions, or functions of data that make one; what is not in the table is kept.
    Everything it handles is written down.
    """

    def init(self, args):
        self.table, self.handled = args.get("table", {}), args.setdefault("handled", [])
        return args.get("begin", ("idle", 0))

    def handle_event(self, kind, event, state, data):
        name = event[0] if kind == "call" else event
        self.handled.append((state, kind, name))
        entry = self.table.get((state, kind, name), Keep())
        if kind == "call" and callable(entry):
            return entry(event[1])
        return entry(data) if callable(entry) else entry


class Entering(Machine):
    state_enter = True


def machine(kit, table=None, kind=Machine, **more):
    args = {"table": table or {}, **more}
    address = kit.start(kind, args, name="machine")
    return address, args["handled"]


def events(handled):
    return [(kind, event) for _, kind, event in handled]


def feed(kit, address, *casts):
    for cast in casts:
        kit.cast(address, cast)
    kit.settle()
