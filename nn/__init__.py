"""Layers, losses and initialisers with PyTorch's names, on tapegrad's autograd.

One idea: a layer is its parameters and one formula, and the formula is a function in `functional/`. Read `module.py`
first, then `linear.py`.
"""

from typing import TYPE_CHECKING

from _tapegrad_marker import require_own_autograd

require_own_autograd()

from . import activation, functional, init, loss, pool
from .activation import *
from .attention import MultiheadAttention
from .call import functional_call
from .container import ModuleDict, ModuleList, ParameterDict, ParameterList, Residual, Sequential
from .conv import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from .dropout import Dropout, Dropout2d
from .embedding import Embedding
from .flatten import Flatten
from .linear import Identity, Linear, Maxout
from .loss import *
from .module import Module
from .norm import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm, RMSNorm
from .parameter import Parameter
from .patches import Fold, PixelShuffle, PixelUnshuffle, Unfold
from .pool import *
from .recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from .serialize import load, load_metadata, save
from .transformer import TransformerDecoder, TransformerDecoderLayer, TransformerEncoder, TransformerEncoderLayer

__all__ = [
    "functional",
    "init",
    "Module",
    "Parameter",
    "functional_call",
    "load",
    "load_metadata",
    "save",
    # Containers
    "ModuleDict",
    "ModuleList",
    "ParameterDict",
    "ParameterList",
    "Residual",
    "Sequential",
    # Layers
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "Dropout",
    "Dropout2d",
    "Embedding",
    "Flatten",
    "Fold",
    "GRU",
    "GRUCell",
    "GroupNorm",
    "Identity",
    "LSTM",
    "LSTMCell",
    "LayerNorm",
    "Linear",
    "Maxout",
    "MultiheadAttention",
    "PixelShuffle",
    "PixelUnshuffle",
    "RMSNorm",
    "RNN",
    "RNNCell",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
    "Unfold",
]
__all__ += activation.__all__
__all__ += loss.__all__
__all__ += pool.__all__

if not TYPE_CHECKING:  # a type checker shall find what is not there

    def __getattr__(name):
        from autograd.hints import missing  # only a wrong name asks for this

        raise missing("nn", name)
