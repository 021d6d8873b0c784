"""What the lecture claims, C0 to C19, each in a sentence, and its terms in the language in which it was given.

One idea: the notes of Hung-yi Lee's lecture "Tips for Deep Learning" (ML 2016, National Taiwan University) are taken at
their word, slips included; what measurement says otherwise stands beside the claim and not in its place. Read
`experiment.py` next.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CLAIMS", "TERMS", "Claim"]


@dataclass(frozen=True)
class Claim:
    """A claim in short and in a sentence."""

    title: str
    says: str


CLAIMS: dict[str, Claim] = {
    "C0": Claim(
        "The demo",
        "Step by step on 10,000 digits: sigmoid with squared error fails, cross-entropy helps, ten more sigmoid layers "
        "fail, ReLU works, raw pixels fail, a batch of all rows fails, Adam is faster, a noisy test set breaks it, and "
        "dropout costs some training accuracy and helps on the noisy test set.",
    ),
    "C1": Claim(
        "Look at the training error first",
        "A bad result on test data is not always over-fitting: look at the result on training data first.",
    ),
    "C2": Claim(
        "Deeper can be worse in training",
        "A 56-layer plain network is worse than a 20-layer one on training data and on test data.",
    ),
    "C3": Claim(
        "Vanishing gradient (梯度消失)",
        "With sigmoids, deeper gets worse: the gradients of the first layers are tiny, so they stay nearly random "
        "while the last layers have converged.",
    ),
    "C4": Claim("ReLU cures it", "With ReLU the gradient does not vanish, and deep networks train."),
    "C5": Claim("ReLU is many sigmoids", "ReLU is nearly the sum of infinitely many sigmoids with shifted biases."),
    "C6": Claim(
        "A thinner linear network",
        "For one input, the units that give 0 can be taken out, and what is left is a thinner linear network; as a "
        "whole the network is not linear.",
    ),
    "C7": Claim(
        "Silent units",
        "A unit whose output is 0 has no gradient; Leaky and Parametric ReLU give it one.",
    ),
    "C8": Claim(
        "Maxout learns its activation",
        "ReLU is a special case of Maxout; with k elements in a group, any convex function of k pieces can be learned.",
    ),
    "C9": Claim(
        "Training Maxout",
        "For one input, Maxout is the thin linear network of the elements that won; over all inputs every weight gets "
        "trained.",
    ),
    "C10": Claim(
        "Adaptive learning rates (自适应学习率)",
        "Adagrad, RMSProp, Momentum and Adam (RMSProp with Momentum) move faster than plain gradient descent.",
    ),
    "C11": Claim("Early stopping (早停)", "Stop where the loss on the validation set is least."),
    "C12": Claim(
        "L2 regularisation (正则化)",
        "L2 multiplies each weight by 1 - eta lambda at each update (weight decay); biases are left out.",
    ),
    "C13": Claim("L1 regularisation (正则化)", "L1 subtracts eta lambda sgn(w) at each update."),
    "C14": Claim(
        "L1 against L2",
        "L2 shrinks large weights faster; L1 leaves some very large weights and many near 0.",
    ),
    "C15": Claim(
        "Dropout",
        "Dropout makes the result on training data worse and on test data better; where training is the problem, it is "
        "no help.",
    ),
    "C16": Claim("Weights times 1 - p", "At test time, multiply the weights by 1 - p, with dropout rate p."),
    "C17": Claim(
        "Why ensembles work (集成)",
        "A complex model has low bias and high variance, and averaging several reduces the variance.",
    ),
    "C18": Claim(
        "Dropout is an ensemble (集成)",
        "M units make 2^M networks. To multiply the weights by 1 - p is to average them all: exactly for a linear "
        "unit, nearly for others.",
    ),
    "C19": Claim(
        "The closer to linear, the better",
        "The average is the better approximated the closer the network is to linear, so ReLU and Maxout suit dropout.",
    ),
}

# The lecture's terms, which the page shows beside the English ones.
TERMS: dict[str, str] = {
    "vanishing gradient": "梯度消失",
    "adaptive learning rate": "自适应学习率",
    "early stopping": "早停",
    "regularisation": "正则化",
    "ensemble": "集成",
    "over-fitting": "过拟合",
    "activation function": "激活函数",
    "validation set": "验证集",
    "weight decay": "权重衰减",
    "learning rate": "学习率",
}
