"""A user's type checker and editor see every function, method and keyword: mypy on a small program, once.

One idea: the program says on each line what mypy must say there, so what it misses and what it invents both fail.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

api = pytest.importorskip("mypy.api")

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import autograd as ag
import nn
import nn.functional as F
from autograd import Tensor

x = Tensor([1.0, 2.0], requires_grad=True)

# What is right passes, and its type is known.
reveal_type(x.exp())  # says: "autograd.tensor.Tensor"
reveal_type(ag.exp(x))  # says: "autograd.tensor.Tensor"
reveal_type(x + 1.0)  # says: "autograd.tensor.Tensor"
reveal_type(1.0 / x)  # says: "autograd.tensor.Tensor"
reveal_type(-x @ x)  # says: "autograd.tensor.Tensor"
reveal_type(x > 0.0)  # says: "autograd.tensor.Tensor"
reveal_type(x[0])  # says: "autograd.tensor.Tensor"
reveal_type(ag.sum(x, axis=0, keepdims=True))  # says: "autograd.tensor.Tensor"
reveal_type(x.sum(axis=(0,), keepdims=True))  # says: "autograd.tensor.Tensor"
reveal_type(ag.concat([x, x], axis=0))  # says: "autograd.tensor.Tensor"
reveal_type(x.grad)  # says: "autograd.tensor.Tensor | None"
reveal_type(x.shape)  # says: "tuple[int, ...]"
reveal_type(float(x[0]))  # says: "float"
reveal_type([row for row in x])  # says: "list[autograd.tensor.Tensor]"
reveal_type(bool(ag.gradcheck(ag.exp, 1.0)))  # says: "bool"
reveal_type(ag.draw(x, format="svg"))  # says: "str"
x.sum().backward(retain_graph=True)
x[0] = 3.0
x += 1.0
ag.grad(lambda w: w * w)(2.0)

with ag.no_grad(), ag.anomaly():
    pass


@ag.no_grad()
def evaluate(t: Tensor) -> Tensor:
    return t.softmax(axis=-1)


reveal_type(evaluate(x))  # says: "autograd.tensor.Tensor"
reveal_type(F.conv1d(x, x, None, 1, "same", activation="relu"))  # says: "autograd.tensor.Tensor"
reveal_type(F.max_pool2d(x, 2, ceil_mode=True))  # says: "autograd.tensor.Tensor"
nn.TransformerDecoderLayer(8, 2, norm_first=True).multihead_attn.num_heads.bit_length()

# What is wrong is found.
x.exq()  # says: "Tensor" has no attribute "exq"
ag.exq(x)  # says: Module has no attribute "exq"
ag.sum(x, dim=0)  # says: Unexpected keyword argument "dim" for "__call__" of "Primitive"
x.sum(dim=0)  # says: Unexpected keyword argument "dim" for "sum" of
ag.exp()  # says: Missing positional argument "x"
ag.sum(x, axis="0")  # says: Argument "axis" to "__call__" of "Primitive" has incompatible type "str"
x.backward(keep=True)  # says: Unexpected keyword argument "keep" for "backward"
x.shape.upper()  # says: "tuple[int, ...]" has no attribute "upper"
x.requires_grad = "yes"  # says: Incompatible types in assignment
Tensor([1.0], grad=True)  # says: Unexpected keyword argument "grad" for "Tensor"
F.conv2d(x)  # says: Missing positional argument "weight" in call to "conv2d"
F.conv2d(x, x, strides=2)  # says: Unexpected keyword argument "strides" for "conv2d"
F.max_pool2d(x, "2")  # says: Argument 2 to "max_pool2d" has incompatible type "str"
nn.AvgPool1d(2, divisor_override=3)  # says: Unexpected keyword argument "divisor_override" for "AvgPool1d"
nn.TransformerEncoderLayer(8)  # says: Missing positional argument "nhead"
ag.draw(x, "svg")  # says: Too many positional arguments for "draw"
"""


def test_mypy_sees_what_a_user_writes(tmp_path, monkeypatch):
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    # With the settings, and so the cache, of `make lint`: without one, NumPy's types alone take ten seconds.
    monkeypatch.chdir(ROOT)
    out, errors, _ = api.run([str(program), "--config-file", "setup.cfg", "--no-error-summary"])
    assert not errors
    said: dict[int, str] = {}
    for number, text in re.findall(r"^.*program\.py:(\d+): \w+: (.*)$", out, re.M):
        said[int(number)] = f"{said.get(int(number), '')} {text}"
    for number, line in enumerate(program.read_text().splitlines(), start=1):
        expected = line.partition("# says: ")[2]
        assert bool(expected) == (number in said), f"line {number}: {line}\nmypy says: {said.get(number)}"
        assert expected in said.get(number, ""), f"line {number}: {line}\nmypy says: {said[number]}"
