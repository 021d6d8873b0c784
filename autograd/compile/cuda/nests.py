"""Nests: what walks over more axes than rows and columns, as kernels in CUDA C.

One idea: a thread takes every n-th element of what is written, n the number of all threads, and works out from its
number where along each axis it is; axes that lie one behind the other everywhere are taken as one. So moves,
elementwise functions of strided views, and rows of a table by their numbers are three bodies of one loop.
Read `products.py` next.
"""

# Note [Rows added up]
# Rows of the first axis that are added up at their numbers (the gradient of an embedding) are added by a block for each
# number: where the same number came before, that block does it; else it looks at all numbers from there on, a piece at
# a time, makes a list of those that are the same, and adds their rows, of which several are read at once. So no
# addition waits for another, and the order is NumPy's. What is put along another axis, or not added, is done by a
# thread for each element of the table, which looks at all numbers.

# Note [Wrong positions]
# To refuse a position that is outside the table, the host would have to wait for the GPU. It reads NaN instead, which
# shows in the loss, or 0 where there are no floats; nothing outside is read or written. A write there makes NaN of all
# that is written with it: whoever writes has looked at all positions.

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from math import prod
from typing import Any

from ...backend import host, is_floating
from ..native.expressions import CUDA_TYPES, elementwise
from ..native.kernels import Kernel, Memory, Refs
from ..native.layout import Ref, joined_axes, packed, whole
from ..native.members import ctype
from ..native.moves import Move
from ..native.rows import along_an_axis
from ..native.strided import Elementwise
from ..program import CASTS, Instruction, Variable
from .commands import Job, Launch, Place, Span, meet, span_of
from .writer import ARGUMENTS, index_type

__all__ = ["KERNELS", "Elements", "Launches", "along", "at", "kernel_over", "packed_copy", "written_move"]

JoinedAxes = Sequence[tuple[int, ...]]  # as `joined_axes` gives them: the length of each, and its stride in every array


@dataclass(frozen=True)
class Elements:
    """Elements for a kernel: their dtype, where the first is, and the bytes within which all of them are."""

    dtype: Any
    place: Place
    span: Span

    @classmethod
    def of(cls, ref: Ref, memory: Memory) -> Elements:
        """Those that a variable names."""
        slot, start = memory.place(ref.base)
        first = slot, start + ref.offset * ref.base.dtype.itemsize
        return cls(ref.base.dtype, first, span_of(ref.base, (slot, start)))

    @property
    def count(self) -> int:
        """How many elements those bytes are."""
        return (self.span[2] - self.span[1]) // host.dtype(self.dtype).itemsize


_THREADS = 256
_MOST_BLOCKS = 4224
_COLUMNS, _NUMBERS = 4, 4  # of a thread that adds rows up: columns, and numbers that it looks at together


@dataclass
class Launches(Kernel):
    """A kernel of the program as launches of the GPU's."""

    _: KW_ONLY
    launches: Callable[[Memory], list[Launch]]


def kernel_over(
    about: str, size: int, reads: Sequence[Elements], writes: Sequence[Elements], body: Iterable[str]
) -> Launch:
    """A kernel with a thread for each of so many numbers; its lines know `i`, x0, x1, ... and y0, y1, ..."""
    lines: list[str] = []
    places: list[Place] = []
    # Several elements can be under way where nothing is read that is written: Note [Loads before stores], `writer.py`.
    apart = not any(meet(x.span, y.span) for x in reads for y in writes)
    for letter, const, arrays in (("x", "const ", reads), ("y", "", writes)):
        for number, array in enumerate(arrays):
            kind = f"{const}{ctype(array.dtype)} *"
            lines.append(f"  {kind}{'__restrict__ ' if apart else ''}{letter}{number} = ({kind})p[{len(places)}];")
            places.append(array.place)
    blocks = max(1, min(_MOST_BLOCKS, -(-size // _THREADS)))
    index = index_type(size, *(array.count for array in (*reads, *writes)))
    begin = f'extern "C" __global__ void __launch_bounds__({_THREADS}) @'
    text = [
        f"{begin}(const __grid_constant__ Jobs<$, {len(places)}> jobs) {{",
        ARGUMENTS,
        *lines,
        f"  const {index} step = blocks * {_THREADS};",
        # Else the compiler unrolls, and each thread begins with a division to find out how often it goes around.
        f"  #pragma unroll {4 if size >= 4 * blocks * _THREADS else 1}",
        f"  for ({index} i = block * {_THREADS} + threadIdx.x; i < n; i += step) {{",
        *(f"    {line}" for line in body),
        "  }",
        "}",
    ]
    job = Job(blocks, size, tuple(places), frozenset(a.span for a in reads), frozenset(a.span for a in writes))
    return Launch("\n".join(text), _THREADS, (job,), about)


def along(number: str, axes: JoinedAxes, name: str) -> list[str]:
    """Lines that work out from a number in order of the axes where along each it is: name0, name1, ..."""
    lines, rest = [], prod(n for n, *_ in axes)
    for i, (n, *_) in enumerate(axes):
        rest //= n
        cut = f"{number} / {rest}" if rest > 1 else number
        lines.append(f"const auto {name}{i} = {cut}{f' % {n}' if i else ''};")
    return lines


def at(axes: JoinedAxes, which: int, name: str) -> str:
    """The place, in the array of this number, of the element that `along` has found."""
    return " + ".join(f"{name}{i} * {axis[1 + which]}" for i, axis in enumerate(axes) if axis[1 + which]) or "0"


# Moves


def written_move(move: Move, memory: Memory) -> list[Launch]:
    """What fills the part that no piece covers, then the pieces."""
    out = move.instruction.out
    target = whole(out)
    launches = []
    covered = sum(prod(part.shape) for part, _ in move.parts)
    if move.base is not None:
        source = Ref(move.base.base, out.shape, move.base.strides, move.base.offset)
        launches.append(_copy(move.instruction.name, target, source, memory))
    elif covered < prod(out.shape):
        launches.append(kernel_over("zeros", prod(out.shape), [], [Elements.of(target, memory)], ["y0[i] = 0;"]))
    # The pieces meet nowhere, so those of one text are jobs of one launch, and others do not wait for them, though all
    # write to one array.
    pieces: dict[str, list[Launch]] = {}
    for part, source in move.parts:
        piece = _piece(_copy(move.instruction.name, part, source, memory), out)
        alike = pieces.setdefault(piece.text, [])
        if alike and alike[-1].has_room_for(piece):
            alike[-1] = replace(alike[-1], jobs=alike[-1].jobs + piece.jobs)
        else:
            alike.append(piece)
    return [*launches, *(launch for alike in pieces.values() for launch in alike)]


def _piece(launch: Launch, of: Variable) -> Launch:
    """A launch that writes a part of a variable, beside others."""
    return replace(launch, jobs=tuple(replace(job, piece_of=of.index) for job in launch.jobs))


def _copy(name: str, to: Ref, source: Ref, memory: Memory) -> Launch:
    axes = joined_axes(to.shape, to.strides, source.strides)
    body = [*along("i", axes, "a"), f"y0[{at(axes, 0, 'a')}] = x0[{at(axes, 1, 'a')}];"]
    return kernel_over(f"move, {name}", prod(to.shape), [Elements.of(source, memory)], [Elements.of(to, memory)], body)


def packed_copy(ref: Ref, place: Place, memory: Memory) -> Launch:
    """What copies elements to a place, in order."""
    axes = joined_axes(ref.shape, packed(ref.shape), ref.strides)
    slot, start = place
    span = slot, start, start + prod(ref.shape) * ref.base.dtype.itemsize
    body = [*along("i", axes, "a"), f"y0[i] = x0[{at(axes, 1, 'a')}];"]
    return kernel_over(
        "packed", prod(ref.shape), [Elements.of(ref, memory)], [Elements(ref.base.dtype, place, span)], body
    )


# Elementwise functions of strided views


def strided(instruction: Instruction, refs: Refs) -> Launches | None:
    """An elementwise function of arrays and Python's numbers."""
    found = Elementwise.of(instruction, refs, CUDA_TYPES)
    if found is None:
        return None
    out, axes = instruction.out, found.axes

    def launches(memory: Memory) -> list[Launch]:
        value = found.value(lambda which: f"x{which}[{at(axes, 1 + which, 'a')}]")
        given = [Elements.of(ref, memory) for ref in found.arrays]
        target = Elements.of(whole(out), memory)
        body = [*along("i", axes, "a"), f"y0[i] = {value};"]
        return [kernel_over(f"strided, {instruction.name}", prod(out.shape), given, [target], body)]

    return Launches(instruction, found.arrays, launches=launches)


# Rows of a table by their numbers


def rows_at(instruction: Instruction, refs: Refs) -> Launches | None:
    """x[..., positions], x with values there, and x with values added there; CuPy has to do what is less regular."""
    table, index, *values = instruction.inputs
    return _rows(instruction, refs, table, index, values) if not instruction.options else None


def rows_added(instruction: Instruction, refs: Refs) -> Launches | None:
    """Zeros with values added at positions along an axis."""
    values, index, _ = instruction.inputs
    return _rows(instruction, refs, instruction.out, index, [values])


def _rows(instruction: Instruction, refs: Refs, table: Any, index: Any, values: list[Any]) -> Launches | None:
    found = along_an_axis(instruction, refs, table, index, values)
    if found is None:
        return None
    axis, places = found[0], refs[found[1]]
    before = None if table is instruction.out else refs[table]
    given = refs[values[0]] if values else None

    def launches(memory: Memory) -> list[Launch]:
        if given is None:
            return [_gather(instruction, axis, refs[table], places, memory)]
        if axis == 0 and instruction.name in ("add.at", "_rows_added"):
            return _added_up(instruction, places, given, before, memory)
        return [_scatter(instruction, axis, places, given, before, memory)]

    return Launches(instruction, [ref for ref in (before, places, given) if ref is not None], launches=launches)


def _wrong(dtype: Any) -> str:
    """What is read at a wrong position; see Note [Wrong positions]."""
    return f"({ctype(dtype)}){'NAN' if is_floating(dtype) else '0'}"


def _gather(instruction: Instruction, axis: int, table: Ref, positions: Ref, memory: Memory) -> Launch:
    out, count, length = instruction.out, len(positions.shape), table.shape[axis]
    own = (*(0,) * axis, *positions.strides, *(0,) * (len(table.shape) - axis - 1))
    spread = (*table.strides[:axis], *(0,) * count, *table.strides[axis + 1 :])
    axes = joined_axes(out.shape, spread, own)
    body = [
        *along("i", axes, "a"),
        f"long at = x1[{at(axes, 1, 'a')}];",
        f"if (at < 0) at += {length};",
        f"const bool wrong = at < 0 || at >= {length};",
        f"y0[i] = wrong ? {_wrong(out.dtype)} : x0[{at(axes, 0, 'a')} + at * {table.strides[axis]}];",
    ]
    target = whole(out)
    reads = [Elements.of(table, memory), Elements.of(positions, memory)]
    return kernel_over("rows", prod(out.shape), reads, [Elements.of(target, memory)], body)


def _added_up(instruction: Instruction, positions: Ref, values: Ref, table: Ref | None, memory: Memory) -> list[Launch]:
    """What fills the table, and the sums; see Note [Rows added up]."""
    out = instruction.out
    count, length, width = prod(positions.shape), out.shape[0], prod(out.shape[1:])
    target = whole(out)
    zero = table is None or memory.is_zero(table.base)
    first = (
        kernel_over("zeros", prod(out.shape), [], [Elements.of(target, memory)], ["y0[i] = 0;"])
        if zero or table is None
        else _copy("rows", target, table, memory)
    )
    walk = joined_axes(positions.shape, positions.strides, values.strides[: len(positions.shape)])
    inner = joined_axes(out.shape[1:], values.strides[len(positions.shape) :])
    reads, writes = [Elements.of(positions, memory), Elements.of(values, memory)], [Elements.of(target, memory)]
    each = min(_COLUMNS, -(-width // _THREADS))  # columns of a thread
    pieces = -(-width // (each * _THREADS))  # of a row, each a block's
    most = (count * pieces + _THREADS * _NUMBERS, width + each * _THREADS)
    index = index_type(*most, *(array.count for array in (*reads, *writes)))
    text = _sums_of_rows(out, positions.base.dtype, count, each, walk, inner, index)
    places = tuple(array.place for array in (*reads, *writes))
    read = frozenset(array.span for array in (*reads, *writes))
    job = Job(count * pieces, width, places, read, frozenset(array.span for array in writes))
    return [first, Launch(text, _THREADS, (job,), f"{count} rows added up in {length}")]


def _sums_of_rows(
    out: Variable, numbers: Any, count: int, each: int, walk: JoinedAxes, inner: JoinedAxes, index: str
) -> str:
    """The kernel of Note [Rows added up]: `count` numbers of dtype `numbers`, and `each` columns for a thread."""
    kind, length, width = ctype(out.dtype), out.shape[0], prod(out.shape[1:])
    return f"""extern "C" __global__ void __launch_bounds__({_THREADS}) @(const __grid_constant__ Jobs<$, 3> jobs) {{
{ARGUMENTS}
  const {ctype(numbers)} *__restrict__ x0 = (const {ctype(numbers)} *)p[0];
  const {kind} *__restrict__ x1 = (const {kind} *)p[1];
  {kind} *__restrict__ y0 = ({kind} *)p[2];
  __shared__ int same[{_THREADS // 32}];
  __shared__ {index} from[{_THREADS * _NUMBERS}];
  const int t = threadIdx.x, lane = t & 31, warp = t >> 5;
  bool wrong = false;
  auto number = [&]({index} k) {{
    {" ".join(along("k", walk, "d"))}
    const long given = x0[{at(walk, 0, "d")}], at = given < 0 ? given + {length} : given;
    wrong |= at < 0 || at >= {length};
    return at;
  }};
  const {index} first = block % {count}, c0 = block / {count} * {each * _THREADS} + t;
  const long named = number(first), row = wrong ? 0 : named;
  if (wrong && first) return;  // the blocks of the others see it
  for ({index} k0 = first; k0 > 0; k0 -= {_THREADS}) {{  // those before, the nearest first
    const {index} k = k0 - 1 - t;
    if (__syncthreads_or(k >= 0 && number(k) == row)) return;
  }}
  {kind} s[{each}];
  #pragma unroll
  for (int e = 0; e < {each}; e++) {{
    const {index} c = c0 + e * {_THREADS};
    s[e] = c < {width} ? y0[row * {width} + c] : 0;
  }}
  for ({index} k0 = first; k0 < {count}; k0 += {_THREADS * _NUMBERS}) {{
{_list_of_same(count, walk, index)}
    #pragma unroll 8
    for (int i = 0; i < all; i++) {{
      #pragma unroll
      for (int e = 0; e < {each}; e++) {{
        const {index} c = c0 + e * {_THREADS};
        {" ".join(along("c", inner, "a"))}
        if (c < {width}) s[e] += x1[from[i] + {at(inner, 0, "a")}];
      }}
    }}
  }}
  wrong = __syncthreads_or(wrong);
  #pragma unroll
  for (int e = 0; e < {each}; e++) {{
    const {index} c = c0 + e * {_THREADS};
    if (c < {width}) y0[row * {width} + c] = wrong ? {_wrong(out.dtype)} : s[e];
  }}
}}"""


def _list_of_same(count: int, walk: JoinedAxes, index: str) -> str:
    """Lines that list in `from` where the rows are whose number is `row`, `all` of them, of those from k0 on."""
    return f"""    bool here[{_NUMBERS}];
    int before = 0, mine = 0, all = 0;  // in the list: those of lanes before this, of this, and all
    #pragma unroll
    for (int j = 0; j < {_NUMBERS}; j++) {{
      const {index} k = k0 + t * {_NUMBERS} + j;
      here[j] = k < {count} && number(k) == row;
      const unsigned votes = __ballot_sync(~0u, here[j]);
      before += __popc(votes & ((1u << lane) - 1));
      all += __popc(votes);
    }}
    if (lane == 0) same[warp] = all;
    __syncthreads();
    all = 0;
    for (int w = 0; w < {_THREADS // 32}; w++) {{
      if (w < warp) before += same[w];
      all += same[w];
    }}
    #pragma unroll
    for (int j = 0; j < {_NUMBERS}; j++) if (here[j]) {{
      const {index} k = k0 + t * {_NUMBERS} + j;
      {" ".join(along("k", walk, "d"))}
      from[before + mine++] = {at(walk, 1, "d")};
    }}
    __syncthreads();"""


def _scatter(
    instruction: Instruction, axis: int, positions: Ref, values: Ref, table: Ref | None, memory: Memory
) -> Launch:
    """A thread for each element of the table; see Note [Rows added up]."""
    out, count = instruction.out, len(positions.shape)
    length = out.shape[axis]
    outer = joined_axes(out.shape[:axis], values.strides[:axis])
    inner = joined_axes(out.shape[axis + 1 :], values.strides[axis + count :])
    walk = joined_axes(positions.shape, positions.strides, values.strides[axis : axis + count])
    after = prod(out.shape[axis + 1 :])
    adds = instruction.name in ("add.at", "_rows_added")
    start = "0" if table is None or memory.is_zero(table.base) else "x2[i]"
    body = [
        f"const long row = i / {after} % {length}, before = i / {after * length}, behind = i % {after};",
        *along("before", outer, "b"),
        *along("behind", inner, "c"),
        f"const long base = {at(outer, 0, 'b')} + {at(inner, 0, 'c')};",
        f"{ctype(out.dtype)} s = {start};",
        "bool wrong = false;",
        f"for (long k = 0; k < {prod(positions.shape)}; k++) {{",
        *(f"  {line}" for line in along("k", walk, "d")),
        f"  long at = x0[{at(walk, 0, 'd')}];",
        f"  if (at < 0) at += {length};",
        f"  wrong |= at < 0 || at >= {length};",
        f"  if (at == row) s {'+=' if adds else '='} x1[base + {at(walk, 1, 'd')}];",
        "}",
        f"y0[i] = wrong ? {_wrong(out.dtype)} : s;",
    ]
    reads = [Elements.of(ref, memory) for ref in (positions, values, table) if ref is not None]
    target = Elements.of(whole(out), memory)
    return kernel_over("rows added up" if adds else "rows put", prod(out.shape), reads, [target], body)


KERNELS = {
    **dict.fromkeys((*elementwise(), *CASTS), strided),
    **dict.fromkeys(("getitem", "set_at", "add.at"), rows_at),
    "_rows_added": rows_added,
}
