"""A simulated GPU: the very tape of the cuda executor, run on the host.

One idea: CUDA C is C++ with threads, so its kernels are compiled by g++ behind a header in which the threads of a
block are coroutines that take turns at barriers and shuffles; products are NumPy's, and cuDNN is a simulated one. Its
arrays are those of the guard backend, so whatever CuPy would refuse is refused here too. What it cannot show: races,
and how fast it is.
Importing this file registers it under the name "guard".
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd.compile.cuda import register_device
from autograd.compile.cuda.device import Addresses
from autograd.cuda.blas import Blas, Product
from autograd.cuda.cudnn import Cudnn, UnsupportedOperation
from autograd.cuda.graphs import Operation
from tests.guard import guard
from tests.simulated_cublaslt import WORKSPACE, SimulatedCublasLt
from tests.simulated_cudnn import STEPS, SimulatedCudnn

needed = pytest.mark.skipif(shutil.which("g++") is None, reason="the simulated GPU needs g++")

HEADER = r"""
#include <cmath>
#include <cstring>
#define __global__
#define __device__
#define __shared__ static
#define __grid_constant__
#define __launch_bounds__(n)
#define __restrict__
#define __forceinline__ inline
#pragma GCC visibility push(hidden)
struct index_t { int x = 0, y = 0, z = 0; };
extern index_t blockIdx, blockDim, gridDim, threadIdx;
extern int now;  // the thread whose turn it is
extern char lanes[1024][16];
void __syncthreads();
int __syncthreads_or(int x);
void __syncwarp(unsigned mask);
unsigned __ballot_sync(unsigned mask, bool x);
void run(void (*f)(const void *), int blocks, int count, const void *words, bool meets);
#pragma GCC visibility pop
template <class J> static void call(void (*f)(J), const void *words) { f(*(const J *)words); }
template <class T> static T __shfl_xor_sync(unsigned mask, T x, int o) {
  int me = now;
  memcpy(lanes[me], &x, sizeof x);
  __syncwarp(mask);
  T y;
  memcpy(&y, lanes[me ^ o], sizeof y);
  __syncwarp(mask);
  return y;
}
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned __int128)a * b >> 64;
}
template <class T, class F> static inline T bits_as(F x) { T y; memcpy(&y, &x, sizeof y); return y; }
static inline unsigned __float_as_uint(float x) { return bits_as<unsigned>(x); }
static inline float __uint_as_float(unsigned x) { return bits_as<float>(x); }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline double __dadd_rn(double a, double b) { return a + b; }
"""

# Every library has its own of these.
TURNS = r"""
#include <cstdlib>
#include <ucontext.h>
index_t blockIdx, blockDim, gridDim, threadIdx;
int now;
char lanes[1024][16];
struct thread_t { ucontext_t context; char *stack; bool done; };
static thread_t threads[1024];
static ucontext_t outside;
static void (*kernel)(const void *);
static const void *given;
static void yield() { swapcontext(&threads[now].context, &outside); }
static void begin() { kernel(given); threads[now].done = true; swapcontext(&threads[now].context, &outside); }

// A barrier for `wanted` threads; whoever comes last lets the others go on.
struct barrier_t { int here = 0, round = 0; };
static void wait_at(barrier_t &b, int wanted) {
  int round = b.round;
  if (++b.here == wanted) { b.here = 0; b.round++; }
  while (b.round == round) yield();
}
static barrier_t of_block, of_lanes[1024][33];  // by the first lane and how many there are
void __syncthreads() { wait_at(of_block, blockDim.x); }
int __syncthreads_or(int x) {
  static int any;
  if (x) any = 1;
  __syncthreads();
  const int found = any;
  __syncthreads();
  any = 0;
  __syncthreads();
  return found;
}
void __syncwarp(unsigned mask) {
  wait_at(of_lanes[(now & ~31) + __builtin_ctz(mask)][__builtin_popcount(mask)], __builtin_popcount(mask));
}
unsigned __ballot_sync(unsigned mask, bool x) {  // of all lanes of a warp
  const int first = now & ~31;
  lanes[now][0] = x;
  wait_at(of_lanes[first][32], 32);
  unsigned votes = 0;
  for (int i = 0; i < 32; i++) votes |= (unsigned)lanes[first + i][0] << i;
  wait_at(of_lanes[first][32], 32);
  return votes;
}

// Blocks run in any order on a GPU; here the last one comes first, so that what leans on the order shows.
void run(void (*f)(const void *), int blocks, int count, const void *words, bool meets) {
  gridDim.x = blocks, blockDim.x = count;
  if (!meets) {
    for (int b = blocks - 1; b >= 0; b--)
      for (int t = 0; t < count; t++) { blockIdx.x = b, threadIdx.x = now = t; f(words); }
    return;
  }
  const int size = 1 << 16;
  kernel = f, given = words;
  for (int t = 0; t < count; t++)
    if (!threads[t].stack) threads[t].stack = (char *)malloc(size);
  for (int b = blocks - 1; b >= 0; b--) {
    blockIdx.x = b;
    for (int t = 0; t < count; t++) {
      getcontext(&threads[t].context);
      threads[t].context.uc_stack.ss_sp = threads[t].stack, threads[t].context.uc_stack.ss_size = size;
      threads[t].context.uc_link = &outside, threads[t].done = false;
      makecontext(&threads[t].context, begin, 0);
    }
    for (bool left = true; left;) {
      left = false;
      for (int t = 0; t < count; t++)
        if (!threads[t].done) { left = true; now = threadIdx.x = t; swapcontext(&outside, &threads[t].context); }
    }
  }
}
"""


def compiled(source: str) -> ctypes.CDLL:
    """The functions of a CUDA source, with a launcher for each."""
    kernels = re.findall(r'extern "C" __global__ void (?:__launch_bounds__\(\d+\) )?(\w+)\(', source)
    bodies = dict(zip(kernels, source.split('extern "C" __global__')[1:], strict=True))
    launchers = [
        f'extern "C" void launch_{name}(int blocks, int count, const void *words) '
        f"{{ run([](const void *w) {{ call({name}, w); }}, blocks, count, words, {int(_meets(bodies[name]))}); }}"
        for name in kernels
    ]
    return _library("\n".join([source, *launchers]))


def _meets(body: str) -> bool:
    return any(word in body for word in ("__syncthreads", "over_row", "over_lanes", "in_row", "_sync("))


_folder = functools.cache(lambda: tempfile.mkdtemp(prefix="tapegrad-simulated-"))


_FLAGS = ("-O1", "-std=c++17", "-ffp-contract=off", "-fPIC", "-w")


@functools.cache
def _compiler() -> tuple[str, ...]:
    """How the compiler is called, with HEADER and TURNS compiled once: they take longer than most kernels do."""
    found = shutil.which("g++")
    if found is None:
        pytest.skip("the simulated GPU needs g++")  # also for a test that comes to it by a way of its own
    header, turns = Path(_folder()) / "header.h", Path(_folder()) / "turns.cpp"
    header.write_text(HEADER)
    turns.write_text(TURNS)
    _run(found, *_FLAGS, "-x", "c++-header", str(header), "-o", f"{header}.gch")
    _run(found, *_FLAGS, "-c", "-include", str(header), str(turns), "-o", f"{turns}.o")
    # Nothing here needs the library of C++, in which the linker would search for a while.
    return found, *_FLAGS, "-shared", "-nodefaultlibs", "-include", str(header), f"{turns}.o", "-lm", "-lc", "-lgcc"


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@functools.cache
def _library(text: str) -> ctypes.CDLL:
    name = hashlib.sha256(text.encode()).hexdigest()[:20]
    code, made = Path(_folder()) / f"{name}.cpp", Path(_folder()) / f"{name}.so"
    code.write_text(text)
    _run(*_compiler(), str(code), "-o", str(made))
    return ctypes.CDLL(str(made))


class SimulatedLibrary:
    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library

    def launch(self, name: str, blocks: int, threads: int, words: Sequence[int]) -> Callable[[], Any]:
        assert len(words) <= 512, f"{name} is given {8 * len(words)} bytes, and CUDA takes 4096"
        function = getattr(self.library, f"launch_{name}")
        given = (ctypes.c_uint64 * len(words))(*words)

        def run() -> None:
            Simulated.launches += 1
            function(blocks, threads, given)

        return run

    def launcher(
        self, name: str, blocks: int, threads: int, sizes: Sequence[int], count: int
    ) -> Callable[[Sequence[int], int], Any]:
        def run(addresses: Sequence[int], stream: int) -> None:
            assert len(addresses) == count
            self.launch(name, blocks, threads, [*sizes, *addresses])()

        return run


class Simulated:
    """The device; `launches` and `recordings` count what it was told to do."""

    alignment = 1
    eager = False  # but where a test asks for it: every shape is compiled
    launches = 0
    stream = 0

    def __init__(self, name: str, cudnn: SimulatedCudnn | None = None) -> None:
        self.recordings = 0
        library = cudnn or SimulatedCudnn(lacks=STEPS)  # so that our own kernels are shown to do it
        self.cudnn = Cudnn(library, handle=library.create_handle())
        self.blas, self.workspace = Blas(SimulatedCublasLt()), aligned(WORKSPACE)

    def follow(self) -> None:
        """There is one stream."""

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        array = np.empty(shape, dtype)
        array.reshape(-1).view("uint8")[...] = 0xFF  # NaN: what is read before it was written shows
        return guard.asarray(array)

    def address(self, array: Any) -> int:
        return int(array._host.ctypes.data)

    def copy(self, target: Any, source: Any) -> None:
        target[...] = source

    def staged(self, size: int) -> tuple[Any, Any, Callable[[], Any]]:
        there = np.zeros(size, "uint8")
        here = guard.asarray(np.zeros(size, "uint8"))

        def send() -> None:
            here._host[...] = there

        return there, here, send

    def library(self, source: str) -> SimulatedLibrary:
        return SimulatedLibrary(compiled(source))

    def product(self, product: Product, at: Addresses, timed: bool = False) -> Callable[[], Any]:
        a, b, c, bias, _ = at
        if product.epilogue not in (None, "bias"):
            planned = self.blas.plan(product, min(64, *(address & -address for address in at if address)))
            return lambda: planned.run(*at, stream=0, workspace=self.workspace.ctypes.data)

        def run() -> None:
            p = product
            rows = (p.k, p.m) if p.a_transposed else (p.m, p.k)
            columns = (p.n, p.k) if p.b_transposed else (p.k, p.n)
            x = _matrices(a, p.dtype, p.batch, rows, p.lda, p.stride_a)
            y = _matrices(b, p.dtype, p.batch, columns, p.ldb, p.stride_b)
            x = x.swapaxes(1, 2) if p.a_transposed else x
            y = y.swapaxes(1, 2) if p.b_transposed else y
            added = _matrices(bias, p.dtype, 1, (1, p.n), p.n, 0) if p.epilogue == "bias" else 0
            there = _matrices(c, p.dtype, p.batch, (p.m, p.n), p.ldc, p.stride_c)
            there[...] = x @ y + added + (there if p.accumulate else 0)

        return run

    def multiplier(self, product: Product) -> Callable[[int, int, int, int, int], Any]:
        return lambda a, b, c, bias, stream: self.product(product, Addresses(a, b, c, bias))()

    def pays(self, fused: Sequence[Product], apart: Sequence[Product], saved: int, alignment: int) -> bool:
        return True

    def does(self, operation: Operation) -> bool:
        try:
            self.cudnn.plan(operation)
        except UnsupportedOperation:
            return False
        return True

    def operation(self, operation: Operation, addresses: Mapping[str, int]) -> Callable[[], Any]:
        planned, at = self.cudnn.plan(operation), dict(addresses)
        workspace = np.empty(planned.workspace_bytes, "uint8")
        return lambda: planned.run(at, 0, workspace.ctypes.data)

    def record(self, runs: Sequence[Callable[[], Any]], after: Sequence[Set[int]] | None = None) -> Callable[[], Any]:
        """What may be done in another order is done in the other order, so that what leans on it shows."""
        self.recordings += 1
        order = list(range(len(runs))) if after is None else _backwards(after)

        def play() -> None:
            for i in order:
                runs[i]()

        return play


def aligned(size: int) -> np.ndarray:
    """So many bytes, all 0, from a multiple of 256 on."""
    memory = np.zeros(size + 256, "uint8")
    start = -memory.ctypes.data % 256
    return memory[start : start + size]


def _backwards(after: Sequence[Set[int]]) -> list[int]:
    """The order in which always the last of those is next that have nothing to wait for."""
    order: list[int] = []
    while len(order) < len(after):
        order.append(max(i for i in range(len(after)) if i not in order and after[i] <= set(order)))
    return order


def _matrices(address: int, dtype: str, count: int, shape: tuple[int, int], leading: int, step: int) -> np.ndarray:
    size = np.dtype(dtype).itemsize
    extent = (count - 1) * step + (shape[0] - 1) * leading + shape[1]
    memory = np.frombuffer((ctypes.c_char * (extent * size)).from_address(address), dtype)
    strides = (step * size, leading * size, size)
    return np.lib.stride_tricks.as_strided(memory, (count, *shape), strides)


register_device("guard", Simulated)
