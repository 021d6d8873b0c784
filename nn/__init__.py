"""Layers, losses and initialisers with PyTorch's names, on tapegrad's autograd.

One idea: a layer is its parameters and one formula, and the formula is a function in `functional/`. Read `module.py`
first, then `linear.py`.
"""

from typing import TYPE_CHECKING

from _tapegrad_marker import require_own_autograd

require_own_autograd()

from . import (
    activation,
    container,
    conv,
    functional,
    init,
    loss,
    norm,
    pad,
    patches,
    pool,
    recurrent,
    serialize,
    transformer,
    upsample,
    vectors,
)
from .activation import *
from .attention import MultiheadAttention
from .call import functional_call
from .container import *
from .conv import *
from .dropout import Dropout, Dropout2d
from .embedding import Embedding
from .flatten import Flatten
from .linear import Identity, Linear, Maxout
from .loss import *
from .module import Module
from .norm import *
from .pad import *
from .parameter import Parameter
from .patches import *
from .pool import *
from .recompute import checkpoint
from .recurrent import *
from .serialize import *
from .transformer import *
from .upsample import *
from .vectors import *

__all__ = [
    "functional",
    "init",
    "Module",
    "Parameter",
    "functional_call",
    "checkpoint",
    "Dropout",
    "Dropout2d",
    "Embedding",
    "Flatten",
    "Identity",
    "Linear",
    "Maxout",
    "MultiheadAttention",
]
__all__ += activation.__all__
__all__ += container.__all__
__all__ += conv.__all__
__all__ += loss.__all__
__all__ += norm.__all__
__all__ += pad.__all__
__all__ += patches.__all__
__all__ += pool.__all__
__all__ += recurrent.__all__
__all__ += serialize.__all__
__all__ += transformer.__all__
__all__ += upsample.__all__
__all__ += vectors.__all__

if not TYPE_CHECKING:  # a type checker shall find what is not there

    def __getattr__(name):
        from autograd.hints import missing  # only a wrong name asks for this

        raise missing("nn", name)
