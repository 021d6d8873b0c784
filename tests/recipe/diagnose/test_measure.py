"""Every number of the evidence against what it is by hand, on arrays small enough to see through."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipe.diagnose import measure

EYE = np.eye(4, dtype=np.float32)


def test_duplicates_are_rows_that_are_equal_byte_for_byte():
    train = np.arange(40, dtype=np.float32).reshape(10, 4)
    val = np.concatenate([train[:3], train[:1] + 0.5, train[5:6].astype("float64")])
    assert measure.equal_rows(train, val) == (pytest.approx(4 / 5), 0.0)  # the last one in another dtype
    assert measure.equal_rows(train, train[:0]) == (0.0, 0.0)
    assert measure.equal_rows(train[[0, 0, 0, 1]], train) == (0.2, 0.75)


@given(st.integers(2, 12), st.integers(1, 5))
def test_entropy_is_log_c_when_even_and_zero_when_sorted_apart(classes, repeats):
    y = np.tile(np.arange(classes), repeats)
    assert measure.entropy(y) == pytest.approx(math.log(classes))
    assert measure.entropy(np.zeros(7, int)) == 0.0
    assert measure.label_counts(y, classes + 1) == [repeats] * classes + [0]


def test_movement_and_norm_are_over_all_arrays_together():
    start = [3.0 * EYE[0], 4.0 * EYE[1]]
    assert measure.norm(start) == pytest.approx(5.0)
    assert measure.movement([start[0] + EYE[2], start[1]], start) == pytest.approx(1 / 5)
    assert measure.movement([EYE], [0 * EYE]) is None
    assert measure.rms(np.array([3.0, 4.0])) == pytest.approx(math.sqrt(12.5))
    # In float32 the sum of squares would overflow.
    assert measure.rms(np.full(10, 1e30, np.float32)) == pytest.approx(1e30)


def test_the_shift_of_other_rows_is_told_in_stds_and_not_by_a_few_outliers():
    x = np.random.default_rng(0).normal(size=(1000, 20)).astype(np.float32)
    assert measure.shift(x, x[:300]) < 0.05
    assert measure.shift(x, x + 2) == pytest.approx(2.0, abs=0.01)
    assert measure.shift(x, 3 * x) == pytest.approx(2.0, abs=0.01)
    outliers = x.copy()
    outliers[0, :10] = 1e4
    assert measure.shift(x, outliers) < 0.05
    assert measure.shift(np.ones((5, 2)), x) is None


def test_the_late_share_of_a_fall():
    assert measure.late_share_of_fall([2.3, 2.2, 2.1, 2.0, 1.9]) == pytest.approx(0.5)
    assert measure.late_share_of_fall([2.3, 1.0, 0.6, 0.51, 0.5]) == pytest.approx(0.1 / 1.8)
    assert measure.late_share_of_fall([2.5, 2.29, 2.26, 2.23, 2.2], guess=2.3) == pytest.approx(0.6)
    assert measure.late_share_of_fall([2.31, 2.3, 2.305, 2.3, 2.29]) == 0.0
    assert measure.late_share_of_fall([2.3, 2.2, 2.1]) is None


def test_identical_units_are_rows_that_do_not_differ():
    assert measure.identical_units(np.full((5, 3), 0.01)) == pytest.approx(0.0, abs=1e-12)
    assert measure.identical_units(np.zeros((5, 3))) == 0.0
    assert measure.identical_units(np.random.default_rng(0).normal(size=(50, 30))) > 0.5
    assert measure.identical_units(np.ones((1, 3))) is None


def test_row_cosine_is_the_mean_over_pairs_of_different_rows():
    rows = np.random.default_rng(1).normal(size=(6, 3))
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    pairs = [units[i] @ units[j] for i in range(6) for j in range(6) if i != j]
    assert measure.row_cosine(rows) == pytest.approx(np.mean(pairs))
    assert measure.row_cosine(EYE) == pytest.approx(0.0, abs=1e-12)
    assert measure.row_cosine(np.ones((3, 2))) == pytest.approx(1.0)
    assert measure.row_cosine(np.array([[1.0, 0], [0, 0], [0, 0]])) is None


def test_contradicted_are_rows_surely_given_another_class():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.1, 0.9]])
    assert measure.contradicted_share(probabilities, np.array([1, 0, 1, 1])) == 0.25
    np.testing.assert_allclose(measure.softmax(np.array([[0.0, math.log(3)]])), [[0.25, 0.75]])
    assert np.isfinite(measure.softmax(np.array([[1000.0, 0.0]]))).all()


def test_agreement_by_chance_is_cohens():
    assert measure.agreement_by_chance([5, 5], [10, 10]) == pytest.approx(0.5)
    assert measure.agreement_by_chance([10, 0], [9, 1]) == pytest.approx(0.9)


def test_curves_rise_and_fall():
    assert measure.share_rising([1.0, 2.0, 1.0, 1.01]) == pytest.approx(1 / 3)  # the last step is unrest
    assert measure.share_rising([1.0, 2.0, 1.0]) is None
    assert measure.fall_in_second_half([4.0, 2.0, 1.5, 1.0, 0.5]) == pytest.approx(2 / 3)
    assert measure.fall_in_second_half([4.0, 2.0, 1.0]) is None
    assert measure.fall_in_second_half([4.0, 2.0, 1.0, math.nan]) is None


def test_a_histogram_counts_everything_once():
    x = np.random.default_rng(2).normal(size=1000)
    found = measure.histogram(x, bins=10)
    assert sum(found["counts"]) == 1000
    assert len(found["edges"]) == 11
    assert measure.histogram(np.array([1.0, math.inf])) == {"counts": [], "edges": []}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_histogram_of_values_that_differ_by_rounding_alone_is_one_of_equal_values(dtype):
    one = np.asarray(0.013, dtype)
    x = np.array([one, np.nextafter(one, 1)] * 5, dtype)
    found = measure.histogram(x)
    assert max(found["counts"]) == 10
    assert found["edges"][-1] - found["edges"][0] == pytest.approx(1.0)
