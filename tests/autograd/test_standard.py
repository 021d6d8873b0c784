"""Every name of the Python Array API standard 2024.12: it is here, or the error for it says why not and what to write.

One idea: the standard's own list, so that nothing is left out because nobody thought of it. What the functions compute
is held by the table of laws and by the tests of each family.
"""

from __future__ import annotations

import inspect
import re
from contextvars import ContextVar

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, hints, words

# Function -> its options; constants, dtypes and modules have none.
NAMESPACE = """
e inf nan newaxis pi
bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128
__array_api_version__ __array_namespace_info__ linalg fft
arange(start,stop,step,dtype,device) asarray(dtype,device,copy) empty(shape,dtype,device) empty_like(dtype,device)
eye(n_rows,n_cols,k,dtype,device) from_dlpack(device,copy) full(shape,fill_value,dtype,device)
full_like(fill_value,dtype,device) linspace(start,stop,num,dtype,device,endpoint) meshgrid(indexing)
ones(shape,dtype,device) ones_like(dtype,device) tril(k) triu(k) zeros(shape,dtype,device) zeros_like(dtype,device)
astype(dtype,copy,device) can_cast finfo iinfo isdtype(dtype,kind) result_type
abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_left_shift bitwise_invert bitwise_or
bitwise_right_shift bitwise_xor ceil clip(min,max) conj copysign cos cosh divide equal exp expm1 floor floor_divide
greater greater_equal hypot imag isfinite isinf isnan less less_equal log log1p log2 log10 logaddexp logical_and
logical_not logical_or logical_xor maximum minimum multiply negative nextafter not_equal positive pow real reciprocal
remainder round sign signbit sin sinh square sqrt subtract tan tanh trunc
take(axis) take_along_axis(axis) matmul matrix_transpose tensordot(axes) vecdot(axis)
broadcast_arrays broadcast_to(shape) concat(axis) expand_dims(axis) flip(axis) moveaxis(source,destination)
permute_dims(axes) repeat(repeats,axis) reshape(shape,copy) roll(shift,axis) squeeze(axis) stack(axis)
tile(repetitions) unstack(axis)
argmax(axis,keepdims) argmin(axis,keepdims) count_nonzero(axis,keepdims) nonzero searchsorted(side,sorter) where
unique_all unique_counts unique_inverse unique_values
argsort(axis,descending,stable) sort(axis,descending,stable)
cumulative_prod(axis,dtype,include_initial) cumulative_sum(axis,dtype,include_initial) max(axis,keepdims)
mean(axis,keepdims) min(axis,keepdims) prod(axis,dtype,keepdims) std(axis,correction,keepdims) sum(axis,dtype,keepdims)
var(axis,correction,keepdims)
all(axis,keepdims) any(axis,keepdims) diff(axis,n,prepend,append)
"""
LINALG = """
cholesky(upper) cross(axis) det diagonal(offset) eigh eigvalsh inv matmul matrix_norm(keepdims,ord) matrix_power(n)
matrix_rank(rtol) matrix_transpose outer pinv(rtol) qr(mode) slogdet solve svd(full_matrices) svdvals tensordot(axes)
trace(offset,dtype) vecdot(axis) vector_norm(axis,keepdims,ord)
"""
METHODS = """
T mT device dtype ndim shape size to_device
__abs__ __add__ __and__ __array_namespace__ __bool__ __dlpack__ __dlpack_device__ __eq__ __float__ __floordiv__ __ge__
__getitem__ __gt__ __index__ __int__ __invert__ __le__ __lshift__ __lt__ __matmul__ __mod__ __mul__ __ne__ __neg__
__or__ __pos__ __pow__ __rshift__ __setitem__ __sub__ __truediv__ __xor__ __iadd__ __isub__ __imul__ __itruediv__
__ifloordiv__ __ipow__ __imod__ __imatmul__ __iand__ __ior__ __ixor__ __ilshift__ __irshift__ __radd__ __rsub__
__rmul__ __rtruediv__ __rfloordiv__ __rpow__ __rmod__ __rmatmul__ __rand__ __ror__ __rxor__ __rlshift__ __rrshift__
"""
# Options that are not here, nor in an error, and what does the same.
OTHERWISE = {
    ("astype", "device"): "x.to(device)",
    ("reshape", "copy"): "x.clone().reshape(shape)",
}


def listed(names):
    return [
        (name, options.split(",") if options else []) for name, options in re.findall(r"(\w+)(?:\(([^)]*)\))?", names)
    ]


@pytest.mark.parametrize(("module", "names"), [("autograd", NAMESPACE), ("autograd.linalg", LINALG)])
def test_every_name_of_the_standard_is_here_or_has_a_hint(module, names):
    namespace = ag.linalg if module.endswith("linalg") else ag
    absent = [name for name, _ in listed(names) if not hasattr(namespace, name)]
    assert [name for name in absent if name not in words.NAMES[module]] == []
    assert absent == (["fft"] if namespace is ag else [])


@pytest.mark.parametrize(("namespace", "names"), [(ag, NAMESPACE), (ag.linalg, LINALG)])
def test_every_option_of_the_standard_is_here_or_has_a_hint(namespace, names):
    for name, options in listed(names):
        function = getattr(namespace, name) if options else None
        known = inspect.signature(function).parameters if function else {}
        for option in options:
            told = hasattr(function, "__wrapped__") and hints.of_keywords([option], known)
            assert option in known or (name, option) in OTHERWISE or told, f"{name} has no option {option}"


def test_every_method_of_the_standard_is_here_or_has_a_hint():
    x = Tensor([[1.0]])
    assert [name for name, _ in listed(METHODS) if not hasattr(x, name)] == ["to_device"]
    assert words.METHODS["to_device"] == "x.to(device)"
    assert complex(x) == 1.0  # as Python makes it, of __float__


def test_the_namespace_says_what_it_can_do():
    info = ag.__array_namespace_info__()
    assert ag.__array_api_version__ == "2024.12"
    assert info.capabilities()["data-dependent shapes"]
    assert info.default_device() in info.devices()
    assert info.default_dtypes()["real floating"] == ag.zeros(1).dtype
    assert info.default_dtypes()["integral"] == Tensor([1]).dtype == info.default_dtypes()["indexing"]
    assert info.default_dtypes()["complex floating"] == Tensor([1j]).dtype
    assert info.dtypes(kind="real floating") == {"float32": ag.float32, "float64": ag.float64}
    assert info.dtypes() == np.__array_namespace_info__().dtypes()
    assert info.dtypes(kind=("signed integer", "bool")).keys() == {"bool", "int8", "int16", "int32", "int64"}


def test_what_is_no_power_and_no_axis_is_named():
    with pytest.raises(TypeError, match=r"matrix_power: n must be a whole number, got 0\.5\."):
        ag.linalg.matrix_power(ag.eye(2), 0.5)
    with pytest.raises(ValueError, match="axis -1 is out of range for a single number, which has no axes"):
        ag.diff(ag.Tensor(1.0))


def test_the_namespace_has_none_of_the_engines_own_variables():
    assert [name for name, value in vars(ag).items() if isinstance(value, ContextVar)] == []
    assert ag.batching.__name__ == "autograd.batching"
