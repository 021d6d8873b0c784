"""The bank, one seed each of those set-ups that show with few rows; the whole of it is run by hand (see bank.py)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("diagnosis_bank", Path(__file__).with_name("bank.py"))
assert _spec is not None
assert _spec.loader is not None
bank = importlib.util.module_from_spec(_spec)
sys.modules["diagnosis_bank"] = bank  # dataclasses look their module up
_spec.loader.exec_module(bank)

# With a third of the rows there are a third of the updates: low capacity cannot be told from too short a run.
ROWS = 1000
MORE_ROWS = {"label noise 30 %": 3000}  # fewer rows are learned by heart before anything else is
EPOCHS = {
    "vanishing gradient": 6,
    "rate too high": 6,
    "rate too low": 6,
    "over-fit": 15,
    "dead ReLU": 6,
    "un-normalised input": 6,
    "label noise 30 %": 20,
    "data leak": 6,
    "over-regularised": 8,
    "symmetric init": 6,
    "init too large": 6,
    "not shuffled": 6,
    "validation mismatch": 10,
    "too few updates": 6,
}


@pytest.mark.parametrize("name", EPOCHS)
def test_a_broken_run_is_named_for_what_broke_it(name):
    set_up = bank.replace(bank.BANK[name], epochs=EPOCHS[name])
    rows = bank.rows_of_mnist(MORE_ROWS.get(name, ROWS), seed=0, val_rows=500)
    found = bank.carry_out(set_up, rows, seed=0)
    assert found.verdict == set_up.verdict, str(found)


def test_a_healthy_run_is_fine():
    set_up = bank.BANK["fine"]
    found = bank.carry_out(set_up, bank.rows_of_mnist(set_up.rows, seed=1, val_rows=1000), seed=1)
    assert found.verdict == "fine", str(found)
    assert not any(row["fired"] for row in found.evidence)
