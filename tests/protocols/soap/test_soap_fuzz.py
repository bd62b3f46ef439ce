"""Whatever comes as an envelope is understood or refused with a problem, never anything else."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from soap_kit import PIECES, asks, enveloped, mutated, service, written

from protocols.http.problem import HttpProblem
from protocols.soap import envelope
from protocols.soap.reading import Limits

SERVICE = service()
LIMITS = Limits(size=4_096, depth=12, elements=100, attributes=16)
LONG_CASES = 1_000_000


def understood(data):
    """Read an envelope as an endpoint does; True where it asks for something."""
    refused = None
    try:
        asked = envelope.asked(data, LIMITS)
        form = SERVICE.operation_of(asked, None)
        SERVICE.binding.read(asked, form.request)
    except HttpProblem as error:
        refused = error
    if refused is None:
        return True
    assert refused.problem.rule
    assert refused.problem.field
    assert 400 <= refused.status < 500
    return False


SEED = enveloped(
    f"<a:Ask xmlns:a='{SERVICE.namespace}'><a:who>ann</a:who><a:much>7</a:much><a:ud><a:entry>"
    "<a:key>k</a:key><a:value>[1]</a:value><a:type>json</a:type></a:entry></a:ud></a:Ask>"
)


def test_the_seed_of_mutations_is_understood():
    assert understood(SEED)


@given(asks)
@settings(max_examples=50)
def test_what_a_client_writes_is_understood_unless_it_is_too_large(record):
    data = written(SERVICE, record, "Ask", SERVICE.operations["Ask"].request)
    assert understood(data) or len(data) > LIMITS.size


@given(st.binary(max_size=200) | st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join))
@settings(max_examples=300)
def test_bytes_are_understood_or_refused_with_a_problem(data):
    assert understood(data) is False
    understood(enveloped("x").replace(b"x</s:Body>", data + b"</s:Body>"))


def mutations(cases, seed):
    chance = random.Random(seed)
    return sum(understood(mutated(chance, SEED)) for _ in range(cases))


def test_a_mutated_envelope_is_understood_or_refused_with_a_problem():
    assert 0 < mutations(3_000, 1) < 3_000


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_a_million_mutated_envelopes_are_understood_or_refused_with_a_problem():
    assert 0 < mutations(LONG_CASES, 2) < LONG_CASES
