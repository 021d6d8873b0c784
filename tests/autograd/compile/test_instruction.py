"""A function of our own is one instruction of a program, and the same function in eager code."""

from __future__ import annotations

import numpy as np

import autograd as ag
from autograd.instruction import instruction


@instruction
def _doubled_rows(x, *, times):
    out = np.empty((x.shape[0] * times, x.shape[1]), x.dtype)
    for i in range(times):
        out[i::times] = x
    return out


def test_a_function_of_ours_is_one_instruction_in_a_trace():
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    expected = _doubled_rows(x, times=2)

    @ag.compile(executor="numpy")
    def f(x):
        return _doubled_rows(x.data * 1.0, times=2)

    for _ in range(2):
        np.testing.assert_array_equal(f(ag.Tensor(x)), expected)
    names = [i.name for i in f.traces[0].instructions]
    assert names.count("_doubled_rows") == 1
    assert "setitem" not in " ".join(names)
    native = ag.compile(lambda x: _doubled_rows(x.data * 1.0, times=2))
    np.testing.assert_array_equal(native(ag.Tensor(x)), expected)
