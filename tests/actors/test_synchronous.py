"""On a call's path handlers are synchronous: nothing of theirs lives in a coroutine."""

import inspect

import pytest

from actors.call_session import CallSession
from actors.context_store import ContextStore
from actors.cti_link import CtiLink
from actors.router import Router


@pytest.mark.parametrize("actor", [CallSession, CtiLink, Router, ContextStore])
def test_no_method_of_an_actor_on_a_calls_path_is_a_coroutine(actor):
    methods = inspect.getmembers(actor, inspect.isfunction)
    own = [name for name, method in methods if method.__module__.startswith("actors.")]
    assert "init" in own
    own.remove("init")  # nothing is handled before it has come to its end
    assert [name for name in own if inspect.iscoroutinefunction(getattr(actor, name))] == []
