"""Optimizers with PyTorch's names: a rule for one parameter each, and what belongs around it.

One idea: an optimizer is one formula, written as in its paper; everything it shares with the others (groups, state,
memory, penalties) is the base class's. `Optimizer` walks, `flat.py` and `runs.py` lay the parameters in memory,
`penalty.py` and `clip.py` change what the rule is given, `schedule.py` changes its options from step to step.
`lbfgs.py`, which asks for the loss itself, has a walk of its own.
Read `sgd.py` first, then `optimizer.py`.
"""

from typing import TYPE_CHECKING

from _tapegrad_marker import require_own_autograd

require_own_autograd()

from autograd.hints import tell_calls_of_files

from .adadelta import Adadelta
from .adagrad import Adagrad
from .adam import Adam, AdamW
from .adamax import Adamax
from .clip import clip_grad_norm_, clip_grad_value_
from .lbfgs import LBFGS
from .nadam import NAdam
from .one_cycle import OneCycleLR
from .optimizer import Optimizer
from .penalty import L1, L2, MaxNorm, Penalty
from .plateau import ReduceLROnPlateau
from .radam import RAdam
from .rmsprop import RMSprop
from .rprop import Rprop
from .schedule import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    InverseTimeLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    Schedule,
    SequentialLR,
    StepLR,
)
from .sgd import SGD

__all__ = [
    # rules
    "SGD",
    "Adagrad",
    "Adadelta",
    "RMSprop",
    "Adam",
    "AdamW",
    "NAdam",
    "RAdam",
    "Adamax",
    "Rprop",
    "LBFGS",
    "Optimizer",
    # penalties and clipping
    "L1",
    "L2",
    "MaxNorm",
    "Penalty",
    "clip_grad_norm_",
    "clip_grad_value_",
    # schedules
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "InverseTimeLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "Schedule",
    "SequentialLR",
    "StepLR",
]

tell_calls_of_files("optim")

if not TYPE_CHECKING:  # a type checker shall find what is not there

    def __getattr__(name):
        from autograd.hints import missing  # only a wrong name asks for this

        raise missing("optim", name)
