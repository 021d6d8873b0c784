"""`python -m tests.pretended COMMAND`: a command of Python's, such as `pytest -q -m gpu`, on the pretended CUDA.

One idea: a Python of its own finds CuPy, the environment says where its CUDA is, and pytest is given the plugin;
nothing else is changed. Read `build.py` for how it is made.
"""

from __future__ import annotations

import os
import sys

from .build import PYTHON, build, environment


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit("usage: python -m tests.pretended pytest|python ARGUMENT ...")
    command, *arguments = sys.argv[1:]
    if command == "pytest":
        arguments = ["-m", "pytest", "-p", "tests.pretended.plugin", "-p", "no:cacheprovider", *arguments]
    elif command != "python":
        sys.exit(f'python -m tests.pretended runs "pytest" or "python", got "{command}".')
    variables = environment()
    build()
    os.execve(PYTHON, [str(PYTHON), *arguments], variables)


if __name__ == "__main__":
    main()
