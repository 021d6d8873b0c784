"""The number of BLAS threads, which is read from the environment once, when NumPy is loaded.

One idea: by the time a flag is read NumPy is there already, so the process starts itself anew with the environment set.
Read `cli.py` for its use.
"""

from __future__ import annotations

import os
import sys

from .config import Config

__all__ = ["restart_with", "use_threads"]

# OpenBLAS (NumPy's own wheels), MKL, OpenMP, Apple's Accelerate, BLIS.
VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "BLIS_NUM_THREADS",
)


def use_threads(config: Config, own_process: bool) -> None:
    """See to it that this process, where it is the program's own, has the number of threads that a run asks for."""
    if own_process and config.threads is not None:
        restart_with(config.threads)


def restart_with(threads: int) -> None:
    """Replace this process by the same command with so many threads; nothing where the environment says so already."""
    wanted = dict.fromkeys(VARIABLES, str(threads))
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **wanted})
