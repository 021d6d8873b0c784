"""Templates: C texts that are the same for floats and doubles.

One idea: in a text, `T` is the type of number, `gemm` its matrix product, and `@` the ending of a function's name.
Read `convolution.py` next.
"""

from __future__ import annotations

import re

from ...backend import host
from .kernels import Listed
from .layout import Ref, packed

__all__ = ["COPY", "ENDINGS", "TYPES", "address", "are_planes", "filled", "is_packed"]

TYPES = {"float32": ("float", "sgemm", "s"), "float64": ("double", "dgemm", "d")}
ENDINGS = {host.dtype(kind): ending for kind, (_, _, ending) in TYPES.items()}  # of this machine's order of bytes

COPY = """\
typedef T vector_@ __attribute__((vector_size(32), aligned(sizeof(T)), may_alias));
enum { lanes_@ = 32 / sizeof(T) };

// A copy of a few numbers to another place, the last of them twice where that saves single steps.
static inline void copy_@(T *to, const T *from, long n) {
  long k = 0;
  for (; k + lanes_@ <= n; k += lanes_@) *(vector_@ *)(to + k) = *(const vector_@ *)(from + k);
  if (k < n && n > lanes_@) *(vector_@ *)(to + n - lanes_@) = *(const vector_@ *)(from + n - lanes_@);
  else for (; k < n; k++) to[k] = from[k];
}"""


def filled(text: str, dtype: object) -> str:
    """The text for numbers of this dtype."""
    kind, gemm, ending = TYPES[str(dtype)]
    text = text.replace("static void", "static __attribute__((noinline)) void")  # small functions compile sooner
    return re.sub(r"\bgemm\b", gemm, re.sub(r"\bT\b", kind, text)).replace("@", ending)


def address(ref: Ref, listed: Listed, kind: str) -> str:
    """The address of the first of these elements, in C, to read from."""
    return f"(const {kind} *){listed.address(ref.base, ref.offset)}"


def is_packed(ref: Ref) -> bool:
    """Whether these elements lie in order without gaps."""
    return ref.strides == packed(ref.shape)


def are_planes(ref: Ref) -> bool:
    """Whether these images, whose channels are the last axis, lie without gaps with their channels in axis 1."""
    batch, height, width, channels = ref.shape
    sample, line, pixel, plane = ref.strides
    return (sample, plane, line, pixel) == packed((batch, channels, height, width))
