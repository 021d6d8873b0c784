"""The text of a diagnosis: what somebody reads who has never seen one."""

from __future__ import annotations

import pytest

from recipe.diagnose.words import as_text, shown

ROW = {"what": "training accuracy", "value": 0.874, "sign": "<", "threshold": 0.9, "unit": "share", "fired": True}
DIAGNOSIS = {
    "title": "the net is too small",
    "stage": "training",
    "meaning": "It cannot hold what is to be learnt.",
    "remedy": "Make it wider.",
    "change": "--hidden 64",
    "evidence": [ROW, {**ROW, "what": "training loss", "sign": ">", "value": 0.5, "unit": "", "fired": False}],
    "ruled_out": [{"title": "too few updates", "why": "updates: 391, not below 100"}],
    "because": [],
    "notes": [],
    "applies": "",
}


def test_a_measurement_says_on_which_side_of_its_line_the_problem_is() -> None:
    lines = as_text(DIAGNOSIS).splitlines()
    assert "  * training accuracy        87.4 %   a problem below 90 %" in lines
    assert "    training loss               0.5   would be a problem above 0.9" in lines


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100 %"), (0.9996, ">99.9 %"), (0.99999999, ">99.9 %"), (0.9994, "99.9 %"), (0.9, "90 %"), (0.0, "0 %")],
)
def test_what_is_not_all_is_not_shown_as_100_per_cent(share, text) -> None:
    assert shown(share, "share") == text


def test_what_was_ruled_out_stands_above_its_reason() -> None:
    assert "  - too few updates\n      updates: 391, not below 100\n" in as_text(DIAGNOSIS)
