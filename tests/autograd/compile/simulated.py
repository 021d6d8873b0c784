"""A simulated GPU: the very tape of the cuda executor, run on the host.

One idea: its kernels run as `../../kernels` compiles them, products are NumPy's, and cuDNN is a simulated one. Its
arrays are those of the guard backend, so whatever CuPy would refuse is refused here too. What it cannot show: races,
and how fast it is.
Importing this file registers it under the name "guard".
"""

from __future__ import annotations

import ctypes
import functools
import shutil
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
from tests import kernels
from tests.guard import guard
from tests.simulated_cublaslt import WORKSPACE, SimulatedCublasLt
from tests.simulated_cudnn import STEPS, SimulatedCudnn

needed = pytest.mark.skipif(shutil.which("g++") is None, reason="the simulated GPU needs g++")

_folder = functools.cache(lambda: Path(tempfile.mkdtemp(prefix="tapegrad-simulated-")))
_loaded = functools.cache(lambda source: ctypes.CDLL(str(kernels.compiled(source, _folder()))))


def library_of(source: str) -> ctypes.CDLL:
    """The kernels of a CUDA source; a test that comes to it by a way of its own is skipped where g++ is missing."""
    if shutil.which("g++") is None:
        pytest.skip("the simulated GPU needs g++")
    return _loaded(source)


class SimulatedLibrary:
    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library

    def launch(self, name: str, blocks: int, threads: int, words: Sequence[int]) -> Callable[[], Any]:
        assert len(words) <= 512, f"{name} is given {8 * len(words)} bytes, and CUDA takes 4096"
        function = getattr(self.library, f"launch_{name}")
        given = (ctypes.c_uint64 * len(words))(*words)
        grid, block = ((ctypes.c_uint * 3)(count, 1, 1) for count in (blocks, threads))
        pointers = (ctypes.c_void_p * 1)(ctypes.addressof(given))

        def run(kept: Any = given) -> None:
            Simulated.launches += 1
            function(grid, block, pointers, 0)

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

    def follow(self, before: Any) -> None:
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
        return SimulatedLibrary(library_of(source))

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
