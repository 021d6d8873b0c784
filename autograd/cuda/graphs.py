"""From a Convolution or an Attention to the graph of cuDNN that does it.

One idea: cuDNN names the axes of an image (N, C, H, W) in whatever order they lie in memory, so arrays with their
channels last are those axes with other strides, and nothing is transposed. Nothing here plans or runs: read `cudnn.py`
next.

Source: NVIDIA, cuDNN frontend documentation, "Convolutions" and "Attention".
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple

from .attentions import Attention
from .convolutions import Convolution

__all__ = ["Graph", "Operation", "graph_of"]

# Note [Same bits, whole digits]
# An engine that adds up in whatever order its blocks come gives other bits at each run. One that adds in the dtype of
# half precision, rounds float32 to a half before it multiplies, or goes through a transform (Fourier's, Winograd's)
# loses digits that the plain sum keeps. None is taken, however fast.

Operation = Convolution | Attention

_TYPES = {"float32": "FLOAT", "float16": "HALF", "bfloat16": "BFLOAT16"}
_NEVER = ("NONDETERMINISTIC", "REDUCED_PRECISION_REDUCTION", "DOWN_CONVERT_INPUTS", "FFT", "WINOGRAD")


class Graph(NamedTuple):
    """A graph that is not planned yet, what engines it must not use, and the number of each array in it."""

    graph: Any
    notes: list[Any]
    numbers: dict[str, int]


class _Writer:
    """Writes one graph; `place` is what says for which GPU."""

    def __init__(self, library: Any, operation: Operation, place: Mapping[str, Any]) -> None:
        self.library, self.operation = library, operation
        self.type = getattr(library.data_type, _TYPES[operation.dtype])
        self.wide = library.data_type.FLOAT  # of sums, and of what is between two steps of a graph
        types = {"io_data_type": self.type, "intermediate_data_type": self.wide, "compute_data_type": self.wide}
        self.graph = library.pygraph(**types, **place)
        self.numbers = {role: number for number, role in enumerate((*operation.reads, *operation.writes), 1)}

    def reads(self, role: str) -> Any:
        """An array that is given to the graph."""
        dims, strides = _lies(self.operation, role)
        kind, number = self._type(role), self.numbers[role]
        return self.graph.tensor(name=role, dim=dims, stride=strides, data_type=kind, uid=number)

    def writes(self, role: str, made: Any) -> None:
        """An array that the graph leaves in memory."""
        dims, strides = _lies(self.operation, role)
        made.set_output(True).set_dim(dims).set_stride(strides).set_data_type(self._type(role))
        made.set_uid(self.numbers[role])

    def _type(self, role: str) -> Any:
        return self.wide if role == "stats" else self.type

    def done(self) -> Graph:
        """The graph that was written; see Note [Same bits, whole digits]."""
        return Graph(self.graph, [getattr(self.library.numerical_note, note) for note in _NEVER], self.numbers)


def graph_of(library: Any, operation: Operation, place: Mapping[str, Any]) -> Graph:
    """The graph of an operation, for a GPU that `place` names in the words of `pygraph`."""
    writer = _Writer(library, operation, place)
    if isinstance(operation, Convolution):
        _write_convolution(writer, operation)
    elif operation.kind == "backward":
        _write_adjoint(writer, operation)
    else:
        _write_attention(writer, operation)
    return writer.done()


def _write_convolution(writer: _Writer, c: Convolution) -> None:
    graph, reads = writer.graph, writer.reads
    options = {
        "pre_padding": [side[0] for side in c.padding],
        "post_padding": [side[1] for side in c.padding],
        "stride": list(c.stride),
        "dilation": list(c.dilation),
    }
    if c.kind == "input":
        made = graph.conv_dgrad(loss=reads("y"), filter=reads("w"), **options)
    elif c.kind == "weight":
        made = graph.conv_wgrad(image=reads("x"), loss=reads("y"), **options)
    else:
        made = graph.conv_fprop(image=reads("x"), weight=reads("w"), **options)
    writer.writes(c.writes[0], made)


def _write_attention(writer: _Writer, a: Attention) -> None:
    q, k, v = (writer.reads(role) for role in a.reads)
    wanted = "stats" in a.writes
    o, stats = writer.graph.sdpa(q=q, k=k, v=v, generate_stats=wanted, attn_scale=a.scale, **_mask(writer, a))
    writer.writes("o", o)
    if wanted:
        writer.writes("stats", stats)


def _write_adjoint(writer: _Writer, a: Attention) -> None:
    q, k, v, o, stats, do = (writer.reads(role) for role in a.reads)
    options = {"attn_scale": a.scale, "use_deterministic_algorithm": True, **_mask(writer, a)}
    made = writer.graph.sdpa_backward(q=q, k=k, v=v, o=o, dO=do, stats=stats, **options)
    for role, tensor in zip(a.writes, made, strict=True):
        writer.writes(role, tensor)


def _mask(writer: _Writer, a: Attention) -> dict[str, Any]:
    """Query i sees no key right of key i."""
    corner = writer.library.diagonal_alignment.TOP_LEFT
    return {"diagonal_alignment": corner, "diagonal_band_right_bound": 0} if a.causal else {}


def _lies(operation: Operation, role: str) -> tuple[list[int], list[int]]:
    """The lengths and strides of an array, in elements, in the order in which cuDNN names its axes."""
    if isinstance(operation, Attention):
        return list(operation.shape(role)), list(operation.strides_of(role))
    n, h, w, c = operation.shape(role)
    return [n, c, h, w], [prod((h, w, c)), 1, w * c, c]
