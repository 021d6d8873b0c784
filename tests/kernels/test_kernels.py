"""CUDA C on the host: its threads meet where they would on a GPU, and each has its own numbers."""

from __future__ import annotations

import ctypes
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.kernels import CompilerError, compiled

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="kernels on the host need g++")


def run(source: str, name: str, grid: tuple[int, ...], block: tuple[int, ...], *given: Any, folder: Path) -> None:
    library = ctypes.CDLL(str(compiled(source, folder)))
    values = [x.ctypes.data_as(ctypes.c_void_p) if isinstance(x, np.ndarray) else x for x in given]
    pointers = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
    sizes = ((ctypes.c_uint * 3)(*(*shape, 1, 1)[:3]) for shape in (grid, block))
    getattr(library, f"launch_{name}")(*sizes, pointers, 256)


def test_every_thread_of_every_block_has_its_numbers(tmp_path):
    source = """
    extern "C" __global__ void where(int *to) {
      const int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
      const int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
      to[block * 24 + thread] = block * 1000 + thread;
    }
    """
    to = np.zeros(6 * 24, "int32")
    run(source, "where", (2, 3, 1), (2, 3, 4), to, folder=tmp_path)
    assert to.tolist() == [block * 1000 + thread for block in range(6) for thread in range(24)]


def test_who_has_ended_is_not_waited_for(tmp_path):
    source = """
    extern "C" __global__ void turned(int *x, int n) {
      extern __shared__ int here[];
      const int i = threadIdx.x;
      if (i >= n) return;
      here[i] = x[i];
      __syncthreads();
      x[i] = here[n - 1 - i];
    }
    """
    x = np.arange(50, dtype="int32")
    run(source, "turned", (1,), (64,), x, ctypes.c_int(50), folder=tmp_path)
    assert x.tolist() == list(range(49, -1, -1))


def test_a_warp_is_32_threads_and_the_last_may_be_smaller(tmp_path):
    source = """
    extern "C" __global__ void neighbours(int *x, unsigned *odd) {
      const int i = threadIdx.x;
      x[i] = __shfl_xor_sync(~0u, x[i], 1);
      odd[i] = __ballot_sync(~0u, x[i] & 1);
    }
    """
    x, odd = np.arange(40, dtype="int32"), np.zeros(40, "uint32")
    run(source, "neighbours", (1,), (40,), x, odd, folder=tmp_path)
    assert x.tolist() == [i ^ 1 for i in range(40)]
    assert {*odd[:32]} == {0x55555555}  # of each pair the first has the odd number now
    assert {*odd[32:]} == {0x55}


def test_what_is_wrong_is_told(tmp_path):
    with pytest.raises(CompilerError, match="nowhere"):
        compiled('extern "C" __global__ void k(int *x) { *x = nowhere; }', tmp_path)


def test_a_kernel_of_a_template_has_the_name_that_it_is_given(tmp_path):
    source = "template <class T> __global__ void twice(T *x) { x[threadIdx.x] *= 2; }"
    library = ctypes.CDLL(str(compiled(source, tmp_path, named={"doubled": "twice<double>"})))
    library.sizes_of_doubled.restype = ctypes.POINTER(ctypes.c_uint)
    assert library.sizes_of_doubled()[0] == 8
    assert library.launch_doubled
