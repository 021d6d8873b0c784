"""cuDNN as it is: NVIDIA's library of convolutions and attention, its plans, and its refusals in words.

One idea: `plan` looks for the first engine, in the order in which cuDNN expects them to be fast, that can do an
operation with the same bits each time; `Plan.run` only adds addresses, and may be called while a CUDA graph is
recorded; the plan must be made before. A run goes through the library's own Python, so it is best recorded. The library
is imported when it is first asked for. Read `device.py` next.

    plan(Convolution("forward", ...)).run({"x": x.ptr, "w": w.ptr, "y": y.ptr}, stream=s, workspace=memory.ptr)

Source: NVIDIA, cuDNN frontend documentation, and its Python package.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from functools import cache
from threading import RLock
from typing import Any

from ..errors import DeviceError
from .cublaslt import cuda_number
from .graphs import Operation, graph_of

__all__ = ["ALIGNMENT", "WORKSPACE_BYTES", "Cudnn", "CudnnError", "Plan", "UnsupportedOperation"]
__all__ += ["is_available", "is_supported", "library", "on_device", "plan", "told", "version"]

WORKSPACE_BYTES = 1 << 30  # the most that a plan asks for
ALIGNMENT = 16  # bytes: what cuDNN takes for granted of every address
OLDEST = 90800  # cuDNN 9.8
MOST = 4096  # plans kept; a program whose shapes never come back shall not collect them for ever


class CudnnError(DeviceError):
    """cuDNN could not do what it was asked to."""


class UnsupportedOperation(CudnnError):
    """A convolution or an attention that cuDNN has no engine for: do it in another way."""


# The library


def _wheel() -> str:
    return f"nvidia-cudnn-cu{cuda_number()}"


def _remedy() -> str:
    return f'pip install {_wheel()} "nvidia-cudnn-frontend<1.29" brings both'


@cache
def library() -> Any:
    """The Python package of cuDNN, with a cuDNN that is new enough. Raises DeviceError that says what is missing."""
    try:
        import cudnn
    except ModuleNotFoundError as error:
        raise DeviceError(
            f"cuDNN needs its Python package, nvidia-cudnn-frontend, which is not installed here: {_remedy()}."
        ) from error
    except Exception as error:  # of whatever kind: it loads a library of C++, and asserts what it finds
        raise DeviceError(
            f"nvidia-cudnn-frontend is installed but cannot be imported ({_first_line(error)}): install it and "
            f"{_wheel()} again, {_remedy()}."
        ) from error
    try:
        number = cudnn.backend_version()
    except RuntimeError as error:
        raise DeviceError(
            f"nvidia-cudnn-frontend finds no cuDNN ({_first_line(error)}): {_remedy()}, or put the folder of "
            "libcudnn.so.9 into LD_LIBRARY_PATH."
        ) from error
    if number < OLDEST:
        raise DeviceError(
            f"cuDNN {_written(number)} is too old, {_written(OLDEST)} is the oldest that can be used: pip install "
            f"--upgrade {_wheel()}."
        )
    return cudnn


def version() -> str:
    """The version of cuDNN. Raises DeviceError where it cannot be used."""
    return _written(library().backend_version())


def is_available() -> bool:
    """Whether cuDNN and its Python package are here; what is missing, `library` says."""
    try:
        library()
    except DeviceError:
        return False
    return True


def _written(number: int) -> str:
    return f"{number // 10_000}.{number // 100 % 100}.{number % 100}"


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0].rstrip(".:")


# Plans


class Plan:
    """An operation with the engine that was found for it. Made by `plan`; threads may share it."""

    def __init__(self, cudnn: Cudnn, operation: Operation) -> None:
        self.operation, self._cudnn = operation, cudnn
        try:
            self._graph, notes, self._numbers = graph_of(cudnn.library, operation, cudnn.place)
            self._index = _first_engine(cudnn.library, self._graph, notes)
            self.engine: str = self._graph.get_plan_name_at_index(self._index)
            # what `run` needs to work in
            self.workspace_bytes: int = self._graph.get_workspace_size_plan_at_index(self._index)
        except cudnn.library.cudnnGraphNotSupportedError as error:
            reason = _first_line(error)
            raise UnsupportedOperation(f"cuDNN, {operation}: it has no engine for this ({reason}).") from error
        except (RuntimeError, ValueError) as error:
            raise CudnnError(f"cuDNN, {operation}: it could not be planned ({_first_line(error)}).") from error

    def run(self, addresses: Mapping[str, int], stream: int = 0, workspace: int = 0) -> None:
        """Start it: an address in the GPU's memory for each array of the operation, by its name there.

        They must be multiples of ALIGNMENT. `workspace` holds `workspace_bytes`, never more than WORKSPACE_BYTES, and
        operations that may run at the same time need one each. `stream` is the handle of a CUDA stream. Raises
        CudnnError where cuDNN refuses.
        """
        odd = [role for role in self._numbers if addresses[role] % ALIGNMENT]
        if odd:
            raise CudnnError(
                f"cuDNN, {self.operation}: the address of {' and '.join(odd)} must be a multiple of {ALIGNMENT}, so "
                "copy what lies otherwise."
            )
        pack = {number: addresses[role] for role, number in self._numbers.items()}
        try:
            self._cudnn.execute(self._graph, pack, workspace, self._index, stream)
        except (RuntimeError, ValueError) as error:
            raise CudnnError(f"cuDNN, {self.operation}: it could not be run ({_first_line(error)}).") from error

    def __repr__(self) -> str:
        return f"<plan for {self.operation}: {self.engine}, {self.workspace_bytes:,} bytes of workspace>"


def _first_engine(cudnn: Any, graph: Any, notes: list[Any]) -> int:
    """The number of the first plan that can be built and is none of those with these notes."""
    graph.validate()
    graph.build_operation_graph()
    graph.create_execution_plans([cudnn.heur_mode.A, cudnn.heur_mode.FALLBACK])
    graph.deselect_numeric_notes(notes)
    graph.deselect_workspace_greater_than(WORKSPACE_BYTES)
    refusal: Exception | None = None
    for index in range(graph.get_execution_plan_count()):
        try:
            graph.build_plan_at_index(index)
        except (RuntimeError, cudnn.cudnnGraphNotSupportedError) as error:
            refusal = error
        else:
            return index
    reason = _first_line(refusal) if refusal else "it proposes none"
    raise cudnn.cudnnGraphNotSupportedError(reason)


class Cudnn:
    """cuDNN on one device: its handle, and the plans made so far, with what it has refused.

    `place` says which device, in the words of `pygraph`: a `handle` on a GPU. Where there is none, plans can be made
    for one that is described, by `device_property`, but not run.
    """

    def __init__(self, library: Any, **place: Any) -> None:
        self.library, self.place = library, place
        self._plans: dict[Operation, Plan | UnsupportedOperation] = {}
        # A handle has one stream at a time, and a graph one call.
        self._lock = RLock()
        self._stream: int | None = None

    def plan(self, operation: Operation) -> Plan:
        """The plan of an operation, made when it is first asked for. Raises UnsupportedOperation."""
        with self._lock:
            found = self._plans.get(operation)
            if found is None:
                if len(self._plans) >= MOST:
                    self._plans.clear()
                found = self._plans[operation] = self._planned(operation)
        if isinstance(found, UnsupportedOperation):
            raise UnsupportedOperation(*found.args)
        return found

    def _planned(self, operation: Operation) -> Plan | UnsupportedOperation:
        try:
            return Plan(self, operation)
        except UnsupportedOperation as refusal:
            return UnsupportedOperation(*refusal.args)  # without what its traceback holds

    def execute(self, graph: Any, pack: dict[int, int], workspace: int, index: int, stream: int) -> None:
        """Start a plan of a graph on a stream."""
        handle = self.place["handle"]
        with self._lock:
            if stream != self._stream:
                self.library.set_stream(handle=handle, stream=stream)
                self._stream = stream
            graph.execute_plan_at_index(pack, workspace, index, handle)


@cache
def on_device(number: int) -> Cudnn:
    """cuDNN on a GPU, which must be CuPy's current one when it is first asked for. Raises DeviceError."""
    found = library()
    try:
        handle = found.create_handle()
    except RuntimeError as error:
        raise CudnnError(f"cuDNN could not start on cuda:{number} ({_first_line(error)}).") from error
    return Cudnn(found, handle=handle)


def plan(operation: Operation) -> Plan:
    """The plan of an operation on CuPy's current GPU, made when it is first asked for; not while a graph is recorded.

    Raises UnsupportedOperation where cuDNN has no engine, CudnnError where it fails, DeviceError where it is missing.
    """
    from cupy.cuda.runtime import getDevice

    return on_device(getDevice()).plan(operation)


def is_supported(operation: Operation) -> bool:
    """Whether `plan` gives a plan; what fails, where cuDNN is there and should not fail, is told once by a warning.

    TAPEGRAD_CUDNN=0 in the environment says that it is not to be used.
    """
    if os.environ.get("TAPEGRAD_CUDNN") == "0":
        return False
    try:
        plan(operation)
    except DeviceError as error:
        if isinstance(error, CudnnError) and not isinstance(error, UnsupportedOperation):
            _tell(error)
        return False
    return True


told: set[str] = set()  # what went wrong so far, in cuDNN's words


def _tell(error: CudnnError) -> None:
    """Warn of what went wrong, but once, whatever the operation: a new part of cuDNN that an old one does not know."""
    reason = _first_line(error.__cause__ or error)
    if reason not in told:
        told.add(reason)
        warnings.warn(
            f"{error} What fails like this is done without cuDNN. It may be that cuDNN {version()} and "
            f"nvidia-cudnn-frontend {library().__version__} do not fit each other: pip install --upgrade "
            f"{_wheel()}, or install an older nvidia-cudnn-frontend.",
            RuntimeWarning,
            stacklevel=3,
        )
