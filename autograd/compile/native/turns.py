"""Turns: a stack of matrices copied with its rows for columns, as when channels go from the first axis to the last.

One idea: done straight on, one side jumps from line to line at each number. In blocks of 64 rows by 64 columns both
sides use whole lines of the cache, several in a row, and in a block a few vectors at a time are turned in registers.
So a copy takes twice as long as one in order. Compiled steps call the same text as eager code. Read `source.py` next.
"""

from __future__ import annotations

from .parts import parts_of

__all__ = ["SQUARES", "TURN", "numbers_of"]

_LARGE = 1 << 14  # numbers, as many as are worth a call
_BLOCK = 64  # rows and columns; of 16 to 256 no other was faster by more than 5 % from 64 to 3136 pixels

# As many vectors as a vector has numbers: first neighbours change places, then pairs of them, then fours.
_SQUARES = {
    4: """\
static inline void turn_square_32(const unsigned *x, long far, unsigned *y, long columns) {
  turn_32_t a[8], b[8];
  for (int i = 0; i < 8; i++) a[i] = *(const turn_32_t *)(x + i * far);
  for (int i = 0; i < 8; i += 2) {
    b[i] = turn_mixed(32, a[i], a[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
    b[i + 1] = turn_mixed(32, a[i], a[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  }
  for (int i = 0; i < 8; i += i % 4 ? 3 : 1) {
    a[i] = turn_mixed(32, b[i], b[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
    a[i + 2] = turn_mixed(32, b[i], b[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
  }
  for (int i = 0; i < 4; i++) {
    *(turn_32_t *)(y + i * columns) = turn_mixed(32, a[i], a[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    *(turn_32_t *)(y + (i + 4) * columns) = turn_mixed(32, a[i], a[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}""",
    8: """\
static inline void turn_square_64(const unsigned long long *x, long far, unsigned long long *y, long columns) {
  turn_64_t a[4], b[4];
  for (int i = 0; i < 4; i++) a[i] = *(const turn_64_t *)(x + i * far);
  for (int i = 0; i < 4; i += 2) {
    b[i] = turn_mixed(64, a[i], a[i + 1], 0, 4, 2, 6);
    b[i + 1] = turn_mixed(64, a[i], a[i + 1], 1, 5, 3, 7);
  }
  for (int i = 0; i < 2; i++) {
    *(turn_64_t *)(y + i * columns) = turn_mixed(64, b[i], b[i + 2], 0, 1, 4, 5);
    *(turn_64_t *)(y + (i + 2) * columns) = turn_mixed(64, b[i], b[i + 2], 2, 3, 6, 7);
  }
}""",
}
_VECTORS = """\
typedef WORD turn_BITS_t __attribute__((vector_size(32), aligned(SIZE), may_alias));
#ifdef __clang__
#define turn_mixed(bits, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define turn_mixed(bits, a, b, ...) __builtin_shuffle(a, b, (turn_##bits##_t){__VA_ARGS__})
#endif"""

# p: the stack as it lies, and in order. n: parts, matrices, and of each its rows, its columns, from one column to the
# next and from one matrix to the next where they lie.
_TEXT = """\
static void turn_BITS(int part, char **p, const double *n) {
  enum { block = BLOCK, lanes = 32 / SIZE };
  const long parts = n[0], many = n[1], rows = n[2], columns = n[3], far = n[4], apart = n[5];
  const long blocks = (rows + block - 1) / block;
  for (long t = many * blocks * part / parts; t < many * blocks * (part + 1) / parts; t++) {
    const long first = t % blocks * block, height = rows - first < block ? rows - first : block;
    const WORD *x = (const WORD *)p[0] + t / blocks * apart + first;
    WORD *y = (WORD *)p[1] + (t / blocks * rows + first) * columns;
    for (long left = 0; left < columns; left += block) {
      const long right = left + block < columns ? left + block : columns;
      long i = 0;
      for (; i + lanes <= height; i += lanes) {
        long c = left;
        for (; c + lanes <= right; c += lanes) {
          // Two lines of the cache ahead: hardware does not see that rows go on which it meets far from one another.
          if (i * SIZE % 64 == 0)
            for (int k = 0; k < lanes; k++) __builtin_prefetch(x + (c + k) * far + i + 128 / SIZE, 0, 2);
          turn_square_BITS(x + c * far + i, far, y + i * columns + c, columns);
        }
        for (; c < right; c++)
          for (long k = i; k < i + lanes; k++) y[k * columns + c] = x[c * far + k];
      }
      for (; i < height; i++)
        for (long c = left; c < right; c++) y[i * columns + c] = x[c * far + i];
    }
  }
}"""
_WORDS = {4: "unsigned", 8: "unsigned long long"}


def _filled(size: int, *texts: str) -> str:
    text = "\n".join(texts).replace("BLOCK", str(_BLOCK)).replace("SIZE", str(size))
    return text.replace("BITS", str(8 * size)).replace("WORD", _WORDS[size])


# By the bytes of a number: what turns a square of them, and the whole copy, before which that must stand.
SQUARES = {size: _filled(size, _VECTORS, _SQUARES[size]) for size in _WORDS}
TURN = {size: _filled(size, _TEXT) for size in _WORDS}


def numbers_of(axes: list[tuple[int, ...]], itemsize: int) -> tuple[int, ...] | None:
    """The numbers for a copy over axes, each its length, its step there and its step here; None where it is no turn."""
    if itemsize not in TURN or not 2 <= len(axes) <= 3:
        return None
    (rows, next_row, step), (columns, one, far) = axes[-2:]
    many, next_matrix, apart = axes[0] if len(axes) == 3 else (1, rows * columns, 0)
    ordered = (next_matrix, next_row, one) == (rows * columns, columns, 1)
    if not ordered or step != 1 or far < rows or rows * columns * many < _LARGE:
        return None
    return parts_of(4 * many * rows * columns, many * -(-rows // _BLOCK)), many, rows, columns, far, apart
