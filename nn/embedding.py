"""Embedding as a layer: a table of learned vectors, picked by number.

One idea: to pick row i is to multiply a one-hot row by the table, without the product. Read `flatten.py` next.
"""

from __future__ import annotations

from typing import Any, Self

import autograd as ag
from autograd.random import Generator
from autograd.tensor import Tensor

from . import functional as F
from .functional.axes import is_whole
from .functional.given import check_arrays
from .init import normal_
from .module import Module
from .parameter import Parameter, zeros

__all__ = ["Embedding"]


class Embedding(Module):
    """Integer indices of any shape become vectors: (...) gives (..., embedding_dim).

    The table `weight` is (num_embeddings, embedding_dim) and starts standard normal. The row `padding_idx`, if any,
    starts at 0 and gets no gradient.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        device: str | None = None,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        _check_padding(padding_idx, num_embeddings)
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.weight = Parameter(zeros((num_embeddings, embedding_dim), dtype, device))
        self.reset_parameters(generator)

    @classmethod
    def from_pretrained(cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None) -> Self:
        """An Embedding with a copy of this table, (number, features), which is learned further unless `freeze`.

        Raises TypeError for what is no array, ValueError for what is no matrix.
        """
        check_arrays(f"{cls.__name__}.from_pretrained", embeddings=embeddings)
        if embeddings.ndim != 2:
            shape = embeddings.shape
            raise ValueError(f"{cls.__name__}.from_pretrained got a table of {shape}: it must be (number, features).")
        rows, features = embeddings.shape
        _check_padding(padding_idx, rows)
        layer = cls(0, features)  # nothing is drawn
        layer.num_embeddings, layer.padding_idx = rows, padding_idx
        layer.weight = Parameter(embeddings, requires_grad=not freeze)
        return layer

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw the table anew."""
        normal_(self.weight, generator=generator)
        if self.padding_idx is not None:
            with ag.no_grad():
                self.weight[self.padding_idx] = 0.0

    def forward(self, indices: Tensor) -> Tensor:
        return F.embedding(indices, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


def _check_padding(padding_idx: Any, rows: int) -> None:
    if padding_idx is not None and not (is_whole(padding_idx, -rows) and padding_idx < rows):
        raise ValueError(f"Embedding got padding_idx={padding_idx!r} for {rows} rows.")
