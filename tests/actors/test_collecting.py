"""When Python looks for garbage: not while everything that comes stays, nor in it afterwards."""

import gc

import pytest

from actors.collecting import no_collection


@pytest.fixture(autouse=True)
def _as_before():
    yield
    gc.enable()
    gc.unfreeze()


def looked_through():
    return {id(one) for one in gc.get_objects()}


def test_nothing_is_looked_for_while_everything_that_comes_stays():
    with no_collection():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_what_has_come_is_not_gone_through_by_the_first_collection_afterwards():
    come = []
    with no_collection():
        come.extend([one] for one in range(1_000))
        assert id(come[-1]) in looked_through()
    later = [0]
    assert id(later) in looked_through()
    assert not {id(one) for one in come} & looked_through()


def test_a_collector_that_was_off_stays_off_when_it_was_told_to():
    gc.disable()
    with no_collection():
        pass
    assert not gc.isenabled()


def test_looking_goes_on_where_what_came_in_between_failed():
    with pytest.raises(ZeroDivisionError), no_collection():
        1 / 0  # noqa: B018 - any failure
    assert gc.isenabled()
