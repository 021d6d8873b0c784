"""CUDA C on the host: kernels compiled by g++, behind a header in which the threads of a block are coroutines.

One idea: CUDA C is C++ with threads, so a kernel that nobody changed runs on a machine without a GPU, and can be
compared with NumPy. What it cannot show: races, and how fast it is. Read `threads.h` next;
`../autograd/compile/simulated.py` and `../pretended` stand on it.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

__all__ = ["CompilerError", "compiled"]

_HERE = Path(__file__).parent
_FLAGS = ("-O1", "-std=c++17", "-ffp-contract=off", "-fPIC", "-w")
# Nothing here needs the library of C++, in which the linker would search for a while.
_LINKED = ("-shared", "-nodefaultlibs", "-lm", "-lc", "-lgcc")
_KERNEL = re.compile(r'extern "C" __global__\s+void\s+(?:__launch_bounds__\s*\(\d+\)\s*)?(\w+)\s*\(')
_SHARED = re.compile(r"extern __shared__ (?:__align__\(\d+\) )?(\w[\w ]*?) (\w+)\[\];")
_MEET = ("__syncthreads", "over_row", "over_lanes", "in_row", "_sync(")


class CompilerError(Exception):
    """What g++ says of a source."""


def compiled(
    source: str,
    folder: Path,
    options: Sequence[str] = (),
    header: str = "threads.h",
    named: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """The library of a CUDA source in a folder, made or found: `launch_k` and `sizes_of_k` for each kernel k in it.

    `options` are g++'s, and `header` is what stands before the source, in the folder of this file or of its own.
    `named` are kernels of templates, such as k<int>, by the names that they get. Raises CompilerError.
    """
    shared = _SHARED.sub(r"\1 *\2 = (\1 *)dynamic;", source)
    text = f"{shared}\n{_launchers(source, named)}"
    prepared, threads = _prepared(folder, header, tuple(options))
    key = "|".join((text, str(prepared), *options))
    made = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:20]}.so"
    if not made.exists():
        code = made.with_suffix(f".{os.getpid()}.cpp")
        code.write_text(text)
        _whole(made, "-include", str(prepared), *options, str(code), str(threads), *_LINKED)
    return made


def _launchers(source: str, named: Mapping[str, str]) -> str:
    """What starts each kernel of a source, in turns if its threads meet."""
    found = list(_KERNEL.finditer(source))
    ends = [*(kernel.start() for kernel in found), len(source)][1:]
    before = source[: found[0].start()] if found and "struct Jobs" not in source else ""  # macros of CuPy's kernels
    lines = [_launcher(name, kernel, source) for name, kernel in named.items()]
    for kernel, end in zip(found, ends, strict=True):
        lines.append(_launcher(kernel[1], kernel[1], before + source[kernel.start() : end]))
    return "\n".join(lines)


def _launcher(name: str, kernel: str, text: str) -> str:
    """What starts a kernel with this text under this name."""
    meets = int(any(word in text for word in _MEET))
    return (
        f'extern "C" const unsigned *sizes_of_{name}() {{ return sizes({kernel}); }}\n'
        f'extern "C" void launch_{name}(const unsigned *g, const unsigned *b, void *const *x, unsigned shared) '
        f"{{ launch([](void *const *y) {{ call({kernel}, y); }}, g, b, x, shared, {meets}); }}"
    )


@functools.cache
def _prepared(folder: Path, header: str, options: tuple[str, ...]) -> tuple[Path, Path]:
    """The header and the threads, compiled once: they take longer than most kernels do."""
    texts = [(_HERE / name).read_text() for name in (header, "threads.h", "threads.cpp")]
    name = hashlib.sha256("|".join((*texts, *options, _version())).encode()).hexdigest()[:20]
    there, threads = folder / name / Path(header).name, folder / name / "threads.o"
    if not threads.exists():
        there.parent.mkdir(exist_ok=True)
        shutil.copy(_HERE / header, there)
        shutil.copy(_HERE / "threads.h", there.parent)
        _whole(Path(f"{there}.gch"), *options, "-x", "c++-header", str(there))
        _whole(threads, "-c", str(_HERE / "threads.cpp"))
    return there, threads


@functools.cache
def _version() -> str:
    found = shutil.which("g++")
    if found is None:
        raise CompilerError("kernels on the host need g++, which is not here: on Debian, apt-get install g++.")
    return found + subprocess.run((found, "--version"), capture_output=True, text=True, check=True).stdout


def _whole(made: Path, *arguments: str) -> None:
    """Have g++ make a file, which others that look for it see when it is whole."""
    part = made.with_name(f"{made.name}.{os.getpid()}")
    done = subprocess.run(("g++", *_FLAGS, *arguments, "-o", str(part)), capture_output=True, text=True, check=False)
    if done.returncode:
        raise CompilerError(done.stderr)
    part.replace(made)
