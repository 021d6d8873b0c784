"""Laws over the table of experiments: what they say of themselves fits together. Nothing is trained."""

from __future__ import annotations

import pytest

from benchmarks.claims.all_experiments import EXPERIMENTS
from benchmarks.claims.experiment import Found
from benchmarks.claims.judge import State, judge
from benchmarks.claims.lecture import CLAIMS


class Anything(float):
    """A number that is also a list and a dictionary of such numbers: what a part might have measured."""

    def __getitem__(self, key):
        return Anything(1.0)

    def __iter__(self):
        return iter([Anything(1.0)] * len(self))

    def __len__(self):
        return 12


class Measured(dict):
    """A seed that has these parts and notes which others are asked for."""

    def __init__(self, names):
        super().__init__({name: Anything(1.0) for name in names})
        self.unknown = []

    def __missing__(self, name):
        self.unknown.append(name)
        return Anything(1.0)


experiments = pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.key)


@experiments
def test_the_parts_have_different_names_and_a_quick_run_has_some_of_them(experiment):
    names = [part.name for part in experiment.parts(False)]
    assert len(set(names)) == len(names)
    assert {part.name for part in experiment.parts(True)} <= set(names)


@experiments
def test_only_parts_that_exist_are_read(experiment):
    seed = Measured(part.name for part in experiment.parts(False))
    for read in (*(order.numbers for order in experiment.orders), *(figure.value for figure in experiment.figures)):
        read(seed)
    assert seed.unknown == []


@experiments
def test_each_claim_is_known_and_has_a_comparison(experiment):
    assert set(experiment.claims) <= set(CLAIMS)
    assert {order.claim for order in experiment.orders} >= set(experiment.claims)
    assert {figure.claim for figure in experiment.figures} <= set(experiment.claims)


@experiments
def test_where_nothing_was_measured_nothing_is_judged(experiment):
    judged = judge(experiment, Found({0: {}}))
    assert {one.state for one in (*judged.orders, *judged.figures)} == {State.NOT_MEASURED}
