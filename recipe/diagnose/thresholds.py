"""The numbers that the rules compare with, each with its reason.

One idea: a threshold is a line with a band. A measurement inside the band is too close to call, and a verdict that
hangs on it alone is "undecided"; what lies clear of the line decides. The lines were set on MNIST nets of one to ten
hidden layers, each broken in one way; a band is about what the seeds of one set-up differ by. Read `logic.py` next.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Line", "Thresholds"]


@dataclass(frozen=True)
class Line:
    """A test fires beyond `at`; within `band` of it nothing can be said."""

    at: float
    band: float
    why: str


@dataclass(frozen=True)
class Thresholds:
    """All lines of the diagnosis, in the order in which the rules draw them.

    Losses are compared with the loss of guessing: ln C for C classes, or the loss of always answering the mean.
    Scores are accuracies, or shares of the variance explained for a regression.
    """

    # Set-up
    duplicates: Line = Line(0.01, 0.0, "A few equal rows occur by chance; a hundredth of the validation rows does not.")
    batch_entropy: Line = Line(
        0.52, 0.05, "The labels of shuffled batches have all the entropy of random ones; sorted rows have next to none."
    )
    partly_shuffled: Line = Line(
        0.90, 0.02, "A fair shuffle misses the full entropy by a few hundredths at most; what misses more is not one."
    )
    input_size: Line = Line(5.0, 0.5, "Standardised inputs have std 1, pixels / 255 about 0.3; raw pixels have 79.")
    first_loss: Line = Line(
        5.0, 0.5, "Before training a net should do no worse than guess; well above it, it is surely wrong."
    )
    saturated: Line = Line(
        0.5, 0.05, "A start that puts most units of a layer at the ends of their range leaves no slope to learn by."
    )
    # Good on training data?
    train_score: Line = Line(
        0.90, 0.005, "Below this the lecture calls a result on the training data not good; say --target for another."
    )
    identical_units: Line = Line(
        1e-3, 0.0, "Units that start equal get equal gradients and stay so; random ones differ by about their size."
    )
    gradient_ratio: Line = Line(
        1e-2, 2e-3, "Sigmoid layers quarter the gradient each; ReLU nets of any depth measured keep this above 0.1."
    )
    dead_share: Line = Line(0.90, 0.02, "In a healthy layer of rectifiers few units are silent for good, if any.")
    collapsed_cosine: Line = Line(
        0.97, 0.002, "Digits, whose pixels have a cosine of 0.4, come out of a collapsed net with more than this."
    )
    collapse: Line = Line(
        0.15, 0.03, "The share of the rows' difference at the first hidden layer that is left at the last one."
    )
    dead_movement: Line = Line(
        0.05, 0.01, "Dead units that were never alive leave the weights where they started; those killed had moved."
    )
    final_loss: Line = Line(1.5, 0.1, "A run that ends well above the loss of guessing was driven there by its steps.")
    highest_loss: Line = Line(3.0, 0.3, "A loss that ever rose to several times that of guessing was driven there.")
    rising: Line = Line(0.30, 0.02, "With steps that fit, the loss rises in few epochs, if in any.")
    most_movement: Line = Line(2.0, 0.2, "Weights that go twice their size in one epoch were not led but thrown.")
    weight_norm: Line = Line(0.60, 0.05, "Training lets weights grow; only a penalty shrinks them to little over half.")
    thinned_gap: Line = Line(
        0.15, 0.02, "Thinned by dropout a net is a few points worse than whole; far worse, it is hardly taught."
    )
    dropout: Line = Line(
        0.80, 0.02, "Of five units one is left, and the noise has four times the power of the signal, p / (1 - p)."
    )
    noisy_training: Line = Line(
        0.05, 0.01, "Better on validation than on training rows: the training labels, not the net, are at fault."
    )
    few_updates: Line = Line(100.0, 0.0, "Fewer updates than this teach next to nothing, whatever the rate.")
    least_movement: Line = Line(5e-3, 5e-4, "Weights that go less than this in an epoch would need hundreds of epochs.")
    still_falling: Line = Line(
        0.30, 0.03, "A loss that falls this much over the second half of the run has not arrived."
    )
    late_fall: Line = Line(
        0.30, 0.05, "A loss that falls as a straight line has half its fall in the second half; one at its end, little."
    )
    learned: Line = Line(
        0.97, 0.01, "A net that has learned anything does better than guessing, by more than a few hundredths."
    )
    # Good on validation data?
    mismatch: Line = Line(
        0.111, 0.01, "On the way from chance to perfect: an accuracy of 20 % for ten classes, twice that of guessing."
    )
    input_shift: Line = Line(
        0.5, 0.1, "The mean and the spread of rows from one source differ by hundredths of the spread, not by halves."
    )
    contradicted: Line = Line(
        0.04, 0.005, "The best net on validation rows is surely right where it surely contradicts this many labels."
    )
    gap: Line = Line(0.05, 0.003, "More points than this between training and validation are learned by heart.")
    loss_above_best: Line = Line(
        1.3, 0.03, "The validation loss was lower by this factor before: the net became too sure."
    )
    # Notes
    one_class: Line = Line(0.99, 0.0, "A net that gives nearly every row the same class tells nothing apart.")
