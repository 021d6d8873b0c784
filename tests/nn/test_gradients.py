"""Every layer and loss: its gradients are slopes, to second order, and it keeps CuPy's rules without waiting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from tests.guard import guard
from tests.nn.cases import CASES, draw_inputs, draw_state, first_of

# Away from kinks: normal numbers in their place. A padding row has a gradient of 0, which is not its slope.
SMOOTH = [
    replace(case, inputs=[("normal" if kind == "kinks" else kind, *rest) for kind, *rest in case.inputs])
    for case in CASES
    if "padding_idx" not in case.options
]
NAMES = [case.name for case in CASES]


def build(case, rng):
    options = {k: Tensor(v, dtype="float64") if isinstance(v, list) else v for k, v in case.options.items()}
    layer = getattr(nn, case.layer)(*case.args, **options).double().train(case.training)
    shapes = {name: t.shape for name, t in layer.state_dict().items() if name not in case.options}
    layer.load_state_dict(draw_state(shapes, rng), strict=False)
    return layer


def with_parameters(layer, places, inputs):
    """The layer as a function of its floating point input and its parameters."""

    def call(*leaves):
        leaves = list(leaves)
        first = leaves.pop(0) if inputs[0].dtype.kind == "f" else Tensor(inputs[0])
        for (owner, name), leaf in zip(places, leaves, strict=True):
            vars(owner)[name] = leaf
        return first_of(layer(first, *map(Tensor, inputs[1:])))

    return call


@pytest.mark.parametrize("case", SMOOTH, ids=[case.name for case in SMOOTH])
def test_gradients_are_slopes_to_second_order(case):
    rng = np.random.default_rng(0)
    layer, inputs = build(case, rng), draw_inputs(case, rng)
    places = [(m, name) for m in layer.modules() for name, p in m.named_parameters(recurse=False)]
    leaves = [inputs[0]] if inputs[0].dtype.kind == "f" else []
    leaves += [getattr(owner, name).detach() for owner, name in places]
    call = with_parameters(layer, places, inputs)
    assert ag.gradcheck(call, *leaves)
    # Squared, so that straight lines have a second derivative too.
    assert ag.gradgradcheck(lambda *xs: call(*xs) ** 2, *leaves, atol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_another_device_gives_the_same_without_waiting(case, device):
    here, there = (build(case, np.random.default_rng(1)) for _ in range(2))
    inputs = draw_inputs(case, np.random.default_rng(2))
    g = np.random.default_rng(3).normal(size=first_of(here(*map(Tensor, inputs))).shape)
    there(*map(Tensor, inputs))  # one step as on the other side
    there.to(device)
    found = []
    for layer, where in ((here, "cpu"), (there, device)):
        tensors = [Tensor(array, device=where) for array in inputs]
        if inputs[0].dtype.kind == "f":
            tensors[0].requires_grad_()
        weights = Tensor(g, device=where)
        before = guard.synchronizations
        out = first_of(layer(*tensors))
        if out.requires_grad:
            out.backward(weights)
        assert guard.synchronizations == before
        results = [out, tensors[0].grad, *(p.grad for p in layer.parameters()), *layer.buffers()]
        assert all(t is None or t.device.startswith(where) for t in results)
        found.append([None if t is None else t.detach().numpy() for t in results])
    for a, b in zip(*found, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
