"""A run folder for the tests of reports, made once by a short run on images of 8 x 8 pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import nn
import optim
from autograd.random import Generator
from recipe import Trainer
from recipe.callbacks import EarlyStopping, HistoryLog, ModelCheckpoint, StepLog
from recipe.config import configure
from recipe.diagnose import Evidence, diagnose
from recipe.run_folder import RunFile

CLASSES = 4


def images(rows: int, seed: int = 0) -> tuple[Any, Any]:
    """Noisy images of 8 x 8 pixels with a bright quarter, and which quarter it is."""
    random = np.random.default_rng(seed)
    y = random.integers(0, CLASSES, rows)
    x = random.random((rows, 8, 8)).astype(np.float32)
    for i, label in enumerate(y):
        x[i, 4 * (label // 2) :, 4 * (label % 2) :][:4, :4] += 0.26
    return x.reshape(rows, 64), y


def make(folder: Path, *, name: str = "test") -> tuple[nn.Module, tuple[Any, Any]]:
    """Train a small net into `folder`; gives the net and the test rows."""
    generator = Generator(0)
    layers = {
        "linear1": nn.Linear(64, 20, generator=generator),
        "relu1": nn.ReLU(),
        "dropout1": nn.Dropout(0.2, generator=generator),
    }
    model = nn.Sequential({**layers, "linear2": nn.Linear(20, CLASSES, generator=generator)})
    evidence = Evidence()
    run_file = RunFile(folder, configure(flags={"name": name}), evidence)
    logs = [StepLog(folder / "steps.csv", every=2), HistoryLog(folder / "history.csv"), ModelCheckpoint(folder)]
    trainer = Trainer(
        model,
        nn.functional.cross_entropy,
        optim.Adam(model.parameters(), lr=0.01),
        callbacks=[EarlyStopping(patience=2), evidence, run_file, *logs],
    )
    trainer.fit(images(800), images(300, seed=1), epochs=5, batch_size=20)
    test = images(150, seed=2)
    run_file.run["test"] = trainer.evaluate(*test) | {"error_percent": 12.5}
    run_file.run["status"] = "finished"
    run_file.run["diagnosis"] = diagnose(run_file.run).to_json()
    run_file.write()
    return model, test
