"""The bank: sixteen training runs, fifteen of them broken in one way each, and what the diagnosis must say of them.

One idea: a set-up is a table row that makes a finished run of rows and a seed; the broken ones differ from the healthy
one by the one thing that is named. `python tests/recipe/diagnose/bank.py --seeds 0 1 2` runs it all, with a score.
Read `test_bank.py` for the few that run with the tests.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import nn
import optim
from autograd.random import Generator
from recipe import Trainer
from recipe.callbacks import Callback, NanGuard, NotFinite
from recipe.data import Dataset, lecture_split, mnist
from recipe.diagnose import Diagnosis, Evidence, diagnose

__all__ = ["BANK", "SetUp", "carry_out", "replace", "rows_of_mnist"]

Rows = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


@dataclass
class Parts:
    """The rows of a set-up: `train` and `val` as (x, y)."""

    train: Rows
    val: Rows


@dataclass
class SetUp:
    """One entry of the bank; the defaults are the healthy run, 784-128-128-10 ReLU with SGD."""

    verdict: str
    hidden: Sequence[int] = (128, 128)
    activation: Callable[[], nn.Module] = nn.ReLU
    epochs: int = 12
    batch_size: int = 50
    optimizer: Callable[[Any], optim.Optimizer] = field(default=lambda parameters: optim.SGD(parameters, lr=0.1))
    weights: Callable[[nn.Linear, Generator], Any] = field(
        default=lambda layer, generator: nn.init.xavier_uniform_(layer.weight, generator=generator)
    )
    bias: float = 0.0  # of the hidden layers
    rows: int = 3000
    spoil: Callable[[Parts, np.random.Generator], Parts] = field(default=lambda parts, random: parts)
    shuffled: bool = True


class InOrder(Callback):
    """Gives the batches in the order of the rows."""

    def on_fit_begin(self, trainer: Trainer) -> None:
        assert trainer.batches is not None
        trainer.batches.shuffle = False


def build(set_up: SetUp, features: int, seed: int) -> nn.Sequential:
    """The network of a set-up."""
    generator = Generator(seed, stream=2)
    widths = [features, *set_up.hidden, 10]
    layers: list[nn.Module] = []
    for i, (fan_in, fan_out) in enumerate(pairwise(widths)):
        linear = nn.Linear(fan_in, fan_out, generator=generator)
        set_up.weights(linear, generator)
        last = i == len(set_up.hidden)
        nn.init.constant_(linear.bias, 0.0 if last else set_up.bias)
        layers += [linear] if last else [linear, set_up.activation()]
    return nn.Sequential(*layers)


def carry_out(set_up: SetUp, parts: Parts, seed: int) -> Diagnosis:
    """Train the set-up and diagnose it."""
    parts = set_up.spoil(parts, np.random.default_rng(seed))
    model = build(set_up, parts.train[0].shape[1], seed)
    evidence = Evidence()
    callbacks: list[Callback] = [NanGuard(), evidence] + ([] if set_up.shuffled else [InOrder()])
    optimizer = set_up.optimizer(model.parameters())
    trainer = Trainer(model, nn.functional.cross_entropy, optimizer, callbacks=callbacks, seed=seed)
    with suppress(NotFinite):
        trainer.fit(parts.train, parts.val, epochs=set_up.epochs, batch_size=set_up.batch_size)
    return diagnose(evidence)


def rows_of_mnist(count: int, seed: int, val_rows: int = 2000) -> Parts:
    """Rows of MNIST to train on and to validate with."""
    split = lecture_split(_mnist(), generator=Generator(seed), rows=count)
    return Parts((split.x_train, split.y_train), (split.x_valid[:val_rows], split.y_valid[:val_rows]))


@cache
def _mnist() -> Dataset:
    return mnist.load()


# What spoils the data


def raw_pixels(parts: Parts, random: np.random.Generator) -> Parts:
    return Parts((parts.train[0] * 255, parts.train[1]), (parts.val[0] * 255, parts.val[1]))


def wrong_labels(parts: Parts, random: np.random.Generator) -> Parts:
    x, y = parts.train
    wrong = random.random(len(y)) < 0.3
    return Parts((x, np.where(wrong, random.integers(0, 10, len(y)), y)), parts.val)


def leaked(parts: Parts, random: np.random.Generator) -> Parts:
    copied = len(parts.val[0]) // 5
    x, y = (np.concatenate([a[:-copied], b[:copied]]) for a, b in zip(parts.train, parts.val, strict=True))
    return Parts((x, y), parts.val)


def sorted_rows(parts: Parts, random: np.random.Generator) -> Parts:
    order = np.argsort(parts.train[1], kind="stable")
    return Parts((parts.train[0][order], parts.train[1][order]), parts.val)


def other_pixels(parts: Parts, random: np.random.Generator) -> Parts:
    """The validation rows have their pixels in another order, as from another reader of the files."""
    return Parts(parts.train, (parts.val[0][:, random.permutation(parts.val[0].shape[1])], parts.val[1]))


def _adam(lr: float = 1e-3) -> Callable[[Any], optim.Optimizer]:
    return lambda parameters: optim.Adam(parameters, lr=lr)


def _sgd(lr: float, **options: Any) -> Callable[[Any], optim.Optimizer]:
    return lambda parameters: optim.SGD(parameters, lr=lr, **options)


BANK: dict[str, SetUp] = {
    "fine": SetUp("fine", rows=10_000, epochs=4),
    "vanishing gradient": SetUp("vanishing_gradient", hidden=(128,) * 6, activation=nn.Sigmoid),
    "rate too high": SetUp("rate_too_high", optimizer=_sgd(3.0)),
    "rate too low": SetUp("rate_too_low", optimizer=_sgd(1e-4)),
    "over-fit": SetUp("overfit", rows=500, epochs=25, optimizer=_adam()),
    "dead ReLU": SetUp("dead_units", bias=-5.0),
    "un-normalised input": SetUp("unnormalised_input", spoil=raw_pixels),
    "label noise 30 %": SetUp("label_noise", spoil=wrong_labels, epochs=25, optimizer=_adam()),
    "data leak": SetUp("leak", spoil=leaked),
    "over-regularised": SetUp("over_regularised", optimizer=lambda p: optim.SGD(p, lr=0.1, penalties=[optim.L2(0.1)])),
    "low capacity": SetUp("low_capacity", hidden=(2,), epochs=25, optimizer=_adam(3e-3)),
    "symmetric init": SetUp("identical_units", weights=lambda layer, generator: nn.init.constant_(layer.weight, 0.01)),
    "init too large": SetUp(
        "init_too_large", weights=lambda layer, generator: nn.init.normal_(layer.weight, std=0.5, generator=generator)
    ),
    "not shuffled": SetUp("not_shuffled", spoil=sorted_rows, shuffled=False),
    "validation mismatch": SetUp("validation_mismatch", spoil=other_pixels),
    "too few updates": SetUp("too_few_updates", batch_size=3000, epochs=25),
}


def main() -> None:
    """Run the bank and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="+", default=list(BANK), help="names of set-ups")
    parser.add_argument("--show", action="store_true", help="print each diagnosis in full")
    options = parser.parse_args()
    outcome: Counter[bool] = Counter()
    for name in options.only:
        for seed in options.seeds:
            began = time.perf_counter()
            set_up = BANK[name]
            found = carry_out(set_up, rows_of_mnist(set_up.rows, seed), seed)
            right = found.verdict == set_up.verdict
            outcome[right] += 1
            line = f"{'right' if right else 'WRONG':<6} {name:<22} seed {seed}: {found.verdict}"
            line += f" {found.candidates}" if found.candidates else ""
            print(f"{line}  ({time.perf_counter() - began:.1f} s)", flush=True)
            if options.show or not right:
                print(f"\n{found}\n")
    print(f"{outcome[True]} of {outcome.total()} right")


if __name__ == "__main__":
    assert Path("recipe").is_dir(), "run it from the root of the checkout, with PYTHONPATH=."
    main()
