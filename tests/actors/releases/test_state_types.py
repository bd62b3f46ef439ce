"""Every state of this release can be converted from, and back to, each version that is recorded."""

from __future__ import annotations

from actors.releases import state_types
from supervision.release.coverage import record


def test_every_state_has_the_shape_that_is_recorded_and_both_conversions() -> None:
    assert state_types.uncovered() == []


def test_every_type_has_a_name_of_its_own() -> None:
    names = [one.name for one in state_types.types()]
    assert len(names) == len(set(names))


def test_what_is_recorded_is_written_as_it_is_read(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(state_types, "FILE", tmp_path / "state_types.json")
    assert state_types.recorded() == {}
    state_types.write()
    assert state_types.recorded() == record(state_types.types())
    assert state_types.uncovered() == []
