"""tapegrad's engine: reverse-mode automatic differentiation over NumPy and CuPy.

The public names, nothing else: each file's `__all__` says what it gives to users. `README.md` beside this file is the
tour of the engine.
"""

from typing import TYPE_CHECKING

from . import cuda, hints, linalg, operators, random
from .allocator import keep_freed_memory as keep_freed_memory
from .backend import synchronize as synchronize
from .compile import compile as compile
from .compile import disabled as compile_disabled
from .drawing import draw as draw
from .dtypes import *
from .engine import *
from .errors import *
from .functional import *
from .gradcheck import Verdict as Verdict
from .gradcheck import gradcheck as gradcheck
from .gradcheck import gradgradcheck as gradgradcheck
from .modes import *
from .ops.along import *
from .ops.cast import *
from .ops.choice import *
from .ops.creation import *
from .ops.diagonal import *
from .ops.discrete import *
from .ops.einsum import *
from .ops.elementwise import *
from .ops.extrema import *
from .ops.gamma import *
from .ops.index import *
from .ops.join import *
from .ops.linalg import *
from .ops.pooling import *
from .ops.products import *
from .ops.reduce import *
from .ops.search import *
from .ops.shape import *
from .ops.sort import *
from .ops.special import *
from .ops.stable import *
from .ops.trigonometric import *
from .ops.window import *
from .tensor import Tensor as Tensor
from .vmap import vmap as vmap

__project__ = "tapegrad"  # the mark that tells this autograd from the other one on PyPI

keep_freed_memory()
hints.tell_calls_of_files("autograd")

if not TYPE_CHECKING:  # a type checker shall find what is not there

    def __getattr__(name):
        from .hints import missing  # only a wrong name asks for this

        raise missing("autograd", name)
