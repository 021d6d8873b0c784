"""What each verdict means and what to do about it: the lecture's remedy, and one change to try.

One idea: a change is options of the configuration with new values, so it can be shown as flags and run as it stands.
Where no option can mend it (the data are wrong), there is none. Read `verdict.py` next.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..config import RATES, WIDEST, ConfigError, configure, options

__all__ = ["REMEDIES", "Remedy", "as_flags", "proposal"]

Change = dict[str, Any]
Settings = Mapping[str, Any]  # the options of a run by their dotted keys; empty where the run had no configuration


@dataclass(frozen=True)
class Remedy:
    """A verdict in words: its title, its meaning, what the lecture advises; and the change, made from the settings."""

    title: str
    meaning: str
    advice: str
    change: Callable[[Settings], Change] = lambda settings: {}


def _rate(factor: float) -> Callable[[Settings], Change]:
    """The rate times `factor`; the optimizer's usual one, where even the factor twice would not reach it."""

    def change(settings: Settings) -> Change:
        lr, usual = settings.get("optim.lr"), RATES.get(settings.get("optim.name", ""))
        if not lr:
            return {}
        twice = lr * factor**2
        far = usual is not None and (usual > twice if factor > 1 else usual < twice)
        return {"optim.lr": usual if far else float(f"{lr * factor:.3g}")}

    return change


def _revived(settings: Settings) -> Change:
    """Another start, units that cannot die, and no more than the usual rate."""
    lr, usual = settings.get("optim.lr"), RATES.get(settings.get("optim.name", ""))
    calmer = {"optim.lr": usual} if lr and usual and lr > usual else {}
    return {"model.activation": "leaky_relu"} | _other_start(settings) | calmer


def _longer(factor: int) -> Callable[[Settings], Change]:
    def change(settings: Settings) -> Change:
        counted = "fit.updates" if settings.get("fit.updates") else "fit.epochs"
        return {counted: settings[counted] * factor} if settings.get(counted) else {}

    return change


def _more_updates(settings: Settings) -> Change:
    size = settings.get("fit.batch_size") or 0
    return {"fit.batch_size": 100} if size > 100 else _longer(5)(settings)


def _wider(settings: Settings) -> Change:
    if "model.hidden" not in settings:
        return {}
    return {"model.hidden": [min(max(4 * width, 128), WIDEST) for width in settings["model.hidden"]] or [128]}


def _less_regular(settings: Settings) -> Change:
    """Ten times less penalty; where there is none, no dropout."""
    penalties = {key: settings[key] / 10 for key in ("optim.l1", "optim.l2", "optim.weight_decay") if settings.get(key)}
    if penalties:
        return {key: float(f"{value:.3g}") for key, value in penalties.items()}
    if not settings.get("model.dropout"):
        return {}
    scaled = {"model.input_scale": None} if settings.get("model.input_scale") else {}  # it needs dropout of inputs
    return {"model.dropout": []} | scaled


def _shallower(settings: Settings) -> Change:
    hidden = settings.get("model.hidden") or ()
    return {"model.hidden": list(hidden[:5])} if len(hidden) > 5 else {}


def _rectified(settings: Settings) -> Change:
    """The lecture's cure; where it is taken already, the adaptive rates."""
    if settings.get("model.activation") in ("relu", "leaky_relu", "prelu", "maxout"):
        return {"optim.name": "adam", "optim.lr": 1e-3}
    return {"model.activation": "relu"}


def _other_start(settings: Settings) -> Change:
    return {"model.init": "he" if settings.get("model.init") == "glorot" else "glorot"}


def _stop_early(settings: Settings) -> Change:
    if not settings.get("stop.criterion"):
        return {"stop.criterion": "patience"}
    return {"model.dropout": [0.2, 0.5]}


def _unseen(settings: Settings) -> Change:
    if settings.get("data.train_on_validation"):
        return {"data.train_on_validation": False}
    return {"data.drop_leaked": True}


def _dropped_out(settings: Settings) -> Change:
    """Dropout, with the two or three times as many epochs that thinned nets take to train (Srivastava et al. 2014,
    conclusion) and a rate that falls, for the masks make steps noisy to the end; where it is there already, early
    stopping by the accuracy, for which the least loss need not be best.
    """
    if settings.get("model.dropout"):
        return {"stop.criterion": "patience", "stop.monitor": "val_accuracy"}
    falling = {"optim.schedule": "cosine"} if settings.get("optim.schedule", "constant") == "constant" else {}
    return {"model.dropout": [0.2, 0.5]} | falling | _longer(3)(settings)


REMEDIES: dict[str, Remedy] = {
    "leak": Remedy(
        "validation rows leaked into training",
        "Rows that should tell how the net does on unseen data were trained on, so the validation result flatters.",
        "Make the split anew so that no row is on both sides; only then look at the result: lower, and true.",
        _unseen,
    ),
    "not_shuffled": Remedy(
        "the batches are not shuffled",
        "Each batch holds few classes, so each update teaches the net to forget the others.",
        "Shuffle all rows before each epoch.",
        lambda settings: {"fit.shuffle": True},
    ),
    "unnormalised_input": Remedy(
        "the inputs are not normalised",
        "Inputs this large make the first layer's sums, and with them the first steps, far too large.",
        "Divide the pixels by 255, or shift and scale each feature to mean 0 and std 1.",
        lambda settings: {"data.standardize": True},
    ),
    "init_too_large": Remedy(
        "the first weights are too large",
        "Before it learned anything the net is surely wrong; training must first unlearn that.",
        "Start from weights whose size fits the layer: Glorot for sigmoid and tanh, He for rectifiers.",
        _other_start,
    ),
    "identical_units": Remedy(
        "all units of a layer are identical",
        "Units that start equal get equal gradients and stay equal, so the layer has the power of one unit.",
        "Start from random weights.",
        _other_start,
    ),
    "vanishing_gradient": Remedy(
        "vanishing gradient (梯度消失)",
        "The gradient shrinks from layer to layer on its way back: the last layers converge, the first stay random.",
        "Take ReLU or Maxout as activation. Adaptive rates (Adam, RMSProp) help too: they divide the smallness away.",
        _rectified,
    ),
    "signal_collapse": Remedy(
        "the signal collapses on its way forward",
        "The gradients are healthy, but after so many layers all rows look the same, so there is little to learn from.",
        "Give the layers shortcuts (a residual net), normalise between them, or take fewer of them.",
        _shallower,
    ),
    "dead_units": Remedy(
        "dead rectifiers",
        "Nearly all units of a layer are silent for every row; silent units have no gradient and never come back.",
        "Start from He or Glorot weights and zero biases, lower the learning rate, or take Leaky ReLU.",
        _revived,
    ),
    "rate_too_high": Remedy(
        "the learning rate is too high",
        "The steps jump over the valley: the loss rises instead of falling.",
        "Divide the learning rate by 10, or take the optimizer's usual one; a rate that falls over time helps as well.",
        _rate(0.1),
    ),
    "over_regularised": Remedy(
        "too much regularisation",
        "A penalty or dropout keeps the net from learning even the training data.",
        "Weaken it: dropout and penalties are for a result that is good on training data and bad on test data.",
        _less_regular,
    ),
    "label_noise": Remedy(
        "many training labels are wrong",
        "Where the best net is sure of another class than the label, the label is usually at fault.",
        "Look at the contradicted rows and mend the labels; meanwhile stop early (早停), or use dropout.",
        _stop_early,
    ),
    "too_few_updates": Remedy(
        "too few updates",
        "The weights were updated so rarely that nothing can be said about anything else.",
        "Use smaller batches (about 100 rows) or more epochs.",
        _more_updates,
    ),
    "rate_too_low": Remedy(
        "the learning rate is too low",
        "The weights hardly moved: at this pace the run would take hundreds of epochs.",
        "Multiply the learning rate by 10, or take the usual one, or an adaptive one (自适应学习率): Adam, RMSProp.",
        _rate(10.0),
    ),
    "train_longer": Remedy(
        "not trained long enough",
        "The loss is still falling fast; the run was stopped on its way.",
        "Train for more epochs.",
        _longer(3),
    ),
    "low_capacity": Remedy(
        "the net is too small",
        "Training works as it should and has arrived, and the result on the training data is still not good.",
        "Take wider layers, or more of them.",
        _wider,
    ),
    "validation_mismatch": Remedy(
        "the validation rows are of another kind",
        "The net is good on training rows and only guesses on validation rows: other preprocessing, or other labels.",
        "Look at both sets side by side: same scaling, same order of labels, same source?",
    ),
    "overfit": Remedy(
        "over-fitting",
        "Good on training data, clearly worse on validation data: part of what was learned holds for these rows only.",
        "In the lecture's order: more data, early stopping (早停), regularisation (正则化), dropout.",
        _dropped_out,
    ),
    "fine": Remedy(
        "fine",
        "Good on training data and on validation data.",
        "Nothing to repair. Choose between settings by the validation set, and look at the test set once.",
    ),
}


def proposal(code: str, settings: Settings) -> Change:
    """The change to try for a verdict; nothing that is set so already, or that the other settings do not allow."""
    change = REMEDIES[code].change(settings).items() if code in REMEDIES else ()
    new = {key: value for key, value in change if _text(settings.get(key)) != _text(value)}
    return new if _goes_together({**settings, **new}) else {}


def _goes_together(settings: Settings) -> bool:
    try:
        configure({key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()})
    except ConfigError:
        return False
    return True


def as_flags(change: Change) -> str:
    """The change as flags of `python -m recipe train`, one line for a shell, which gives these very values."""
    flags = {row.key: row.flag for row in options()}
    return " ".join(_flag(flags[key], _text(value)) for key, value in change.items())


def _flag(flag: str, text: str) -> str:
    # A value that begins as a flag does would be taken for one.
    return f"{flag}{'=' if text.startswith('-') else ' '}{shlex.quote(text)}"


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value)) or "none"
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    return str(value)
