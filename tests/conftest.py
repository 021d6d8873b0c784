"""What every test stands on: our own autograd, one hypothesis profile, and no state left behind.

One idea: a test is stricter than a user. Warnings are errors (setup.cfg), and a test that leaves recording switched
off, or NumPy's error state changed, fails itself rather than the one after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import numpy
import pytest
from hypothesis import settings

from _tapegrad_marker import require_own_autograd
from tests import gpu_outcome

require_own_autograd()
import_module("tests.guard")  # makes its device known to every test, whichever others run

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


@pytest.fixture(params=["guard", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> str:
    """A device that is not the host: the guard backend, and under `make test-gpu` the GPU."""
    return str(request.param)


# Tests on a GPU: none without one, and what came out is kept.

_ON_GPU = ("marked", "gpu")  # a property of a report; its keywords may be names of cases as well as marks


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("gpu"):
            item.user_properties.append(_ON_GPU)


def pytest_collection_finish(session: pytest.Session) -> None:
    if any(item.get_closest_marker("gpu") for item in session.items):
        why = gpu_outcome.missing()
        if why is not None:
            pytest.exit(f"the tests marked gpu need a GPU: {why}", returncode=2)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    reports = [r for kind in ("passed", "failed", "error") for r in terminalreporter.stats.get(kind, [])]
    # Properties come along where other processes ran the tests, as lists where they did.
    on_gpu = [r for r in reports if _ON_GPU in map(tuple, getattr(r, "user_properties", ()))]
    if on_gpu and not config.option.collectonly:
        failed = {r.nodeid for r in on_gpu if r.failed}
        passed = sum(r.passed and r.when == "call" for r in on_gpu)
        path = gpu_outcome.write(gpu_outcome.RESULTS, gpu_outcome.describe(), passed, failed)
        terminalreporter.write_line(f"the outcome is in {path.relative_to(config.rootpath)}")
