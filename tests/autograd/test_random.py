"""Random numbers: the bits are NumPy's Philox, every number follows from (seed, stream, draw, position), and the
distributions are what they say. Seeds are fixed, so a statistical bound either always holds or never.
"""

from __future__ import annotations

import copy
import math
import threading
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd as ag
from autograd.random import Draw, Generator, keep_probability
from tests.guard import GuardArray

WORDS = st.integers(0, 2**64 - 1)
SHAPES = st.one_of(st.integers(0, 40), st.lists(st.integers(0, 6), max_size=3).map(tuple))


def philox_block(key, counter):
    """Philox4x64-10 as its paper writes it: ten rounds on a counter of four words with a key of two."""
    (k0, k1), (c0, c1, c2, c3) = key, counter
    mask = 2**64 - 1
    for _ in range(10):
        high0, low0 = divmod(0xD2E7470EE14C6C93 * c0, 2**64)
        high1, low1 = divmod(0xCA5A826395121157 * c2, 2**64)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & mask, (k1 + 0xBB67AE8584CAA73B) & mask
    return [c0, c1, c2, c3]


# ---- the bits -------------------------------------------------------------------------------------------------------


def test_the_twin_gives_the_papers_known_answers():
    # The vectors of the authors' library, Random123 (kat_vectors, philox4x64 10).
    zeros = philox_block((0, 0), (0, 0, 0, 0))
    assert zeros == [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B]
    ones = philox_block((2**64 - 1,) * 2, (2**64 - 1,) * 4)
    assert ones == [0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0]


@given(seed=WORDS, stream=WORDS, draw=st.integers(0, 2**64 - 1), count=st.integers(0, 13))
def test_words_are_philox_blocks_counted_from_one(seed, stream, draw, count):
    blocks = [philox_block((seed, stream), (block, draw, 0, 0)) for block in (1, 2, 3, 4)]
    words = Draw(seed, stream, draw).words(count)
    assert words.dtype == np.uint64
    assert words.tolist() == list(chain(*blocks))[:count]


def test_words_are_those_of_numpys_bit_generator():
    fresh = np.random.Philox(key=np.array([11, 5], np.uint64), counter=np.array([0, 3, 0, 0], np.uint64))
    assert (Draw(11, 5, 3).words(1000) == fresh.random_raw(1000)).all()


@given(n=st.integers(1, 50))
def test_numbers_are_made_of_the_words_that_the_note_names(n):
    draw = Draw(7, 0, n)
    words = [int(word) for word in draw.words(n + 1)]
    halves = [word >> shift & 0xFFFFFFFF for word in words for shift in (0, 32)]
    quarters = [word >> shift & 0xFFFF for word in words for shift in (0, 16, 32, 48)]
    assert draw.uniform(n, dtype="float64").tolist() == [(word >> 11) * 2.0**-53 for word in words[:n]]
    assert draw.uniform(n).tolist() == [(half >> 8) * 2.0**-24 for half in halves[:n]]
    assert draw.uniform(n, dtype="float16").tolist() == [(quarter >> 5) * 2.0**-11 for quarter in quarters[:n]]
    assert draw.keep_mask(n, 0.3).tolist() == [quarter >= round(0.3 * 65536) for quarter in quarters[:n]]
    assert draw.integers(-5, 8, n).tolist() == [-5 + word % 13 for word in words[:n]]
    bits = n.bit_length()
    keys = [(word >> bits << bits) + i for i, word in enumerate(words[:n])]
    assert draw.permutation(n).tolist() == sorted(range(n), key=keys.__getitem__)
    u, v = (words[0] >> 11) * 2.0**-53, (words[1] >> 11) * 2.0**-53
    pair = [math.sqrt(-2 * math.log(1 - u)) * f(2 * math.pi * v) for f in (math.cos, math.sin)]
    np.testing.assert_allclose(draw.normal(n, dtype="float64")[:2], pair[:n], rtol=1e-12)


METHODS = {
    "uniform float32": lambda d, shape: d.uniform(shape, -1.0, 3.0),
    "uniform float64": lambda d, shape: d.uniform(shape, dtype="float64"),
    "normal": lambda d, shape: d.normal(shape, 1.0, 2.0),
    "integers": lambda d, shape: d.integers(0, 10, shape),
    "keep_mask": lambda d, shape: d.keep_mask(shape, 0.5),
}


@pytest.mark.parametrize("name", METHODS)
@given(shape=SHAPES, seed=WORDS)
def test_an_element_depends_on_its_position_alone(name, shape, seed):
    draw = Draw(seed, 0, 0)
    numbers = METHODS[name](draw, shape)
    size = numbers.size
    assert numbers.shape == (shape if isinstance(shape, tuple) else (shape,))
    assert numbers.flags.c_contiguous
    assert (numbers.reshape(-1) == METHODS[name](draw, size + 9)[:size]).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda d, **where: d.uniform((2, 3), **where),
        lambda d, **where: d.normal((2, 3), **where),
        lambda d, **where: d.integers(0, 9, (2, 3), **where),
        lambda d, **where: d.keep_mask((2, 3), 0.5, **where),
    ],
)
def test_every_device_gets_the_same_numbers(call):
    moved = call(Draw(1, 2, 3), device="guard")
    assert isinstance(moved, GuardArray)
    assert moved.tolist() == call(Draw(1, 2, 3)).tolist()


def test_a_draw_gives_the_same_numbers_again_and_the_next_draw_others():
    draw = Generator(5).next()
    assert (draw.normal(100) == draw.normal(100)).all()
    generator = Generator(5)
    assert (generator.normal(100) == draw.normal(100)).all()
    assert not (generator.normal(100) == draw.normal(100)).any()


def test_draws_seeds_and_streams_share_no_words():
    draws = [Draw(seed, stream, draw) for seed in (0, 1) for stream in (0, 1) for draw in (0, 1)]
    words = np.concatenate([draw.words(1000) for draw in draws])
    assert len(np.unique(words)) == len(words)


# ---- the distributions ----------------------------------------------------------------------------------------------


def correlation(x, y):
    return float(np.corrcoef(x.ravel(), y.ravel())[0, 1])


def test_draws_are_uncorrelated_and_so_are_neighbours():
    generator, n = Generator(1), 100_000
    x, y = generator.uniform(n, dtype="float64"), generator.uniform(n, dtype="float64")
    bound = 4 / math.sqrt(n)
    assert abs(correlation(x, y)) < bound
    assert abs(correlation(x[1:], x[:-1])) < bound
    z = generator.normal(n, dtype="float64")
    assert abs(correlation(z[0::2], z[1::2])) < bound * 2**0.5
    assert abs(correlation(z[0::2] ** 2, z[1::2] ** 2)) < bound * 2**0.5


def chi_square(counts, expected):
    """How many standard deviations the chi-square of these counts lies from its mean."""
    cells = counts.size
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return (statistic - (cells - 1)) / math.sqrt(2 * (cells - 1))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_uniform_fills_every_cell_evenly(dtype):
    x = Generator(2).uniform((400, 500), dtype=dtype)
    assert x.dtype == dtype
    assert x.min() >= 0
    assert x.max() < 1
    counts = np.bincount((x.astype("float64").ravel() * 256).astype(int), minlength=256)
    assert abs(chi_square(counts, x.size / 256)) < 4


def test_uniform_scales_to_its_bounds():
    x = Generator(3).uniform(100_000, -2.0, 5.0)
    assert -2 <= x.min() < -1.999
    assert 4.999 < x.max() <= 5
    assert abs(x.mean(dtype="float64") - 1.5) < 4 * 7 / math.sqrt(12 * x.size)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_has_its_moments(dtype):
    n = 200_000
    z = Generator(4).normal(n, dtype=dtype).astype("float64")
    moments = [(z**k).mean() for k in (1, 2, 3, 4)]
    # The k-th moment of n numbers spreads by sqrt(var(z^k) / n).
    for moment, value, variance in zip(moments, (0, 1, 0, 3), (1, 2, 15, 96), strict=True):
        assert abs(moment - value) < 4 * math.sqrt(variance / n)
    inside = np.mean(np.abs(z) < 1)
    assert abs(inside - math.erf(1 / math.sqrt(2))) < 4 * 0.5 / math.sqrt(n)


def test_normal_scales_with_mean_and_std():
    draw = Draw(4, 0, 0)
    z = draw.normal(1000, dtype="float64")
    np.testing.assert_allclose(draw.normal(1000, 3.0, 0.5, dtype="float64"), z * 0.5 + 3, rtol=1e-15)
    assert draw.normal(3, 2.0, 0.0).tolist() == [2, 2, 2]
    assert Generator(4).normal((3,), 2.0, 0.0).tolist() == [2, 2, 2]


def test_integers_are_even_and_inside():
    x = Generator(5).integers(-3, 14, 100_000)
    assert x.dtype == np.int64
    assert abs(chi_square(np.bincount(x + 3, minlength=17), x.size / 17)) < 4
    assert Generator(5).integers(6, 7, (2, 2)).tolist() == [[6, 6], [6, 6]]
    wide = Generator(5).integers(-(2**63), 0, 1000)
    assert wide.max() < 0
    assert wide.min() < -(2**62)


@given(n=st.integers(0, 200), seed=WORDS)
def test_a_permutation_holds_every_index_once(n, seed):
    order = Generator(seed).permutation(n)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(n))


def test_permutations_are_even():
    generator = Generator(6)
    orders = np.stack([generator.permutation(4) for _ in range(12_000)])
    counts = np.bincount(orders @ [64, 16, 4, 1])
    counts = counts[counts > 0]
    assert counts.size == math.factorial(4)
    assert abs(chi_square(counts, len(orders) / 24)) < 4


@pytest.mark.parametrize("p", [0.2, 0.5, 1 / 3, 1e-4])
def test_a_mask_keeps_with_the_probability_that_is_told(p):
    n = 400_000
    keep = keep_probability(p)
    assert abs(keep - (1 - p)) <= 2.0**-17
    kept = Generator(7).keep_mask(n, p)
    assert kept.dtype == bool
    assert abs(kept.mean() - keep) < 4 * math.sqrt(keep * (1 - keep) / n)


def test_probabilities_zero_and_one_are_exact():
    assert Generator(8).keep_mask(100_000, 0.0).all()
    assert not Generator(8).keep_mask(100_000, 1.0).any()
    assert (keep_probability(0.0), keep_probability(1.0), keep_probability(0.5)) == (1.0, 0.0, 0.5)


def test_every_quarter_counts_toward_the_probability_that_is_told():
    # Over all 65536 values that a quarter can have, exactly the told share is kept: dividing by it leaves no bias.
    for p in (0.1, 0.2, 0.7):
        kept = sum(quarter >= round(p * 65536) for quarter in range(65536))
        assert kept / 65536 == keep_probability(p)


# ---- state ----------------------------------------------------------------------------------------------------------


def test_state_round_trip():
    generator = Generator(9, stream=2)
    generator.normal(3)
    state = generator.state_dict()
    assert state == {"seed": 9, "stream": 2, "draw": 1}
    expected = generator.uniform(5)
    other = Generator(0)
    other.load_state_dict(state)
    assert (other.uniform(5) == expected).all()
    assert other.state_dict() == generator.state_dict()
    assert repr(other) == "Generator(seed=9, stream=2, draw=2)"


def test_a_copy_goes_its_own_way_from_the_same_place():
    generator = Generator(9)
    generator.normal(3)
    twin = copy.deepcopy(generator)
    assert (twin.uniform(5) == generator.uniform(5)).all()
    twin.uniform(5)
    assert (twin.draw, generator.draw) == (3, 2)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"seed": 1, "stream": 0}, "holds seed, stream and draw, but .'seed', 'stream'. came"),
        ({"seed": 1, "stream": 0, "draw": 0, "more": 0}, "holds seed, stream and draw"),
        ([1, 0, 0], "but list came"),
        ({"seed": 1, "stream": 0, "draw": -1}, r"draw must be a whole number from 0 to 2\*\*64 - 1, got -1"),
    ],
)
def test_a_wrong_state_is_refused_and_changes_nothing(state, words):
    generator = Generator(9)
    with pytest.raises(ValueError, match=words):
        generator.load_state_dict(state)
    assert generator.state_dict() == {"seed": 9, "stream": 0, "draw": 0}


def test_spawned_streams_depend_on_seed_and_stream_alone():
    parent = Generator(9)
    early = parent.spawn(1)
    parent.uniform(100)
    assert early.uniform(5).tolist() == parent.spawn(1).uniform(5).tolist()
    assert early.uniform(5).tolist() != Generator(9).uniform(5).tolist()
    with pytest.raises(ValueError, match="would repeat the numbers"):
        parent.spawn(0)


def test_without_a_seed_generators_differ():
    assert Generator().seed != Generator().seed


def test_two_threads_never_get_the_same_draw():
    generator, taken = Generator(10), []

    def take():
        taken.append([generator.next().draw for _ in range(5000)])

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(chain(*taken)) == list(range(20_000))


def test_a_thread_draws_the_same_words_as_the_main_one():
    draw, found = Draw(1, 2, 3), []
    thread = threading.Thread(target=lambda: found.append(draw.words(10).tolist()))
    thread.start()
    thread.join()
    assert found == [draw.words(10).tolist()]


# ---- errors and the module's functions ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda g: Generator(-1), ValueError, "seed must be a whole number"),
        (lambda g: Generator(2**64), ValueError, "seed must be a whole number"),
        (lambda g: Generator(1.5), TypeError, "seed must be a whole number, got 1.5"),
        (lambda g: g.uniform((2, -1)), ValueError, r"shape \(2, -1\) has a negative size"),
        (lambda g: g.uniform(2, dtype="int64"), TypeError, "not int64: draw one and use astype"),
        (lambda g: g.normal(2, dtype="int64"), TypeError, "not int64"),
        (lambda g: g.integers(3, 3, 2), ValueError, r"integers\(low=3, high=3\) has no range"),
        (lambda g: g.integers(-1, 2**63, 2), ValueError, "no range to draw from"),
        (lambda g: g.keep_mask(2, 1.5), ValueError, r"from 0 to 1, got p=1.5"),
        (lambda g: g.keep_mask(2, math.nan), ValueError, r"from 0 to 1, got p=nan"),
        (lambda g: g.permutation(-1), ValueError, "negative size"),
        (lambda g: g.normal((2, 2), ag.ones(4).data), TypeError, r"one number for all, got a ndarray of shape \(4,\)"),
        (lambda g: ag.random.normal(2, ag.ones(2)), TypeError, r"write mean \+ std \* randn\(shape\)"),
        (lambda g: ag.random.uniform(2, 0.0, ag.ones((), requires_grad=True)), TypeError, "write low . .high - low"),
        (
            lambda g: ag.vmap(lambda m: ag.random.normal(2, m), randomness="different")(ag.ones(3)),
            TypeError,
            "one number for all, got a Tensor of shape",
        ),
    ],
)
def test_errors_say_what_came(call, kind, words):
    with pytest.raises(kind, match=words):
        call(Generator(0))


@pytest.fixture
def sealed_default():
    state = ag.random.default.state_dict()
    yield
    ag.random.default.load_state_dict(state)


@pytest.mark.usefixtures("sealed_default")
def test_the_modules_functions_give_tensors_of_the_default_generator():
    ag.random.seed(3)
    twin = Generator(3)
    pairs = [
        (ag.random.uniform((2, 3), -1.0, 1.0), twin.uniform((2, 3), -1.0, 1.0)),
        (ag.random.normal(4, dtype="float64"), twin.normal(4, dtype="float64")),
        (ag.random.rand(2, 2), twin.uniform((2, 2))),
        (ag.random.randn(5), twin.normal(5)),
        (ag.random.randint(0, 9, (3,)), twin.integers(0, 9, 3)),
        (ag.random.permutation(6), twin.permutation(6)),
    ]
    for tensor, array in pairs:
        assert isinstance(tensor, ag.Tensor)
        assert tensor.dtype == array.dtype
        assert tensor.shape == array.shape
        assert tensor.tolist() == array.tolist()


def test_the_modules_functions_take_a_generator_and_requires_grad():
    tensor = ag.random.randn(2, 3, generator=Generator(4), requires_grad=True)
    assert tensor.requires_grad
    assert tensor.detach().tolist() == Generator(4).normal((2, 3)).tolist()


@pytest.mark.usefixtures("sealed_default")
def test_seeding_without_a_number_takes_entropy():
    ag.random.seed(3)
    ag.random.seed()
    assert ag.random.default.seed != 3
