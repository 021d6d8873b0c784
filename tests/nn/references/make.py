"""Writes references.json: what PyTorch's layers and losses give, for the tests that run without it.

Run with PyTorch installed: python -m tests.nn.references.make. Everything is float64 and seeded; `make test-peers`
makes the same values live, with other inputs, and compares.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.nn.cases import CASES, Case, draw_inputs, draw_state, first_of

FILE = Path(__file__).with_name("references.json")
SEED = 20240817


def build(case: Case) -> torch.nn.Module:
    """PyTorch's layer, in float64."""
    options = {k: torch.tensor(v, dtype=torch.float64) if isinstance(v, list) else v for k, v in case.options.items()}
    return getattr(torch.nn, case.layer)(*case.args, **options).double().train(case.training)


def outcome(case: Case, rng: np.random.Generator) -> dict[str, Any]:
    """Inputs, state, output and the gradients of one case, as arrays by name."""
    layer = build(case)
    fixed = set(case.options)
    shapes = {name: tuple(t.shape) for name, t in layer.state_dict().items() if name not in fixed}
    state = draw_state(shapes, rng)
    layer.load_state_dict({name: torch.as_tensor(value) for name, value in state.items()}, strict=False)
    inputs = draw_inputs(case, rng)
    tensors = [torch.tensor(array) for array in inputs]
    if tensors[0].is_floating_point():
        tensors[0].requires_grad_()
    for _ in range(case.times):
        out = first_of(layer(*tensors))
    g = rng.standard_normal(tuple(out.shape))
    if out.requires_grad:
        out.backward(torch.as_tensor(g))
    gradients = {name: p.grad.numpy() for name, p in layer.named_parameters()}
    if tensors[0].requires_grad:
        gradients["input"] = tensors[0].grad.numpy() if tensors[0].grad is not None else np.zeros_like(inputs[0])
    buffers = {name: b.numpy() for name, b in layer.named_buffers() if name not in fixed}
    return {
        "inputs": inputs,
        "state": state,
        "out": out.detach().numpy(),
        "g": g,
        "gradients": gradients,
        "buffers": buffers,
    }


def plain(value: Any) -> Any:
    """Arrays as nested lists; 17 digits give back the same float64."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return value.tolist()


def main() -> None:
    """Write the file, a line a case."""
    lines = []
    for number, case in enumerate(CASES):
        values = plain(outcome(case, np.random.default_rng([SEED, number])))
        lines.append(f"{json.dumps(case.name)}: {json.dumps(values, separators=(',', ':'))}")
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{FILE}: {len(CASES)} cases, {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
