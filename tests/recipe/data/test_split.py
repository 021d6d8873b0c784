"""Splits: no row twice, right sizes, classes in proportion; standardisation: mean 0, std 1, and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograd.random import Generator
from recipe.data import Dataset, Standardize, lecture_split, split


def labelled(rows: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """x holds the row numbers; the classes are of very different sizes."""
    return np.arange(rows), np.sort(Generator(rows).integers(0, classes, (rows,)) ** 2)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=4), st.integers(0, 10), st.booleans(), st.integers(0, 99))
def test_parts_have_their_sizes_and_share_no_row(sizes, left_over, stratify, seed):
    x, y = labelled(sum(sizes) + left_over)
    parts = split(x, y, sizes, generator=Generator(seed), stratify=stratify)
    assert [len(part) for part, _ in parts] == sizes
    seen = np.concatenate([part for part, _ in parts])
    assert len(np.unique(seen)) == len(seen)
    for part_x, part_y in parts:
        np.testing.assert_array_equal(part_y, y[part_x])


@given(st.integers(1, 300), st.integers(1, 6))
def test_fractions_that_sum_to_one_leave_no_row_over(rows, count):
    x, y = labelled(rows)
    parts = split(x, y, [1 / count] * count, generator=Generator(0))
    lengths = [len(part) for part, _ in parts]
    assert sum(lengths) == rows
    assert max(lengths) - min(lengths) <= 1


@given(st.integers(10, 400), st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(0, 99))
def test_stratified_parts_hold_each_class_in_proportion(rows, weights, seed):
    x, y = labelled(rows, classes=5)
    sizes = [rows * weight // 40 for weight in weights]
    for size, (_, part_y) in zip(sizes, split(x, y, sizes, generator=Generator(seed), stratify=True), strict=True):
        for label in np.unique(y):
            assert abs((part_y == label).sum() - size * (y == label).mean()) <= 2


@pytest.mark.parametrize("stratify", [False, True])
def test_the_order_is_random_and_the_seed_decides_it(stratify):
    x, y = labelled(200)
    first, again, other = (
        split(x, y, [100, 50], generator=Generator(seed), stratify=stratify)[0][0] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (np.diff(first) < 0).mean() > 0.3  # neither in the rows' order nor in that of the classes


@pytest.mark.parametrize("sizes", [[11], [6, 5], [-1, 3], [0.7, 0.4], [0.5, 3]])
def test_sizes_that_cannot_be_are_refused(sizes):
    with pytest.raises(ValueError, match=r"^split got sizes \["):
        split(*labelled(10), sizes)


def test_fractions_of_numpys_are_fractions():
    for fractions in (np.array([0.8, 0.2], "float32"), [np.float32(0.8), 0.2], np.array([0.8, 0.2])):
        assert [len(x) for x, _ in split(*labelled(10), fractions)] == [8, 2]


def test_sizes_that_are_no_numbers_are_refused():
    with pytest.raises(TypeError, match=r"split takes sizes that are numbers, .* got 'a' among them\."):
        split(*labelled(10), ("a", "b"))


def test_one_size_alone_is_refused():
    with pytest.raises(TypeError, match=r"split takes the sizes of all parts, \[0.8, 0.2\] or \[800, 200\], got 0.8."):
        split(*labelled(10), 0.8)


def test_rows_of_x_and_y_must_agree():
    with pytest.raises(ValueError, match="split got 3 rows of x and 2 of y"):
        split(np.zeros(3), np.zeros(2), [1])


def test_the_lecture_split_validates_on_the_last_ten_thousand():
    x = np.arange(10_050)
    data = Dataset(x, x % 10, np.arange(3), np.arange(3))
    parts = lecture_split(data, generator=Generator(5))
    assert sorted(parts.x_train) == list(range(50))
    assert parts.x_train.tolist() != list(range(50))
    assert parts.x_valid.tolist() == list(range(50, 10_050))
    np.testing.assert_array_equal(parts.y_train, parts.x_train % 10)
    np.testing.assert_array_equal(parts.y_valid, parts.x_valid % 10)
    assert parts.x_test is data.x_test
    fewer = lecture_split(data, generator=Generator(5), rows=7)
    np.testing.assert_array_equal(fewer.x_train, parts.x_train[:7])


@pytest.mark.parametrize("rows", [0, 51])
def test_the_lecture_split_refuses_rows_that_are_not_there(rows):
    x = np.arange(10_050)
    with pytest.raises(ValueError, match=f"rows={rows}: from 1 to 50 are there"):
        lecture_split(Dataset(x, x, x, x), rows=rows)


@given(hnp.arrays(np.float64, (9, 4), elements=st.floats(-100, 100)))
def test_standardised_rows_have_mean_0_and_std_1_and_come_back(x):
    x[:, 0] = 3.0
    fitted = Standardize.fit(x)
    z = fitted.transform(x)
    varies = x.std(axis=0) > 1e-3
    np.testing.assert_allclose(z.mean(axis=0)[varies], 0.0, atol=1e-8)
    np.testing.assert_allclose(z.std(axis=0)[varies], 1.0, rtol=1e-8)
    np.testing.assert_array_equal(z[:, 0], 0.0)
    np.testing.assert_allclose(fitted.inverse(z), x, atol=1e-10)


def test_a_constant_feature_is_only_shifted():
    fitted = Standardize.fit(np.full((5, 1), 0.25, np.float32))
    assert fitted.transform(np.array([[1.25]], np.float32)).item() == 1.0


def test_standardize_agrees_with_numpy_over_many_blocks_and_keeps_float32():
    x = Generator(1).normal((9000, 3), mean=50.0, std=2.0)
    fitted = Standardize.fit(x)
    assert fitted.mean.dtype == fitted.std.dtype == fitted.transform(x).dtype == np.float32
    np.testing.assert_allclose(fitted.mean, x.mean(axis=0, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(fitted.std, x.std(axis=0, dtype=np.float64), rtol=1e-6)


def test_standardize_needs_rows():
    with pytest.raises(ValueError, match="a mean needs at least one"):
        Standardize.fit(np.zeros((0, 3)))
