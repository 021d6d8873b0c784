"""Pooling in C: one window after the other, all channels of one place of it at a time.

One idea: channels are last, so the loop over them reads memory in order and becomes vector instructions, and a window
is done while it is in the first cache. Of images of one channel, as those of many are where channels lie in axis 1, a
row of windows that lie side by side becomes vector instructions. Read `window_rows.py` next.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any, TypeVar

from ...pooling import WIDTHS, Pair, Sides, are_beside, geometry
from ..program import Instruction, Variable
from .kernels import KERNELS, Listed, Refs, Statements
from .parts import parts_of
from .template import TYPES, address, filled, is_packed
from .window_maxima import MAXIMA, MOST_PLACES
from .window_rows import LANES, MOST
from .window_sums import SUMS

__all__ = ["GEOMETRY", "TEXTS", "are_fast_in_planes", "kind_of", "numbers_of", "with_picks"]

S = TypeVar("S")

_MANY = 1000  # windows side by side that are done at once; arrays of a power of two would clash in the cache
_TOPS = _MANY * max(WIDTHS)

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
_MORE = "(v > b) | ((v != v) & (b == b))"

# The places go to `places_`, the largest numbers to `best_`, or nowhere if that is 0.
_PLACES = _function(
    "pool_places_@(const T *x_, K *places_, T *best_",
    f"""if (!any) {{
              any = 1;
              {_CHANNELS} {{ best[c] = x_[p + c]; places[c] = k; }}
              continue;
            }}
            {_CHANNELS} {{
              const T v = x_[p + c], b = best[c];
              const int more = {_MORE};
              best[c] = more ? v : b;
              places[c] = more ? k : places[c];
            }}""",
    "int any = 0; T *best = best_ ? best_ + at : room; K *places = places_ ? places_ + at : told;",
    first="  T room[best_ ? 1 : g->c];\n  K told[places_ ? 1 : g->c];\n",
)
_PICK = _function(
    "pool_pick_@(const T *x_, const K *places, T *out",
    f"{_CHANNELS} out[at + c] = places[at + c] == k ? x_[p + c] : out[at + c];",
    f"{_CHANNELS} out[at + c] = 0;",
)
_PUT = _function(
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
    f"""if (apart) {{
              {_CHANNELS} out[p + c] = g_[at + c];
            }} else {{
              {_CHANNELS} out[p + c] += g_[at + c];
            }}""",
    first="  const long size = g->h * g->w * g->c;\n"
    "  const int apart = (g->kh - 1) * g->dh < g->sh && (g->kw - 1) * g->dw < g->sw;\n"
    "  memset(out + from * size, 0, (to - from) * size * sizeof(T));\n",
)


def _beside(
    head: str, row: Callable[[int], str], begin: str = "", end: Callable[[int], str] = lambda _: "", below: str = ""
) -> str:
    """A function of images of one channel: for windows of a row, of so many columns, `begin`, `row` by row, and `end`.

    `o` counts these windows, `many` at most, `at` is the place of the first, `i` counts rows, and `line` is the place
    of the one in x. `over` columns lie beyond the last, and what lies `below` the last of an image is done at its end.
    """
    name, given = head.split("(")
    names = ", ".join(part.split()[-1].lstrip("*") for part in given.split(","))
    texts = [
        f"""\
static void {name}_{wide}({given}, long from, long to, const pool_t *g) {{
  const long h = g->h, w = g->w, oh = g->oh, ow = g->ow, kh = g->kh, kw = g->kw;
  for (long b = from; b < to; b++) {{
    for (long oy = 0; oy < oh; oy++)
      for (long first = 0; first < ow; first += {_MANY}) {{
        const long left = ow - first, many = left < {_MANY} ? left : {_MANY}, at = (b * oh + oy) * ow + first;
        const long over = left > many ? 0 : w - ow * kw;
        {begin}
        for (long i = 0; i < kh; i++) {{
          const long line = (b * h + oy * kh + i) * w + first * kw;
          {row(wide)}
        }}
        {end(wide)}
      }}
    {below}
  }}
}}"""
        for wide in WIDTHS
    ]
    calls = " else ".join(f"if (g->kw == {wide}) {name}_{wide}({names}, from, to, g);" for wide in WIDTHS)
    return "\n".join([*texts, f"static void {head}, long from, long to, const pool_t *g) {{ {calls} }}"])


# The largest of each column, then those of the columns of a window. Places are numbers of T until they are stored:
# bytes beside floats make short vectors.
_COLUMNS, _WINDOWS = (f'_Pragma("omp simd simdlen(8)") for (long o = 0; o < {n}; o++)' for n in ("many * kw", "many"))
_LARGER = "#define LARGER(v, b) (((v) > (b)) | ((v) != (v)) ? (v) : (b))"  # NaN, where one is
_TOP = "#define IS_TOP(v, b) (((v) == (b)) | ((v) != (v)))"
_PLACES_OF_ROW = f"""if (!i) {_COLUMNS} {{ tops[o] = x_[line + o]; rows[o] = 0; }}
        else {_COLUMNS} {{
          const T a = tops[o], v = x_[line + o], b = LARGER(v, a);
          rows[o] = IS_TOP(a, b) ? rows[o] : i * kw;
          tops[o] = b;
        }}"""


def _places_of_windows(wide: int) -> str:
    names = range(wide)
    reads = " ".join(f"const T v{j} = tops[o * {wide} + {j}], k{j} = rows[o * {wide} + {j}] + {j};" for j in names)
    tops = " ".join(f"b = LARGER(v{j}, b);" for j in names[1:])
    firsts = " ".join(f"{{ const T n = IS_TOP(v{j}, b) ? k{j} : none; k = n < k ? n : k; }}" for j in names)
    return f"""const T none = kh * kw;
      {_WINDOWS} {{
        {reads}
        T b = v0, k = none;
        {tops}
        {firsts}
        best[o] = b; found[o] = k;
      }}
      if (places) {_WINDOWS} places[at + o] = (int)found[o];"""


def _picks_of_row(wide: int) -> str:
    reads = " ".join(f"const T v{j} = x_[line + o * {wide} + {j}];" for j in range(wide))
    picks = " ".join(f"v = k == first + {j} ? v{j} : v;" for j in range(wide))
    return f"""const T first = i * {wide};
        if (!i) {_WINDOWS} out[at + o] = 0;
        {_WINDOWS} {{ const T k = found[o]; T v = out[at + o]; {reads} {picks} out[at + o] = v; }}"""


def _puts_of_row(wide: int) -> str:
    puts = " ".join(f"out[line + o * {wide} + {j}] = k == first + {j} ? v : 0;" for j in range(wide))
    return f"""const T first = i * {wide};
        {_WINDOWS} {{ const T k = found[o], v = g_[at + o]; {puts} }}
        {_zeros_beside(wide)}"""


_FOUND = f"T found[{_MANY}]; {_WINDOWS} found[o] = places[at + o];"


def _spread_over_row(wide: int) -> str:
    puts = " ".join(f"out[line + o * {wide} + {j}] = v;" for j in range(wide))
    return f"""{_WINDOWS} {{ const T v = g_[at + o]; {puts} }}
        {_zeros_beside(wide)}"""


def _zeros_beside(wide: int) -> str:
    return f"for (long o = many * {wide}; o < many * {wide} + over; o++) out[line + o] = 0;"


_ZEROS_BELOW = "memset(out + (b * h + oh * kh) * w, 0, (h - oh * kh) * w * sizeof(T));"
_BESIDE = {
    "places": "\n".join(
        [
            _LARGER,
            _TOP,
            _beside(
                "beside_places_@(const T *x_, K *places, T *best_",
                lambda wide: _PLACES_OF_ROW,
                f"T room[{_MANY}], *best = best_ ? best_ + at : room, found[{_MANY}], tops[{_TOPS}], rows[{_TOPS}];",
                _places_of_windows,
            ),
        ]
    ),
    "pick": _beside("beside_pick_@(const T *x_, const K *places, T *out", _picks_of_row, _FOUND),
    "put": _beside(
        "beside_put_@(const T *g_, const K *places, T *out, int apart, int covered",
        _puts_of_row,
        _FOUND,
        below=_ZEROS_BELOW,
    ),
    "spread": _beside("beside_spread_@(const T *g_, T *out", _spread_over_row, below=_ZEROS_BELOW),
}

# The functions by name, for channels that are last, and for images of one channel.
TEXTS = {
    "pool": {"places": _PLACES, "pick": _PICK, "put": _PUT, "sum": _SUM, "spread": _SPREAD},
    "beside": _BESIDE,
    "planes": {**SUMS, **MAXIMA},
}


def kind_of(does: str, channels: int, size: Pair, stride: Pair, padding: Sides, dilation: Pair) -> str:
    """By which of `TEXTS` a pooling is done."""
    if channels == 1 and does in _BESIDE and are_beside(size, stride, padding, dilation):
        return "beside"
    # A line of columns side by side shall hold more than what two windows of a channel share.
    span = channels * dilation[1] * (size[1] - 1) + 1
    fits = span <= MOST // min(channels, 2)
    known = does in SUMS or (does in MAXIMA and prod(size) <= MOST_PLACES)
    return "planes" if 1 in (channels, stride[1]) and fits and known else "pool"


def are_fast_in_planes(width: int, **options: Any) -> bool:
    """Whether maxima of images with their channels in axis 1 are found as fast where they lie."""
    kind = kind_of("places", 1, **options)
    return kind == "beside" or (kind == "planes" and width >= LANES)


def numbers_of(
    way: str, length: Pair, channels: int, counts: Pair, size: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> tuple[int, ...]:
    """The numbers of a pool_t.

    Where channels are last and the stride is 1, an image is one of one channel whose columns lie that far apart.
    """
    (top, _), (left, _) = padding
    c = channels if way == "planes" else 1
    wide = length[0], length[1] * c, channels // c, *size, counts[0], counts[1] * c
    return (*wide, *stride, top, left * c, dilation[0], dilation[1] * c)


def with_picks(steps: Sequence[S], refs: Refs) -> list[S]:
    """The steps, where what finds the places of the largest numbers leaves these numbers, too, if they are wanted."""
    found: dict[Variable, int] = {}
    left: list[Any] = []
    for step in steps:
        name = step.instruction.name if isinstance(step, Statements) else ""
        if isinstance(step, Statements) and name == "pool_pick":
            maker = found.get(refs[step.instruction.inputs[1]].base)
            if maker is not None and _picks_from(left[maker], step.instruction, refs):
                left[maker] = _pool_places(left[maker].instruction, refs, step.instruction.out)
                continue
        elif isinstance(step, Statements) and name == "pool_places":
            found[step.instruction.out] = len(left)
        left.append(step)
    return left


def _picks_from(step: Statements, pick: Instruction, refs: Refs) -> bool:
    """Whether a pick is of all numbers whose places a step finds, and of them alone."""
    places, (x, at) = step.instruction, pick.inputs
    same = refs[x] == refs[places.inputs[0]] and pick.options == places.options
    return same and step.second is None and is_packed(refs[at]) and refs[at].offset == 0


def _pool_places(instruction: Instruction, refs: Refs, numbers: Variable | None = None) -> Statements | None:
    """The places of the largest numbers; and the `numbers` themselves, where these have a variable."""
    (x,) = instruction.inputs

    def call(listed: Listed, kind: str, out: str) -> str:
        best = "0" if numbers is None else f"({kind} *){listed.address(numbers)}"
        return f"{address(refs[x], listed, kind)}, {out}, {best}"

    made = _kernel(instruction, refs, x.dtype, instruction.out.dtype, call)
    return made if made is None else replace(made, second=numbers)


def _pool_pick(instruction: Instruction, refs: Refs) -> Statements | None:
    x, places = instruction.inputs

    def call(listed: Listed, kind: str, out: str) -> str:
        return f"{address(refs[x], listed, kind)}, {address(refs[places], listed, _number(places.dtype))}, {out}"

    return _kernel(instruction, refs, x.dtype, places.dtype, call)


def _pool_put(instruction: Instruction, refs: Refs) -> Statements | None:
    g, places = instruction.inputs
    geo = geometry(**instruction.options)

    def call(listed: Listed, kind: str, out: str) -> str:
        given = f"{address(refs[g], listed, kind)}, {address(refs[places], listed, _number(places.dtype))}"
        return f"{given}, {out}, {int(geo.apart)}, {int(geo.covered)}"

    return _kernel(instruction, refs, g.dtype, places.dtype, call)


def _pool_sum(instruction: Instruction, refs: Refs) -> Statements | None:
    (x,) = instruction.inputs

    def call(listed: Listed, kind: str, out: str) -> str:
        return f"{address(refs[x], listed, kind)}, {out}"

    return _kernel(instruction, refs, x.dtype, None, call)


def _pool_spread(instruction: Instruction, refs: Refs) -> Statements | None:
    (g,) = instruction.inputs

    def call(listed: Listed, kind: str, out: str) -> str:
        return f"{address(refs[g], listed, kind)}, {out}"

    return _kernel(instruction, refs, g.dtype, None, call)


def _kernel(
    instruction: Instruction,
    refs: Refs,
    dtype: Any,
    counted: Any,
    call: Any,
) -> Statements | None:
    """A pooling of numbers of `dtype`, with places of the dtype `counted`."""
    out = instruction.out
    reads = [refs[variable] for variable in instruction.inputs]
    if str(dtype) not in TYPES or not all(is_packed(ref) and prod(ref.shape) for ref in reads):
        return None
    if counted is not None and str(counted) not in _NUMBERS:
        return None
    kind, _, ending = TYPES[str(dtype)]
    work = prod(instruction.options["size"]) * max(prod(ref.shape) for ref in reads)
    parts = parts_of(work, out.shape[0])
    number = _number(counted) if counted is not None else ""
    does = instruction.name.removeprefix("pool_")
    way = kind_of(does, out.shape[-1], **{key: instruction.options[key] for key in _WINDOW})
    numbers = ", ".join(map(str, _numbers(way, instruction)))
    name = f"{way}_{does}_{ending}{'' if counted is None else counted}"

    def statements(listed: Listed) -> str:
        to = kind if out.dtype == dtype else number
        target = f"({to} *){listed.address(out)}" if listed.memory.is_stored(out) else "0"
        given = call(listed, kind, target)
        batch = out.shape[0]
        ends = f"0, {batch}" if parts == 1 else f"{batch}L * part / {parts}, {batch}L * (part + 1) / {parts}"
        return f"  {{ static const pool_t g = {{{numbers}}};\n    {name}({given}, {ends}, &g); }}"

    own = filled(re.sub(r"\bK\b", number, TEXTS[way][does]).replace(f"{way}_{does}_@", name), dtype)
    called = (filled(TEXTS[way]["sum"], dtype),) if (way, does) == ("planes", "spread") else ()
    return Statements(
        instruction,
        reads,
        statements=statements,
        functions=(GEOMETRY, *called, own),
        about="pooling",
        parts=parts,
    )


_WINDOW = ("size", "stride", "padding", "dilation")
_NUMBERS = {"uint8": "unsigned char", "uint16": "unsigned short", "uint32": "unsigned int"}


def _number(dtype: Any) -> str:
    return _NUMBERS[str(dtype)]


def _numbers(way: str, instruction: Instruction) -> tuple[int, ...]:
    options, first = dict(instruction.options), instruction.inputs[0]
    spread = "length" in options
    length: Any = options.pop("length") if spread else first.shape[1:3]
    counts: Any = (first if spread else instruction.out).shape[1:3]
    return numbers_of(way, length, first.shape[3], counts, **options)


KERNELS.update(
    pool_places=_pool_places, pool_pick=_pool_pick, pool_put=_pool_put, pool_sum=_pool_sum, pool_spread=_pool_spread
)
