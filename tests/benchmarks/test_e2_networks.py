"""The networks of the experiment on degradation, before they are trained."""

from __future__ import annotations

import numpy as np
import pytest

from autograd import Tensor
from benchmarks.claims.e2_networks import plain, residual, start_of


def weights(model):
    return [p.data for p in model.parameters() if p.data.ndim == 2]


@pytest.mark.parametrize("build", [plain, residual])
@pytest.mark.parametrize("normed", [False, True])
def test_networks_have_as_many_weight_layers_as_they_say(build, normed):
    assert [len(weights(build(layers, normed, 0))) for layers in (8, 20)] == [8, 20]


def test_a_residual_network_begins_as_a_shallow_one_with_the_weights_of_the_plain_one():
    x = Tensor(np.random.default_rng(0).uniform(size=(5, 784)).astype("float32"))
    model = residual(20, False, 0)
    first, last = weights(model)[0], weights(model)[-1]
    np.testing.assert_allclose(model(x).data, np.maximum(x.data @ first.T, 0) @ last.T, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(weights(model)[1], weights(plain(20, False, 0))[1])


def test_the_start_of_a_residual_network_is_told_outside_its_blocks():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(size=(20, 784)).astype("float32"), rng.integers(0, 10, 20)
    start = start_of(residual(8, False, 0), x, y)
    assert start["layers"] == [1, 2, 4, 6, 8]
    # Between blocks that add nothing, the rows are those that came out of the first layer.
    assert start["cosines"][1:4] == [start["cosines"][1]] * 3
    assert len(start["gradients"]) == 8
    assert start_of(plain(8, False, 0), x, y)["layers"] == [*range(1, 9)]
