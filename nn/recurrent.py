"""Recurrent layers: RNN, LSTM and GRU over whole sequences, and their cells, which do one step.

One idea: a layer reads a sequence step by step and carries a state from each step to the next. Several layers stand on
top of each other, each reading the outputs of the one below, and each may have a second direction, which reads from the
end. Parameters have PyTorch's names and layouts, so its state dicts load unchanged. What a step is says
`functional/recurrent.py`. Read `loss.py` next.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, ClassVar

import autograd as ag
from autograd.backend import host
from autograd.random import Generator
from autograd.recurring import Nonlinearity
from autograd.tensor import Tensor

from . import functional as F
from .functional.axes import is_whole
from .functional.given import check_arrays, number
from .functional.recurrent import gru, lstm, rnn
from .init import uniform_
from .module import Module
from .parameter import Parameter, zeros

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]

States = tuple[Any, ...]  # h, and for an LSTM c

_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
_BY_GATES: dict[int, Any] = {1: rnn, 3: gru, 4: lstm}


class _Recurrent(Module):
    """What layers and cells share: their parameters, what goes in, and the states that they begin with."""

    gates: ClassVar[int]
    states: ClassVar[tuple[str, ...]] = ("h",)
    nonlinearity: Nonlinearity = "tanh"
    input_size: int
    hidden_size: int
    bias: bool

    def _set_sizes(self, input_size: int, hidden_size: int, bias: bool) -> None:
        for name, size in {"input_size": input_size, "hidden_size": hidden_size}.items():
            if not isinstance(size, (int, host.integer)) or size < 1:
                raise ValueError(f"{type(self).__name__} got {name}={size!r}: it must be a whole number, 1 or more.")
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias

    def _set_nonlinearity(self, nonlinearity: str) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f'{type(self).__name__} got nonlinearity={nonlinearity!r}: it must be "tanh" or "relu".')
        if nonlinearity != "tanh":
            self.nonlinearity = "relu"

    def _make(self, suffix: str, inputs: int, dtype: Any, device: str | None) -> None:
        """The parameters of one layer in one direction, all zeros yet."""
        rows, width = self.gates * self.hidden_size, self.hidden_size
        setattr(self, f"weight_ih{suffix}", Parameter(zeros((rows, inputs), dtype, device)))
        setattr(self, f"weight_hh{suffix}", Parameter(zeros((rows, width), dtype, device)))
        for name in _NAMES[2:]:
            setattr(self, name + suffix, Parameter(zeros((rows,), dtype, device), "bias") if self.bias else None)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw all parameters anew, evenly spread over ±1 / sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters(recurse=False):
            uniform_(parameter, -bound, bound, generator)

    def _run(self, x: Any, states: States, suffix: str, reverse: bool = False) -> tuple[Any, States]:
        """The outputs for x (T, B, F) in one direction, and the last states, each (B, H)."""
        weights = [getattr(self, name + suffix) for name in _NAMES]
        options = {"nonlinearity": self.nonlinearity} if self.gates == 1 else {}
        out = _BY_GATES[self.gates](x, *states, *weights, reverse=reverse, **options)
        cells = tuple(out[-1:])[: len(self.states) - 1]  # behind the outputs of an LSTM
        out = out[:-1] if cells else out
        return out, (out[0 if reverse else -1], *cells)

    def _begin(self, hx: Any, shape: tuple[int, ...], x: Tensor, weight: Tensor) -> States:
        """The states to begin with: those given, which must be of this shape, or zeros."""
        if hx is None:
            start = ag.zeros(shape, dtype=weight.dtype, device=x.device)
            return (start,) * len(self.states)
        given = (hx,) if len(self.states) == 1 else hx
        fits = isinstance(given, (tuple, list)) and len(given) == len(self.states)
        if not fits or any(getattr(state, "shape", None) != shape for state in given):
            wanted = "an array" if len(self.states) == 1 else f"a pair ({', '.join(self.states)}), each"
            raise ValueError(
                f"{type(self).__name__} got {_described(hx)} for hx, and x of shape {x.shape}: hx must be {wanted} of "
                f"shape {shape}, or None for zeros."
            )
        return tuple(given)


def _described(hx: Any) -> str:
    if isinstance(hx, (tuple, list)):
        return f"({', '.join(map(_described, hx))})"
    return f"shape {hx.shape}" if hasattr(hx, "shape") else f"a {type(hx).__name__}"


class _Layers(_Recurrent):
    """One or several layers, in one direction or both, over whole sequences."""

    weight_ih_l0: Parameter

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        device: str | None,
        dtype: Any,
        generator: Generator | None,
    ) -> None:
        self._set_sizes(input_size, hidden_size, bias)
        name = type(self).__name__
        if not is_whole(num_layers, 1):
            raise ValueError(f"{name} got num_layers={num_layers!r}: it must be a whole number, 1 or more.")
        if not isinstance(bidirectional, (bool, host.bool_)):
            raise TypeError(f"{name} got bidirectional={bidirectional!r}: it must be True or False.")
        dropout = number(name, "dropout", dropout, "a probability must be in [0, 1]", 0, 1)
        if dropout and num_layers == 1:
            warnings.warn(
                f"{name} got dropout={dropout} and num_layers=1: dropout stands between layers, so here nothing is "
                "dropped; put nn.Dropout behind the layer.",
                stacklevel=3,
            )
        self.num_layers, self.batch_first, self.dropout = num_layers, batch_first, dropout
        self.bidirectional, self.generator = bool(bidirectional), generator
        for layer in range(num_layers):
            inputs = hidden_size * (1 + self.bidirectional) if layer else input_size
            for suffix in self._suffixes(layer):
                self._make(suffix, inputs, dtype, device)
        self.reset_parameters(generator)

    def _suffixes(self, layer: int) -> list[str]:
        """The endings of the parameters' names, one for each direction."""
        return [f"_l{layer}", f"_l{layer}_reverse"][: 1 + self.bidirectional]

    def _sequence(self, x: Any, hx: Any) -> tuple[Tensor, States]:
        """The outputs of the uppermost layer, and the last states of all layers and directions."""
        check_arrays(type(self).__name__, x=x)
        x = x if isinstance(x, Tensor) else Tensor(x)
        self._check(x)
        batched = x.ndim == 3
        batch = x.shape[0 if self.batch_first else 1] if batched else 1
        out: Any = x if batched else ag.expand_dims(x, axis=1)
        if batched and self.batch_first:
            out = ag.permute_dims(out, (1, 0, 2))
        count, width = self.num_layers * (1 + self.bidirectional), self.hidden_size
        start = self._begin(hx, (count, batch, width) if batched else (count, width), x, self.weight_ih_l0)
        start = start if batched else tuple(ag.expand_dims(state, axis=1) for state in start)
        last: list[States] = []
        for layer in range(self.num_layers):
            if layer:
                out = F.dropout(out, self.dropout, self.training, generator=self.generator)
            outs = []
            for direction, suffix in enumerate(self._suffixes(layer)):
                states = tuple(state[len(last)] for state in start)
                one, final = self._run(out, states, suffix, direction == 1)
                outs.append(one)
                last.append(final)
            out = outs[0] if len(outs) == 1 else ag.concat(outs, axis=-1)
        ends: States = tuple(ag.stack(states) for states in zip(*last, strict=True))
        if not batched:
            return ag.squeeze(out, axis=1), tuple(ag.squeeze(state, axis=1) for state in ends)
        return ag.permute_dims(out, (1, 0, 2)) if self.batch_first else out, ends

    def _check(self, x: Tensor) -> None:
        axes = "N, T" if self.batch_first else "T, N"
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            raise ValueError(
                f"{type(self).__name__} got x of shape {x.shape}: it must be ({axes}, {self.input_size}), or "
                f"(T, {self.input_size}) without a batch."
            )
        if not x.shape[1 if self.batch_first and x.ndim == 3 else 0]:
            raise ValueError(f"{type(self).__name__} got x of shape {x.shape}, which has no times: give it 1 or more.")

    def extra_repr(self) -> str:
        shown = {"num_layers": 1, "nonlinearity": "tanh", "bias": True, "batch_first": False}
        shown |= {"dropout": 0.0, "bidirectional": False}
        others = [f"{name}={getattr(self, name)!r}" for name, usual in shown.items() if getattr(self, name) != usual]
        return ", ".join([str(self.input_size), str(self.hidden_size), *others])


class RNN(_Layers):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh) for each time t of a sequence, or ReLU of it; Elman 1990.

    x is (T, N, input_size), N the batch, or (N, T, input_size) with `batch_first`, or (T, input_size) without a batch;
    hx, the states to begin with, is (layers * directions, N, hidden_size), or None for zeros. `output, h_n = rnn(x)`
    gives the states of the uppermost layer at all times, (T, N, directions * hidden_size), as x is laid, and the last
    state of each layer and direction. While training, the outputs of each layer but the uppermost are dropped with
    probability `dropout`. Layer k has weight_ih_lk (hidden_size, inputs), weight_hh_lk (hidden_size, hidden_size),
    bias_ih_lk and bias_hh_lk; those of the second direction end in _reverse. All start evenly spread over
    ±1 / sqrt(hidden_size), PyTorch's default.

    Raises ValueError for sizes below 1, another nonlinearity, and x or hx of other shapes.
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        device: str | None = None,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        self._set_nonlinearity(nonlinearity)
        given = (input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)
        super().__init__(*given, device, dtype, generator)

    def forward(self, x: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        out, (h,) = self._sequence(x, hx)
        return out, h


class LSTM(_Layers):
    """Long short-term memory: a cell c_t = f c_(t-1) + i g keeps what its gates let in, and shows h_t = o tanh(c_t).

    The gates i, f, o and the new g are sigmoid and tanh of affine maps of x_t and h_(t-1); `weight_ih_lk`,
    (4 hidden_size, inputs), has their rows in the order i, f, g, o. `output, (h_n, c_n) = lstm(x, (h_0, c_0))`;
    everything else is as in `RNN`. Hochreiter and Schmidhuber 1997; the forget gate f is that of Gers, Schmidhuber and
    Cummins 2000.

    Raises ValueError as `RNN`, and for a `proj_size`.
    """

    gates = 4
    states = ("h", "c")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        device: str | None = None,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        if proj_size:
            raise ValueError(
                f"LSTM got proj_size={proj_size}: here h is never projected on its way to the next step; leave it out, "
                "and put nn.Linear(hidden_size, proj_size) behind the layer, which is another network."
            )
        given = (input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)
        super().__init__(*given, device, dtype, generator)

    def forward(self, x: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        out, (h, c) = self._sequence(x, hx)
        return out, (h, c)


class GRU(_Layers):
    """Gated recurrent unit: h_t = (1 - z) n + z h_(t-1), where z says how much of the old state stays.

    r and z are sigmoids of affine maps of x_t and h_(t-1), and n = tanh(W_in x_t + b_in + r (W_hn h_(t-1) + b_hn));
    `weight_ih_lk`, (3 hidden_size, inputs), has their rows in the order r, z, n. Everything else is as in `RNN`. Cho et
    al. 2014, with r behind the product.

    Raises ValueError as `RNN`.
    """

    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        device: str | None = None,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        given = (input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)
        super().__init__(*given, device, dtype, generator)

    def forward(self, x: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        out, (h,) = self._sequence(x, hx)
        return out, h


class _Cell(_Recurrent):
    """One step of a layer."""

    weight_ih: Parameter

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        device: str | None = None,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        self._set_sizes(input_size, hidden_size, bias)
        self._make("", input_size, dtype, device)
        self.reset_parameters(generator)

    def _step(self, x: Any, hx: Any) -> States:
        """The states after x."""
        check_arrays(type(self).__name__, x=x)
        x = x if isinstance(x, Tensor) else Tensor(x)
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            raise ValueError(
                f"{type(self).__name__} got x of shape {x.shape}: it must be (N, {self.input_size}), or "
                f"({self.input_size},) without a batch."
            )
        start = self._begin(hx, (*x.shape[:-1], self.hidden_size), x, self.weight_ih)
        if x.ndim == 2:
            return self._run(ag.expand_dims(x, axis=0), start, "")[1]
        rows = tuple(ag.expand_dims(state, axis=0) for state in start)
        _, ends = self._run(ag.reshape(x, (1, 1, self.input_size)), rows, "")
        return tuple(state[0] for state in ends)

    def extra_repr(self) -> str:
        shown = {"bias": True, "nonlinearity": "tanh"}
        others = [f"{name}={getattr(self, name)!r}" for name, usual in shown.items() if getattr(self, name) != usual]
        return ", ".join([str(self.input_size), str(self.hidden_size), *others])


class RNNCell(_Cell):
    """One step of `RNN`: the state after x, (N, hidden_size), for x (N, input_size) and the state hx before it.

    Without a batch there is no N; hx is None for zeros. Raises ValueError as `RNN`.
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        device: str | None = None,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        self._set_nonlinearity(nonlinearity)
        super().__init__(input_size, hidden_size, bias, device=device, dtype=dtype, generator=generator)

    def forward(self, x: Tensor, hx: Tensor | None = None) -> Tensor:
        (h,) = self._step(x, hx)
        return h


class LSTMCell(_Cell):
    """One step of `LSTM`: the states (h, c) after x, for x (N, input_size) and the states hx before it.

    Without a batch there is no N; hx is None for zeros. Raises ValueError as `RNN`.
    """

    gates = 4
    states = ("h", "c")

    def forward(self, x: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        h, c = self._step(x, hx)
        return h, c


class GRUCell(_Cell):
    """One step of `GRU`: the state after x, (N, hidden_size), for x (N, input_size) and the state hx before it.

    Without a batch there is no N; hx is None for zeros. Raises ValueError as `RNN`.
    """

    gates = 3

    def forward(self, x: Tensor, hx: Tensor | None = None) -> Tensor:
        (h,) = self._step(x, hx)
        return h
