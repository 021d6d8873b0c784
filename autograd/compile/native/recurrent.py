"""Recurrent layers in C: the loop over time with its gates in place, for compiled steps and for eager code.

One idea: of each time there is one product by BLAS and one walk over the gates of all rows, which are in the first
caches then. The same texts serve both: a compiled step calls them with its lengths, eager code through one library,
made once. Where there is no compiler, or a sequence is tiny, `autograd/recurring.py` does it in NumPy.
Read `eager.py` next.
"""

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
from .eager import has_c
from .kernels import KERNELS, Memory, Refs, Statements
from .library import blas, load
from .parts import parts_of
from .source import HEADER
from .template import TYPES, address, filled, is_packed
from .threads import runner

__all__ = ["in_c"]

F = TypeVar("F", bound=Callable[..., Any])

# Numbers of the first array from which on C is called: to call it costs as much as a few of NumPy's functions.
_LARGE = 64

_WORK = 10  # operations for each gate of a row at one time, see Note [How many parts] in parts.py

_LENGTHS = """\
typedef struct { long steps, batch, width, back, relu, parts; } recurrent_t;
// Where the state before step t lies in a sequence of states, and the one after it.
#define BEFORE(t) ((t) + g->back)
#define AFTER(t) ((t) + 1 - g->back)
// Step number s of forward, and of backward.
#define FORTH(s) (g->back ? g->steps - 1 - (s) : (s))
#define BACK(s) (g->back ? (s) : g->steps - 1 - (s))
#define EACH _Pragma("omp simd") for (long j = 0; j < w; j++)
// The gates of the rows of a part, at the time at p[1]; behind it come the addresses that a function is given.
#define ROWS \\
  const recurrent_t *g = (const recurrent_t *)p[0]; \\
  const long t = *(const long *)p[1], w = g->width, n = g->batch * w; \\
  for (long b = g->batch * part / g->parts; b < g->batch * (part + 1) / g->parts; b++)"""

_SIGMOID = """\
static inline T sigmoid_@(T x) { return 1 / (1 + EXP(-x)); }"""

# BLAS would bring a matrix that it reads the other way round into order once more at each time.
_TURN = """\
static void turn_@(const T *a, T *to, long rows, long columns) {
  for (long i = 0; i < rows; i += 8)
    for (long j = 0; j < columns; j++)
      for (long k = i; k < i + 8 && k < rows; k++) to[j * rows + k] = a[k * columns + j];
}"""

_RNN_STATES = """\
static void rnn_states_rows_@(int part, char **p, const double *n_) {
  ROWS {
    T *y = (T *)p[2] + AFTER(t) * n + b * w;
    if (g->relu) EACH y[j] = y[j] < 0 ? 0 : y[j];
    else EACH y[j] = TANH(y[j]);
  }
}
static void rnn_states_@(const T *p, const T *weight, const T *h, T *out, T *turned, const recurrent_t *g) {
  const long w = g->width, n = g->batch * w;
  memcpy(out + (g->back ? g->steps * n : 0), h, n * sizeof(T));
  turn_@(weight, turned, w, w);
  for (long s = 0; s < g->steps; s++) {
    long t = FORTH(s);
    T *y = out + AFTER(t) * n;
    char *at[] = {(char *)g, (char *)&t, (char *)out};
    memcpy(y, p + t * n, n * sizeof(T));
    gemm(101, 111, 111, g->batch, w, w, 1, out + BEFORE(t) * n, w, turned, w, 1, y, w);
    run(rnn_states_rows_@, g->parts, at, 0);
  }
}"""

_RNN_SLOPES = """\
static void rnn_slopes_rows_@(int part, char **p, const double *n_) {
  ROWS {
    T *restrict to = (T *)p[4] + t * n + b * w;
    const T *of_y = (T *)p[2] + t * n + b * w, *y = (T *)p[3] + AFTER(t) * n + b * w;
    const T *of_h = (T *)p[4] + g->steps * n + b * w;
    if (g->relu) EACH to[j] = y[j] > 0 ? of_y[j] + of_h[j] : 0;
    else EACH to[j] = (of_y[j] + of_h[j]) * (1 - y[j] * y[j]);
  }
}
static void rnn_slopes_@(const T *g_, const T *states, const T *weight, T *out, const recurrent_t *g) {
  const long w = g->width, n = g->batch * w;
  T *of_h = out + g->steps * n;
  memset(of_h, 0, n * sizeof(T));
  for (long s = 0; s < g->steps; s++) {
    long t = BACK(s);
    char *at[] = {(char *)g, (char *)&t, (char *)g_, (char *)states, (char *)out};
    run(rnn_slopes_rows_@, g->parts, at, 0);
    gemm(101, 111, 111, g->batch, w, w, 1, out + t * n, w, weight, w, 0, of_h, w);
  }
}"""

_LSTM_STATES = """\
static void lstm_states_rows_@(int part, char **p, const double *n_) {
  ROWS {
    T *restrict a = (T *)p[2] + t * 4 * n + b * 4 * w, *cells = (T *)p[3], *outputs = (T *)p[4];
    T *restrict cell = cells + AFTER(t) * n + b * w, *restrict y = outputs + AFTER(t) * n + b * w;
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
static void lstm_states_@(const T *p, const T *weight, const T *h, const T *c, T *out, T *turned,
                          const recurrent_t *g) {
  const long w = g->width, n = g->batch * w, first = g->back ? g->steps * n : 0;
  T *cells = out + g->steps * 4 * n, *outputs = cells + (g->steps + 1) * n;
  memcpy(cells + first, c, n * sizeof(T));
  memcpy(outputs + first, h, n * sizeof(T));
  turn_@(weight, turned, 4 * w, w);
  for (long s = 0; s < g->steps; s++) {
    long t = FORTH(s);
    T *gates = out + t * 4 * n;
    char *at[] = {(char *)g, (char *)&t, (char *)out, (char *)cells, (char *)outputs};
    memcpy(gates, p + t * 4 * n, 4 * n * sizeof(T));
    gemm(101, 111, 111, g->batch, 4 * w, w, 1, outputs + BEFORE(t) * n, w, turned, 4 * w, 1, gates, 4 * w);
    run(lstm_states_rows_@, g->parts, at, 0);
  }
}"""

_LSTM_SLOPES = """\
static void lstm_slopes_rows_@(int part, char **p, const double *n_) {
  ROWS {
    const T *of_y = (T *)p[2] + t * n + b * w, *a = (T *)p[3] + t * 4 * n + b * 4 * w;
    const T *cells = (T *)p[3] + g->steps * 4 * n + b * w;
    const T *cell = cells + AFTER(t) * n, *before = cells + BEFORE(t) * n;
    T *restrict to = (T *)p[4] + t * 4 * n + b * 4 * w;
    T *of_h = (T *)p[4] + g->steps * 4 * n + b * w, *restrict of_c = of_h + n;
    EACH {
      const T i = a[j], f = a[w + j], u = a[2 * w + j], o = a[3 * w + j];
      const T of_out = of_y[j] + of_h[j], bent = TANH(cell[j]), d = of_c[j] + of_out * o * (1 - bent * bent);
      to[j] = d * u * i * (1 - i);
      to[w + j] = d * before[j] * f * (1 - f);
      to[2 * w + j] = d * i * (1 - u * u);
      to[3 * w + j] = of_out * bent * o * (1 - o);
      of_c[j] = d * f;
    }
  }
}
static void lstm_slopes_@(const T *g_, const T *states, const T *weight, T *out, const recurrent_t *g) {
  const long w = g->width, n = g->batch * w;
  T *of_h = out + g->steps * 4 * n;
  memset(of_h, 0, n * sizeof(T));
  memcpy(of_h + n, g_ + g->steps * n, n * sizeof(T));
  for (long s = 0; s < g->steps; s++) {
    long t = BACK(s);
    char *at[] = {(char *)g, (char *)&t, (char *)g_, (char *)states, (char *)out};
    run(lstm_slopes_rows_@, g->parts, at, 0);
    gemm(101, 111, 111, g->batch, w, 4 * w, 1, out + t * 4 * n, 4 * w, weight, w, 0, of_h, w);
  }
}"""

_GRU_STATES = """\
static void gru_states_rows_@(int part, char **p, const double *n_) {
  ROWS {
    const T *q = (T *)p[2] + t * 3 * n + b * 3 * w, *bias = (T *)p[3];
    T *restrict a = (T *)p[4] + t * 4 * n + b * 4 * w, *outputs = (T *)p[4] + g->steps * 4 * n + b * w;
    T *restrict y = outputs + AFTER(t) * n;
    const T *before = outputs + BEFORE(t) * n;
    EACH {
      const T r = sigmoid_@(q[j] + (a[j] + bias[j])), z = sigmoid_@(q[w + j] + (a[w + j] + bias[w + j]));
      const T of_state = a[2 * w + j] + bias[2 * w + j], u = TANH(q[2 * w + j] + r * of_state);
      a[j] = r, a[w + j] = z, a[2 * w + j] = u, a[3 * w + j] = of_state;
      y[j] = u + z * (before[j] - u);
    }
  }
}
static void gru_states_@(const T *p, const T *weight, const T *bias, const T *h, T *out, T *turned,
                         const recurrent_t *g) {
  const long w = g->width, n = g->batch * w;
  T *outputs = out + g->steps * 4 * n;
  memcpy(outputs + (g->back ? g->steps * n : 0), h, n * sizeof(T));
  turn_@(weight, turned, 3 * w, w);
  for (long s = 0; s < g->steps; s++) {
    long t = FORTH(s);
    char *at[] = {(char *)g, (char *)&t, (char *)p, (char *)bias, (char *)out};
    gemm(101, 111, 111, g->batch, 3 * w, w, 1, outputs + BEFORE(t) * n, w, turned, 3 * w, 0, out + t * 4 * n, 4 * w);
    run(gru_states_rows_@, g->parts, at, 0);
  }
}"""

_GRU_SLOPES = """\
static void gru_slopes_rows_@(int part, char **p, const double *n_) {
  ROWS {
    const T *of_y = (T *)p[2] + t * n + b * w, *a = (T *)p[3] + t * 4 * n + b * 4 * w;
    const T *before = (T *)p[3] + g->steps * 4 * n + BEFORE(t) * n + b * w;
    T *restrict to = (T *)p[4] + t * 3 * n + b * 3 * w, *restrict of_states = to + g->steps * 3 * n;
    T *restrict of_h = (T *)p[4] + g->steps * 6 * n + b * w;
    EACH {
      const T r = a[j], z = a[w + j], u = a[2 * w + j], of_out = of_y[j] + of_h[j];
      const T of_z = of_out * (before[j] - u) * z * (1 - z), of_u = of_out * (1 - z) * (1 - u * u);
      const T of_r = of_u * a[3 * w + j] * r * (1 - r);
      to[j] = of_states[j] = of_r;
      to[w + j] = of_states[w + j] = of_z;
      to[2 * w + j] = of_u;
      of_states[2 * w + j] = of_u * r;
      of_h[j] = of_out * z;
    }
  }
}
static void gru_slopes_@(const T *g_, const T *states, const T *weight, T *out, const recurrent_t *g) {
  const long w = g->width, n = g->batch * w;
  T *of_states = out + g->steps * 3 * n, *of_h = of_states + g->steps * 3 * n;
  memset(of_h, 0, n * sizeof(T));
  for (long s = 0; s < g->steps; s++) {
    long t = BACK(s);
    char *at[] = {(char *)g, (char *)&t, (char *)g_, (char *)states, (char *)out};
    run(gru_slopes_rows_@, g->parts, at, 0);
    gemm(101, 111, 111, g->batch, w, 3 * w, 1, of_states + t * 3 * n, 3 * w, weight, w, 1, of_h, w);
  }
}"""

_TEXTS = {
    "rnn_states": _RNN_STATES,
    "rnn_slopes": _RNN_SLOPES,
    "lstm_states": _LSTM_STATES,
    "lstm_slopes": _LSTM_SLOPES,
    "gru_states": _GRU_STATES,
    "gru_slopes": _GRU_SLOPES,
}

_SETUP = """\
void setup(void *s, void *d, void *r) { sgemm = (sgemm_t *)s; dgemm = (dgemm_t *)d; pool = (run_t *)r; }
"""


def _functions(name: str, dtype: Any) -> tuple[str, ...]:
    kind = TYPES[str(dtype)][0]
    texts = (_LENGTHS, _SIGMOID, _TURN, _TEXTS[name])
    tanh = {"float": "tanhf", "double": "tanh"}[kind]
    return tuple(filled(text, dtype).replace("EXP", f"exp_{kind}").replace("TANH", tanh) for text in texts)


def _lengths(name: str, arrays: Any, options: dict[str, Any]) -> tuple[int, ...]:
    """The numbers of a `recurrent_t`."""
    steps, batch, _ = arrays[0].shape
    rows, width = arrays[2 if name.endswith("slopes") else 1].shape
    steps -= name == "lstm_slopes"  # behind the gradients of the outputs stands that of the last cell
    parts = parts_of(_WORK * batch * rows, batch)
    return steps, batch, width, int(options["reverse"]), int(options.get("nonlinearity") == "relu"), parts


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

    def statements(memory: Memory) -> str:
        given = ", ".join(address(ref, memory, kind) for ref in reads)
        room = "" if turned is None else f"({kind} *){memory.address(turned)}, "
        return (
            f"  {{ static const recurrent_t g = {{{', '.join(map(str, lengths))}}};\n"
            f"    {name}_{ending}({given}, ({kind} *){memory.address(out)}, {room}&g); }}"
        )

    functions = _functions(name, out.dtype)
    return Statements(
        instruction, reads, statements=statements, functions=functions, scratch=turned, about="recurrent layer"
    )


KERNELS.update(dict.fromkeys(_TEXTS, _recurrent))


# In eager code


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
        pointers = (ctypes.c_void_p * 6)(*(a.__array_interface__["data"][0] for a in (*packed, out, room)))
        getattr(library, f"call_{name}_{TYPES[str(first.dtype)][2]}")(pointers, (ctypes.c_long * 6)(*lengths))
        return out

    return call  # type: ignore[return-value]


@functools.cache
def _library() -> Any:
    """The library of all these functions; None where it cannot be had."""
    found = blas()
    pool = 0 if found is None else runner(found)
    try:
        library = load(_source()) if pool else None
    except OSError:  # there is no folder to keep it in
        return None
    if found is None or library is None:
        return None
    library.setup(ctypes.c_void_p(found.single), ctypes.c_void_p(found.double), ctypes.c_void_p(pool))
    return library


def _source() -> str:
    texts = ["static sgemm_t *sgemm;", "static dgemm_t *dgemm;"]
    for dtype, (kind, _, ending) in TYPES.items():
        for name in _TEXTS:
            texts += _functions(name, dtype)
            parameters = inspect.signature(getattr(recurring, name)).parameters.values()
            inputs = sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)
            given = ", ".join(f"({kind} *)p[{i}]" for i in range(inputs + 1 + name.endswith("states")))
            texts.append(f"void call_{name}_{ending}(char **p, recurrent_t *g) {{ {name}_{ending}({given}, g); }}")
    return "\n".join([HEADER, *dict.fromkeys(texts), _SETUP])
