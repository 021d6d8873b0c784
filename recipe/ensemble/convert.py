"""From classic to inverted dropout and back: the same thinned networks, with the factor 1 - p in another place.

One idea: classic dropout hands the next layer m x and in evaluation (1 - p) x, inverted dropout m x / (1 - p) and x. So
a network of one kind becomes one of the other when the weights that read the units are multiplied, or divided, by
1 - p. Srivastava et al. 2014, section 10. Read `masks.py` for how thinned networks are made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

import nn
from autograd import no_grad
from autograd.random import keep_probability
from nn.module import Module

from .masks import dropout_layers

__all__ = ["convert_dropout"]

# f(c x) = c f(x) for c > 0: a factor passes through these as it is.
_HOMOGENEOUS = (
    *(nn.Identity, nn.Flatten, nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.RReLU),
    *(nn.AvgPool1d, nn.AvgPool2d, nn.MaxPool1d, nn.MaxPool2d, nn.Unfold, nn.Fold, nn.PixelShuffle, nn.PixelUnshuffle),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Upsample, nn.Dropout, nn.Dropout2d),
    *(nn.ZeroPad1d, nn.ZeroPad2d, nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReplicationPad1d, nn.ReplicationPad2d),
    *(nn.CircularPad1d, nn.CircularPad2d),
)
# What comes out is a function of W x + b: a factor of x can stand in W.
_AFFINE = (nn.Linear, nn.Maxout, nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)


def convert_dropout(model: Module, mode: Literal["classic", "inverted"]) -> Module:
    """Make every Dropout of the model one of `mode`, in place, and scale the weights behind it so that nothing else
    changes: under each mask, and in evaluation, the model gives what it gave, to rounding. Gives the model itself.

    The weights are those of the next Linear, Maxout or convolution of the same Sequential; between may stand what lets
    a factor pass, such as ReLU, Flatten or pooling. An optimizer's state is not converted: moments are sizes of
    gradients, which change too.

    Raises ValueError, with nothing changed, where this cannot be exact: another layer comes next, or none, or not in a
    Sequential; the weights are used in another place too; p = 1; Dropout2d and attention, which are always inverted.
    """
    if mode not in ("classic", "inverted"):
        raise ValueError(f'convert_dropout got mode={mode!r}: it must be "classic" or "inverted".')
    wrong = {name: layer for name, layer in dropout_layers(model).items() if getattr(layer, "mode", "inverted") != mode}
    factors: dict[int, tuple[Any, float]] = {}
    for name, dropout in wrong.items():
        if not isinstance(dropout, nn.Dropout) or dropout.p == 1:
            what = "p = 1 leaves nothing" if isinstance(dropout, nn.Dropout) else "only Dropout can be classic"
            raise ValueError(f"convert_dropout cannot make {name!r}, a {type(dropout).__name__}, {mode}: {what}.")
        kept = keep_probability(dropout.p)
        reader = _reader_of(model, name, dropout)
        _, factor = factors.get(id(reader), (reader, 1.0))
        factors[id(reader)] = reader, factor * (kept if mode == "inverted" else 1 / kept)
    with no_grad():
        for reader, factor in factors.values():
            reader.weight *= factor
    for dropout in wrong.values():
        dropout.mode = mode
    return model


def _reader_of(model: Module, name: str, dropout: Module) -> Any:
    """The layer whose weights read what `dropout` gives. Raises ValueError where that is not one affine layer."""
    places = [chain[i + 1 :] for chain in _chains(model) for i, layer in enumerate(chain) if layer is dropout]
    if not places:
        raise ValueError(
            f"convert_dropout cannot convert the Dropout {name!r}: it stands in no Sequential, so what reads its units "
            "is not known."
        )
    reader = next((layer for layer in places[0] if not isinstance(layer, _HOMOGENEOUS)), None)
    if not isinstance(reader, _AFFINE):
        what = "nothing" if reader is None else type(reader).__name__
        raise ValueError(
            f"convert_dropout cannot convert the Dropout {name!r}: {what} comes next, and only weights that read its "
            "units (Linear, Maxout, a convolution) can take the factor 1 - p exactly."
        )
    if _are_shared(model, dropout, reader):
        raise ValueError(
            f"convert_dropout cannot convert the Dropout {name!r}: it or the weights of the {type(reader).__name__} "
            "behind it are used in another place too, where the other may not be."
        )
    return reader


def _are_shared(model: Module, dropout: Module, reader: Any) -> bool:
    """Whether one of the two, the reader's weight, or a Module that holds one of them has more than one place."""
    uses = Counter(id(value) for module in model.modules() for value in vars(module).values())
    around = [module for module in model.modules() if {dropout, reader} & set(module.modules())]
    return any(uses[id(part)] > 1 for part in (*around, reader.weight))


def _chains(model: Module) -> Iterator[list[Module]]:
    """The rows of Modules of which each reads what the one before it gives: those of Sequentials, the inner ones
    joined to the outer.
    """
    inner = {id(child) for module in model.modules() if _is_chain(module) for child in module.children()}
    for module in model.modules():
        if _is_chain(module) and id(module) not in inner:
            yield list(_links(module))


def _is_chain(module: Module) -> bool:
    return type(module).forward is nn.Sequential.forward


def _links(module: Module) -> Iterator[Module]:
    if not _is_chain(module):
        yield module
        return
    assert isinstance(module, nn.Sequential)
    for _, child in module.named_items():
        yield from _links(child)
