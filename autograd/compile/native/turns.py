"""Turns: a stack of matrices copied with its rows for columns, as when channels go from the first axis to the last.

One idea: done straight on, one side jumps from line to line at each number. Sixteen rows by sixteen columns at a time
both sides use whole lines of the cache, so a copy takes as long as its memory does. Compiled steps call the same text
as eager code. Read `source.py` next.
"""

from __future__ import annotations

from .parts import parts_of

__all__ = ["TURN", "numbers_of"]

_LARGE = 1 << 14  # numbers, as many as are worth a call

# p: the stack as it lies, and in order. n: parts, matrices, and of each its rows, its columns, from one column to the
# next and from one matrix to the next where they lie.
_TEXT = """\
static void turn_BITS(int part, char **p, const double *n) {
  const long parts = n[0], many = n[1], rows = n[2], columns = n[3], far = n[4], apart = n[5];
  const long tiles = (rows + 15) / 16;
  for (long t = many * tiles * part / parts; t < many * tiles * (part + 1) / parts; t++) {
    const long row = t % tiles * 16, height = rows - row < 16 ? rows - row : 16;
    const WORD *x = (const WORD *)p[0] + t / tiles * apart + row;
    WORD *y = (WORD *)p[1] + (t / tiles * rows + row) * columns;
    for (long c = 0; c < columns; c += 16, x += 16 * far, y += 16) {
      const long width = columns - c < 16 ? columns - c : 16;
      WORD tile[16][16];
      if (height == 16 && width == 16) {
        for (long j = 0; j < 16; j++)
          for (long i = 0; i < 16; i++) tile[j][i] = x[j * far + i];
        for (long i = 0; i < 16; i++)
          for (long j = 0; j < 16; j++) y[i * columns + j] = tile[j][i];
      } else {
        for (long j = 0; j < width; j++)
          for (long i = 0; i < height; i++) y[i * columns + j] = x[j * far + i];
      }
    }
  }
}"""
TURN = {  # by the bytes of a number
    4: _TEXT.replace("BITS", "32").replace("WORD", "unsigned"),
    8: _TEXT.replace("BITS", "64").replace("WORD", "unsigned long long"),
}


def numbers_of(axes: list[tuple[int, ...]], itemsize: int) -> tuple[int, ...] | None:
    """The numbers for a copy over axes, each its length, its step there and its step here; None where it is no turn."""
    if itemsize not in TURN or not 2 <= len(axes) <= 3:
        return None
    (rows, next_row, step), (columns, one, far) = axes[-2:]
    many, next_matrix, apart = axes[0] if len(axes) == 3 else (1, rows * columns, 0)
    ordered = (next_matrix, next_row, one) == (rows * columns, columns, 1)
    if not ordered or step != 1 or far < rows or rows * columns * many < _LARGE:
        return None
    return parts_of(4 * many * rows * columns, many * -(-rows // 16)), many, rows, columns, far, apart
