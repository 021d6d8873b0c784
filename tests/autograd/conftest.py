"""What the tests of the engine share beside the fixtures of all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from autograd.fused import fused_functions
from autograd.primitive import primitives


@pytest.fixture
def names_come_back() -> Iterator[None]:
    """The primitives and fused functions that a test declares are gone after it."""
    before, before_fused = dict(primitives), dict(fused_functions)
    yield
    for known, kept in ((primitives, before), (fused_functions, before_fused)):
        known.clear()
        known.update(kept)
