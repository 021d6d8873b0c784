"""The mathematics of the layers as functions on Tensors, with PyTorch's names: `import nn.functional as F`.

Read `activation.py` first.
"""

from typing import TYPE_CHECKING

from . import activation, gates
from .activation import *
from .adaptive_pool import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_max_pool2d
from .attention import scaled_dot_product_attention
from .batch_norm import batch_norm
from .conv import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from .cross_entropy import cross_entropy
from .dropout import dropout, dropout2d
from .embedding import embedding, one_hot
from .gates import *
from .group_norm import group_norm
from .gumbel import gumbel_softmax
from .interpolate import interpolate
from .linear import linear
from .loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
    triplet_margin_loss,
)
from .nll import nll_loss
from .norm import layer_norm, rms_norm
from .pad import pad
from .patches import fold, pixel_shuffle, pixel_unshuffle, unfold
from .pool import avg_pool1d, avg_pool2d, max_pool1d, max_pool2d
from .vectors import cosine_similarity, normalize, pairwise_distance

__all__ = [
    "linear",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "embedding",
    "one_hot",
    "dropout",
    "dropout2d",
    "gumbel_softmax",
    "scaled_dot_product_attention",
    # Normalisations
    "batch_norm",
    "group_norm",
    "layer_norm",
    "rms_norm",
    # Pooling
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "max_pool1d",
    "max_pool2d",
    # Patches of images, and images of another size
    "fold",
    "interpolate",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
    "unfold",
    # Losses
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "smooth_l1_loss",
    "triplet_margin_loss",
    # Vectors
    "cosine_similarity",
    "normalize",
    "pairwise_distance",
]
__all__ += [*activation.__all__, *gates.__all__]

if not TYPE_CHECKING:  # a type checker shall find what is not there

    def __getattr__(name):
        from autograd.hints import missing  # only a wrong name asks for this

        raise missing("nn.functional", name)
