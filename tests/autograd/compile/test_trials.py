"""The fastest algorithm of a product is found by running all, kept, and found again.

One idea: the clock is the test's own, so it is known which algorithm has to be taken.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import autograd as ag
from autograd.compile.cuda.trials import Trial, Trials
from autograd.cuda.blas import Blas, BlasError, Plan, Product, UnsupportedProduct
from tests.simulated_cublaslt import ALGORITHMS, WORKSPACE, SimulatedCublasLt

PRODUCT = Product.packed(4, 6, 5, "float32")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAPEGRAD_CACHE", str(tmp_path))
    return tmp_path


class Clock:
    """Takes as long as it is told for each algorithm, by its number; None where that one does not run."""

    def __init__(self, *seconds: float | None) -> None:
        self.seconds, self.asked = seconds, 0

    def __call__(self, plan: Plan) -> float:
        self.asked += 1
        time = self.seconds[ran(plan)]
        if time is None:
            raise BlasError("no")
        return time


def ran(plan: Plan) -> int:
    """Which algorithm runs."""
    x, room = np.zeros(4096, "uint8"), np.zeros(WORKSPACE + 256, "uint8")
    at = x.ctypes.data + -x.ctypes.data % 256
    plan.run(at, at + 512, at + 1024, workspace=room.ctypes.data + -room.ctypes.data % 256)
    number: int = LIBRARY.chosen[-1]
    return number


LIBRARY = SimulatedCublasLt()


def tried(clock: Callable[[Plan], float], machine: str = "this one", alignment: int = 64) -> Trial:
    """What is found where nothing is known but what the folder holds. The library gives the same as it did before."""
    return Trials(Blas(LIBRARY), machine, clock).of(PRODUCT, alignment)


@pytest.mark.parametrize(
    ("seconds", "best"),
    [
        ((3.0, 1.0, 2.0), 1),
        ((1.0, 2.0, 3.0), 0),
        ((1.0, 0.99, 2.0), 0),  # not clearly faster
        ((None, 2.0, 1.0), 2),
        ((None, 1.0, None), 1),
    ],
)
def test_the_fastest_is_taken(seconds: tuple[float | None, ...], best: int) -> None:
    trial = tried(Clock(*seconds))
    assert trial.seconds == seconds[best]
    assert trial.expected == next(time for time in seconds if time is not None)
    assert ran(trial.plan) == best


def test_where_none_runs_the_product_is_unsupported() -> None:
    with pytest.raises(UnsupportedProduct, match="none of its algorithms runs"):
        tried(Clock(*(None,) * ALGORITHMS))


def test_what_was_found_is_found_again_without_a_trial(folder: Path) -> None:
    assert ran(tried(Clock(3.0, 1.0, 2.0)).plan) == 1
    again = Clock(1.0, 2.0, 3.0)  # it would be another one now
    trial = tried(again)
    assert (ran(trial.plan), trial.seconds, trial.expected, again.asked) == (1, 1.0, 3.0, 0)
    assert len(list(folder.iterdir())) == 1


def test_another_machine_or_alignment_is_tried_anew() -> None:
    tried(Clock(3.0, 1.0, 2.0))
    assert ran(tried(Clock(1.0, 2.0, 3.0), machine="another one").plan) == 0
    assert ran(tried(Clock(1.0, 2.0, 3.0), alignment=32).plan) == 0


@pytest.mark.parametrize("damaged", ["", "{", "[]", '{"algorithm": 3}', '{"algorithm": "00", "seconds": 1.0}'])
def test_a_damaged_file_is_made_anew(folder: Path, damaged: str) -> None:
    tried(Clock(3.0, 1.0, 2.0))
    (kept,) = folder.iterdir()
    kept.write_text(damaged)
    assert ran(tried(Clock(3.0, 2.0, 1.0)).plan) == 2
    assert ran(tried(Clock(1.0, 2.0, 3.0)).plan) == 2


def test_the_setting_is_a_word_for_good_or_for_a_block() -> None:
    with ag.cuda.matmul_algorithms("timed"):
        assert ag.cuda.get_matmul_algorithms() == "timed"
    assert ag.cuda.get_matmul_algorithms() == "expected"
    with pytest.raises(ValueError, match=r'matmul_algorithms is "expected" or "timed", got \'fast\''):
        ag.cuda.matmul_algorithms("fast")
