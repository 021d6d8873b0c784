"""Pooling beyond the references: ties, NaN, memory, random windows against the slowest loop, and errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import autograd as ag
import nn
import nn.functional as F
from autograd import Tensor, pooling
from autograd.errors import ShapeError

rng = np.random.default_rng(0)


def normal(*shape):
    return Tensor(rng.normal(size=shape))


def channels_last(array):
    """The same numbers as a view of memory with channels last."""
    return Tensor(np.moveaxis(array, 1, -1)).permute_dims((0, 3, 1, 2))


def lies_last(array):
    return np.moveaxis(array, 1, -1).flags.c_contiguous


# The slowest loop


def windows_of(x, size, stride, padding, dilation, ceil_mode):
    """For each window of an image (H, W), as PyTorch's manual says: its numbers, and how many places it has."""
    counts = []
    for n, k, s, p, d in zip(x.shape, size, stride, padding, dilation, strict=True):
        fit = (n + 2 * p - d * (k - 1) - 1) / s + 1
        count = math.ceil(fit) if ceil_mode else math.floor(fit)
        # "Windows that would start in the right padded region are ignored."
        counts.append(count - 1 if ceil_mode and (count - 1) * s >= n + p else count)
    rows = []
    for i in range(counts[0]):
        for j in range(counts[1]):
            numbers, places = [], 0
            for a in range(size[0]):
                for b in range(size[1]):
                    h = i * stride[0] - padding[0] + a * dilation[0]
                    w = j * stride[1] - padding[1] + b * dilation[1]
                    if 0 <= h < x.shape[0] and 0 <= w < x.shape[1]:
                        numbers.append(x[h, w])
                    places += h < x.shape[0] + padding[0] and w < x.shape[1] + padding[1]
            rows.append((numbers, places))
    return counts, rows


pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))


@st.composite
def settings(draw):
    length, size = draw(st.tuples(st.integers(1, 7), st.integers(1, 7))), draw(pairs)
    padding = tuple(draw(st.integers(0, k // 2)) for k in size)
    return length, size, draw(pairs), padding, draw(st.booleans())


@given(settings(), st.tuples(st.integers(1, 3), st.integers(1, 3)), st.booleans())
def test_max_pool_is_the_slowest_loop(setting, dilation, last):
    length, size, stride, padding, ceil_mode = setting
    spans = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    assume(all(n + 2 * p >= span for n, p, span in zip(length, padding, spans, strict=True)))
    x = np.random.default_rng(1).normal(size=(2, 3, *length)).astype("float32")
    counts, rows = windows_of(x[1, 2], size, stride, padding, dilation, ceil_mode)
    given = channels_last(x) if last else Tensor(x)
    if not all(numbers for numbers, _ in rows):
        with pytest.raises(ShapeError, match="nothing but padding"):
            F.max_pool2d(given, size, stride, padding, dilation, ceil_mode)
        return
    out = F.max_pool2d(given, size, stride, padding, dilation, ceil_mode)
    assert out.shape == (2, 3, *counts)
    assert out.data[1, 2].ravel().tolist() == [max(numbers) for numbers, _ in rows]
    assert lies_last(out.data)


@given(settings(), st.booleans(), st.sampled_from([None, None, 3]), st.booleans())
def test_avg_pool_is_the_slowest_loop(setting, count_include_pad, divisor, last):
    length, size, stride, padding, ceil_mode = setting
    assume(all(n + 2 * p >= k for n, p, k in zip(length, padding, size, strict=True)))
    x = np.random.default_rng(1).normal(size=(2, 3, *length))
    counts, rows = windows_of(x[1, 2], size, stride, padding, (1, 1), ceil_mode)
    given = channels_last(x) if last else Tensor(x)
    out = F.avg_pool2d(given, size, stride, padding, ceil_mode, count_include_pad, divisor)
    wanted = [sum(found) / (divisor or (places if count_include_pad else len(found))) for found, places in rows]
    assert out.shape == (2, 3, *counts)
    np.testing.assert_allclose(out.data[1, 2].ravel(), wanted, rtol=1e-12, atol=1e-12)
    assert lies_last(out.data)


@given(st.tuples(st.integers(1, 6), st.integers(1, 6)), st.tuples(st.integers(1, 7), st.integers(1, 7)))
def test_adaptive_pools_cut_an_axis_into_parts(length, parts):
    x = np.random.default_rng(1).normal(size=(2, 3, *length))
    mean, top = F.adaptive_avg_pool2d(Tensor(x), parts), F.adaptive_max_pool2d(Tensor(x), parts)
    assert mean.shape == top.shape == (2, 3, *parts)
    for i, j in np.ndindex(*parts):
        rows, columns = (
            slice(k * n // m, math.ceil((k + 1) * n / m)) for k, n, m in zip((i, j), length, parts, strict=True)
        )
        part = x[:, :, rows, columns]
        np.testing.assert_allclose(mean.data[:, :, i, j], part.mean(axis=(2, 3)), rtol=1e-12, atol=1e-12)
        assert np.array_equal(top.data[:, :, i, j], part.max(axis=(2, 3)))


def test_parts_that_lie_as_windows_do_are_windows():
    x = Tensor(np.ones((1, 2, 5, 6)), requires_grad=True)  # rows 0 to 2 and 2 to 4
    assert "pool_sum" in str(ag.draw(F.adaptive_avg_pool2d(x, (2, 3))))
    filled = ["take" in str(ag.draw(F.adaptive_max_pool2d(x, parts))) for parts in ((2, 3), (3, 3))]
    assert filled == [False, True]


# Ties, NaN, infinities


@pytest.mark.parametrize("create_graph", [False, True])
def test_of_equal_numbers_the_first_gets_the_gradient(create_graph):
    x = Tensor(np.array([[[[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [2.0, 2.0, 1.0]]]]), requires_grad=True)
    (g,) = ag.gradients(F.max_pool2d(x, 2, 1), [x], Tensor([[[[1.0, 2.0], [4.0, 8.0]]]]), create_graph=create_graph)
    assert g.tolist() == [[[[1.0, 0.0, 2.0], [0.0, 0.0, 0.0], [4.0, 8.0, 0.0]]]]
    repeated = Tensor(np.ones((1, 1, 1, 3)), requires_grad=True)
    F.adaptive_max_pool2d(repeated, (1, 2)).sum().backward()
    assert repeated.grad.tolist() == [[[[1.0, 1.0, 0.0]]]]


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("place", [0, 1, 3])
def test_nan_is_the_largest(place, create_graph):
    numbers = np.array([1.0, 5.0, np.inf, 2.0])
    numbers[place] = np.nan
    x = Tensor(numbers.reshape(1, 1, 2, 2), requires_grad=True)
    out = F.max_pool2d(x, 2)
    assert np.isnan(out.data).all()
    (g,) = ag.gradients(out, [x], Tensor([[[[3.0]]]], dtype="float64"), create_graph=create_graph)
    assert g.data.ravel().tolist() == [3.0 * (i == place) for i in range(4)]


@pytest.mark.parametrize("kind", ["bool", "int8", "uint8", "int64"])
@pytest.mark.parametrize("shape", [(1, 2, 6, 6), (40, 8, 30, 30)])
def test_padding_is_never_chosen_of_whole_numbers_either(kind, shape):
    lowest = 0 if kind in ("bool", "uint8") else np.iinfo(kind).min
    x = np.full(shape, lowest, kind)
    x[0, 1, 3, 3] = lowest + 1
    for pool in (F.max_pool2d, ag.compile(F.max_pool2d)):
        out = pool(Tensor(x), 3, 2, 1)
        assert out.dtype == kind
        assert (out.numpy() != lowest).sum() == 4  # the windows around that one


def test_infinite_gradients_stay_where_they_belong():
    x = Tensor([[[[1.0, 2.0], [4.0, 3.0]]]], requires_grad=True)
    F.max_pool2d(x, 2).backward(Tensor([[[[np.inf]]]]))
    assert x.grad.tolist() == [[[[0.0, 0.0], [np.inf, 0.0]]]]
    assert F.max_pool2d(Tensor(np.full((1, 1, 2, 2), -np.inf)), 2, padding=1).data.max() == -np.inf


def test_windows_of_more_than_255_places_have_wider_places():
    x = np.zeros((1, 20, 20, 1), "float32")
    x[0, 19, 18, 0] = 1.0
    options = {"size": (20, 20), "stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
    places = ag.pool_places(x, **options)
    assert (places.dtype, places.item()) == (np.dtype("uint16"), 398)
    assert ag.pool_places(x[:, :15, :15], **{**options, "size": (15, 15)}).dtype == np.uint8


# Memory and layers


def test_images_with_channels_last_are_read_where_they_lie(monkeypatch):
    x = channels_last(rng.normal(size=(2, 3, 4, 4)))
    seen = []
    largest = pooling.largest
    monkeypatch.setattr("autograd.pooling.largest", lambda x, geo: seen.append(x) or largest(x, geo))
    F.max_pool2d(x, 2)
    assert np.shares_memory(seen[0], x.data)
    assert lies_last(F.max_pool2d(x, 2).data)


def test_gradients_of_images_lie_with_channels_last():
    leaf = Tensor(rng.normal(size=(2, 3, 4, 4)), requires_grad=True)
    for function in (lambda x: F.max_pool2d(x, 2), lambda x: F.max_pool2d(x, 3, 2, 1), nn.BatchNorm2d(3).double()):
        x = leaf * 1.0
        (g,) = ag.gradients(function(x), [x], np.ones(function(x).shape))
        assert lies_last(g.data)


def test_an_image_flattens_in_pytorchs_order():
    x = rng.normal(size=(2, 3, 4, 4))
    pooled = F.max_pool2d(channels_last(x), 2)
    assert lies_last(pooled.data)
    wanted = x.reshape(2, 3, 2, 2, 2, 2).max(axis=(3, 5)).reshape(2, -1)
    assert np.array_equal(nn.Flatten()(pooled).data, wanted)


def test_layers_do_as_their_functions_and_show_their_numbers():
    x, line = normal(2, 3, 6, 6), normal(2, 3, 6)
    pairs = [
        (nn.MaxPool2d(3, 2, 1, ceil_mode=True), lambda: F.max_pool2d(x, 3, 2, 1, ceil_mode=True), x),
        (nn.MaxPool1d(2), lambda: F.max_pool1d(line, 2), line),
        (nn.AvgPool2d(2, divisor_override=1), lambda: F.avg_pool2d(x, 2, divisor_override=1), x),
        (nn.AvgPool1d(2, 1), lambda: F.avg_pool1d(line, 2, 1), line),
        (nn.AdaptiveAvgPool1d(2), lambda: F.adaptive_avg_pool1d(line, 2), line),
        (nn.AdaptiveAvgPool2d((2, None)), lambda: F.adaptive_avg_pool2d(x, (2, None)), x),
        (nn.AdaptiveMaxPool2d(4), lambda: F.adaptive_max_pool2d(x, 4), x),
    ]
    for layer, function, whole in pairs:
        assert np.array_equal(layer(whole).data, function().data)
    assert repr(nn.MaxPool2d(2)) == "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"
    assert repr(nn.AvgPool2d(3, 2)) == "AvgPool2d(kernel_size=3, stride=2, padding=0)"
    assert repr(nn.AdaptiveAvgPool2d((1, 1))) == "AdaptiveAvgPool2d(output_size=(1, 1))"


def test_an_empty_batch_has_an_empty_result():
    x = Tensor(np.zeros((0, 3, 4, 4)), requires_grad=True)
    for function in (lambda: F.max_pool2d(x, 2), lambda: F.avg_pool2d(x, 2), lambda: F.adaptive_avg_pool2d(x, 2)):
        out = function()
        assert out.shape == (0, 3, 2, 2)
        out.sum().backward()
    assert x.grad.shape == x.shape


# Errors


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: F.max_pool2d(normal(2, 3), 2), ValueError, r"\(2, 3\): it must be \(N, C, H, W\) or \(C, H, W\)"),
        (lambda: F.max_pool1d(normal(3), 2), ValueError, r"\(3,\): it must be \(N, C, L\) or \(C, L\)"),
        (lambda: nn.MaxPool2d(2)(normal(1, 1, 1, 5)), ShapeError, r"reach over 2 places .* there are only 1"),
        (lambda: nn.AvgPool2d(2)(normal(1, 1, 1, 5)), ShapeError, r"reach over 2 places .* there are only 1"),
        (lambda: F.max_pool2d(normal(1, 5, 5), 2, padding=2), ValueError, "padding=2 and kernel_size=2: at most half"),
        (
            lambda: F.max_pool2d(normal(1, 5, 5), (2, 2, 2)),
            ValueError,
            r"kernel_size=\(2, 2, 2\).*one for each of 2 axes",
        ),
        (lambda: F.max_pool2d(normal(1, 5, 5), 2, 0), ValueError, "stride=0.*at least 1"),
        (lambda: F.max_pool2d(normal(1, 5, 5), 2, padding=-1), ValueError, "padding=-1.*at least 0"),
        (
            lambda: F.avg_pool1d(normal(1, 5), (2, 2)),
            ValueError,
            r"avg_pool1d got kernel_size=\(2, 2\).*one whole number, ",
        ),
        (lambda: F.avg_pool2d(normal(1, 5, 5), 2, divisor_override=0), ValueError, "divisor_override=0"),
        (lambda: F.adaptive_avg_pool2d(normal(1, 5, 5), (0, 1)), ValueError, r"output_size=\(0, 1\).*at least 1"),
        (lambda: F.adaptive_avg_pool1d(normal(1, 5), (1, 1)), ValueError, r"output_size=\(1, 1\)"),
        (lambda: F.adaptive_avg_pool2d(normal(1, 5, 5), 2.5), ValueError, "output_size=2.5.*one whole number"),
        (lambda: F.adaptive_max_pool2d(normal(1, 5, 5), "ab"), ValueError, "output_size='ab'"),
        (lambda: F.adaptive_max_pool2d(normal(5, 5), 1), ValueError, r"x of shape \(5, 5\)"),
        (lambda: nn.MaxPool2d(2, return_indices=True)(normal(1, 4, 4)), NotImplementedError, "autograd.pool_places"),
        (lambda: ag.pool_places(np.ones((2, 2)), **WINDOWS), ShapeError, r"\(2, 2\): it must have four axes"),
        (
            lambda: ag.pool_pick(IMAGE, np.zeros((1, 3, 1, 1), "uint8"), **WINDOWS),
            ShapeError,
            r"places of shape \(1, 3, 1, 1\): over a length of \(4, 4\) there are \(2, 2\) windows",
        ),
        (lambda: ag.pool_put(IMAGE, IMAGE, length=(4, 4), **WINDOWS), ShapeError, r"pool_put got g of shape"),
        (lambda: ag.pool_spread(IMAGE, length=(4, 4), **WINDOWS), ShapeError, r"pool_spread got g of shape"),
        (lambda: ag.pool_sum(IMAGE, **{**WINDOWS, "stride": (0, 1)}), ShapeError, r"stride=\(0, 1\)"),
    ],
)
def test_mistakes_are_named(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


IMAGE = np.ones((1, 4, 4, 1))
WINDOWS = {"size": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
