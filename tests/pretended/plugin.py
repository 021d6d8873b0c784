"""What is NumPy's under the pretended CUDA: cuDNN, and of CuPy the sorts and the factors of matrices.

One idea: CuPy has these from libraries that only run on a GPU, and which are nobody's here to test. cuDNN is the
simulated one of the tests, started on streams. Read `__main__.py` next.
"""

from __future__ import annotations

import ctypes
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cupy
import numpy as np

from autograd.cuda import cudnn
from tests import gpu_outcome, simulated_cudnn

_FACTORS = "cholesky det eigh eigvalsh inv lstsq matrix_power matrix_rank pinv qr slogdet solve svd"


def _in_memory(address: int, dtype: Any, shape: Any) -> np.ndarray:
    """An array of the pretended GPU as one of NumPy's, when all is done that writes to it."""
    cupy.cuda.Device().synchronize()
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_char * size).from_address(address), dtype).reshape(shape)


def _sort(dtype: Any, data: int, keys: int, shape: Any) -> None:
    _in_memory(data, dtype, shape).sort(axis=-1, kind="stable")


def _argsort(dtype: Any, order: int, data: int, keys: int, shape: Any) -> None:
    numbers = _in_memory(data, dtype, shape)
    _in_memory(order, "int64", shape)[...] = numbers.argsort(axis=-1, kind="stable")
    numbers.sort(axis=-1, kind="stable")


def _lexsort(dtype: Any, order: int, keys: int, count: int, length: int) -> None:
    _in_memory(order, "int64", (length,))[...] = np.lexsort(_in_memory(keys, dtype, (count, length)))


def _by_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of NumPy's for arrays of CuPy's."""

    def there(x: Any) -> Any:
        return x.get() if isinstance(x, cupy.ndarray) else x

    def back(x: Any) -> Any:
        return cupy.asarray(x) if isinstance(x, (np.ndarray, np.generic)) else x

    def called(*arrays: Any, **options: Any) -> Any:
        with np.errstate(all="ignore"):  # a GPU says nothing
            result = function(*map(there, arrays), **options)
        if not isinstance(result, tuple):
            return back(result)
        return result._make(map(back, result)) if hasattr(result, "_make") else tuple(map(back, result))

    return called


_STARTED = ctypes.CFUNCTYPE(None, ctypes.c_void_p)  # cudaHostFn_t
_kept: list[Any] = []  # what streams may still call


def _on_streams(run: Callable[..., None]) -> Callable[..., None]:
    """cuDNN's graphs, done when their stream comes to them; what goes wrong there is printed."""
    runtime = ctypes.CDLL("libcuda.so.1")

    def start(graph: Any, pack: dict[int, int], workspace: int, index: int, handle: Any) -> None:
        if not workspace:
            raise RuntimeError("the workspace is missing")
        stream, given = handle.stream, dict(pack)

        def work(_: Any) -> None:
            before, handle.stream = handle.stream, stream
            try:
                run(graph, given, workspace, index, handle)
            except Exception:  # no caller is there to get it
                traceback.print_exc()
            finally:
                handle.stream = before

        _kept.append(_STARTED(work))
        if runtime.cudaLaunchHostFunc(ctypes.c_void_p(stream), _kept[-1], None):
            raise RuntimeError("cuDNN could not start")

    return start


for _name, _function in (("sort", _sort), ("argsort", _argsort), ("lexsort", _lexsort)):
    setattr(cupy.cuda.thrust, _name, _function)
for _name in _FACTORS.split():
    setattr(cupy.linalg, _name, _by_numpy(getattr(np.linalg, _name)))
simulated_cudnn.Graph.execute_plan_at_index = _on_streams(simulated_cudnn.Graph.execute_plan_at_index)  # type: ignore[method-assign]
_cudnn = simulated_cudnn.SimulatedCudnn()
cudnn.library = lambda: _cudnn  # type: ignore[assignment]
gpu_outcome.RESULTS = Path(os.environ["PRETENDED_CODE"])  # it is no GPU's, whose outcome is kept
if os.environ.get("PRETENDED_POOL") == "0":
    cupy.cuda.set_allocator(None)
