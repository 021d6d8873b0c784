"""Recurrent layers over a whole sequence, each one fat node: the network of Elman, the LSTM and the GRU.

One idea: a step needs the state before it, but its product with the input does not; so that is one product for all
times before the loop, and the gradients of the weights are one product for all times behind it. The definitions say
what a step is; the loops are in `autograd/recurring.py`, and in C in `autograd/compile/native/recurrent.py`.
Sources: Elman 1990, "Finding structure in time"; Hochreiter and Schmidhuber 1997, "Long short-term memory", with the
forget gate of Gers, Schmidhuber and Cummins 2000, "Learning to forget"; Cho et al. 2014, "Learning phrase
representations using RNN encoder-decoder". Read `nn/attention.py` next, and `nn/recurrent.py` for the layers.
"""

from __future__ import annotations

from typing import Any

from autograd import matmul, matrix_transpose, recurring, sigmoid, split, stack, tanh
from autograd.backend import Array, Module
from autograd.compile.native.recurrent import in_c
from autograd.fused import fused
from autograd.modes import casting, is_tracing
from autograd.recurring import Nonlinearity, pieces, shapes_of
from autograd.tensor import Operand

from .activation import relu
from .rows import as_rows, sum_of_rows

__all__ = ["gru", "lstm", "rnn"]


@fused
def rnn(
    x: Operand,
    h: Operand,
    weight_ih: Operand,
    weight_hh: Operand,
    bias_ih: Operand = None,
    bias_hh: Operand = None,
    *,
    nonlinearity: Nonlinearity = "tanh",
    reverse: bool = False,
) -> Operand:
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), or ReLU of it, for each time of x; Elman 1990.

    x is (T, B, F), the state before it (B, H), the weights (H, F) and (H, H), the biases (H,); the result is (T, B, H).
    `reverse` goes through x from its end.
    """
    activation = relu if nonlinearity == "relu" else tanh
    projected = _projected(x, weight_ih, _added(bias_ih, bias_hh))
    transposed = matrix_transpose(weight_hh)
    out: list[Any] = [None] * len(x)
    for t in _times(len(x), reverse):
        out[t] = h = activation(projected[t] + matmul(h, transposed))
    return stack(out)


@fused
def lstm(
    x: Operand,
    h: Operand,
    c: Operand,
    weight_ih: Operand,
    weight_hh: Operand,
    bias_ih: Operand = None,
    bias_hh: Operand = None,
    *,
    reverse: bool = False,
) -> Operand:
    """The outputs of an LSTM for each time of x, and behind them its last cell: (T + 1, B, H).

        i, f, o = sigmoid(...), g = tanh(...), each of W_ih x_t + b_ih + W_hh h_(t-1) + b_hh
        c_t = f c_(t-1) + i g
        h_t = o tanh(c_t)

    x is (T, B, F), the states before it (B, H); the weights (4 H, F) and (4 H, H) and the biases (4 H,) have their rows
    in the order i, f, g, o. `reverse` goes through x from its end. Hochreiter and Schmidhuber 1997; Gers et al. 2000.
    """
    projected = _projected(x, weight_ih, _added(bias_ih, bias_hh))
    transposed = matrix_transpose(weight_hh)
    out: list[Any] = [None] * len(x)
    for t in _times(len(x), reverse):
        i, f, g, o = split(projected[t] + matmul(h, transposed), 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        out[t] = h = sigmoid(o) * tanh(c)
    return stack([*out, c])


@fused
def gru(
    x: Operand,
    h: Operand,
    weight_ih: Operand,
    weight_hh: Operand,
    bias_ih: Operand = None,
    bias_hh: Operand = None,
    *,
    reverse: bool = False,
) -> Operand:
    """The outputs of a GRU for each time of x, (T, B, H).

        r, z = sigmoid(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh)
        n = tanh(W_in x_t + b_in + r (W_hn h_(t-1) + b_hn))
        h_t = (1 - z) n + z h_(t-1)

    x is (T, B, F), the state before it (B, H); the weights (3 H, F) and (3 H, H) and the biases (3 H,) have their rows
    in the order r, z, n. `reverse` goes through x from its end. Cho et al. 2014, with r behind the product.
    """
    projected = _projected(x, weight_ih, bias_ih)
    transposed = matrix_transpose(weight_hh)
    out: list[Any] = [None] * len(x)
    for t in _times(len(x), reverse):
        of_state = matmul(h, transposed)
        of_state = of_state if bias_hh is None else of_state + bias_hh
        (r, z, n), (r_h, z_h, n_h) = split(projected[t], 3, axis=-1), split(of_state, 3, axis=-1)
        n = tanh(n + sigmoid(r + r_h) * n_h)
        out[t] = h = n + sigmoid(z + z_h) * (h - n)
    return stack(out)


def _projected(x: Any, weight: Any, bias: Any) -> Any:
    """What the inputs of all times give."""
    projected = matmul(x, matrix_transpose(weight))
    return projected if bias is None else projected + bias


def _added(a: Any, b: Any) -> Any:
    return a if b is None else b if a is None else a + b


def _times(steps: int, reverse: bool) -> Any:
    return reversed(range(steps)) if reverse else range(steps)


# The kernels


def _rnn_forward(xp: Module, x: Any, h: Any, *weights: Any, nonlinearity: Nonlinearity, reverse: bool) -> Any:
    if not _is_plain(1, x, [h], *weights):
        return NotImplemented
    projected = _products(xp, x, weights[0], _added(*weights[2:]))
    states = in_c(recurring.rnn_states)(projected, weights[1], h, nonlinearity=nonlinearity, reverse=reverse)
    (outputs,) = pieces(states, shapes_of("rnn_states", len(x), *h.shape))
    return xp.array(_after(outputs, reverse)), states


def _rnn_backward(
    xp: Module, g: Any, needs: Any, inputs: Any, states: Any, *, nonlinearity: Nonlinearity, reverse: bool
) -> Any:
    x, _, weight_ih, weight_hh, *_ = inputs
    slopes = in_c(recurring.rnn_slopes)(g, states, weight_hh, nonlinearity=nonlinearity, reverse=reverse)
    of_gates, of_h = pieces(slopes, shapes_of("rnn_slopes", *g.shape))
    (outputs,) = pieces(states, shapes_of("rnn_states", *g.shape))
    before = _before(outputs, reverse)
    of_x, *of_others = _slopes(xp, [needs[0], *needs[2:]], x, weight_ih, before, of_gates, of_gates)
    return of_x, xp.array(of_h) if needs[1] else None, *of_others


def _lstm_forward(xp: Module, x: Any, h: Any, c: Any, *weights: Any, reverse: bool) -> Any:
    if not _is_plain(4, x, [h, c], *weights):
        return NotImplemented
    projected = _products(xp, x, weights[0], _added(*weights[2:]))
    states = in_c(recurring.lstm_states)(projected, weights[1], h, c, reverse=reverse)
    _, cells, outputs = pieces(states, shapes_of("lstm_states", len(x), *h.shape))
    last = cells[:1] if reverse else cells[-1:]
    return xp.concatenate([_after(outputs, reverse), last]), states


def _lstm_backward(xp: Module, g: Any, needs: Any, inputs: Any, states: Any, *, reverse: bool) -> Any:
    x, h, _, weight_ih, weight_hh, *_ = inputs
    slopes = in_c(recurring.lstm_slopes)(g, states, weight_hh, reverse=reverse)
    of_gates, of_h, of_c = pieces(slopes, shapes_of("lstm_slopes", len(x), *h.shape))
    *_, outputs = pieces(states, shapes_of("lstm_states", len(x), *h.shape))
    before = _before(outputs, reverse)
    of_x, *of_others = _slopes(xp, [needs[0], *needs[3:]], x, weight_ih, before, of_gates, of_gates)
    return of_x, xp.array(of_h) if needs[1] else None, xp.array(of_c) if needs[2] else None, *of_others


def _gru_forward(xp: Module, x: Any, h: Any, *weights: Any, reverse: bool) -> Any:
    if not _is_plain(3, x, [h], *weights):
        return NotImplemented
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    bias = xp.zeros(weight_hh.shape[:1], x.dtype) if bias_hh is None else bias_hh
    states = in_c(recurring.gru_states)(_products(xp, x, weight_ih, bias_ih), weight_hh, bias, h, reverse=reverse)
    _, outputs = pieces(states, shapes_of("gru_states", len(x), *h.shape))
    return xp.array(_after(outputs, reverse)), states


def _gru_backward(xp: Module, g: Any, needs: Any, inputs: Any, states: Any, *, reverse: bool) -> Any:
    x, _, weight_ih, weight_hh, *_ = inputs
    slopes = in_c(recurring.gru_slopes)(g, states, weight_hh, reverse=reverse)
    of_inputs, of_states, of_h = pieces(slopes, shapes_of("gru_slopes", *g.shape))
    _, outputs = pieces(states, shapes_of("gru_states", *g.shape))
    before = _before(outputs, reverse)
    of_x, *of_others = _slopes(xp, [needs[0], *needs[2:]], x, weight_ih, before, of_inputs, of_states)
    return of_x, xp.array(of_h) if needs[1] else None, *of_others


def _is_plain(gates: int, x: Any, states: list[Any], weight_ih: Any, weight_hh: Any, *biases: Any) -> bool:
    """Whether the kernels take it: arrays that fit, of one dtype that BLAS knows."""
    trace = is_tracing()
    if trace is not None and trace.device not in (None, "cpu"):
        return False  # a GPU runs the products and loops of all times as one graph, and would wait for an instruction
    if casting() is not None or getattr(x, "ndim", 0) != 3 or not x.size or getattr(weight_hh, "ndim", 0) != 2:
        return False
    (_, batch, features), width = x.shape, weight_hh.shape[1]
    rows = gates * width
    wanted: list[tuple[int, ...]] = [(batch, width)] * len(states) + [(rows, features), (rows, width)]
    given = [*states, weight_ih, weight_hh]
    given += [bias for bias in biases if bias is not None]
    wanted += [(rows,)] * (len(given) - len(wanted))
    fits = all(getattr(a, "shape", None) == shape for a, shape in zip(given, wanted, strict=True))
    return fits and width > 0 and x.dtype.char in "fd" and all(a.dtype == x.dtype for a in given)


def _products(xp: Module, x: Array, weight: Array, bias: Any) -> Array:
    projected = xp.dot(as_rows(x), weight.T)
    if bias is not None:
        projected += bias
    return projected.reshape(*x.shape[:2], len(weight))


def _after(states: Array, reverse: bool) -> Any:
    """The states after each step, see Note [Time reversed] in recurring.py."""
    return states[:-1] if reverse else states[1:]


def _before(states: Array, reverse: bool) -> Any:
    return states[1:] if reverse else states[:-1]


def _slopes(xp: Module, needs: Any, x: Any, weight_ih: Any, before: Any, of_inputs: Any, of_states: Any) -> list[Any]:
    """The gradients of x, the two weights and the two biases, each as one product for all times."""
    inputs, states = as_rows(of_inputs), as_rows(of_states)
    return [
        xp.dot(inputs, weight_ih).reshape(x.shape) if needs[0] else None,
        xp.dot(inputs.T, as_rows(x)) if needs[1] else None,
        xp.dot(states.T, as_rows(before)) if needs[2] else None,
        sum_of_rows(xp, inputs) if needs[3] else None,
        sum_of_rows(xp, states) if needs[4] else None,
    ]


rnn.kernel(_rnn_forward, _rnn_backward, traced=True)
lstm.kernel(_lstm_forward, _lstm_backward, traced=True)
gru.kernel(_gru_forward, _gru_backward, traced=True)
