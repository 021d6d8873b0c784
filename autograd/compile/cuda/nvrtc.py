"""NVRTC: CUDA C made into machine code for a GPU, which needs no GPU.

One idea: the code is kept under a name made of everything that it was made from, beside the native libraries, in a
folder of the user's own. Read `../native/library.py`, which does the same for C.

Source: NVIDIA, NVRTC documentation.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import tempfile
from typing import Any

from ...cuda.cublaslt import cuda_number
from ...errors import DeviceError
from ..native.library import folder

__all__ = ["compiled", "cubin_of"]

_OPTIONS = ("--std=c++17", "--fmad=true")


def cubin_of(source: str, architecture: str) -> bytes:
    """The code of a source for an architecture such as "sm_90", made or found."""
    key = "|".join((source, architecture, *_OPTIONS, str(_version())))
    path = folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:40]}.cubin"
    if path.exists():
        kept = path.read_bytes()
        if hashlib.sha256(kept[:-32]).digest() == kept[-32:]:
            return kept[:-32]  # else it is damaged: make it again
    made = compiled(source, architecture)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(made + hashlib.sha256(made).digest())
    os.replace(file.name, path)
    return made


def compiled(source: str, architecture: str) -> bytes:
    """The code of a source. Raises DeviceError with what the compiler says."""
    library = _library()
    program = ctypes.c_void_p()
    _check(library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"program.cu", 0, None, None))
    try:
        options = [f"--gpu-architecture={architecture}".encode(), *(option.encode() for option in _OPTIONS)]
        status = library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
        if status:
            log = _bytes(library.nvrtcGetProgramLogSize, library.nvrtcGetProgramLog, program)
            raise DeviceError(f"NVRTC could not compile a program:\n{log.rstrip(bytes(1)).decode()}")
        return _bytes(library.nvrtcGetCUBINSize, library.nvrtcGetCUBIN, program)
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))


def _bytes(size_of: Any, get: Any, program: ctypes.c_void_p) -> bytes:
    size = ctypes.c_size_t()
    _check(size_of(program, ctypes.byref(size)))
    found = ctypes.create_string_buffer(size.value)
    _check(get(program, found))
    return found.raw


def _check(status: int) -> None:
    if status:
        raise DeviceError(f"NVRTC failed: {_library().nvrtcGetErrorString(status).decode()}.")


def _version() -> tuple[int, int]:
    major, minor = ctypes.c_int(), ctypes.c_int()
    _check(_library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)))
    return major.value, minor.value


@functools.cache
def _library() -> Any:
    try:
        from cuda.pathfinder import load_nvidia_dynamic_lib

        path = load_nvidia_dynamic_lib("nvrtc").abs_path
    except (ImportError, RuntimeError) as error:
        raise DeviceError(
            f'compiled functions on "cuda" need NVRTC, which was not found ({error}): '
            f'pip install "cupy-cuda{cuda_number()}x[ctk]" brings it.'
        ) from error
    library = ctypes.CDLL(path)
    library.nvrtcGetErrorString.restype = ctypes.c_char_p
    return library
