"""Builds the pretended CUDA, once, in a folder of its own: CuPy, and the library that it takes for CUDA's.

One idea: CuPy finds all of CUDA's libraries by their names but the runtime, which is a part of it. So that one module
of CuPy's is made from its source, against our runtime. Read `compile.py` next.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

__all__ = ["PYTHON", "build", "environment"]

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_FOLDER = _ROOT / ".venv" / "pretended"
PYTHON = _FOLDER / "venv" / "bin" / "python"  # one that finds all that ours does, and CuPy
_PINS = _ROOT / "requirements" / "pretended.txt"
_CUDA = 13000  # the version of CUDA that this CuPy was made for
_NAMES = ("cuda.so.1", "cudart.so.13", "nvrtc.so.13", "cublasLt.so.13", "cublas.so.13")
_COMPILER = ("g++", "-O2", "-std=c++17", "-fPIC", "-shared", "-w")
_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")


def environment() -> dict[str, str]:
    """That of a command which is to find the pretended CUDA. Exits where a variable of it has no such value."""
    order = os.environ.get("PRETENDED_ORDER", "late")
    if order not in ("late", "now", "random"):
        sys.exit(f'PRETENDED_ORDER is "late", "now" or "random", got "{order}".')
    for name in ("PRETENDED_POOL", "PRETENDED_SEED", "PRETENDED_GIB"):
        if not os.environ.get(name, "0").isdigit():
            sys.exit(f'{name} is a whole number, got "{os.environ[name]}".')
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH")))),
        "LD_LIBRARY_PATH": str(_FOLDER / "lib"),
        "CUDA_PATH": str(_FOLDER / "site/nvidia/cu13"),  # for its headers
        "CUPY_CACHE_DIR": str(_FOLDER / "cache" / "cupy"),
        "XDG_CACHE_HOME": str(_FOLDER / "cache"),  # the code of our own kernels is none that a GPU could use
        "PRETENDED_CODE": str(_FOLDER / "code"),
        "PRETENDED_PYTHON": sys.executable,
    }


def build() -> None:
    """Make what is not made yet, and the library again where its source is newer."""
    for name in ("lib", "code", "cache"):
        (_FOLDER / name).mkdir(parents=True, exist_ok=True)
    ready, pins = _FOLDER / "ready", _PINS.read_text()
    if not ready.exists() or ready.read_text() != pins:
        _refuse_missing()
        shutil.rmtree(_FOLDER / "site", ignore_errors=True)  # of other versions, or of a set-up that was interrupted
        print(f"setting up {_FOLDER.relative_to(_ROOT)}: CuPy, and a CUDA that computes on the host (once)")
        _run(*_PIP, "install", "-qq", "--target", str(_FOLDER / "site"), "-r", str(_PINS))
        _make_python()
        source = _source()
        _build_library(source)
        _build_runtime(source)
        ready.write_text(pins)
    elif any(path.stat().st_mtime > _library().stat().st_mtime for path in _HERE.glob("*.[ch]*")):
        _build_library(_unpacked())


def _refuse_missing() -> None:
    if sys.platform != "linux":
        sys.exit(f"the pretended CUDA is built on Linux, this is {sys.platform}.")
    headers = Path(sysconfig.get_path("include"))
    lacking = [word for word in ("g++", "nm", "tar") if shutil.which(word) is None]
    lacking += [] if (headers / "Python.h").exists() else [f"{headers}/Python.h"]
    if lacking:
        sys.exit(
            f"the pretended CUDA is built with {', '.join(lacking)}, not found here: on Debian, apt-get install "
            "g++ binutils tar python3-dev."
        )


def _make_python() -> None:
    """Processes that a command starts, such as those of the benchmarks, get other variables, but the same Python."""
    _run(sys.executable, "-m", "venv", "--clear", "--without-pip", str(_FOLDER / "venv"))
    (packages,) = (_FOLDER / "venv").glob("lib/python*/site-packages")
    no_cub = "import os; os.environ['CUPY_ACCELERATORS'] = ''"  # its reductions are compiled for a GPU
    paths = (sysconfig.get_path("purelib"), str(_FOLDER / "site"), no_cub)  # ours first: CuPy brings a NumPy along
    (packages / "pretended.pth").write_text("\n".join(paths) + "\n")


def _library() -> Path:
    return _FOLDER / "lib" / "libpretended.so"


def _unpacked() -> Path:
    """Where CuPy's source is, or will be."""
    (version,) = re.findall(r"^cupy-cuda\d+x==(\S+)", _PINS.read_text(), re.M)
    return _FOLDER / f"cupy-{version}"


def _source() -> Path:
    """CuPy's source, of the version that is installed."""
    there = _unpacked()
    stub = {**os.environ, "CUPY_INSTALL_USE_STUB": "1"}  # to tell its name it need not find a CUDA
    wanted = ("--no-deps", "--no-binary", "cupy", there.name.replace("-", "=="))
    _run(*_PIP, "download", "-qq", *wanted, "-d", str(_FOLDER), env=stub)
    _run("tar", "--extract", "--file", f"{there}.tar.gz", "--directory", str(_FOLDER))
    return there


def _includes() -> list[str]:
    site = _FOLDER / "site"
    found = [path.parent for name in ("cuda_runtime_api.h", "host_defines.h") for path in site.rglob(name)]
    found = [path.parent if path.name == "crt" else path for path in found]
    return [f"-I{path}" for path in (*found, site / "cupy/_core/include/cupy/_cccl/libcudacxx", _HERE)]


def _build_library(source: Path) -> None:
    """The library under all the names that are asked for; what it lacks of what CuPy names refuses to work."""
    asked = (source / "cupy_backends/cuda/api/_runtime_extern.pxi").read_text()
    (cublas,) = (_FOLDER / "site/cupy_backends/cuda/libs").glob("cublas.*.so")
    asked += _run("nm", "-D", "--undefined-only", str(cublas))
    names = sorted(set(re.findall(r"\b(cuda[A-Z]\w*(?=\()|cublas[A-Z]\w*)", asked)))
    lacking = _FOLDER / "lacking.c"
    lacking.write_text("".join(f"__attribute__((weak)) int {name}(void) {{ return 801; }}\n" for name in names))
    sources = map(str, sorted(_HERE.glob("*.cpp")))
    made = str(_library())
    _run(*_COMPILER, *_includes(), *sources, "-x", "c", str(lacking), "-o", made, "-ldl")
    for name in _NAMES:
        link = _FOLDER / "lib" / f"lib{name}"
        link.unlink(missing_ok=True)
        link.symlink_to(made)


def _build_runtime(source: Path) -> None:
    """CuPy's module of the runtime, which asks our library."""
    values = {"CUPY_USE_CUDA_PYTHON": False, "CUPY_CUDA_VERSION": _CUDA, "CUPY_HIP_VERSION": 0}
    name = "cupy_backends/cuda/api/runtime"
    code = source / f"{name}.pyx"
    program = (
        "from Cython.Build import cythonize; from setuptools import Extension; "
        f"module = Extension({name.replace('/', '.')!r}, [{name + '.pyx'!r}], language='c++'); "
        f"cythonize([module], language_level=3, quiet=True, compile_time_env={values!r}, "
        "compiler_directives={'legacy_implicit_noexcept': True})"
    )
    path = {**os.environ, "PYTHONPATH": str(_FOLDER / "site")}
    _run(sys.executable, "-W", "ignore", "-c", program, env=path, cwd=source)
    profiler = _FOLDER / "cuda_profiler_api.h"
    profiler.write_text('extern "C" { int cudaProfilerStart(); int cudaProfilerStop(); }\n')
    (old,) = (_FOLDER / "site/cupy_backends/cuda/api").glob("runtime.*.so")
    where = (f"-I{sysconfig.get_path('include')}", f"-I{source / 'cupy_backends'}", f"-I{_FOLDER}", *_includes())
    linked = (f"-L{_FOLDER / 'lib'}", "-lpretended", f"-Wl,-rpath,{_FOLDER / 'lib'}")
    _run(*_COMPILER, *where, str(code.with_suffix(".cpp")), "-o", str(old), *linked)


def _run(*command: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, cwd=cwd)
    if done.returncode:
        sys.exit(f"the pretended CUDA could not be built: {' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout
