"""Writes references.json: what PyTorch does over 20 steps, for the tests that run without it.

Run with PyTorch installed: python tests/optim/references/make.py. Everything is float64 and seeded; `make test-peers`
builds the same values live and compares them with the file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

FILE = Path(__file__).with_name("references.json")
STEPS = 20
KEPT = (1, 2, 3, 10, 20)
SHAPES = ((4, 3), (3,), (2, 2))

# Every option alone, and those that meet in one formula together.
OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.5, "maximize": True, "weight_decay": 0.01}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.01}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3, "maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.01, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.05, "alpha": 0.9, "eps": 1e-3, "weight_decay": 0.01}),
    ("RMSprop", {"lr": 0.05, "momentum": 0.9}),
    ("RMSprop", {"lr": 0.05, "centered": True}),
    ("RMSprop", {"lr": 0.05, "alpha": 0.9, "centered": True, "momentum": 0.5, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.05, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.01}),
    ("Adam", {"lr": 0.05, "amsgrad": True, "betas": (0.5, 0.6)}),
    ("Adam", {"lr": 0.05, "maximize": True, "weight_decay": 0.1}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.3, "amsgrad": True, "betas": (0.5, 0.6)}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.3, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.05, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.01, "momentum_decay": 0.1}),
    ("NAdam", {"lr": 0.05, "weight_decay": 0.3, "decoupled_weight_decay": True, "maximize": True}),
    ("RAdam", {}),
    ("RAdam", {"lr": 0.05, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.01}),
    ("RAdam", {"lr": 0.05, "betas": (0.5, 0.6), "maximize": True}),
    ("RAdam", {"lr": 0.05, "weight_decay": 0.3, "decoupled_weight_decay": True}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.05, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.01, "maximize": True}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.2, "etas": (0.3, 1.5), "step_sizes": (0.05, 0.5), "maximize": True}),
]

# What asks for the loss itself, with and without a line search, and with what ends a step early.
SEARCHES: list[dict[str, Any]] = [
    {},
    {"lr": 0.1, "max_iter": 2},
    {"lr": 0.5, "max_iter": 4, "max_eval": 2, "history_size": 2},
    {"line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "max_iter": 1},
    {"line_search_fn": "strong_wolfe", "max_iter": 3, "lr": 2.0, "history_size": 2},
    {"line_search_fn": "strong_wolfe", "max_iter": 3, "lr": 0.01, "max_eval": 2},
    {"line_search_fn": "strong_wolfe", "max_iter": 4, "lr": 30.0, "tolerance_change": 0.05},
    {"line_search_fn": "strong_wolfe", "max_iter": 2, "lr": 0.1, "tolerance_grad": 20.0},
]

SCHEDULES: list[tuple[str, dict[str, Any]]] = [
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.25, "total_iters": 7}),
    ("StepLR", {"step_size": 3}),
    ("StepLR", {"step_size": 4, "gamma": 0.7}),
    ("MultiStepLR", {"milestones": [2, 5, 5, 11], "gamma": 0.5}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.1, "total_iters": 12}),
    ("CosineAnnealingLR", {"T_max": 20}),
    ("CosineAnnealingLR", {"T_max": 8, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 6}),
    ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 2, "eta_min": 0.01}),
    ("PolynomialLR", {}),
    ("PolynomialLR", {"total_iters": 12, "power": 2.0}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 20}),
    ("OneCycleLR", {"max_lr": [1.0, 0.5], "epochs": 5, "steps_per_epoch": 5, "anneal_strategy": "linear"}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 20, "three_phase": True, "pct_start": 0.4, "div_factor": 10.0}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 20, "max_momentum": 0.9, "base_momentum": [0.8, 0.7]}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 20, "cycle_momentum": False}),
]

SEQUENCES: list[tuple[list[tuple[str, dict[str, Any]]], list[int]]] = [
    ([("LinearLR", {"start_factor": 0.1, "total_iters": 4}), ("CosineAnnealingLR", {"T_max": 16})], [4]),
    ([("ConstantLR", {"factor": 0.1, "total_iters": 20}), ("ExponentialLR", {"gamma": 0.9})], [6]),
    ([("LinearLR", {}), ("StepLR", {"step_size": 2}), ("ExponentialLR", {"gamma": 0.5})], [5, 10]),
]

PLATEAUS: list[dict[str, Any]] = [
    {"patience": 2},
    {"patience": 1, "cooldown": 2, "factor": 0.5},
    {"patience": 0, "mode": "max", "threshold": 0.05, "threshold_mode": "abs", "min_lr": [0.02, 0.0]},
    {"patience": 1, "threshold": 0.2, "eps": 0.005},
]

CLIPS: list[dict[str, Any]] = [
    {"max_norm": 1.0},
    {"max_norm": 100.0},
    {"max_norm": 0.5, "norm_type": float("inf")},
    {"max_norm": 2.0, "norm_type": 1.0},
    {"max_norm": 1.0, "norm_type": 3.0},
]


def problem() -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    """Weights at the start, and for every step a gradient for each."""
    random = np.random.Generator(np.random.PCG64(2024))
    weights = [random.normal(size=shape) for shape in SHAPES]
    gradients = [[random.normal(size=shape) for shape in SHAPES] for _ in range(STEPS)]
    return weights, gradients


def metrics() -> list[float]:
    """A quantity that falls, stalls, rises and is NaN once."""
    return [1.0, 0.9, 0.85, 0.85, 0.849, 0.86, 0.7, 0.71, float("nan"), 0.7, 0.69, *[0.69] * 9]


def parameters(weights: list[np.ndarray]) -> list[torch.Tensor]:
    return [torch.tensor(w).requires_grad_() for w in weights]


def flattened(tensors: list[torch.Tensor]) -> list[float]:
    return torch.cat([t.detach().reshape(-1) for t in tensors]).tolist()


def run_optimizer(name: str, options: dict[str, Any]) -> dict[str, Any]:
    weights, gradients = problem()
    params = parameters(weights)
    optimizer = getattr(torch.optim, name)(params, **options)
    path = {}
    for step, grads in enumerate(gradients, start=1):
        for p, g in zip(params, grads, strict=True):
            p.grad = torch.tensor(g)
        optimizer.step()
        if step in KEPT:
            path[str(step)] = flattened(params)
    return {"name": name, "options": options, "weights": path}


def valley(params: list[torch.Tensor]) -> torch.Tensor:
    """Rosenbrock's function of all elements in a row; tests/optim/test_lbfgs.py has the same."""
    x = torch.cat([p.reshape(-1) for p in params])
    return (10 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def run_search(options: dict[str, Any]) -> dict[str, Any]:
    params = parameters(problem()[0])
    optimizer = torch.optim.LBFGS(params, **options)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = valley(params)
        loss.backward()
        return loss

    path, losses = {}, []
    for step in range(1, STEPS + 1):
        losses.append(optimizer.step(closure).item())
        if step in KEPT:
            path[str(step)] = flattened(params)
    evaluations = optimizer.state[params[0]]["func_evals"]
    return {"options": options, "losses": losses, "weights": path, "evaluations": evaluations}


def two_groups() -> torch.optim.Optimizer:
    one, two, _ = parameters(problem()[0])
    return torch.optim.SGD([{"params": one}, {"params": two, "lr": 0.3}], lr=0.1, momentum=0.9)


def follow(optimizer: torch.optim.Optimizer, schedule: Any, arguments: list[tuple[Any, ...]]) -> list[list[float]]:
    """Rates and momenta of both groups, at the start and after each step."""
    rows = []
    for given in [None, *arguments]:
        if given is not None:
            optimizer.step()
            schedule.step(*given)
        rows.append([group[key] for group in optimizer.param_groups for key in ("lr", "momentum")])
    return rows


def run_schedule(name: str, options: dict[str, Any]) -> dict[str, Any]:
    optimizer = two_groups()
    schedule = getattr(torch.optim.lr_scheduler, name)(optimizer, **options)
    return {"name": name, "options": options, "rows": follow(optimizer, schedule, [()] * STEPS)}


def run_sequence(parts: list[tuple[str, dict[str, Any]]], milestones: list[int]) -> dict[str, Any]:
    optimizer = two_groups()
    schedules = [getattr(torch.optim.lr_scheduler, name)(optimizer, **options) for name, options in parts]
    sequence = torch.optim.lr_scheduler.SequentialLR(optimizer, schedules, milestones)
    return {"parts": parts, "milestones": milestones, "rows": follow(optimizer, sequence, [()] * STEPS)}


def run_plateau(options: dict[str, Any]) -> dict[str, Any]:
    optimizer = two_groups()
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
    return {"options": options, "rows": follow(optimizer, schedule, [(m,) for m in metrics()])}


def run_clip(options: dict[str, Any]) -> dict[str, Any]:
    weights, gradients = problem()
    params = parameters(weights)
    for p, g in zip(params, gradients[0], strict=True):
        p.grad = torch.tensor(g)
    norm = torch.nn.utils.clip_grad_norm_(params, **options)
    return {"options": options, "norm": norm.item(), "gradients": flattened([p.grad for p in params])}


def build() -> dict[str, Any]:
    """Everything, with the installed PyTorch."""
    weights, gradients = problem()
    return {
        "torch": torch.__version__.partition("+")[0],
        "weights": [w.tolist() for w in weights],
        "gradients": [[g.tolist() for g in step] for step in gradients],
        "metrics": metrics(),
        "optimizers": [run_optimizer(*case) for case in OPTIMIZERS],
        "searches": [run_search(case) for case in SEARCHES],
        "schedules": [run_schedule(*case) for case in SCHEDULES],
        "sequences": [run_sequence(*case) for case in SEQUENCES],
        "plateaus": [run_plateau(case) for case in PLATEAUS],
        "clips": [run_clip(case) for case in CLIPS],
    }


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)  # NAdam's product of momenta would be float32, whatever the parameters are
    # One case a line, so that a change shows in a diff.
    texts = []
    for key, value in build().items():
        cases = ",\n".join(map(json.dumps, value)) if isinstance(value, list) else None
        texts.append(f"{json.dumps(key)}: " + (json.dumps(value) if cases is None else f"[\n{cases}\n]"))
    FILE.write_text("{\n" + ",\n".join(texts) + "\n}\n")
    print(f"wrote {FILE} ({FILE.stat().st_size / 1000:.0f} kB) with PyTorch {torch.__version__}")
