"""feed: when its report makes the command fail."""

import pytest

from actors.cli.feed import clean
from protocols.feed.records import Ledger, Sent
from protocols.feed.report import Comparison, make_report


def report(comparison=None, **counts):
    ledger = Ledger(late_s=0.2, wait_s=2.0, **counts)
    return make_report(ledger, seconds=1.0, reconnects=0, comparison=comparison, with_answers=False)


def compared(different):
    return Comparison(compared=10, different=different, differences=())


@pytest.mark.parametrize("comparison", [None, compared(0)])
def test_a_feed_without_loss_doubles_and_differences_is_clean(comparison):
    assert clean(report(comparison, requests=10, answered=10, late=3, repeated=1))


def test_a_feed_that_lost_doubled_or_differs_is_not_clean():
    assert not clean(report(lost=1))
    assert not clean(report(doubled=1))
    assert not clean(report(faults=["gap: frame 7 is missing"]))
    assert not clean(report(unacked={1: Sent({})}))
    assert not clean(report(compared(1)))


def test_requests_given_up_while_there_was_no_link_leave_a_feed_clean():
    assert clean(report(given_up=7, answered_after_resume=2))
