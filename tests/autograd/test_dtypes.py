"""The Array API's dtypes, constants and questions of dtypes, and Tensors as an Array API namespace."""

from __future__ import annotations

import numpy as np
import pytest

import autograd as ag
import nn.functional as F
from autograd import Tensor


@pytest.mark.parametrize("name", ["bool", "int8", "uint16", "int64", "float16", "float32", "float64", "complex64"])
def test_a_dtype_is_numpys_own(name):
    assert getattr(ag, name) == np.dtype(name)


def test_the_constants_are_the_numbers_they_are_called():
    assert (ag.pi, ag.e, ag.inf, ag.newaxis) == (np.pi, np.e, np.inf, None)
    assert ag.nan != ag.nan


def test_python_numbers_yield_to_tensors_in_result_type():
    x = Tensor([1.0])
    assert ag.result_type(x, 2.0) == ag.float32
    assert ag.result_type(x, ag.float64) == ag.float64
    assert ag.result_type(x, np.ones(1, "int64")) == ag.float64


def test_dtypes_of_16_bits_have_none_in_common():
    half, other = Tensor(np.ones((2, 2), "float16")), Tensor(np.ones((2, 2), pytest.importorskip("ml_dtypes").bfloat16))
    for call in (lambda: ag.result_type(half, other, 1.0), lambda: F.layer_norm(half, 2, other[0])):
        with pytest.raises(TypeError, match=r"^float16 and bfloat16 have no dtype in common; use astype\.$"):
            call()
    with pytest.raises(TypeError, match=r"^concat is not defined for float16 and bfloat16; use astype\.$"):
        ag.concat([half, other])


def test_a_dtype_is_asked_of_a_tensor_too():
    x = Tensor([1.0], dtype="float64")
    assert ag.finfo(x).bits == 64
    assert ag.iinfo(Tensor([1])).bits == 64
    assert ag.can_cast(Tensor([1.0]), ag.float64)
    assert not ag.can_cast(x, ag.float32)


@pytest.mark.parametrize(
    ("dtype", "kind", "answer"),
    [
        (ag.float32, "real floating", True),
        (ag.int8, "signed integer", True),
        (ag.uint8, "signed integer", False),
        (ag.bool, "numeric", False),
        (ag.float32, ag.float32, True),
    ],
)
def test_the_kinds_of_dtypes(dtype, kind, answer):
    assert ag.isdtype(dtype, kind) is answer


def test_the_namespace_of_a_tensor_is_autograd():
    assert Tensor([1.0]).__array_namespace__(api_version="2024.12") is ag
    with pytest.raises(ValueError, match=r"1999\.01"):
        Tensor([1.0]).__array_namespace__(api_version="1999.01")


def test_code_written_for_the_standard_runs_on_tensors():
    def standardized(x):
        xp = x.__array_namespace__()
        x = xp.astype(x, xp.float64)
        return (x - xp.mean(x, axis=0, keepdims=True)) / xp.std(x, axis=0, keepdims=True)

    data = np.random.default_rng(0).normal(size=(5, 3))
    x = Tensor(data, requires_grad=True)
    y = standardized(x)
    np.testing.assert_allclose(y.detach().numpy(), (data - data.mean(0)) / data.std(0), rtol=1e-12)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 0.0, atol=1e-12)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_a_choice_beside_a_python_number_keeps_its_dtype(dtype):
    kind = np.dtype(getattr(pytest.importorskip("ml_dtypes"), dtype) if dtype == "bfloat16" else dtype)
    x = Tensor(np.array([-1.0, 2.0]).astype(kind))
    for chosen in (ag.where(x > 0, x, 0.5), ag.where(x < 0, 0.5, x), ag.compile(lambda x: ag.where(x > 0, x, 0.5))(x)):
        assert chosen.dtype == kind
        assert chosen.astype("float32").tolist() == [0.5, 2]
    assert ag.where(x > 0, x, np.float64(0.5)).dtype == "float64"
