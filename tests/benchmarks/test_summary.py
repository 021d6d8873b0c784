"""Medians, spread, ratios and their intervals on numbers whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.summary import ratio_of_medians, spread

times = st.floats(1.0, 1e6)
rounds = st.integers(1, 5).flatmap(lambda k: st.lists(st.lists(times, min_size=k, max_size=k), min_size=2, max_size=6))


def test_spread_is_over_all_steps_in_microseconds():
    found = spread([[1000.0, 3000.0], [2000.0, 5000.0], [4000.0]])
    assert (found.median, found.lower_quartile, found.upper_quartile, found.least, found.samples) == (3, 2, 4, 1, 5)


def test_ratio_is_the_ratio_of_the_medians_of_all_steps():
    found = ratio_of_medians([[1.0, 2.0], [3.0, 100.0]], [[5.0, 5.0], [5.0, 5.0]])
    assert found.ratio == 0.5


def test_equal_rounds_leave_no_doubt():
    found = ratio_of_medians([[3.0, 3.0]] * 5, [[4.0, 4.0, 4.0]] * 5)
    assert (found.ratio, found.low, found.high) == (0.75, 0.75, 0.75)


def test_what_moves_both_in_the_same_round_does_not_widen_the_interval():
    slowdown = np.array([1.0, 1.5, 2.0, 3.0, 1.2, 2.5, 1.1])
    paired = ratio_of_medians((slowdown * 3)[:, None].tolist(), (slowdown * 4)[:, None].tolist())
    assert (paired.low, paired.high) == pytest.approx((0.75, 0.75))
    unpaired = ratio_of_medians((slowdown * 3)[:, None].tolist(), (slowdown[::-1] * 4)[:, None].tolist())
    assert unpaired.high - unpaired.low > 0.3


@given(rounds, st.floats(0.01, 100.0))
def test_a_contender_against_itself_slowed_down_has_that_ratio(a, factor):
    slower = [[t * factor for t in r] for r in a]
    found = ratio_of_medians(slower, a)
    assert (found.ratio, found.low, found.high) == pytest.approx((factor, factor, factor))


@given(rounds)
def test_the_numbers_of_a_spread_stand_in_order(a):
    found = spread(a)
    assert found.least <= found.lower_quartile <= found.median <= found.upper_quartile
    assert found.samples == sum(map(len, a))
