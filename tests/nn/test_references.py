"""Every layer and loss equals PyTorch's: output, gradients and running statistics, by a file and by PyTorch itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import nn
from autograd import Tensor
from tests.nn.cases import CASES, first_of

FILE = Path(__file__).parent / "references" / "references.json"
REFERENCES = json.loads(FILE.read_text())
NAMES = [case.name for case in CASES]


def as_arrays(value):
    """A reference with its nested lists of numbers as arrays; integers stay integers."""
    if isinstance(value, dict):
        return {n: [*map(np.array, v)] if n == "inputs" else as_arrays(v) for n, v in value.items()}
    return np.array(value)


def build(case, dtype):
    """Our layer."""
    options = {k: Tensor(v, dtype=dtype) if isinstance(v, list) else v for k, v in case.options.items()}
    return getattr(nn, case.layer)(*case.args, **options).to(dtype).train(case.training)


def check(case, expected, dtype):
    """Our layer gives what PyTorch's gave, with the same inputs and state."""
    layer = build(case, dtype)
    state = {**layer.state_dict(), **expected["state"]}
    assert state.keys() == layer.state_dict().keys()
    layer.load_state_dict(state)
    inputs = [Tensor(a if a.dtype.kind in "ib" else a.astype(dtype)) for a in map(np.asarray, expected["inputs"])]
    if inputs[0].dtype.kind == "f":
        inputs[0].requires_grad_()
    for _ in range(case.times):
        out = first_of(layer(*inputs))
    assert out.dtype == inputs[0].dtype if inputs[0].dtype.kind == "f" else dtype
    found, wanted = {"out": out.detach().data}, {"out": expected["out"]}
    if out.requires_grad:
        out.backward(expected["g"].astype(dtype))
    if inputs[0].requires_grad:
        found["input"] = np.zeros(inputs[0].shape) if inputs[0].grad is None else inputs[0].grad.data
    found |= {name: parameter.grad.data for name, parameter in layer.named_parameters()}
    found |= {name: buffer.data for name, buffer in layer.named_buffers() if name not in case.options}
    wanted |= expected["gradients"] | expected["buffers"]
    assert found.keys() == wanted.keys()
    # A Transformer's layer divides twice by the spread of four numbers, which makes float32's rounding larger (2.2e-5
    # on a processor with AVX2); in float64 it agrees as the others do.
    single = 5e-5 if case.layer.startswith("Transformer") else 1e-5
    rtol, atol = (case.rtol, 1e-12) if dtype == "float64" else (single, single)
    for name, array in found.items():
        assert array.shape == wanted[name].shape
        np.testing.assert_allclose(array, wanted[name], rtol=rtol, atol=atol, err_msg=name)


def test_every_case_has_its_reference():
    assert len(set(NAMES)) == len(NAMES)
    assert set(NAMES) == set(REFERENCES), "write the file again: python -m tests.nn.references.make"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_equals_the_reference(case, dtype):
    check(case, as_arrays(REFERENCES[case.name]), dtype)


def test_a_value_that_differs_in_the_tenth_place_is_noticed():
    case = next(case for case in CASES if case.layer == "GELU")
    expected = as_arrays(REFERENCES[case.name])
    expected["gradients"]["input"] = expected["gradients"]["input"] * (1 + 1e-9)
    with pytest.raises(AssertionError):
        check(case, expected, "float64")


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.filterwarnings("ignore:dropout2d. Received a 3D input:UserWarning")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_equals_pytorch_on_other_inputs(case, dtype):
    pytest.importorskip("torch")
    from tests.nn.references.make import outcome

    expected = outcome(case, np.random.default_rng([1, NAMES.index(case.name)]))
    check(case, expected, dtype)


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.filterwarnings("ignore:dropout2d. Received a 3D input:UserWarning")
def test_the_file_is_what_pytorch_gives():
    pytest.importorskip("torch")
    from tests.nn.references.make import SEED, outcome

    for number, case in enumerate(CASES):
        live = outcome(case, np.random.default_rng([SEED, number]))
        kept = as_arrays(REFERENCES[case.name])
        for part in ("out", "g"):
            np.testing.assert_allclose(live[part], kept[part], rtol=1e-12, atol=1e-14, err_msg=case.name)
