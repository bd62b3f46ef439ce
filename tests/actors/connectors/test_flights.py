"""Single flight: one asks, the others wait for the same answer, so many and no more."""

from hypothesis import given
from hypothesis import strategies as st

from actors.connectors.flights import Flights


def test_the_first_asks_and_all_get_the_answer_in_their_order():
    flights = Flights(10)
    assert [flights.join("a", number) for number in (1, 2, 3)] == ["begun", "joined", "joined"]
    assert flights.join("b", 4) == "begun"
    assert flights.landed("a") == [1, 2, 3]
    assert flights.landed("a") == []
    assert (len(flights), flights.waiting) == (1, 1)


def test_one_over_the_limit_does_not_wait():
    flights = Flights(2)
    assert [flights.join("a", 1), flights.join("b", 2)] == ["begun", "begun"]
    assert flights.join("a", 3) == "full"
    assert flights.landed("a") == [1]
    assert flights.join("a", 3) == "begun"


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc")), max_size=50))
def test_everybody_who_waits_is_answered_once(events):
    flights, waits, answered = Flights(5), [], []
    for number, (lands, key) in enumerate(events):
        if lands:
            answered += flights.landed(key)
        elif flights.join(key, number) != "full":
            waits.append(number)
        assert flights.waiting <= 5
    for key in "abc":
        answered += flights.landed(key)
    assert sorted(answered) == waits
    assert flights.waiting == len(flights) == 0
