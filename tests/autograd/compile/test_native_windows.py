"""Convolution and pooling in C: NumPy's numbers, for every stride, padding and dilation.

One idea: each kernel runs in memory full of NaN, so what it reads before writing it shows; with sums in another order
the results agree to rounding, and places and picks agree in every bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, assume, example, given, settings
from hypothesis import strategies as st

import autograd as ag
import nn
import nn.functional as F
import optim
from autograd import Tensor, convolution, pooling
from autograd.compile.native import Native
from autograd.compile.native import convolution as native_convolution
from autograd.compile.native.ways import way_of
from autograd.compile.native.winograd import work_of
from autograd.errors import ShapeError
from tests.autograd.compile.worlds import assert_same, needs_c, world

pytestmark = needs_c

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
sides = st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * 2)
FIRST, LAST = (0, 3, 1, 2), (0, 2, 3, 1)
NO_PADDING = ((0, 0), (0, 0))
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # each is compiled


def in_c(function: Callable[..., list[Any]], *arrays: Any) -> tuple[list[Any], list[str]]:
    """The function's results as C computes them, in memory full of NaN; and what the kernels are called in the plan."""
    traced = ag.compile(lambda *given: [Tensor(x) for x in function(*(x.data for x in given))], executor="numpy")
    traced(*map(Tensor, arrays))
    native = Native.of(traced.programs[0])
    assert native is not None
    native.bind([])
    native._arena.fill(255)
    found, _ = native(list(arrays), {})
    return found, [line.split(":")[0].strip(" 0123456789") for line in native.explain().splitlines()[1:]]


def agree(found: Any, wanted: Any, terms: int) -> None:
    """Whether sums of so many products of numbers of size 1 agree to rounding; that over tiles is a little coarser."""
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    assert np.abs(found - wanted).max(initial=0) <= 200 * np.sqrt(terms) * np.finfo(found.dtype).eps


def check_convolution(
    x_shape: tuple[int, ...],
    features: int,
    size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    kind: str,
    seed: int,
    groups: int = 1,
    way: str | None = None,
) -> set[str]:
    """All three kernels against NumPy, in this way or the one that is chosen; what they are called in the plans."""
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    rng = np.random.default_rng(seed)
    x = rng.normal(size=x_shape).astype(kind)
    w = rng.normal(size=(features, *size, x_shape[3] // groups)).astype(kind)
    try:
        y = convolution.convolve(x, w, **options)
    except ShapeError:
        assume(False)
    g = rng.normal(size=y.shape).astype(kind)
    length, taps = x.shape[1:3], w.shape[1] * w.shape[2]

    def three(x: Any, w: Any, g: Any) -> list[Any]:
        return [
            convolution.convolve(x, w, **options),
            convolution.convolve_input(g, w, length=length, **options),
            convolution.convolve_weight(x, g, size=size, **options),
        ]

    with pytest.MonkeyPatch.context() as patch:
        if way is not None:
            patch.setattr(native_convolution, "way_of", lambda name, geo, dtype: way)
        found, abouts = in_c(three, x, w, g)
    terms = (taps * x.shape[3], taps * features, y[..., 0].size)
    for one, wanted, count in zip(found, three(x, w, g), terms, strict=True):
        agree(one, wanted, count)
    assert len(abouts) == 3
    return set(abouts)


@pytest.mark.parametrize(("way", "about"), [("blocks", "convolution"), ("direct", "convolution (direct)")])
@few
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7), st.integers(1, 9)),
    st.integers(1, 20),
    *[pairs] * 2,
    sides,
    pairs,
    st.sampled_from(["f4", "f8"]),
    seeds,
)
def test_convolution_is_that_of_numpy(
    way: str,
    about: str,
    x_shape: Any,
    features: int,
    size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    kind: str,
    seed: int,
) -> None:
    abouts = check_convolution(x_shape, features, size, stride, padding, dilation, kind, seed, way=way)
    assert abouts == {about}


@few
@given(
    st.tuples(st.integers(1, 5), st.integers(3, 11), st.integers(3, 11), st.sampled_from([16, 32])),
    st.sampled_from([16, 48]),
    sides,
    seeds,
)
def test_convolution_over_tiles_is_that_of_numpy(x_shape: Any, features: int, padding: Any, seed: int) -> None:
    counts = [n + sum(side) - 2 for n, side in zip(x_shape[1:3], padding, strict=True)]
    whole = 16 * np.prod([-(-n // 4) for n in counts]) <= 2 * np.prod(counts)
    abouts = check_convolution(x_shape, features, (3, 3), (1, 1), padding, (1, 1), "f4", seed)
    assert abouts & {"convolution (Winograd)"} == ({"convolution (Winograd)"} if whole else set())


FEW_OR_MANY = [((2, 7, 8, 256), 272), ((1, 12, 5, 272), 256), ((9, 16, 16, 16), 32)]  # tiles


@pytest.mark.parametrize(("x_shape", "features"), FEW_OR_MANY)
def test_convolution_over_tiles_is_shared_by_samples_or_by_channels(x_shape: Any, features: int) -> None:
    few_tiles = x_shape[0] < 9
    options: dict[str, Any] = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    geo = convolution.geometry("convolve", x_shape, (features, 3, 3, x_shape[3]), *options.values())
    for name in ("convolve", "convolve_input", "convolve_weight"):
        work = work_of(name, geo, 4)
        assert work.parts > 1
        assert work.sums == (work.parts if name == "convolve_weight" and not few_tiles else 1)
    abouts = check_convolution(x_shape, features, (3, 3), (1, 1), options["padding"], (1, 1), "f4", 0)
    assert abouts == {"convolution (Winograd)"}


def test_many_channels_do_not_take_much_memory_to_work_in() -> None:
    for batch, length, channels in ((16, 8, 512), (64, 32, 512), (2, 16, 2048)):
        shape, weight = (batch, length, length, channels), (channels, 3, 3, channels)
        geo = convolution.geometry("convolve", shape, weight, (1, 1), ((1, 1), (1, 1)), (1, 1), 1)
        kernels = 4 * 36 * channels * channels
        for name in ("convolve", "convolve_input", "convolve_weight"):
            assert 4 * work_of(name, geo, 4).room < kernels + (128 << 20)


def test_several_blocks_are_one_result() -> None:
    for shape, features in (((5, 24, 20, 32), 8), ((9, 10, 14, 16), 16)):
        check_convolution(shape, features, (3, 3), (1, 1), ((1, 1), (0, 1)), (1, 1), "f4", 0)
    check_convolution((40, 30, 30, 3), 2, (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), "f8", 1)


GROUPS = [  # (N, H, W), groups, channels of each, features of each, stride, way
    ((2, 7, 6), 19, 1, 1, (1, 1), "side"),
    ((1, 9, 5), 11, 1, 3, (2, 3), "side"),
    ((2, 5, 8), 9, 4, 3, (1, 2), "side"),
    ((9, 24, 24), 24, 2, 1, (1, 1), "side"),  # of several parts
    ((2, 6, 7), 2, 9, 10, (1, 1), "blocks"),
    ((2, 5, 8), 3, 4, 17, (1, 2), "direct"),
    ((9, 24, 24), 3, 8, 8, (1, 1), "direct"),  # of several parts
]


@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize(("images", "groups", "channels", "features", "stride", "way"), GROUPS)
def test_convolution_of_groups_is_that_of_numpy(
    images: Any, groups: int, channels: int, features: int, stride: Any, way: str, kind: str
) -> None:
    shape, padding = (*images, groups * channels), ((1, 0), (2, 1))
    check_convolution(shape, groups * features, (3, 2), stride, padding, (1, 2), kind, 0, groups, way)


def test_a_small_weights_gradient_over_many_pixels_is_shared_by_pixels() -> None:
    for batch, features, way in ((8, 64, "direct"), (2, 64, "point"), (8, 512, "point")):  # few pixels, large sums
        geo = convolution.geometry(
            "convolve", (batch, 28, 28, 256), (features, 1, 1, 256), (1, 1), NO_PADDING, (1, 1), 1
        )
        assert way_of("convolve_weight", geo, "float32") == way
        assert way_of("convolve", geo, "float32") == way_of("convolve_input", geo, "float32") == "point"
    check_convolution((9, 24, 25, 17), 18, (1, 1), (1, 1), NO_PADDING, (1, 1), "f4", 0)


def test_one_axis_of_space_is_a_row_of_pixels() -> None:
    for way in ("direct", "side"):
        sides = ((2, 1), (0, 0))
        check_convolution((2, 40, 1, 12), 12, (5, 1), (2, 1), sides, (2, 1), "f4", 0, groups=6, way=way)


@pytest.mark.parametrize("lies", [(True, True), (True, False), (False, True)])
@few
@given(
    st.tuples(st.integers(1, 3), st.integers(2, 5), *[st.integers(1, 9)] * 2),
    *[st.integers(1, 5)] * 2,
    st.sampled_from(["f4", "f8"]),
    seeds,
)
def test_windows_of_one_pixel_read_images_as_they_lie(
    lies: tuple[bool, bool], space: Any, groups: int, features: int, kind: str, seed: int
) -> None:
    batch, channels, *pixels = space
    rng = np.random.default_rng(seed)
    shapes = (batch, groups * channels, *pixels), (batch, groups * features, *pixels)
    x, g = (
        (rng.normal(size=shape) if first else rng.normal(size=np.take(shape, LAST))).astype(kind)
        for shape, first in zip(shapes, lies, strict=True)
    )
    w = rng.normal(size=(groups * features, 1, 1, channels)).astype(kind)
    options = {"stride": (1, 1), "padding": NO_PADDING, "dilation": (1, 1), "groups": groups}

    def three(x: Any, w: Any, g: Any) -> list[Any]:
        x, g = (np.transpose(image, LAST) if first else image for image, first in zip((x, g), lies, strict=True))
        return [
            convolution.convolve(x, w, **options),
            convolution.convolve_input(g, w, length=x.shape[1:3], **options),
            convolution.convolve_weight(x, g, size=(1, 1), **options),
        ]

    found, abouts = in_c(three, x, w, g)
    assert abouts == ["convolution (pointwise)"] * 3
    wide = three(*(array.astype("f8") for array in (x, w, g)))
    for one, wanted, count in zip(found, wide, (channels, features, g.size // g.shape[1]), strict=True):
        agree(one, wanted.astype(kind), count)
        assert one.flags.c_contiguous


@pytest.mark.parametrize(("groups", "about"), [(2, "convolution (direct)"), (10, "convolution (groups side by side)")])
def test_images_are_turned_as_they_are_read(groups: int, about: str) -> None:
    options = {"stride": (1, 2), "padding": ((1, 0), (2, 1)), "dilation": (1, 1), "groups": groups}
    rng = np.random.default_rng(0)
    x, w = (rng.normal(size=shape).astype("f4") for shape in ((2, 30, 11, 13), (20, 3, 3, 30 // groups)))
    g = rng.normal(size=convolution.convolve(np.transpose(x, LAST), w, **options).shape).astype("f4")
    turned = np.ascontiguousarray(np.transpose(g, FIRST))

    def three(x: Any, w: Any, g: Any) -> list[Any]:
        x, g = np.transpose(x, LAST), np.transpose(g, LAST)
        return [
            convolution.convolve(x, w, **options),
            convolution.convolve_input(g, w, length=(11, 13), **options),
            convolution.convolve_weight(x, g, size=(3, 3), **options),
        ]

    found, abouts = in_c(three, x, w, turned)
    assert abouts == [about] * 3
    for one, wanted in zip(found, three(x, w, turned), strict=True):
        agree(one, wanted, g.size)


@pytest.mark.parametrize("lies", [(True, True), (True, False), (False, True)])
@few
@given(
    st.tuples(st.integers(1, 3), st.integers(2, 20), *[st.integers(1, 20)] * 2),
    st.integers(1, 3),
    *[pairs] * 2,
    sides,
    pairs,
    st.sampled_from(["f4", "f8"]),
    seeds,
)
def test_channels_by_themselves_are_convolved_as_they_lie(
    lies: tuple[bool, bool],
    shape: Any,
    many: int,
    size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    kind: str,
    seed: int,
) -> None:
    channels, *pixels = shape[1:]
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": channels}
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=shape), rng.normal(size=(many * channels, *size, 1))
    try:
        y = convolution.convolve(np.transpose(x, LAST), w, **options)
    except ShapeError:
        assume(False)
    g = rng.normal(size=np.transpose(y, FIRST).shape)
    x, g = (image if first else np.transpose(image, LAST) for image, first in zip((x, g), lies, strict=True))

    def three(x: Any, w: Any, g: Any) -> list[Any]:
        x, g = (np.transpose(image, LAST) if first else image for image, first in zip((x, g), lies, strict=True))
        return [
            np.transpose(convolution.convolve(x, w, **options), FIRST),
            np.transpose(convolution.convolve_input(g, w, length=pixels, **options), FIRST),
            convolution.convolve_weight(x, g, size=size, **options),
        ]

    given = [np.ascontiguousarray(array.astype(kind)) for array in (x, w, g)]
    found, abouts = in_c(three, *given)
    in_planes = {name for name, lie in zip("xg", lies, strict=True) if lie}
    if min(*pixels, *g.shape[1:3]) > 1:  # else both orders are the same
        assert abouts.count("convolution (planes)") == len(in_planes) * 2 - 1
    wide = three(*(array.astype("f8") for array in given))
    terms = size[0] * size[1]
    for one, wanted, count in zip(found, wide, (terms, terms * many, g.size // channels), strict=True):
        agree(one, wanted.astype(kind), count)
    if all(lies):
        assert all(one.flags.c_contiguous for one in found)


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("size", [1, 3])
def test_no_images_are_convolved_as_they_lie(size: int, groups: int) -> None:
    x = Tensor(np.zeros((0, 4, 9, 8), "float32"))
    weight = Tensor(np.ones((4, 4 // groups, size, size), "float32"))

    @ag.compile(executor="native")
    def gradients(x: Any, weight: Any) -> Any:
        return ag.grad(lambda x, weight: nn.functional.conv2d(x, weight, groups=groups).sum(), argnums=(0, 1))(
            x, weight
        )

    of_x, of_weight = gradients(x, weight)
    assert of_x.shape == x.shape
    np.testing.assert_array_equal(of_weight.data, np.zeros(weight.shape))


BIASED = {  # x, weight, groups
    "convolution (direct)": ((2, 3, 12, 9), (20, 3, 3, 3), 1),
    "convolution (groups side by side)": ((2, 32, 12, 9), (32, 2, 3, 3), 16),
    "convolution (planes)": ((2, 5, 12, 9), (10, 1, 3, 3), 5),
}


@pytest.mark.parametrize("about", BIASED)
@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_a_bias_is_added_as_the_result_is_made_before_it_is_changed(about: str, kind: str) -> None:
    shape, weight_shape, groups = BIASED[about]
    rng = np.random.default_rng(0)
    given = rng.normal(size=shape), rng.normal(size=weight_shape), rng.normal(size=weight_shape[0])

    def three_steps(kind: str, compiled: bool) -> tuple[Any, Any]:
        x, weight, bias = (Tensor(array.astype(kind)) for array in given)
        conv = nn.Conv2d(shape[1], weight_shape[0], 3, groups=groups, dtype=str(x.dtype))
        conv.load_state_dict({"weight": weight.data, "bias": bias.data})
        optimizer = optim.SGD(conv.parameters(), lr=0.1)

        def step() -> Any:
            optimizer.zero_grad()
            out = conv(x)
            (out * out).mean().backward()
            optimizer.step()
            return out

        run = ag.compile(step, executor="native") if compiled else step
        return [run().data for _ in range(3)], run

    found, run = three_steps(kind, True)
    (line,) = [line for line in run.explain().splitlines() if f"{about}:" in line and "weight" not in line]
    assert line.count("%") == 4  # the result, x, the weight and the bias
    for one, wanted in zip(found, three_steps("f8", False)[0], strict=True):
        agree(one, wanted.astype(kind), weight_shape[1] * 9)


def test_a_bias_that_others_want_to_see_apart_is_added_afterwards() -> None:
    x, weight, bias = (Tensor(np.ones(shape, "float32")) for shape in ((2, 3, 12, 9), (20, 3, 3, 3), (20,)))

    @ag.compile(executor="native")
    def both(x: Any, weight: Any, bias: Any) -> Any:
        plain = F.conv2d(x, weight)
        moved = ag.reshape(bias, (20, 1, 1))
        return plain + moved, plain, F.conv2d(x, 2.0 * weight) + 2.0 * moved

    total, plain, twice = both(x, weight, bias)
    for found, wanted in ((plain, 27), (total, 28), (twice, 56)):
        np.testing.assert_array_equal(found.data, np.full(found.shape, wanted))


CHOSEN = [  # x, (O, kh, kw), options; how the result, the gradient of x and that of the weight are made
    ((64, 28, 28, 1), (32, 5, 5), {}, "direct blocks direct"),
    ((64, 32, 32, 3), (64, 3, 3), {"padding": 1}, "direct blocks direct"),
    ((16, 32, 32, 64), (3, 3, 3), {"padding": 1}, "direct direct direct"),
    ((16, 28, 28, 16), (16, 5, 5), {"padding": 2}, "direct direct direct"),
    ((16, 28, 28, 64), (64, 3, 3), {"padding": 1, "groups": 4}, "direct direct direct"),
    ((16, 28, 28, 256), (256, 3, 3), {"padding": 1, "groups": 32}, "direct direct direct"),
    ((16, 56, 56, 128), (128, 3, 3), {"padding": 1, "groups": 32}, "side side side"),
    ((32, 56, 56, 64), (64, 3, 3), {"padding": 1, "groups": 64}, "side side side"),
    ((16, 28, 28, 64), (64, 3, 3), {"padding": 1}, "wino wino wino"),
    ((16, 14, 14, 256), (256, 3, 3), {"stride": 2, "padding": 1}, "blocks blocks blocks"),
    ((16, 14, 14, 256), (256, 1, 1), {}, "point point point"),
    ((16, 14, 14, 256), (256, 1, 1), {"groups": 64}, "point point point"),
]


@pytest.mark.parametrize(("x", "weight", "options", "ways"), CHOSEN)
def test_the_way_to_convolve_is_the_one_that_was_measured_to_be_fastest(
    x: Any, weight: Any, options: dict[str, int], ways: str
) -> None:
    stride, padding, groups = options.get("stride", 1), options.get("padding", 0), options.get("groups", 1)
    shape = (*weight, x[3] // groups)
    geo = convolution.geometry("convolve", x, shape, (stride, stride), ((padding, padding),) * 2, (1, 1), groups)
    names = ("convolve", "convolve_input", "convolve_weight")
    assert " ".join(way_of(name, geo, "float32") for name in names) == ways


def test_the_function_of_numpy_that_has_the_same_name_is_another() -> None:
    x = np.arange(4.0)
    compiled = ag.compile(lambda x: Tensor(np.convolve(x.data, x.data)), executor="native")
    for _ in range(2):
        np.testing.assert_array_equal(compiled(Tensor(x)).data, np.convolve(x, x))


@few
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7), st.integers(1, 5)),
    *[pairs] * 2,
    sides,
    pairs,
    st.sampled_from(["f4", "f8"]),
    seeds,
)
@example((2, 7, 9, 1), (3, 2), (3, 2), NO_PADDING, (1, 1), "f4", 0)  # windows side by side
@example((2, 8, 23, 1), (2, 3), (2, 3), NO_PADDING, (1, 1), "f8", 1)
@example((3, 3, 38, 1), (1, 4), (1, 4), NO_PADDING, (1, 1), "f4", 2)
@example((2, 12, 21, 1), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), "f4", 3)  # planes: some rows of windows at once
@example((2, 13, 40, 1), (2, 5), (1, 3), ((1, 0), (2, 1)), (2, 1), "f8", 4)
@example((1, 3, 1203, 1), (2, 2), (1, 1), NO_PADDING, (1, 2), "f4", 5)  # a part of a row
@example((1, 2, 1100, 1), (1, 1030), (1, 1), NO_PADDING, (1, 1), "f4", 8)  # longer than what is done at once
@example((2, 11, 30, 1), (5, 4), (5, 4), NO_PADDING, (1, 1), "f4", 7)
@example((2, 9, 11, 5), (3, 3), (2, 1), ((1, 1), (1, 2)), (1, 1), "f4", 6)  # channels side by side
def test_pooling_is_that_of_numpy(
    shape: Any, size: Any, stride: Any, padding: Any, dilation: Any, kind: str, seed: int
) -> None:
    options = {"size": size, "stride": stride, "padding": padding, "dilation": dilation}
    rng = np.random.default_rng(seed)
    x = rng.integers(-2, 2, shape).astype(kind)  # with equal numbers in many windows
    x[rng.random(shape) < 0.1] = np.nan
    x[rng.random(shape) < 0.1] = -np.inf
    try:
        places = pooling.pool_places(x, **options)
    except ShapeError:
        assume(False)
    g = rng.normal(size=places.shape).astype(kind)
    plain, length = rng.normal(size=shape).astype(kind), shape[1:3]

    def six(x: Any, g: Any, plain: Any) -> list[Any]:
        places = pooling.pool_places(x, **options)
        return [
            places,
            pooling.pool_pick(x, places, **options),
            pooling.pool_pick(plain, places, **options),
            pooling.pool_put(g, places, length=length, **options),
            pooling.pool_sum(plain, **options),
            pooling.pool_spread(g, length=length, **options),
        ]

    found, abouts = in_c(six, x, g, plain)
    assert abouts == ["pooling"] * 5  # the largest numbers are left with their places
    wanted = six(x, g, plain)
    for one, other in zip(found[:3], wanted[:3], strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
    for one, other in zip(found[3:], wanted[3:], strict=True):
        agree(one, other, size[0] * size[1])


def network(executor: str | None, dtype: str = "float64") -> tuple[Any, Any]:
    """A step of a small convolutional network with batch normalisation, and what it leaves."""
    generator = ag.random.Generator(0)
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, generator=generator),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, stride=2, generator=generator),
        nn.Tanh(),
        nn.AvgPool2d(2, stride=1),
        nn.Flatten(),
        nn.Linear(24, 3, generator=generator),
    )
    for parameter in model.parameters():
        parameter.data = parameter.data.astype(dtype)
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

    def step(x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step if executor is None else ag.compile(step, executor=executor), lambda: world(model, optimizer)


@pytest.mark.parametrize("executor", ["numpy", "native"])
def test_ten_steps_of_a_convolutional_network(executor: str) -> None:
    (plain, left), (fast, also_left) = network(None), network(executor)
    rng = np.random.default_rng(1)
    for _ in range(10):
        x, y = Tensor(rng.normal(size=(5, 2, 14, 14))), Tensor(rng.integers(0, 3, 5))
        assert_same(fast(x, y), plain(x, y), "loss", rtol=1e-6)
    assert_same(also_left(), left(), rtol=1e-5)
    if executor == "native":
        assert "NumPy" not in fast.explain()
