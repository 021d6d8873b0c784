"""Plots of the claims: their numbers and their words, where drawing them is not a matter of taste."""

from __future__ import annotations

import math

from benchmarks.claims.drawing import bars


def test_bars_of_equal_values_have_no_whiskers_below_zero():
    # The mean of three times 10.7 is a little less than 10.7, of 10.77 a little more.
    assert math.fsum([10.7] * 3) / 3 < 10.7
    assert math.fsum([10.77] * 3) / 3 > 10.77
    plot = bars("b", "B", "", {"one": {"a": [10.7] * 3, "b": [10.77] * 3}}, y="y")
    assert plot.rows == [("one", "a", 10.7, 10.7, 10.7), ("one", "b", 10.77, 10.77, 10.77)]


def test_a_bar_that_is_not_a_number_is_left_out():
    plot = bars("b", "B", "", {"one": {"a": [math.nan, 1.0]}, "another": {"a": [2.0, 3.0]}}, y="y")
    assert plot.rows[0][2] is None
    assert plot.rows[1][2:] == (2.5, 2.0, 3.0)


def test_the_words_of_many_groups_are_broken_into_lines():
    names = [f"a group with the number {i}" for i in range(8)]
    plot = bars("b", "B", "", {name: {"a": [1.0], "b": [2.0]} for name in names}, y="y")
    assert "a group with the number 3" not in plot.svg
    assert "number 3" in plot.svg
