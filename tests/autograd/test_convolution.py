"""The ways to compute a convolution agree with the short one, whatever the shape and however it falls into blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd.convolution import columns, depthwise, geometry, windows
from tests.opspecs.convolution import few, setting
from tests.opspecs.spec import fill, generators

WAYS = {"columns": columns, "depthwise": depthwise}


def settings_of(way: str) -> Any:
    """Settings that a way is for: none that are empty."""
    return st.composite(lambda draw: setting(draw, least=1, depthwise=way == "depthwise"))()


@pytest.mark.parametrize("block", [1, 2000])
@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=60)
@given(data=st.data(), rng=generators())
def test_a_way_gives_what_windows_and_one_product_give(way: str, block: int, data: Any, rng: Any) -> None:
    x_shape, w_shape, out_shape, options = data.draw(settings_of(way))
    geo = geometry("convolve", x_shape, w_shape, *options.values())
    x, w, y = (fill(few, shape, rng) for shape in (x_shape, w_shape, out_shape))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "BLOCK", block)
        for name, given in (("convolve", (x, w)), ("convolve_input", (y, w)), ("convolve_weight", (x, y))):
            found = getattr(WAYS[way], name)(*given, geo)
            assert found.flags.c_contiguous
            np.testing.assert_allclose(found, getattr(windows, name)(np, *given, geo), rtol=1e-12, atol=1e-12)
