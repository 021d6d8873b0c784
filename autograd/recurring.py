"""Recurrent layers on arrays: all steps of a sequence, and their adjoint, each one instruction of a trace.

One idea: what is done at once for all times, the product with the inputs before the loop and the gradients of the
weights behind it, are plain products; here is the loop between them, whose every step needs the one before. As an
instruction a layer is two calls of a compiled step, however long the sequence, and not a hundred calls for each time.
Each instruction gives one flat array, whose pieces are named by `shapes_of`; `nn/functional/recurrent.py` has the
formulas and their sources, `compile/native/recurrent.py` the same loops in C. Read `instruction.py` next.
"""

# Note [Time reversed]
# `reverse` goes through time from its end to its beginning. States are kept with the one they start from, so there are
# T + 1 of them: in their own order, state t comes before step t and t + 1 after it; reversed, t + 1 before and t
# after.

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Literal

from .backend import Array, Module, host, module_of
from .instruction import instruction

__all__ = ["gru_slopes", "gru_states", "lstm_slopes", "lstm_states", "pieces", "rnn_slopes", "rnn_states", "shapes_of"]

Nonlinearity = Literal["tanh", "relu"]
Shapes = tuple[tuple[int, ...], ...]


def shapes_of(name: str, steps: int, batch: int, width: int) -> Shapes:
    """The shapes of the pieces that an instruction of this name gives, one behind the other in one flat array.

    Of states these are the gates, for an LSTM the cells, and the outputs, both with the ones they start from. Of
    slopes: the gradients of what the gates are computed from (for a GRU of the inputs' part, then of the states' part),
    then those of the starts.
    """
    kept, start = (steps + 1, batch, width), (batch, width)
    return {
        "rnn_states": (kept,),
        "rnn_slopes": ((steps, batch, width), start),
        "lstm_states": ((steps, batch, 4 * width), kept, kept),
        "lstm_slopes": ((steps, batch, 4 * width), start, start),
        "gru_states": ((steps, batch, 4 * width), kept),
        "gru_slopes": ((steps, batch, 3 * width), (steps, batch, 3 * width), start),
    }[name]


def pieces(flat: Array, shapes: Shapes) -> list[Array]:
    """Views of a flat array, of these shapes one behind the other."""
    views, start = [], 0
    for shape in shapes:
        views.append(flat[start : start + prod(shape)].reshape(shape))
        start += prod(shape)
    return views


@instruction
def rnn_states(projected: Array, weight: Array, h: Array, *, nonlinearity: Nonlinearity, reverse: bool) -> Array:
    """h_t = tanh(projected_t + W h_(t-1)), or ReLU of it, for all t, from the state h.

    projected is (T, B, H), weight (H, H), h (B, H); the result is flat, see `shapes_of`.
    """
    xp = module_of(projected)
    flat, (outputs,) = _room(xp, "rnn_states", h, len(projected))
    transposed = weight.T
    for t, before, after in _start(outputs, h, reverse):
        out = outputs[after]
        xp.add(xp.matmul(outputs[before], transposed), projected[t], out=out)
        if nonlinearity == "relu":
            xp.maximum(out, 0, out=out)
        else:
            xp.tanh(out, out=out)
    return flat


@instruction
def rnn_slopes(g: Array, states: Array, weight: Array, *, nonlinearity: Nonlinearity, reverse: bool) -> Array:
    """The adjoint of `rnn_states` at those states, where g is the gradient of the outputs, (T, B, H)."""
    xp, (steps, batch, width) = module_of(g), g.shape
    (outputs,) = pieces(states, shapes_of("rnn_states", steps, batch, width))
    flat, (of_gates, of_h) = _room(xp, "rnn_slopes", g[0], steps)
    of_h[...] = 0
    for t, _, after in _back(steps, reverse):
        out = outputs[after]
        slope = out > 0 if nonlinearity == "relu" else 1 - out * out
        xp.multiply(g[t] + of_h, slope, out=of_gates[t])
        of_h[...] = xp.matmul(of_gates[t], weight)
    return flat


@instruction
def lstm_states(projected: Array, weight: Array, h: Array, c: Array, *, reverse: bool) -> Array:
    """The gates i, f, g, o beside each other, cells f c + i g and outputs o tanh(c) of an LSTM for all times.

    projected is (T, B, 4 H), weight (4 H, H), h and c (B, H); the result is flat, see `shapes_of`.
    """
    xp, width = module_of(projected), h.shape[1]
    flat, (gates, cells, outputs) = _room(xp, "lstm_states", h, len(projected))
    transposed = weight.T
    cells[-1 if reverse else 0] = c
    for t, before, after in _start(outputs, h, reverse):
        a = gates[t]
        xp.add(xp.matmul(outputs[before], transposed), projected[t], out=a)
        i, f, g, o = _beside(a, width)
        _sigmoid(xp, a[:, : 2 * width])
        xp.tanh(g, out=g)
        _sigmoid(xp, o)
        xp.add(f * cells[before], i * g, out=cells[after])
        xp.multiply(o, xp.tanh(cells[after]), out=outputs[after])
    return flat


@instruction
def lstm_slopes(g: Array, states: Array, weight: Array, *, reverse: bool) -> Array:
    """The adjoint of `lstm_states` at those states, where g is the gradient of the outputs, and last of the last cell.

    g is (T + 1, B, H).
    """
    xp, (times, batch, width) = module_of(g), g.shape
    steps = times - 1
    gates, cells, _ = pieces(states, shapes_of("lstm_states", steps, batch, width))
    flat, (of_gates, of_h, of_c) = _room(xp, "lstm_slopes", g[0], steps)
    of_h[...] = 0
    of_c[...] = g[steps]
    for t, before, after in _back(steps, reverse):
        i, f, c, o = _beside(gates[t], width)
        of_i, of_f, of_g, of_o = _beside(of_gates[t], width)
        of_out, bent = g[t] + of_h, xp.tanh(cells[after])
        of_cell = of_c + of_out * o * (1 - bent * bent)
        xp.multiply(of_cell * c, i * (1 - i), out=of_i)
        xp.multiply(of_cell * cells[before], f * (1 - f), out=of_f)
        xp.multiply(of_cell * i, 1 - c * c, out=of_g)
        xp.multiply(of_out * bent, o * (1 - o), out=of_o)
        xp.multiply(of_cell, f, out=of_c)
        of_h[...] = xp.matmul(of_gates[t], weight)
    return flat


@instruction
def gru_states(projected: Array, weight: Array, bias: Array, h: Array, *, reverse: bool) -> Array:
    """The gates r, z, n of a GRU, what r is multiplied by, and the outputs (1 - z) n + z h, for all times.

    projected is (T, B, 3 H), weight (3 H, H), bias (3 H,), h (B, H); the result is flat, see `shapes_of`.
    """
    xp, width = module_of(projected), h.shape[1]
    flat, (gates, outputs) = _room(xp, "gru_states", h, len(projected))
    transposed = weight.T
    for t, before, after in _start(outputs, h, reverse):
        found = xp.matmul(outputs[before], transposed)
        found += bias
        both = gates[t][:, : 2 * width]
        r, z, n, of_state = _beside(gates[t], width)
        xp.add(projected[t][:, : 2 * width], found[:, : 2 * width], out=both)
        _sigmoid(xp, both)
        of_state[...] = found[:, 2 * width :]
        xp.add(projected[t][:, 2 * width :], r * of_state, out=n)
        xp.tanh(n, out=n)
        xp.add(n, z * (outputs[before] - n), out=outputs[after])
    return flat


@instruction
def gru_slopes(g: Array, states: Array, weight: Array, *, reverse: bool) -> Array:
    """The adjoint of `gru_states` at those states, where g is the gradient of the outputs, (T, B, H)."""
    xp, (steps, batch, width) = module_of(g), g.shape
    gates, outputs = pieces(states, shapes_of("gru_states", steps, batch, width))
    flat, (of_inputs, of_states, of_h) = _room(xp, "gru_slopes", g[0], steps)
    of_h[...] = 0
    for t, before, _ in _back(steps, reverse):
        r, z, n, of_state = _beside(gates[t], width)
        of_r, of_z, of_n = _beside(of_inputs[t], width)
        of_out = g[t] + of_h
        xp.multiply(of_out * (outputs[before] - n), z * (1 - z), out=of_z)
        xp.multiply(of_out * (1 - z), 1 - n * n, out=of_n)
        xp.multiply(of_n * of_state, r * (1 - r), out=of_r)
        of_states[t] = of_inputs[t]
        of_states[t][:, 2 * width :] *= r
        xp.add(of_out * z, xp.matmul(of_states[t], weight), out=of_h)
    return flat


def _room(xp: Module, name: str, like: Array, steps: int) -> tuple[Array, list[Array]]:
    """A flat array for the result of an instruction, and its pieces; `like` is (B, H)."""
    shapes = shapes_of(name, steps, *like.shape)
    flat = xp.empty((sum(map(prod, shapes)),), like.dtype)
    return flat, pieces(flat, shapes)


def _start(outputs: Array, h: Array, reverse: bool) -> Iterator[tuple[int, int, int]]:
    """The steps in their order from the state h: each with the places of the states before and after it."""
    outputs[-1 if reverse else 0] = h
    return reversed([*_back(len(outputs) - 1, reverse)])


def _back(steps: int, reverse: bool) -> Iterator[tuple[int, int, int]]:
    """The steps from the last to the first; see Note [Time reversed]."""
    if reverse:
        return ((t, t + 1, t) for t in range(steps))
    return ((t, t, t + 1) for t in reversed(range(steps)))


def _beside(gates: Array, width: int) -> list[Array]:
    """The gates of one time, each (B, H)."""
    return [gates[:, start : start + width] for start in range(0, gates.shape[1], width)]


def _sigmoid(xp: Module, x: Array) -> None:
    """1 / (1 + e^-x) in place: where e^-x is too large for its dtype, 0, as it is to all digits."""
    with host.errstate(over="ignore"):
        xp.multiply(x, -1, out=x)  # NumPy 2.4's `negative` is wrong from stride to stride, where there is AVX-512
        xp.exp(x, out=x)
        x += 1
        xp.divide(1, x, out=x)
