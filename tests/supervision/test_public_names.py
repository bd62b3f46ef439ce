"""What the packages promise: every public name is there, says what it is, and has a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import supervision
import supervision.testing

TESTS = Path(__file__).resolve().parents[1]
OTHERS = [path for path in TESTS.rglob("*.py") if path.name != Path(__file__).name]
WORDS = {word for path in OTHERS for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}

packages = pytest.mark.parametrize(
    "package", [supervision, supervision.testing], ids=lambda package: package.__name__
)


@packages
def test_every_public_name_says_what_it_is(package):
    public = {name: getattr(package, name) for name in package.__all__}
    assert [name for name, one in public.items() if isinstance(one, type) and not one.__doc__] == []


@packages
def test_every_public_name_is_used_in_a_test(package):
    assert [name for name in package.__all__ if name not in WORDS] == []


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'GenServer2'"):
        _ = supervision.GenServer2
