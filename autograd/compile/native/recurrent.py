"""Recurrent layers in C: the loop over time with its gates in place, for compiled steps and for eager code.

One idea: the rows of a batch know nothing of each other, so each part of them goes through all times by itself, and no
thread waits for another before the end. The same texts serve both: a compiled step calls them with its lengths, eager
code through one library, made once. Where there is no compiler, or a sequence is tiny, `autograd/recurring.py` does it
in NumPy. Read `addresses.py` next.
"""

# Note [Blocks of a product]
# The product of a time is of few rows with a large matrix, which BLAS would first bring into an order of its own, at
# each time anew. OpenBLAS has kernels for small matrices that read them as they lie, if neither is turned: in blocks
# of 16 x 128 x 128 they are a quarter faster than the whole, and each is done by the thread that asks for it (see
# Note [Parts do not share] in threads.py). So the weight is turned round once before the loop.

from __future__ import annotations

import ctypes
import functools
import inspect
from collections.abc import Callable
from math import prod
from typing import Any, TypeVar

from ... import recurring
from ...backend import Array, host
from ...modes import is_tracing
from ..program import Instruction, Variable
from .addresses import pointers
from .any_length import has_c
from .kernels import KERNELS, Listed, Refs, Statements
from .parts import parts_of
from .source import HEADER, SETUP
from .template import ENDINGS, TYPES, address, filled, is_packed
from .threads import in_pool

__all__ = ["in_c"]

F = TypeVar("F", bound=Callable[..., Any])

# Numbers of the first array from which on C is called: to call it costs as much as a few of NumPy's functions.
_LARGE = 64

_LEAST_ROWS = 16  # of a part
_ALONE = 4_000_000  # multiplications of one time that are left to one thread, where there are too few rows for parts

_LENGTHS = """\
typedef struct { long steps, batch, width, back, relu, parts, whole; } recurrent_t;
// Where the state before step t lies in a sequence of states, and the one after it.
#define BEFORE(t) ((t) + g->back)
#define AFTER(t) ((t) + 1 - g->back)
// Step number s of forward, and of backward.
#define FORTH(s) (g->back ? g->steps - 1 - (s) : (s))
#define BACK(s) (g->back ? (s) : g->steps - 1 - (s))
// What a part is given: the lengths, then the arrays; it does the rows from `from` on, n numbers being those of a time.
#define PART \\
  const recurrent_t *g = (const recurrent_t *)p[0]; \\
  const long w = g->width, n = g->batch * w, from = g->batch * part / g->parts, to = g->batch * (part + 1) / g->parts;
#define ROWS for (long b = from; b < to; b++)
#define EACH _Pragma("omp simd") for (long j = 0; j < w; j++)"""

_SIGMOID = """\
static inline T sigmoid_@(T x) { return 1 / (1 + EXP(-x)); }"""

# See Note [Blocks of a product]; `more` adds to what is there.
_PRODUCT = """\
static void product_@(const T *a, const T *b, T *c, long m, long n, long k, long ldc, int more, int whole) {
  if (whole) {
    gemm(101, 111, 111, m, n, k, 1, a, k, b, n, more, c, ldc);
    return;
  }
  for (long i = 0; i < m; i += 16) {
    const long rows = m - i < 16 ? m - i : 16, deep = rows > 8 ? 128 : 256;
    for (long j = 0; j < n; j += 128)
      for (long l = 0; l < k; l += deep)
        gemm(101, 111, 111, rows, n - j < 128 ? n - j : 128, k - l < deep ? k - l : deep, 1, a + i * k + l, k,
             b + l * n + j, n, l || more, c + i * ldc + j, ldc);
  }
}"""

_TURN = """\
static void turn_@(const T *a, T *to, long rows, long columns) {
  for (long i = 0; i < rows; i += 8)
    for (long j = 0; j < columns; j++)
      for (long k = i; k < i + 8 && k < rows; k++) to[j * rows + k] = a[k * columns + j];
}"""

_RNN_STATES = """\
static void rnn_states_part_@(int part, char **p, const double *n_) {
  PART
  const T *projected = (T *)p[1], *turned = (T *)p[3];
  T *out = (T *)p[2];
  for (long s = 0; s < g->steps; s++) {
    const long t = FORTH(s);
    T *y = out + AFTER(t) * n + from * w;
    memcpy(y, projected + t * n + from * w, (to - from) * w * sizeof(T));
    product_@(out + BEFORE(t) * n + from * w, turned, y, to - from, w, w, w, 1, g->whole);
    ROWS {
      if (g->relu) EACH y[j] = y[j] < 0 ? 0 : y[j];
      else EACH y[j] = TANH(y[j]);
      y += w;
    }
  }
}
static void rnn_states_@(const T *projected, const T *weight, const T *h, T *out, T *turned, const recurrent_t *g) {
  const long w = g->width, n = g->batch * w;
  char *at[] = {(char *)g, (char *)projected, (char *)out, (char *)turned};
  memcpy(out + (g->back ? g->steps * n : 0), h, n * sizeof(T));
  turn_@(weight, turned, w, w);
  run(rnn_states_part_@, g->parts, at, 0);
}"""

_RNN_SLOPES = """\
static void rnn_slopes_part_@(int part, char **p, const double *n_) {
  PART
  const T *given = (T *)p[1], *states = (T *)p[2], *weight = (T *)p[3];
  T *out = (T *)p[4], *of_h = out + g->steps * n;
  memset(of_h + from * w, 0, (to - from) * w * sizeof(T));
  for (long s = 0; s < g->steps; s++) {
    const long t = BACK(s);
    ROWS {
      T *restrict of_y = out + t * n + b * w;
      const T *g_y = given + t * n + b * w, *y = states + AFTER(t) * n + b * w, *g_h = of_h + b * w;
      if (g->relu) EACH of_y[j] = y[j] > 0 ? g_y[j] + g_h[j] : 0;
      else EACH of_y[j] = (g_y[j] + g_h[j]) * (1 - y[j] * y[j]);
    }
    product_@(out + t * n + from * w, weight, of_h + from * w, to - from, w, w, w, 0, g->whole);
  }
}
static void rnn_slopes_@(const T *given, const T *states, const T *weight, T *out, const recurrent_t *g) {
  char *at[] = {(char *)g, (char *)given, (char *)states, (char *)weight, (char *)out};
  run(rnn_slopes_part_@, g->parts, at, 0);
}"""

_LSTM_STATES = """\
static void lstm_states_part_@(int part, char **p, const double *n_) {
  PART
  const T *projected = (T *)p[1], *turned = (T *)p[3];
  T *out = (T *)p[2], *cells = out + g->steps * 4 * n, *outputs = cells + (g->steps + 1) * n;
  for (long s = 0; s < g->steps; s++) {
    const long t = FORTH(s);
    T *gates = out + t * 4 * n + from * 4 * w;
    memcpy(gates, projected + t * 4 * n + from * 4 * w, (to - from) * 4 * w * sizeof(T));
    product_@(outputs + BEFORE(t) * n + from * w, turned, gates, to - from, 4 * w, w, 4 * w, 1, g->whole);
    ROWS {
      T *restrict a = out + t * 4 * n + b * 4 * w, *restrict cell = cells + AFTER(t) * n + b * w;
      T *restrict y = outputs + AFTER(t) * n + b * w;
      const T *before = cells + BEFORE(t) * n + b * w;
      EACH {
        const T i = sigmoid_@(a[j]), f = sigmoid_@(a[w + j]), u = TANH(a[2 * w + j]), o = sigmoid_@(a[3 * w + j]);
        const T c = f * before[j] + i * u;
        a[j] = i, a[w + j] = f, a[2 * w + j] = u, a[3 * w + j] = o;
        cell[j] = c;
        y[j] = o * TANH(c);
      }
    }
  }
}
static void lstm_states_@(const T *projected, const T *weight, const T *h, const T *c, T *out, T *turned,
                          const recurrent_t *g) {
  const long w = g->width, n = g->batch * w, first = g->back ? g->steps * n : 0;
  T *cells = out + g->steps * 4 * n, *outputs = cells + (g->steps + 1) * n;
  char *at[] = {(char *)g, (char *)projected, (char *)out, (char *)turned};
  memcpy(cells + first, c, n * sizeof(T));
  memcpy(outputs + first, h, n * sizeof(T));
  turn_@(weight, turned, 4 * w, w);
  run(lstm_states_part_@, g->parts, at, 0);
}"""

_LSTM_SLOPES = """\
static void lstm_slopes_part_@(int part, char **p, const double *n_) {
  PART
  const T *given = (T *)p[1], *states = (T *)p[2], *weight = (T *)p[3], *cells = states + g->steps * 4 * n;
  T *out = (T *)p[4], *of_h = out + g->steps * 4 * n, *of_c = of_h + n;
  memset(of_h + from * w, 0, (to - from) * w * sizeof(T));
  memcpy(of_c + from * w, given + g->steps * n + from * w, (to - from) * w * sizeof(T));
  for (long s = 0; s < g->steps; s++) {
    const long t = BACK(s);
    ROWS {
      const T *g_y = given + t * n + b * w, *a = states + t * 4 * n + b * 4 * w, *g_h = of_h + b * w;
      const T *cell = cells + AFTER(t) * n + b * w, *before = cells + BEFORE(t) * n + b * w;
      T *restrict of_a = out + t * 4 * n + b * 4 * w, *restrict g_c = of_c + b * w;
      EACH {
        const T i = a[j], f = a[w + j], u = a[2 * w + j], o = a[3 * w + j];
        const T of_out = g_y[j] + g_h[j], bent = TANH(cell[j]), d = g_c[j] + of_out * o * (1 - bent * bent);
        of_a[j] = d * u * i * (1 - i);
        of_a[w + j] = d * before[j] * f * (1 - f);
        of_a[2 * w + j] = d * i * (1 - u * u);
        of_a[3 * w + j] = of_out * bent * o * (1 - o);
        g_c[j] = d * f;
      }
    }
    product_@(out + t * 4 * n + from * 4 * w, weight, of_h + from * w, to - from, w, 4 * w, w, 0, g->whole);
  }
}
static void lstm_slopes_@(const T *given, const T *states, const T *weight, T *out, const recurrent_t *g) {
  char *at[] = {(char *)g, (char *)given, (char *)states, (char *)weight, (char *)out};
  run(lstm_slopes_part_@, g->parts, at, 0);
}"""

_GRU_STATES = """\
static void gru_states_part_@(int part, char **p, const double *n_) {
  PART
  const T *projected = (T *)p[1], *turned = (T *)p[3], *bias = (T *)p[4];
  T *out = (T *)p[2], *outputs = out + g->steps * 4 * n;
  for (long s = 0; s < g->steps; s++) {
    const long t = FORTH(s);
    T *gates = out + t * 4 * n + from * 4 * w;
    product_@(outputs + BEFORE(t) * n + from * w, turned, gates, to - from, 3 * w, w, 4 * w, 0, g->whole);
    ROWS {
      T *restrict a = out + t * 4 * n + b * 4 * w, *restrict y = outputs + AFTER(t) * n + b * w;
      const T *q = projected + t * 3 * n + b * 3 * w, *before = outputs + BEFORE(t) * n + b * w;
      EACH {
        const T r = sigmoid_@(q[j] + (a[j] + bias[j])), z = sigmoid_@(q[w + j] + (a[w + j] + bias[w + j]));
        const T of_state = a[2 * w + j] + bias[2 * w + j], u = TANH(q[2 * w + j] + r * of_state);
        a[j] = r, a[w + j] = z, a[2 * w + j] = u, a[3 * w + j] = of_state;
        y[j] = u + z * (before[j] - u);
      }
    }
  }
}
static void gru_states_@(const T *projected, const T *weight, const T *bias, const T *h, T *out, T *turned,
                         const recurrent_t *g) {
  const long w = g->width, n = g->batch * w;
  char *at[] = {(char *)g, (char *)projected, (char *)out, (char *)turned, (char *)bias};
  memcpy(out + g->steps * 4 * n + (g->back ? g->steps * n : 0), h, n * sizeof(T));
  turn_@(weight, turned, 3 * w, w);
  run(gru_states_part_@, g->parts, at, 0);
}"""

_GRU_SLOPES = """\
static void gru_slopes_part_@(int part, char **p, const double *n_) {
  PART
  const T *given = (T *)p[1], *states = (T *)p[2], *weight = (T *)p[3], *outputs = states + g->steps * 4 * n;
  T *out = (T *)p[4], *of_states = out + g->steps * 3 * n, *of_h = of_states + g->steps * 3 * n;
  memset(of_h + from * w, 0, (to - from) * w * sizeof(T));
  for (long s = 0; s < g->steps; s++) {
    const long t = BACK(s);
    ROWS {
      const T *g_y = given + t * n + b * w, *a = states + t * 4 * n + b * 4 * w;
      const T *before = outputs + BEFORE(t) * n + b * w;
      T *restrict of_a = out + t * 3 * n + b * 3 * w, *restrict of_s = of_states + t * 3 * n + b * 3 * w;
      T *restrict g_h = of_h + b * w;
      EACH {
        const T r = a[j], z = a[w + j], u = a[2 * w + j], of_out = g_y[j] + g_h[j];
        const T of_z = of_out * (before[j] - u) * z * (1 - z), of_u = of_out * (1 - z) * (1 - u * u);
        const T of_r = of_u * a[3 * w + j] * r * (1 - r);
        of_a[j] = of_s[j] = of_r;
        of_a[w + j] = of_s[w + j] = of_z;
        of_a[2 * w + j] = of_u;
        of_s[2 * w + j] = of_u * r;
        g_h[j] = of_out * z;
      }
    }
    product_@(of_states + t * 3 * n + from * 3 * w, weight, of_h + from * w, to - from, w, 3 * w, w, 1, g->whole);
  }
}
static void gru_slopes_@(const T *given, const T *states, const T *weight, T *out, const recurrent_t *g) {
  char *at[] = {(char *)g, (char *)given, (char *)states, (char *)weight, (char *)out};
  run(gru_slopes_part_@, g->parts, at, 0);
}"""

_TEXTS = {
    "rnn_states": _RNN_STATES,
    "rnn_slopes": _RNN_SLOPES,
    "lstm_states": _LSTM_STATES,
    "lstm_slopes": _LSTM_SLOPES,
    "gru_states": _GRU_STATES,
    "gru_slopes": _GRU_SLOPES,
}


def _functions(name: str, dtype: Any) -> tuple[str, ...]:
    kind = TYPES[str(dtype)][0]
    texts = (_LENGTHS, _SIGMOID, _PRODUCT, _TURN, _TEXTS[name])
    tanh = {"float": "tanhf", "double": "tanh"}[kind]
    return tuple(filled(text, dtype).replace("EXP", f"exp_{kind}").replace("TANH", tanh) for text in texts)


def _lengths(name: str, arrays: Any, options: dict[str, Any]) -> tuple[int, ...]:
    """The numbers of a `recurrent_t`."""
    steps, batch, _ = arrays[0].shape
    rows, width = arrays[2 if name.endswith("slopes") else 1].shape
    steps -= name == "lstm_slopes"  # behind the gradients of the outputs stands that of the last cell
    work = batch * rows * width
    parts = parts_of(steps * work // 16, batch // _LEAST_ROWS)
    whole = parts == 1 and work > _ALONE
    relu = options.get("nonlinearity") == "relu"
    return steps, batch, width, int(options["reverse"]), int(relu), parts, int(whole)


def _turned(name: str, lengths: tuple[int, ...]) -> int:
    """How many numbers the weight has that is turned round first."""
    width = lengths[2]
    return {"rnn_states": 1, "lstm_states": 4, "gru_states": 3}.get(name, 0) * width * width


# In a compiled step


def _recurrent(instruction: Instruction, refs: Refs) -> Statements | None:
    name, out = instruction.name, instruction.out
    if not all(isinstance(x, Variable) for x in instruction.inputs) or str(out.dtype) not in TYPES:
        return None
    reads = [refs[variable] for variable in instruction.inputs]
    if not all(ref.base.dtype == out.dtype and is_packed(ref) and prod(ref.shape) for ref in reads):
        return None
    kind, _, ending = TYPES[str(out.dtype)]
    lengths = _lengths(name, reads, instruction.options)
    size = _turned(name, lengths) * out.dtype.itemsize
    turned = Variable(-1, (size,), host.dtype("uint8")) if size else None

    def statements(listed: Listed) -> str:
        given = ", ".join(address(ref, listed, kind) for ref in reads)
        room = "" if turned is None else f"({kind} *){listed.address(turned)}, "
        return (
            f"  {{ static const recurrent_t g = {{{', '.join(map(str, lengths))}}};\n"
            f"    {name}_{ending}({given}, ({kind} *){listed.address(out)}, {room}&g); }}"
        )

    functions = _functions(name, out.dtype)
    return Statements(
        instruction, reads, statements=statements, functions=functions, scratch=turned, about="recurrent layer"
    )


KERNELS.update(dict.fromkeys(_TEXTS, _recurrent))


# In eager code


@functools.cache
def in_c(function: F) -> F:
    """An instruction of `recurring`, done in C where arrays on the host are given outside a trace."""
    name = function.__name__

    @functools.wraps(function)
    def call(*arrays: Array, **options: Any) -> Any:
        first = arrays[0]
        if type(first) is not host.ndarray or is_tracing() is not None or first.size < _LARGE or not has_c():
            return function(*arrays, **options)
        library = _library()
        if library is None:
            return function(*arrays, **options)
        packed = [a if a.flags.c_contiguous else host.ascontiguousarray(a) for a in arrays]
        lengths = _lengths(name, packed, options)
        out = host.empty(sum(map(prod, recurring.shapes_of(name, *lengths[:3]))), first.dtype)
        room = host.empty(_turned(name, lengths), first.dtype)
        run = getattr(library, f"call_{name}_{ENDINGS[first.dtype]}")
        run(pointers(*packed, out, room), (ctypes.c_long * 7)(*lengths))
        return out

    return call  # type: ignore[return-value]


@functools.cache
def _library() -> Any:
    """The library of all these functions; None where it cannot be had."""
    return in_pool(_source())


def _source() -> str:
    texts: list[str] = []
    for dtype, (kind, _, ending) in TYPES.items():
        for name in _TEXTS:
            texts += _functions(name, dtype)
            parameters = inspect.signature(getattr(recurring, name)).parameters.values()
            inputs = sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)
            given = ", ".join(f"({kind} *)p[{i}]" for i in range(inputs + 1 + name.endswith("states")))
            texts.append(f"void call_{name}_{ending}(char **p, recurrent_t *g) {{ {name}_{ending}({given}, g); }}")
    return "\n".join([HEADER, SETUP, *dict.fromkeys(texts)])
