"""A run from beginning to end: data, network, loop, test, diagnosis, report.

One idea: `train` and `resume` are the same run; resuming only loads a state before it goes on. Read `same.py` for what
must not have changed by then, `cli.py` next.
"""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from autograd.errors import DeviceError
from autograd.random import Generator

from . import checkpoint
from .assembly import build_stopping, build_trainer
from .build import build_model, title
from .callbacks import (
    ActivationMonitor,
    Callback,
    GradientMonitor,
    HistoryLog,
    ModelCheckpoint,
    NanGuard,
    NotFinite,
    Progress,
    StepLog,
    WeightMonitor,
)
from .callbacks.time_limit import REASON
from .config import SYNTHETIC, Config, ConfigError, from_dict
from .data import Batches, Parts
from .finished import Finished, load_finished, loaded
from .metrics import error_percent, in_percent
from .papers.outcome import outcome
from .run_folder import RunFile, alone_in, make_folder, read_run
from .same import check_data, check_settings, plain
from .schedules import epochs_of
from .sources import load_with_digest
from .trainer import Trainer
from .watch import LiveView, Server

__all__ = ["resume", "train"]

INTERRUPTED = 130  # the exit code that shells give a program ended by Ctrl-C


def train(config: Config, folder: Path, server: Server | None = None) -> int:
    """Carry out a run in `folder`, which is made once everything else is in order; gives the exit code.

    A `server` of the live view shows the run while it goes on.
    """
    start = None if config.fit.start_from is None else load_finished(Path(config.fit.start_from))
    if start is not None:
        _check_unseen(start, config)
    if start is not None and config.stop.target == "start":
        config = replace(config, stop=replace(config.stop, target=start.train_loss))
    return _carry_out(config, folder, start, server)


def _check_unseen(start: Finished, config: Config) -> None:
    """Raise ConfigError where rows that validate were learned from by the run that is begun with.

    The seed decides which rows of a folder validate; of MNIST they are those of every seed, and a synthetic set is made
    anew by each.
    """
    source = config.data.source
    if config.data.train_on_validation or Path(start.config.data.source) != Path(source):
        return
    one_seed, which = start.config.seed == config.seed, f"fit.start_from = {start.folder}: that run"
    if start.config.data.train_on_validation and (one_seed or source not in SYNTHETIC):
        raise ConfigError(
            f"{which} learned from the rows that would validate: give data.train_on_validation, or begin with a run "
            "that did not."
        )
    if not one_seed and source not in ("mnist", *SYNTHETIC):
        raise ConfigError(
            f"{which} is of seed {start.config.seed}, and with seed {config.seed} rows that it learned from would "
            "validate: give both one seed."
        )


def resume(folder: Path, config: Config, server: Server | None = None) -> int:
    """Go on with the interrupted run in `folder`, of this configuration; gives the exit code. `server` as above."""
    with alone_in(folder):
        state = checkpoint.load(folder / "checkpoint.safetensors")
        return _carry_out(config, folder, state, server)


def config_of(folder: Path, time_limit: float | None) -> Config:
    """The configuration of a run that can be resumed, with another time limit.

    Raises ConfigError for a run that is over.
    """
    run = read_run(folder)
    if run["status"] == "finished":
        raise ConfigError(f"the run in {folder} is finished: look at it with diagnose or report, or train anew.")
    config = run.get("config")
    if not (isinstance(config, dict) and isinstance(config.get("stop"), dict)):
        raise ConfigError(f"the run in {folder} has no configuration to go on with in its run.json: train anew.")
    return from_dict(config | {"stop": config["stop"] | {"time_limit": time_limit}}, f"{folder}/run.json")


def _carry_out(config: Config, folder: Path, begin: Finished | dict[str, Any] | None, server: Server | None) -> int:
    """The run from a finished run's weights, from the state of an interrupted one, or from new weights."""
    parts, digest = load_with_digest(config.data, config.seed)
    trainer, run_file, view = _assembled(config, folder, parts, server)
    run_file.run["data_digest"] = digest
    if isinstance(begin, dict):
        earlier = read_run(folder)
        check_data(earlier, digest, config.data, folder)
        check_settings(begin, config, digest, folder)
        try:
            trainer.load_state_dict(begin)
            _batches(config, parts).load_state_dict(begin["batches"])
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            text = f"{folder}/checkpoint.safetensors does not fit the run's configuration: {error}"
            raise checkpoint.CheckpointError(text) from None
        run_file.go_on(earlier)
        return _trained(config, folder, parts, trainer, run_file, view, server)
    if begin is not None:
        loaded(trainer.model, begin.weights, begin.folder)
    make_folder(folder)
    with alone_in(folder):
        return _trained(config, folder, parts, trainer, run_file, view, server)


def _batches(config: Config, parts: Parts) -> Batches:
    """Batches like those of the run, to ask whether a checkpoint is of such."""
    own = Generator(0)
    return Batches(parts.x_train, parts.y_train, config.fit.batch_size, shuffle=config.fit.shuffle, generator=own)


def _trained(
    config: Config,
    folder: Path,
    parts: Parts,
    trainer: Trainer,
    run_file: RunFile,
    view: LiveView | None,
    server: Server | None,
) -> int:
    """The loop and what comes after it, with everything in its place; gives the exit code."""
    _print_heading(config, folder, parts, trainer, run_file.run["machine"].get("gpu"))
    if server is not None:
        print(f"live view: {server.address}", flush=True)
    failure = None
    # NumPy's warnings of overflow would say less than the guard does, and say it over the progress bar.
    with np.errstate(all="ignore"):
        try:
            trainer.fit(
                (parts.x_train, parts.y_train),
                (parts.x_valid, parts.y_valid),
                epochs=epochs_of(config.fit, len(parts.x_train)),
                batch_size=config.fit.batch_size,
                updates=config.fit.updates,
                evaluate_rows=config.fit.evaluate_rows,
                shuffle=config.fit.shuffle,
            )
        except KeyboardInterrupt:
            _print_interrupted(trainer, folder)
            return INTERRUPTED
        except NotFinite as error:
            failure = error
        _conclude(config, trainer, folder, parts, run_file)
    if view is not None:
        view.conclude()
    if failure is not None:
        raise failure
    return 0


def _assembled(
    config: Config, folder: Path, parts: Parts, server: Server | None
) -> tuple[Trainer, RunFile, LiveView | None]:
    # Imported here: the diagnosis is built on this package's loop and callbacks.
    from .diagnose import Evidence

    classes = int(max(y.max() for y in (parts.y_train, parts.y_valid, parts.y_test))) + 1
    model = build_model(config.model, parts.x_train.shape[1], classes, config.seed)
    try:
        model.to(config.device)
    except DeviceError as error:
        raise ConfigError(f"device = {config.device}: {error}") from None
    evidence = Evidence()
    run_file = RunFile(folder, config, evidence)
    view = None if server is None else LiveView(server.board, run_file.run, folder.resolve().name)
    callbacks = [*_callbacks(config, folder), evidence, run_file, *([] if view is None else [view])]
    trainer = build_trainer(config, model, rows=len(parts.x_train), callbacks=callbacks)
    return trainer, run_file, view


def _callbacks(config: Config, folder: Path) -> list[Callback]:
    stop, fit = config.stop, config.fit
    callbacks: list[Callback] = [NanGuard(), GradientMonitor(), ActivationMonitor(), WeightMonitor()]
    callbacks += build_stopping(stop)
    callbacks += [StepLog(folder / "steps.csv", every=fit.log_every), HistoryLog(folder / "history.csv"), Progress()]
    # Early stopping goes back to the weights that are best by what it watches, so those are the ones to keep.
    keeping = ModelCheckpoint(
        folder,
        every_steps=fit.checkpoint_steps,
        every_seconds=fit.checkpoint_seconds,
        best=stop.monitor,
        min_delta=stop.min_delta,
        beside={"config": plain(config)},
    )
    return [*callbacks, keeping]


def _conclude(config: Config, trainer: Trainer, folder: Path, parts: Parts, run_file: RunFile) -> None:
    """The test, the verdict and the report, written down and printed.

    Nothing says that the run is over before all that is known of it stands there: a resume does what was cut off.
    """
    from .diagnose import diagnose
    from .report import report

    test = trainer.evaluate(parts.x_test, parts.y_test)
    test["error_percent"] = error_percent(test["accuracy"])
    cut_short = (trainer.stop or "").startswith(REASON) and trainer.step < trainer.updates
    run_file.run["test"] = test
    run_file.run["status"] = "failed" if trainer.failure else "interrupted" if cut_short else "finished"
    diagnosis = diagnose(run_file.run)
    run_file.run["diagnosis"] = diagnosis.to_json()
    run_file.run["paper"] = held = outcome(config, run_file.run)
    run_file.write()
    page = report(folder)
    print(f"\n{diagnosis}\n")
    if diagnosis.change:
        print(f"to try it: {_command('diagnose', folder)} --fix")
    print(f"test error {in_percent(test['error_percent'])}  (loss {test['loss']:.4f}, {len(parts.x_test):,} rows)")
    if held is not None:
        print(held["text"])
    print(f"steps {trainer.describe_steps()}")
    print(f"report {page}")
    if held is not None and held["then"]:
        words = f"train --paper {held['then']} --start-from"
        print(f"next: {_command(words, folder)}")
    if cut_short and not trainer.failure:
        print(f"to go on: {_command('resume', folder)}")


def _print_heading(config: Config, folder: Path, parts: Parts, trainer: Trainer, gpu: str | None) -> None:
    classes = next(reversed(list(trainer.model.parameters()))).shape[0]
    count = sum(parameter.size for parameter in trainer.model.parameters())
    net = title(config.model, parts.x_train.shape[1], classes)
    rows = [f"{len(x):,} rows to {use}" for x, use in zip(parts[::2], ("train on", "validate", "test"), strict=True)]
    device = f"{config.device} ({gpu})" if gpu else config.device
    print(f"{net}, {count:,} parameters, on {device}; {config.data.source}: {', '.join(rows)}")
    begun = f", from step {trainer.step}" if trainer.step else ""
    number, unit = (config.fit.epochs, "epoch") if config.fit.updates is None else (config.fit.updates, "update")
    length = f"{number:,} {unit}{'' if number == 1 else 's'}"
    print(f"{length} in batches of {config.fit.batch_size}{begun}; the run: {folder}", flush=True)


def _print_interrupted(trainer: Trainer, folder: Path) -> None:
    text = f"interrupted at step {trainer.step}, before the first checkpoint"
    if (folder / "checkpoint.safetensors").exists():
        text = f"interrupted at step {trainer.step}; to go on: {_command('resume', folder)}"
    try:
        print(text, flush=True)
    except OSError:  # whoever read the output has gone, or the disk behind it is full
        print(text, file=sys.stderr)
        raise


def _command(words: str, folder: Path) -> str:
    return f"{shlex.quote(os.path.basename(sys.executable))} -m recipe {words} {shlex.quote(str(folder))}"
