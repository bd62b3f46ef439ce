"""On a call's path handlers are synchronous: nothing of theirs lives in a coroutine."""

import inspect

import pytest

from actors.call_session import CallSession
from actors.cti_link import CtiLink
from actors.router import Router


@pytest.mark.parametrize("actor", [CallSession, CtiLink, Router])
def test_no_method_of_an_actor_on_a_calls_path_is_a_coroutine(actor):
    methods = inspect.getmembers(actor, inspect.isfunction)
    own = [name for name, method in methods if method.__module__.startswith("actors.")]
    assert "init" in own
    assert [name for name in own if inspect.iscoroutinefunction(getattr(actor, name))] == []
