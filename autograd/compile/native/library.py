"""Library: C source made into something that can be called, and kept for the next time.

One idea: a library is named after everything that it was made from, source, compiler and flags, so a name that exists
is the right one. The folder belongs to the user alone, since whoever can write there can run code. Where there is no
compiler, or it fails, there is no library: one warning says so, and `missing` tells before. Read `threads.py` next.
"""

from __future__ import annotations

import ctypes
import functools
import glob
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from ...backend import host

# Note [Address 0]
# Where GCC 12 knows that all arrays lie in one piece of memory, it may read one of them, a transposed matrix of 4 or 8
# columns say, at an address counted from 0. It takes that for a null pointer then, concludes that the loop ends there
# and writes nothing, and leaves it out. With -fno-delete-null-pointer-checks 0 is an address like any other.

__all__ = ["Blas", "UntrustedFolder", "address_of", "blas", "load", "missing"]

_FLAGS = (
    "-O3",
    "-march=native",
    "-fPIC",
    "-shared",
    "-fopenmp-simd",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
    "-fno-delete-null-pointer-checks",  # see Note [Address 0]
    "-w",
)


def missing() -> str | None:
    """What is missing here to run programs as C, in words; None where nothing is."""
    compiler = _compiler()
    if isinstance(compiler, str):
        return compiler
    return None if blas() else "NumPy's BLAS was not found"


class UntrustedFolder(PermissionError):
    """The folder of libraries is not the user's alone."""


def load(source: str) -> Any:
    """The library of this source, a ctypes.CDLL; None, told once, where it cannot be made or kept.

    Raises UntrustedFolder as `folder` does.
    """
    compiler = _compiler()
    if isinstance(compiler, str):
        _warn_once(compiler)
        return None
    try:
        return _kept(source, compiler)
    except UntrustedFolder:
        raise
    except OSError as error:  # a file in the place of the folder, a disk that is full or cannot be written
        _warn_once(f"no library can be kept, {error}; name another folder in TAPEGRAD_CACHE")
        return None


def _kept(source: str, compiler: tuple[str, ...]) -> Any:
    path = folder() / name_of(source, compiler)
    for _ in range(2):
        if path.exists():
            try:
                return ctypes.CDLL(str(path))
            except OSError:
                path.unlink()  # damaged: make it again
        if not _build(compiler[0], source, path):
            return None
    return None


def name_of(source: str, compiler: tuple[str, ...]) -> str:
    """The name of the library that this compiler makes of this source."""
    return hashlib.sha256("|".join((*compiler, *_FLAGS, source)).encode()).hexdigest()[:40] + ".so"


def _build(compiler: str, source: str, path: Path) -> bool:
    with tempfile.TemporaryDirectory(dir=path.parent) as work:
        code, made = Path(work) / "program.c", Path(work) / "program.so"
        code.write_text(source, encoding="utf-8")
        try:
            done = subprocess.run(
                [compiler, *_FLAGS, str(code), "-o", str(made), "-lm"],
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
                start_new_session=True,  # Ctrl-C on the terminal is for the program, which may want to end its step
            )
            why = done.stderr.strip().splitlines()[-1:] if done.returncode else None
        except (OSError, subprocess.TimeoutExpired) as error:
            why = [str(error)]
        if why is not None:
            _warn_once(f"the C compiler {compiler} failed ({' '.join(why)})")
            return False
        os.replace(made, path)
    return True


def folder() -> Path:
    """The user's own folder of libraries, made when it is not there: TAPEGRAD_CACHE, or tapegrad in the user's cache.

    Raises UntrustedFolder when it belongs to somebody else, or others may write there; OSError where it cannot be made.
    """
    given = os.environ.get("TAPEGRAD_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = Path(given) if given else base / "tapegrad" / "native"
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    state = path.stat()
    if hasattr(os, "getuid") and (state.st_uid != os.getuid() or state.st_mode & 0o022):
        raise UntrustedFolder(
            f"{path} belongs to another user, or others may write to it, so code kept there cannot be trusted: "
            "chmod 700 it, or name another folder in TAPEGRAD_CACHE."
        )
    return path


@functools.cache
def _compiler() -> tuple[str, ...] | str:
    """The compiler, its version and the processor it compiles for; where there is none, why not."""
    command = os.environ.get("CC") or shutil.which("gcc") or shutil.which("cc")
    if command is None:
        return "there is no C compiler here"
    try:
        version = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return f"the C compiler {command} does not run ({error})"
    return (command, version, platform.machine(), _processor())


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith("flags")), platform.processor())


@functools.cache
def _warn_once(why: str) -> None:
    warnings.warn(f"compiled functions run on NumPy's kernels alone: {why}.", RuntimeWarning, stacklevel=2)


class Blas(NamedTuple):
    """What we use of NumPy's own BLAS, by address; 0 for what an older one does not have."""

    single: int  # the matrix product of float32; lengths are 64-bit
    double: int
    set_callback: int  # takes the function that shall run its jobs
    get_threads: int  # says in how many threads it works
    places: int  # how many threads it could ever have

    def threads(self) -> int:
        """In how many threads it works now."""
        return int(ctypes.CFUNCTYPE(ctypes.c_int)(self.get_threads)()) if self.get_threads else 1


@functools.cache
def blas() -> Blas | None:
    """NumPy's own BLAS; None where it is not found. It is the library that NumPy has loaded already."""
    places = [Path(host.__file__).parent / ".libs", Path(host.__file__).parent.parent / "numpy.libs"]
    for place in places:
        for path in sorted(glob.glob(str(place / "*openblas64_*"))):
            try:
                library = ctypes.CDLL(path)
                products = library.scipy_cblas_sgemm64_, library.scipy_cblas_dgemm64_
            except (OSError, AttributeError):
                continue
            single, double = map(address_of, products)
            return Blas(single, double, *_threading(library))
    return None


def _threading(library: Any) -> tuple[int, int, int]:
    try:
        set_callback = library.scipy_openblas_set_threads_callback_function64_
        get_threads, config = library.scipy_openblas_get_num_threads64_, library.scipy_openblas_get_config64_
    except AttributeError:
        return 0, 0, 0
    config.restype = ctypes.c_char_p
    most = re.search(rb"MAX_THREADS=(\d+)", config())
    return address_of(set_callback), address_of(get_threads), int(most[1]) if most else 0


def address_of(function: Any) -> int:
    """The address of a function of a library."""
    return ctypes.cast(function, ctypes.c_void_p).value or 0
