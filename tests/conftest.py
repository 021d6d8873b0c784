"""What every test stands on: our own autograd, one hypothesis profile, and no state left behind.

One idea: a test is stricter than a user. Warnings are errors (setup.cfg), and a test that leaves recording switched
off, or NumPy's error state changed, fails itself rather than the one after it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy
import pytest
from hypothesis import settings

from _tapegrad_marker import require_own_autograd

require_own_autograd()

# A busy machine would trip a deadline; the example database would make one run depend on the last.
settings.register_profile("tapegrad", deadline=None, database=None, derandomize=True)
settings.load_profile("tapegrad")


@pytest.fixture(autouse=True)
def sealed() -> Iterator[None]:
    """Fail a test that leaves a mode or NumPy's error state changed."""
    from autograd import modes

    before = numpy.geterr()
    yield
    assert modes.is_recording(), "the test left recording off"
    assert not modes.is_watching(), "the test left anomaly() on"
    assert numpy.geterr() == before, "the test left NumPy's error state changed"
