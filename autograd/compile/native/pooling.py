"""Pooling in C: one window after the other, all channels of one place of it at a time.

One idea: channels are last, so the loop over them reads memory in order and becomes vector instructions, and a window
is done while it is in the first cache. Read `rows.py` next.
"""

from __future__ import annotations

from math import prod
from typing import Any

from ...backend import host
from ...pooling import geometry
from ..program import Instruction, Variable
from .kernels import KERNELS, Memory, Refs, Statements
from .parts import parts_of
from .template import TYPES, address, filled, is_packed

__all__ = ["GEOMETRY", "PLACES", "PUT"]

GEOMETRY = """\
typedef struct {
  long h, w, c, kh, kw, oh, ow, sh, sw, top, left, dh, dw;  // lengths, channels, window, windows, options
} pool_t;"""

# The loop over windows; in it `y` and `x` count places from the window's first, `k` them all, and `p` is x's channels.
_EACH = """\
  for (long b = from; b < to; b++)
    for (long oy = 0; oy < g->oh; oy++)
      for (long ox = 0; ox < g->ow; ox++) {
        const long at = ((b * g->oh + oy) * g->ow + ox) * g->c;
        BEGIN
        for (long i = 0; i < g->kh; i++) {
          const long y = oy * g->sh - g->top + i * g->dh;
          if (y < 0 || y >= g->h) continue;
          for (long j = 0; j < g->kw; j++) {
            const long x = ox * g->sw - g->left + j * g->dw, k = i * g->kw + j;
            if (x < 0 || x >= g->w) continue;
            const long p = ((b * g->h + y) * g->w + x) * g->c;
            PLACE
          }
        }
        END
      }"""
_CHANNELS = '_Pragma("omp simd") for (long c = 0; c < g->c; c++)'


def _function(head: str, place: str, begin: str = "", end: str = "", first: str = "") -> str:
    loop = _EACH.replace("BEGIN", begin).replace("PLACE", place).replace("END", end)
    return f"static void {head}, long from, long to, const pool_t *g) {{\n{first}{loop}\n}}"


# Of NaN, which is not equal to itself, the first is taken, and it is larger than all numbers.
PLACES = _function(
    "pool_places_@(const T *x_, K *places, T *best_, long step",
    f"""if (!any) {{
              any = 1;
              {_CHANNELS} {{ best[c] = x_[p + c]; places[at + c] = k; }}
              continue;
            }}
            {_CHANNELS} {{
              const T v = x_[p + c], b = best[c];
              const int more = (v > b) | ((v != v) & (b == b));
              best[c] = more ? v : b;
              places[at + c] = more ? k : places[at + c];
            }}""",
    "int any = 0; T *best = best_ + at * step;",
)
_PICK = _function(
    "pool_pick_@(const T *x_, const K *places, T *out",
    f"{_CHANNELS} out[at + c] = places[at + c] == k ? x_[p + c] : out[at + c];",
    f"{_CHANNELS} out[at + c] = 0;",
)
PUT = _function(
    "pool_put_@(const T *g_, const K *places, T *out, int apart, int covered",
    f"""if (apart) {{
              {_CHANNELS} out[p + c] = places[at + c] == k ? g_[at + c] : 0;
            }} else {{
              {_CHANNELS} out[p + c] += places[at + c] == k ? g_[at + c] : 0;
            }}""",
    first="  const long size = g->h * g->w * g->c;\n"
    "  if (!apart || !covered) memset(out + from * size, 0, (to - from) * size * sizeof(T));\n",
)
_SUM = _function(
    "pool_sum_@(const T *x_, T *out",
    f"{_CHANNELS} out[at + c] += x_[p + c];",
    f"{_CHANNELS} out[at + c] = 0;",
)
_SPREAD = _function(
    "pool_spread_@(const T *g_, T *out",
    f"{_CHANNELS} out[p + c] += g_[at + c];",
    first="  const long size = g->h * g->w * g->c;\n  memset(out + from * size, 0, (to - from) * size * sizeof(T));\n",
)


def _pool_places(instruction: Instruction, refs: Refs) -> Statements | None:
    (x,) = instruction.inputs
    best = Variable(-1, (x.shape[-1] * x.dtype.itemsize,), host.dtype("uint8"))

    def call(memory: Memory, kind: str, out: str) -> str:
        return f"{address(refs[x], memory, kind)}, {out}, ({kind} *){memory.address(best)}, 0"

    return _kernel(instruction, refs, x.dtype, instruction.out.dtype, PLACES, call, best)


def _pool_pick(instruction: Instruction, refs: Refs) -> Statements | None:
    x, places = instruction.inputs

    def call(memory: Memory, kind: str, out: str) -> str:
        return f"{address(refs[x], memory, kind)}, {address(refs[places], memory, _number(places.dtype))}, {out}"

    return _kernel(instruction, refs, x.dtype, places.dtype, _PICK, call)


def _pool_put(instruction: Instruction, refs: Refs) -> Statements | None:
    g, places = instruction.inputs
    geo = geometry(**instruction.options)

    def call(memory: Memory, kind: str, out: str) -> str:
        given = f"{address(refs[g], memory, kind)}, {address(refs[places], memory, _number(places.dtype))}"
        return f"{given}, {out}, {int(geo.apart)}, {int(geo.covered)}"

    return _kernel(instruction, refs, g.dtype, places.dtype, PUT, call)


def _pool_sum(instruction: Instruction, refs: Refs) -> Statements | None:
    (x,) = instruction.inputs

    def call(memory: Memory, kind: str, out: str) -> str:
        return f"{address(refs[x], memory, kind)}, {out}"

    return _kernel(instruction, refs, x.dtype, None, _SUM, call)


def _pool_spread(instruction: Instruction, refs: Refs) -> Statements | None:
    (g,) = instruction.inputs

    def call(memory: Memory, kind: str, out: str) -> str:
        return f"{address(refs[g], memory, kind)}, {out}"

    return _kernel(instruction, refs, g.dtype, None, _SPREAD, call)


def _kernel(
    instruction: Instruction,
    refs: Refs,
    dtype: Any,
    counted: Any,
    text: str,
    call: Any,
    scratch: Variable | None = None,
) -> Statements | None:
    """A pooling of numbers of `dtype`, with places of the dtype `counted`."""
    out = instruction.out
    reads = [refs[variable] for variable in instruction.inputs]
    if str(dtype) not in TYPES or not all(is_packed(ref) and prod(ref.shape) for ref in reads):
        return None
    if counted is not None and str(counted) not in _NUMBERS:
        return None
    kind, _, ending = TYPES[str(dtype)]
    geo = _numbers(instruction)
    work = prod(instruction.options["size"]) * max(prod(ref.shape) for ref in reads)
    parts = 1 if scratch is not None else parts_of(work, out.shape[0])
    number = _number(counted) if counted is not None else ""
    name = f"{instruction.name}_{ending}{'' if counted is None else counted}"

    def statements(memory: Memory) -> str:
        to = kind if out.dtype == dtype else number
        given = call(memory, kind, f"({to} *){memory.address(out)}")
        batch = out.shape[0]
        ends = f"0, {batch}" if parts == 1 else f"{batch}L * part / {parts}, {batch}L * (part + 1) / {parts}"
        return f"  {{ static const pool_t g = {{{', '.join(map(str, geo))}}};\n    {name}({given}, {ends}, &g); }}"

    own = filled(text.replace("K *", f"{number} *").replace(f"{instruction.name}_@", name), dtype)
    return Statements(
        instruction,
        reads,
        statements=statements,
        functions=(GEOMETRY, own),
        scratch=scratch,
        about="pooling",
        parts=parts,
    )


_NUMBERS = {"uint8": "unsigned char", "uint16": "unsigned short", "uint32": "unsigned int"}


def _number(dtype: Any) -> str:
    return _NUMBERS[str(dtype)]


def _numbers(instruction: Instruction) -> tuple[int, ...]:
    """The numbers of a pool_t."""
    options, first = instruction.options, instruction.inputs[0]
    spread = "length" in options
    length = tuple(options["length"]) if spread else first.shape[1:3]
    counts = first.shape[1:3] if spread else instruction.out.shape[1:3]
    (top, _), (left, _) = options["padding"]
    return (
        *length, first.shape[3], *options["size"], *counts, *options["stride"], top, left, *options["dilation"]
    )  # fmt: skip


KERNELS.update(
    pool_places=_pool_places, pool_pick=_pool_pick, pool_put=_pool_put, pool_sum=_pool_sum, pool_spread=_pool_spread
)
