"""Per cent for reading: rounding never makes all or nothing of what is not."""

from __future__ import annotations

import pytest

from recipe.metrics import in_percent


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (0.0, 2, "0.00 %"),
        (100 / 60_000, 2, "<0.01 %"),
        (0.006, 2, "0.01 %"),
        (1.05, 2, "1.05 %"),
        (99.994, 2, "99.99 %"),
        (99.996, 2, ">99.99 %"),
        (100.0, 2, "100.00 %"),
        (99.6, 0, ">99 %"),
        (0.4, 0, "<1 %"),
    ],
)
def test_rounding_shows_neither_0_nor_100_per_cent_that_are_not(value, decimals, text):
    assert in_percent(value, decimals) == text
