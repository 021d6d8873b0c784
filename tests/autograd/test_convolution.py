"""The ways to compute a convolution agree with the short one, whatever the shape and however it falls into blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd.convolution import columns, depthwise, geometry, windows, winograd
from autograd.errors import ShapeError
from autograd.ops import convolution
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


@settings(max_examples=60)
@given(data=st.data(), rng=generators())
def test_winograds_way_gives_the_same_whatever_is_left_over_of_a_tile(data: Any, rng: Any) -> None:
    batch, channels, features = (data.draw(st.integers(1, 3)) for _ in range(3))
    padding = tuple(data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3))) for _ in range(2))
    length = tuple(max(1, 3 - sum(side)) + data.draw(st.integers(0, 9)) for side in padding)
    x_shape, w_shape = (batch, *length, channels), (features, 3, 3, channels)
    geo = geometry("convolve", x_shape, w_shape, (1, 1), padding, (1, 1), 1)
    assert winograd.is_for(geo)
    x, w, y = (fill(few, shape, rng) for shape in (x_shape, w_shape, geo.out_shape))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "BLOCK", data.draw(st.sampled_from([1, 1 << 20])))
        for name, given in (("convolve", (x, w)), ("convolve_input", (y, w)), ("convolve_weight", (x, y))):
            found, wanted = getattr(winograd, name)(*given, geo), getattr(windows, name)(np, *given, geo)
            assert found.flags.c_contiguous
            np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)
        both = winograd.gradients(x, w, y, geo)
        np.testing.assert_allclose(both[0], windows.convolve_input(np, y, w, geo), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(both[1], windows.convolve_weight(np, x, y, geo), rtol=1e-9, atol=1e-9)


def test_an_adjoint_refuses_what_is_not_of_the_shape_of_a_result() -> None:
    options: dict[str, Any] = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    x, w, y = np.zeros((2, 5, 5, 3)), np.zeros((4, 3, 3, 3)), np.zeros((2, 3, 2, 4))
    said = r"y has shape \(2, 3, 2, 4\).* gives \(2, 3, 3, 4\)"
    with pytest.raises(ShapeError, match=said):
        convolution.convolve_input(y, w, length=(5, 5), **options)
    with pytest.raises(ShapeError, match=said):
        convolution.convolve_weight(x, y, size=(3, 3), **options)
