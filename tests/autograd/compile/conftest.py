"""What the tests of compiled functions stand on: both ways of computing, and a Tensor class that is whole afterwards.

One idea: a program is compared with the function as it is written, so both have to run the same formulas. With the
kernels of fused functions switched off they do, and then every bit must agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from autograd import Tensor
from autograd.compile import watch
from autograd.fused import fused_functions


@pytest.fixture(autouse=True)
def compiling(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compiled functions are on and run on NumPy, whatever the environment says; afterwards nobody watches Tensors."""
    monkeypatch.delenv("TAPEGRAD_COMPILE", raising=False)
    monkeypatch.setenv("TAPEGRAD_EXECUTOR", "numpy")  # what is shown here is tracing: C may round in another way
    yield
    assert plain_slots(), "the test left Tensors watched"


@pytest.fixture
def kernels_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fused functions compute by their definitions, as they do in a trace: results then agree to the last bit."""
    for function in fused_functions.values():
        monkeypatch.setattr(function, "forward", None)


@pytest.fixture
def c_is_wanted(monkeypatch: pytest.MonkeyPatch, compiling: None) -> None:
    """For tests that are about C, unlike most of the folder's."""
    monkeypatch.delenv("TAPEGRAD_EXECUTOR")


def plain_slots() -> bool:
    """Whether `data` and `grad` of the Tensor class are the slots that they were at import."""
    here: Any = vars(Tensor)
    return all(here[name] is slot for name, slot in watch._slots.items())
