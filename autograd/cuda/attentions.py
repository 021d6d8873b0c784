"""Attention: everything that the choice of an algorithm for attention on the GPU depends on.

One idea: softmax(q k^T scale) v never needs its weights in memory: forward leaves one number for each query, the
logarithm of the sum of its exponentials, and backward makes the weights once more from it. Where there will be no
backward, that is inference, nobody needs that number. Read `graphs.py` next.

Source: Dao et al. 2022, FlashAttention, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite, prod

from .product import DTYPES

__all__ = ["Attention"]

Four = tuple[int, int, int, int]

HALVES = ("float16", "bfloat16")
READS = {
    "inference": ("q", "k", "v"),
    "forward": ("q", "k", "v"),
    "backward": ("q", "k", "v", "o", "stats", "do"),
}
WRITES = {"inference": ("o",), "forward": ("o", "stats"), "backward": ("dq", "dk", "dv")}


@dataclass(frozen=True)
class Attention:
    """Attention of queries q (batch, heads, queries, width) to keys k (batch, heads, keys, width) with values v (batch,
    heads, keys, values), and its adjoint.

    "forward" makes o (batch, heads, queries, values) and `stats`, float32 of (batch, heads, queries, 1), packed: the
    logarithm of the sum of a query's exponentials. "backward" makes dq, dk and dv of these and of do, the adjoint of o.
    "inference" makes o alone.
    `strides` names each array but stats, and counts elements along its four axes; the last must be 1. `causal` lets
    query i see the keys 0 to i.

    Half precision is multiplied as it is and summed up in float32, as is the softmax; the weights are rounded to the
    dtype before they meet the values. Every kind gives the same bits at each run.

    Raises ValueError for a description that cannot be right.
    """

    kind: str
    batch: int
    heads: int
    queries: int
    keys: int
    width: int
    values: int
    dtype: str
    scale: float
    causal: bool
    strides: tuple[tuple[str, Four], ...]

    def __post_init__(self) -> None:
        if self.kind not in READS:
            raise ValueError(f"an Attention is of kind {', '.join(READS)}, got {self.kind!r}.")
        if self.dtype not in HALVES:
            raise ValueError(f"an Attention has dtype {' or '.join(HALVES)}, got {self.dtype!r}.")
        if min(self.batch, self.heads, self.queries, self.keys, self.width, self.values) < 1:
            raise ValueError(f"an Attention needs lengths of 1 at least, got {self}.")
        if not isfinite(self.scale):
            raise ValueError(f"an Attention needs a finite scale, got {self.scale}.")
        wanted = [role for role in (*self.reads, *self.writes) if role != "stats"]
        if [role for role, _ in self.strides] != wanted:
            raise ValueError(f"strides must name {', '.join(wanted)} in this order, got {self.strides}.")
        for role, strides in self.strides:
            if strides[3] != 1 or min(strides) < 0:
                raise ValueError(f"the strides of {role} are {strides}; the last must be 1, and none below 0.")
            if role in self.writes and 0 in strides[:3]:
                raise ValueError(f"the strides of {role} are {strides}; what is written must not lie on itself.")

    @classmethod
    def packed(
        cls, kind: str, q: Four, k: Four, v: Four, dtype: str, *, scale: float | None = None, causal: bool = False
    ) -> Attention:
        """An Attention of q, k and v of these shapes, where every array lies packed; by default scaled by width**-0.5.

        Raises ValueError for shapes that do not fit each other.
        """
        if k[:2] != q[:2] or v[:2] != q[:2] or k[3] != q[3] or v[2] != k[2]:
            raise ValueError(f"q {q}, k {k} and v {v} must be (B, H, L, E), (B, H, S, E) and (B, H, S, Ev).")
        lengths = (*q[:3], k[2], q[3], v[3])
        o = (*q[:3], v[3])
        shapes = {"q": q, "k": k, "v": v, "o": o, "do": o, "dq": q, "dk": k, "dv": v}
        roles = [role for role in (*READS.get(kind, ()), *WRITES.get(kind, ())) if role != "stats"]
        strides = tuple((role, _packed(shapes[role])) for role in roles)
        return cls(kind, *lengths, dtype, q[3] ** -0.5 if scale is None else scale, causal, strides)

    def where(self, **strides: Four) -> Attention:
        """The same with these arrays lying otherwise: `where(q=(...), o=(...))`."""
        unknown = set(strides) - {role for role, _ in self.strides}
        if unknown:
            raise ValueError(f"{', '.join(sorted(unknown))}: an Attention of kind {self.kind!r} has no such array.")
        return replace(self, strides=tuple((role, strides.get(role, lies)) for role, lies in self.strides))

    @property
    def reads(self) -> tuple[str, ...]:
        """The arrays that it reads."""
        return READS[self.kind]

    @property
    def writes(self) -> tuple[str, ...]:
        """The arrays that it writes."""
        return WRITES[self.kind]

    def shape(self, role: str) -> Four:
        """The shape of one of its arrays."""
        front = (self.batch, self.heads)
        length = self.keys if role in ("k", "v", "dk", "dv") else self.queries
        last = self.values if role in ("v", "o", "do", "dv") else 1 if role == "stats" else self.width
        return (*front, length, last)

    def strides_of(self, role: str) -> Four:
        """The strides, in elements, of one of its arrays."""
        return _packed(self.shape(role)) if role == "stats" else dict(self.strides)[role]

    def nbytes(self, role: str) -> int:
        """How many bytes lie from the first to the last element of one of its arrays."""
        steps = zip(self.shape(role), self.strides_of(role), strict=True)
        reach = 1 + sum((length - 1) * stride for length, stride in steps)
        return reach * (4 if role == "stats" else DTYPES[self.dtype])

    def __str__(self) -> str:
        q, k, v = (self.shape(role) for role in "qkv")
        causal = ", causal" if self.causal else ""
        return f"the {self.dtype} attention, {self.kind}, of q {q}, k {k} and v {v}, scale {self.scale:g}{causal}"


def _packed(shape: Four) -> Four:
    return prod(shape[1:]), prod(shape[2:]), shape[3], 1
