"""What the conformance tests share: a node in virtual time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from supervision.testing import Kit


@pytest.fixture
def kit() -> Iterator[Kit]:
    with Kit() as node:
        yield node
