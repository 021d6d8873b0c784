"""What the pretended NVRTC runs: `python -m tests.pretended.compile program.cu OPTION ...` tells where its code is.

One idea: it is `../kernels` with the words that CuPy's own kernels use besides; of NVRTC's options those that are
g++'s too matter. Read `plugin.py` next.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.kernels import CompilerError, compiled

_HERE = Path(__file__).parent
_HEADER = "../pretended/cupy.h"
# As CuPy's headers are told what compiles them; they leave to a compiler of NVIDIA's what ours takes amiss.
_TOLD = ("-fpermissive", "-D__CUDACC_RTC__", "-D__CUDACC_VER_MAJOR__=13", f"-I{_HERE / 'include'}")


def main() -> None:
    source, *options = sys.argv[1:]
    kept = [option for option in options if option.startswith(("-I", "-D"))]
    named = dict(option[8:].split("=", 1) for option in options if option.startswith("--named="))
    try:
        folder = Path(os.environ["PRETENDED_CODE"])
        code = compiled(Path(source).read_text(), folder, (*_TOLD, *kept), _HEADER, named)
    except CompilerError as error:
        sys.exit(str(error))
    print(code, end="")


if __name__ == "__main__":
    main()
