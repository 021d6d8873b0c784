"""The configuration of a run: every option with its kind, its default and its help, in one table of dataclasses.

One idea: defaults, then a TOML file, then flags, each checked by the same kinds; so whatever is wrong is one clear
line, and what a run used stands in its run.json in full. Read `kinds.py` first, `build.py` next.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from .errors import ConfigError
from .kinds import Kind, choice, number, one_or_several, optional, several, switch, text, whole
from .papers import NAMES, paper
from .together import PIECES, check_together

__all__ = ["Config", "ConfigError", "Option", "configure", "from_dict", "in_flags", "options"]
__all__ += ["nearest", "read_toml"]

SYNTHETIC = ("blobs", "spirals")
ACTIVATIONS = (
    *("relu", "sigmoid", "tanh", "leaky_relu", "prelu", "rrelu", "elu", "selu", "gelu", "silu", "mish", "softplus"),
    *("hardtanh", "hardswish", "maxout"),
)
INITS = ("glorot", "he", "lecun", "torch", "uniform", "normal")
RATES = {"adam": 1e-3, "adamw": 1e-3, "sgd": 0.1, "rmsprop": 1e-3, "adagrad": 1e-2, "adadelta": 1.0}
SCHEDULES = ("constant", "cosine", "linear", "step", "exponential", "inverse_time", "one_cycle", "plateau")
MONITORS = ("val_loss", "val_accuracy", "train_loss", "train_accuracy")
CRITERIA = ("patience", "GL", "PQ", "UP")
WIDEST = 65_536  # units of a layer


def option(kind: Kind, default: Any, help: str, *, flag: str | None = None, synthetic: Any = ...) -> Any:
    """A field of the table; `flag` is given where it is not the field's name, `synthetic` is the default for blobs and
    spirals where it is another."""
    other = default if synthetic is ... else synthetic
    return field(default=default, metadata={"kind": kind, "help": help, "flag": flag, "synthetic": other})


def _either(word: str, kind: Kind) -> Kind:
    """A word, or a value of a kind."""
    accept = kind.accept
    return Kind(f"{kind.wanted} or {word}", lambda value: word if value == word else accept(value), kind.metavar)


_PROBABILITY = number(least=0, below=1)


@dataclass(frozen=True)
class DataConfig:
    """What is learnt from."""

    source: str = option(
        text('"mnist", "blobs", "spirals" or a folder with the four IDX files', "DATA"),
        "mnist",
        "mnist, blobs, spirals, or a folder with four IDX files named like MNIST's (.gz or not)",
        flag="--data",
    )
    limit_rows: int | None = option(optional(whole(1)), None, "train on the first N rows only (mnist has 50,000)")
    train_on_validation: bool = option(
        switch(), False, "train on the validation rows as well; they are measured as before, but no longer unseen"
    )
    drop_leaked: bool = option(switch(), False, "leave out the training rows that are validation or test rows as well")
    standardize: bool = option(
        switch(), False, "shift and scale each feature to mean 0 and std 1, as measured on the training rows"
    )


@dataclass(frozen=True)
class ModelConfig:
    """The network: fully connected, one output for each class."""

    hidden: tuple[int, ...] = option(
        several(whole(1, WIDEST), "widths, such as 512,512 (none for a linear model)"),
        (512, 512),
        "widths of the hidden layers",
        synthetic=(32, 32),
    )
    activation: str = option(choice(ACTIVATIONS), "relu", "after each hidden layer")
    pieces: int = option(whole(1, 256), PIECES, "of each maxout unit")
    dropout: tuple[float, ...] = option(
        several(_PROBABILITY, "probabilities below 1: input,hidden, or one for the hidden layers", (0, 1, 2)),
        (0.2, 0.5),
        "probability of silencing an input and a hidden unit; one number is for the hidden units, none switches it off",
        synthetic=(),
    )
    dropout_mode: Literal["inverted", "classic"] = option(
        choice(("inverted", "classic")),
        "inverted",
        "what makes up for silenced units: inverted divides by 1 - p in training, classic multiplies by it in tests",
    )
    input_scale: float | None = option(
        optional(number(above=0)),
        None,
        "times the inputs that dropout keeps, in training only; none does as dropout_mode says",
    )
    init: str = option(
        choice(INITS),
        "glorot",
        "first weights: glorot (the lecture's), he (for rectifiers), lecun (normal, variance 1 / inputs), uniform and "
        "normal of init_scale, all with zero biases; torch (PyTorch's default)",
    )
    init_scale: tuple[float, ...] = option(
        several(number(least=0), "numbers from 0 up: one for all layers, or one for each"),
        (),
        "bound of uniform, standard deviation of normal; one for all layers, or one for each",
    )


@dataclass(frozen=True)
class OptimConfig:
    """How the weights move."""

    name: str = option(choice(tuple(RATES)), "adam", "the optimizer", flag="--optimizer")
    lr: float | None = option(
        optional(number(above=0)),
        None,
        "learning rate at the start; none takes the optimizer's usual one: "
        + ", ".join(f"{name} {rate:g}" for name, rate in RATES.items()),
    )
    momentum: float = option(_PROBABILITY, 0.0, "of sgd and rmsprop")
    momentum_end: float | None = option(
        optional(_PROBABILITY), None, "momentum to come to, in one of the two ways below; none keeps it constant"
    )
    momentum_epochs: float | None = option(
        optional(number(above=0)), None, "come to it in a straight line over X epochs, a step after each"
    )
    momentum_updates: float | None = option(
        optional(number(above=0)), None, "come to it as end - (end - momentum) exp(-t / X) after t updates"
    )
    nesterov: bool = option(switch(), False, "Nesterov's form of the momentum")
    schedule: str = option(
        choice(SCHEDULES), "cosine", "of the learning rate; over the whole run unless an option below says otherwise"
    )
    schedule_by: str = option(
        choice(("update", "epoch")), "update", "when the schedule changes the rate: after each update, or each epoch"
    )
    end_factor: float = option(number(least=0, most=1), 0.0, "linear: the share of the rate at its end")
    total_epochs: float | None = option(
        optional(number(above=0)), None, "linear: epochs until its end, from when on the rate is constant"
    )
    gamma: float | None = option(
        optional(number(above=0, most=1)), None, "exponential: factor from one update to the next"
    )
    decay: float | None = option(optional(number(above=0)), None, "inverse_time: the rate is lr / (1 + X t)")
    min_lr: float = option(number(least=0), 0.0, "the rate does not fall below")
    warmup: float = option(number(least=0), 0.0, "epochs in which the rate rises from near 0 first")
    weight_decay: float = option(number(least=0), 0.0, "the optimizer's own, as in PyTorch, on all parameters")
    l1: float = option(number(least=0), 0.0, "times the sum of |w|, biases left out")
    l2: float = option(number(least=0), 0.0, "half of it times the sum of squares, biases left out")
    max_norm: float | tuple[float, ...] | None = option(
        optional(one_or_several(number(above=0), "a number above 0, or one for each layer of weights")),
        3.0,
        "longest vector of weights into a unit; one for all layers, or one for each",
        synthetic=None,
    )
    clip_norm: float | None = option(optional(number(above=0)), None, "longest gradient")
    clip_value: float | None = option(optional(number(above=0)), None, "largest value in a gradient")


@dataclass(frozen=True)
class FitConfig:
    """The loop."""

    epochs: int = option(whole(1), 8, "passes over the training rows", synthetic=30)
    updates: int | None = option(optional(whole(1)), None, "updates in all, instead of epochs")
    batch_size: int = option(whole(1), 128, "rows in an update", synthetic=32)
    shuffle: bool = option(switch(), True, "put the rows in a new order before each epoch")
    accumulate: int = option(whole(1), 1, "pieces in which a batch goes through the network, to save memory")
    compile: bool | Literal["auto"] = option(
        switch("auto"), "auto", "compile updates: all, none, or those from the 501st on, which repay it"
    )
    evaluate_rows: int | None = option(
        optional(whole(1)), None, "training rows that are measured after an epoch; none for all"
    )
    log_every: int = option(whole(1), 10, "steps from one row of steps.csv to the next")
    checkpoint_seconds: float | None = option(
        optional(number(least=0)), 30.0, "between checkpoints inside an epoch; there is one after each epoch anyway"
    )
    checkpoint_steps: int | None = option(optional(whole(1)), None, "the same, counted in updates")
    start_from: str | None = option(
        optional(text("a run's folder", "RUN")), None, "begin with the weights that a finished run was tested with"
    )


@dataclass(frozen=True)
class StopConfig:
    """When to stop before the last epoch."""

    criterion: str | None = option(
        optional(choice(CRITERIA)),
        None,
        "early stopping by patience, or by Prechelt's GL, PQ or UP; the best weights are put back",
        flag="--early-stopping",
    )
    monitor: str = option(choice(MONITORS), "val_loss", "what early stopping watches")
    patience: int = option(whole(1), 5, "epochs without a better value (UP: strips)")
    alpha: float = option(number(above=0), 5.0, "threshold of GL and PQ")
    min_delta: float = option(number(least=0), 0.0, "what counts as better")
    target: float | Literal["start"] | None = option(
        optional(_either("start", number())),
        None,
        "stop when what is watched is this good; start: the training loss that the run of start_from had at its best",
    )
    time_limit: float | None = option(optional(number(above=0)), None, "seconds of training")


@dataclass(frozen=True)
class Config:
    """All options of a run, resolved."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    stop: StopConfig = field(default_factory=StopConfig)
    seed: int = option(whole(0, 2**63 - 1), 0, "decides every random choice")
    device: str = option(text("a device such as cpu or cuda", "DEVICE"), "cpu", "cpu, cuda or cuda:1")
    threads: int | None = option(
        optional(whole(1)),
        None,
        "threads of BLAS; none leaves it to BLAS, which takes every core (exact resume needs the same number)",
    )
    name: str = option(text("a name without slashes", "NAME", "/\\\0"), "train", "the end of the run folder's name")
    paper: str | None = option(
        optional(choice(NAMES)),
        None,
        "the settings of a paper, which a file and flags override; python -m recipe papers lists them",
    )

    def to_dict(self) -> dict[str, Any]:
        """The options as nested dictionaries, fit for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Option:
    """One row of the table: "optim.lr", its section's words, and what `option` was told."""

    key: str
    section: str
    kind: Kind
    help: str
    flag: str
    default: Any
    synthetic: Any


def options(of: type = Config, prefix: str = "", section: str = "The run.") -> Iterator[Option]:
    """Every option of the table."""
    for item in fields(of):
        if "kind" in item.metadata:
            meta = item.metadata
            flag = meta["flag"] or "--" + item.name.replace("_", "-")
            yield Option(prefix + item.name, section, meta["kind"], meta["help"], flag, item.default, meta["synthetic"])
        else:
            inner: Any = item.default_factory
            yield from options(inner, f"{prefix}{item.name}.", inner.__doc__)


_TABLE = {row.key: row for row in options()}


def configure(file: Mapping[str, Any] | None = None, flags: Mapping[str, str] | None = None, where: str = "") -> Config:
    """The configuration from a file's options (nested or dotted, with TOML's types) and from flags (dotted, as text).

    Flags override the file, `where` names it. Raises ConfigError for unknown options, wrong values, and options that do
    not go together.
    """
    given: dict[str, Any] = {}
    for key, value in _flat(file or {}):
        row = _row(key, f" in {where}" if where else "")
        given[key] = _accepted(row, value, row.kind.accept, f" in {where}" if where else "")
    for key, value in (flags or {}).items():
        row = _row(key, "")
        given[key] = _accepted(row, value, row.kind.of_text, "")
    if given.get("paper") is not None:
        given = _of_paper(given["paper"]) | given
    synthetic = given.get("data.source", "mnist") in SYNTHETIC
    values = {key: row.synthetic if synthetic else row.default for key, row in _TABLE.items()} | given
    if values["optim.lr"] is None:
        values["optim.lr"] = RATES[values["optim.name"]]
    check_together(values)
    return _assembled(values)


def _of_paper(name: str) -> dict[str, Any]:
    """The options that a paper's file sets."""
    where = f" in the paper {name}"
    rows = [(_row(key, where), value) for key, value in _flat(paper(name).options)]
    return {row.key: _accepted(row, value, row.kind.accept, where) for row, value in rows}


def from_dict(values: Mapping[str, Any], where: str) -> Config:
    """The configuration that `to_dict` gave, checked."""
    return configure(values, where=where)


def read_toml(path: Path) -> dict[str, Any]:
    """The options in a TOML file. Raises ConfigError where it cannot be read."""
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))  # some editors begin a file with a mark
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no text in UTF-8: {error}; save it as UTF-8.") from None
    except ValueError as error:  # no TOML, or a number too long to be read
        raise ConfigError(f"{path} is no TOML: {error}.") from None


def in_flags(message: str, keys: Collection[str]) -> str:
    """A message in the words of the command line: these options by their flags, as `--lr 0.1` for `optim.lr = 0.1`."""
    for key in keys:
        # One of no section is a word like others, unless a message begins with it.
        place = rf"(?<![\w./-]){re.escape(key)}(?!\.?\w)( =)?" if "." in key else f"^{key}( =)"
        message = re.sub(place, _TABLE[key].flag, message)
    return message


def nearest(name: str, known: Any) -> str:
    """The known name most like `name`, as the end of a message, or nothing."""
    found = difflib.get_close_matches(name, list(known), 1, 0.7)
    return f"; did you mean {found[0]}?" if found else ""


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _row(key: str, where: str) -> Option:
    if key not in _TABLE:
        # Someone may give the right name in the wrong section or in none, or the name that the flag has.
        names = {"learning_rate": "optim.lr"} | {row.flag[2:].replace("-", "_"): row.key for row in _TABLE.values()}
        names |= {row.rpartition(".")[2]: row for row in _TABLE if row != "optim.name"}
        part, _, last = key.rpartition(".")
        here = [row for row in _TABLE if part and row.endswith(f".{last}")]
        found = difflib.get_close_matches(key, here, 1, 0.7)
        found = found or [names[name] for name in difflib.get_close_matches(last.replace("-", "_"), names, 1, 0.7)]
        hint = f"did you mean {found[0]}?" if found else "python -m recipe train --help lists them."
        raise ConfigError(f"there is no option {key}{where}; {hint}")
    return _TABLE[key]


def _accepted(row: Option, value: Any, accept: Any, where: str) -> Any:
    try:
        return accept(value)
    except ValueError:
        shown = repr(value) if not isinstance(value, str) else f'"{value}"'
        raise ConfigError(f"{row.key} = {shown}{where}: wanted is {row.kind.wanted}.") from None


def _assembled(values: Mapping[str, Any]) -> Config:
    parts: dict[str, Any] = {}
    for item in fields(Config):
        if "kind" in item.metadata:
            parts[item.name] = values[item.name]
        else:
            inner: Any = item.default_factory
            parts[item.name] = inner(**{f.name: values[f"{item.name}.{f.name}"] for f in fields(inner)})
    return Config(**parts)
