"""E9: the diagnosis, asked about runs of which it is known what is wrong with them.

One idea: the lecture's order of questions (the set-up; good on training data? good on validation data?) is worth what
it scores on runs that were broken on purpose, on healthy ones, and when what it advises is carried out. Read
`../diagnosis/setups.py` for what a set-up is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from recipe.report.plot import BLUE, ORANGE, Plot, draw

from ..diagnosis.run import BANKS, outcome
from .experiment import Experiment, Figure, Found, Numbers, Order, Part, Seed

__all__ = ["EXPERIMENT"]

ASKED = ("broken", "healthy")
QUICK = ("broken",)
GOOD = 0.9


def measure(bank: str, name: str, with_remedy: bool, seed: int) -> Numbers:
    """The outcome of one set-up: verdict, accuracies, and the same with the change that was proposed."""
    found = outcome(bank, name, seed, with_remedy)
    if "fix" in found:
        found["fix"] = found["fix"] or {}  # there was nothing to try
    return found


def parts(quick: bool) -> list[Part]:
    """One for each set-up; the first bank is carried out with its remedies too, but for a quick run."""
    return [
        Part(f"{bank} {name}", partial(measure, bank, name, bank == "broken" and not quick))
        for bank in (QUICK if quick else ASKED)
        for name in BANKS[bank]
    ]


# What is read from it


def of_bank(m: Seed, bank: str) -> list[Numbers]:
    """The outcomes of a whole bank."""
    return [m[f"{bank} {name}"] for name in BANKS[bank]]


def right(m: Seed, bank: str) -> int:
    """How many runs of a bank were named for what is wrong with them."""
    return sum(o["found"] == o["wanted"] for o in of_bank(m, bank))


def alarms(m: Seed) -> int:
    """How many healthy runs were called ill."""
    return sum(o["found"] not in ("fine", "undecided") for o in of_bank(m, "healthy"))


def bad_on_test(m: Seed) -> list[Numbers]:
    """The broken runs whose test accuracy is below 90 %; one that blew up has none."""
    return [o for o in of_bank(m, "broken") if not o["test"]["score"] >= GOOD]


def bad_on_training_too(m: Seed) -> int:
    """How many of those are no better than that on their training rows."""
    return sum(not o["train"]["score"] >= GOOD for o in bad_on_test(m))


def remedied(m: Seed) -> tuple[int, int]:
    """How many broken runs had a better validation accuracy with the proposed change, and how many were ill."""
    ill = [o for o in of_bank(m, "broken") if o["wanted"] != "fine"]
    return sum(bool(o["fix"]) and o["fix"]["val"]["score"] > _accuracy(o) for o in ill), len(ill)


def _accuracy(o: Numbers) -> float:
    score = o["val"]["score"]
    return float(score) if score == score else 0.0  # NaN: the run blew up


ORDERS = (
    Order(
        "C1",
        "of the broken runs with a bad test result, most are bad on training data too, so they do not over-fit",
        lambda m: (bad_on_training_too(m), ">", len(bad_on_test(m)) / 2),
    ),
    Order(
        "C1",
        "the diagnosis names at least 14 of the 16 runs (44 of 48 over three seeds)",
        lambda m: (right(m, "broken"), ">=", 14),
    ),
    Order("C1", "it calls none of ten healthy runs ill", lambda m: (alarms(m), "==", 0)),
    Order(
        "C1",
        "what it proposes betters the validation accuracy of four fifths of the runs that are ill",
        lambda m: (remedied(m)[0], ">=", 0.8 * remedied(m)[1]),
    ),
)

FIGURES = (
    Figure("C1", "right, of the 16", lambda m: right(m, "broken"), "16, 16, 16", 14, 16),
    Figure("C1", "right, of the 10 healthy runs", lambda m: right(m, "healthy")),
    Figure("C1", "broken runs with a bad test result", lambda m: len(bad_on_test(m))),
    Figure("C1", "of these bad on training data too", bad_on_training_too),
    Figure("C1", "ill runs that the proposed change made better", lambda m: remedied(m)[0]),
)


def plots(found: Found) -> list[Plot]:
    """Confusion tables of what was asked, and what the remedies did."""
    seeds = list(found.by_seed.values())
    shown = [
        _confusion(bank, [o for m in seeds for o in of_bank(m, bank)])
        for bank in ASKED
        if found.has(*(f"{bank} {name}" for name in BANKS[bank]))
    ]
    if len(shown) == len(ASKED):
        shown.append(_remedies(found))
    return shown


_TITLES = {"broken": "sixteen runs", "healthy": "the healthy runs"}


def _confusion(bank: str, outcomes: Sequence[Numbers]) -> Plot:
    wanted = list(dict.fromkeys(o["wanted"] for o in outcomes))
    given = [*wanted, *dict.fromkeys(o["found"] for o in outcomes if o["found"] not in wanted)]
    counts = [[sum(o["wanted"] == w and o["found"] == g for o in outcomes) for g in given] for w in wanted]

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        for i, row in enumerate(counts):
            for j, count in enumerate(row):
                if count:
                    colour = BLUE if wanted[i] == given[j] else ORANGE
                    axes.scatter(j, i, s=220, marker="s", color=colour, alpha=0.35, linewidth=0)
                    axes.text(j, i, str(count), ha="center", va="center", fontsize=9)
        axes.set_xticks(range(len(given)), [g.replace("_", " ") for g in given], rotation=60, ha="right", fontsize=8)
        axes.set_yticks(range(len(wanted)), [w.replace("_", " ") for w in wanted], fontsize=8)
        axes.set(
            xlim=(-0.6, len(given) - 0.4), ylim=(len(wanted) - 0.4, -0.6), xlabel="verdict", ylabel="what was done"
        )

    name = f"e9-{bank}"
    wrong = sum(o["wanted"] != o["found"] for o in outcomes)
    return Plot(
        name=name,
        title=f"What was done, and what the diagnosis said: {_TITLES[bank]}",
        caption=f"{len(outcomes)} runs, all seeds. What stands off the diagonal is a mistake, or a doubt where the "
        "verdict is undecided.",
        alt=f"Confusion table of {len(outcomes)} runs: {len(outcomes) - wrong} on the diagonal, {wrong} off it.",
        columns=("wanted", *given),
        rows=[(w, *row) for w, row in zip(wanted, counts, strict=True)],
        svg=draw(name, paint, (7.0, 1.8 + 0.24 * len(wanted))),
    )


def _remedies(found: Found) -> Plot:
    names = [name for name, set_up in BANKS["broken"].items() if set_up.verdict != "fine"]
    rows = []
    for name in names:
        runs = [m[f"broken {name}"] for m in found.by_seed.values()]
        before = sum(100 * _accuracy(o) for o in runs) / len(runs)
        after = [100 * o["fix"]["val"]["score"] for o in runs if o["fix"]]
        rows.append((name, before, sum(after) / len(after) if after else None))

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        for i, (_, before, after) in enumerate(rows):
            axes.plot(before, i, "o", color=ORANGE, label="as it was" if i == 0 else None)
            if after is not None:
                axes.plot([before, after], [i, i], color="#7f7f7f", linewidth=1)
                axes.plot(after, i, "s", color=BLUE, label="with the proposed change" if i == 0 else None)
        axes.set_yticks(range(len(rows)), names, fontsize=8)
        axes.set(xlabel="validation accuracy, %", ylim=(len(rows) - 0.4, -0.6), xlim=(0, 101))
        axes.legend(loc="lower left", fontsize=9)

    return Plot(
        name="e9-remedies",
        title="What the proposed change did",
        caption="Means over the seeds. Where there is one mark only, the data are at fault and no option can mend "
        "them. Rows that leaked flatter the validation accuracy, so to leave them out may lower it.",
        alt="Validation accuracy before and after the proposed change, for each broken run.",
        columns=("run", "as it was", "with the change"),
        rows=rows,
        svg=draw("e9-remedies", paint, (7.0, 4.6)),
    )


EXPERIMENT = Experiment(
    key="E9",
    title="Diagnosis",
    claims=("C1",),
    setup="Sixteen runs on MNIST, each broken in one way or healthy, are diagnosed from their curves, gradients, "
    "activations, weights and rows. So are ten healthy runs of other networks, optimizers and data. The sixteen are "
    "then made once more with the change that the diagnosis proposes.",
    parts=parts,
    orders=ORDERS,
    figures=FIGURES,
    plots=plots,
    remark="The thresholds were chosen with these sixteen runs, so their score flatters. `python -m benchmarks "
    "diagnosis` asks about four other banks too, written later; docs/diagnosis.md has the score of each.",
)
