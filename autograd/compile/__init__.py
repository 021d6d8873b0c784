"""The compiled step: trace, program, passes, plan, run.

One idea: what a training step computes is the same at every call, only the numbers differ; so write it down once, make
the writing shorter, and read it out ever after. Read `function.py` first, which is what users call.
"""

from .function import Compiled as Compiled
from .function import compile as compile
from .function import disabled as disabled

__all__ = ["Compiled", "compile", "disabled"]
