"""Any program of a state machine is carried out in the order of an independent model."""

from __future__ import annotations

from hypothesis import given, settings
from statem_model import Model, programs
from statem_programs import traced


@settings(max_examples=200, deadline=None)
@given(programs)
def test_events_come_in_the_order_of_the_model(program):
    assert traced(program) == Model(program).run()
