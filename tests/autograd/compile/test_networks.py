"""Random networks, losses and optimizers: ten compiled steps leave what ten steps as written leave, in every bit.

One idea: two copies are built from one seed, and the whole world around them is compared: losses, parameters, buffers,
gradients, optimizer state and random generators. TAPEGRAD_NETWORKS=200 tries more of them, and
TAPEGRAD_NETWORKS_EXECUTOR=native runs those that agree to rounding as C.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import autograd as ag
import nn
import optim
from autograd import Tensor
from autograd.random import Generator
from tests.autograd.compile.worlds import assert_same, world

NETWORKS = int(os.environ.get("TAPEGRAD_NETWORKS", "40"))
EXECUTOR = os.environ.get("TAPEGRAD_NETWORKS_EXECUTOR", "numpy")
STEPS = 10
ROWS = 4

numbers = st.sampled_from
maybe = st.booleans()


# ---- plans: plain data, so that a network that fails can be read ---------------------------------------------------


def layers(exact: bool) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """Rows of layers, each as (kind, options).

    Where results agree to rounding only, there is no bias before a normalisation that takes it off again: its gradient
    is zero but for rounding, and Adam makes steps of full length from that.
    """
    sizes = st.integers(1, 6)
    activations = (
        ("ReLU", {}),
        ("Tanh", {}),
        ("GELU", {}),
        ("GELU", {"approximate": "tanh"}),
        ("Sigmoid", {}),
        ("SiLU", {}),
        ("LeakyReLU", {"negative_slope": 0.2}),
        ("Softplus", {}),
        ("ELU", {}),
        ("Mish", {}),
        ("Hardtanh", {}),
        ("PReLU", {}),
        ("RReLU", {}),
        ("Softmax", {"dim": -1}),
        ("LogSoftmax", {"dim": -1}),
    )
    norms = st.one_of(
        st.tuples(
            st.just("BatchNorm1d"), st.fixed_dictionaries({"momentum": numbers([0.1, 0.5, None]), "affine": maybe})
        ),
        st.just(("BatchNorm1d", {"track_running_stats": False})),
        st.tuples(
            st.just("LayerNorm"), st.fixed_dictionaries({"elementwise_affine": maybe, "eps": numbers([1e-5, 0.1])})
        ),
        st.just(("RMSNorm", {})),
    )
    linear = st.tuples(st.just("Linear"), sizes, maybe if exact else st.just(False))
    one = st.one_of(
        linear,
        linear,
        st.sampled_from([("activation", *a) for a in activations]),
        st.tuples(st.just("norm"), norms),
        st.tuples(st.just("Maxout"), sizes, st.integers(1, 3), maybe if exact else st.just(False)),
        st.tuples(
            st.just("Dropout"),
            st.fixed_dictionaries(
                {
                    "p": numbers([0.0, 0.3, 0.5]),
                    "mode": numbers(["inverted", "classic"]),
                    "mask": numbers(["per_case", "per_batch"]),
                }
            ),
            maybe,  # a generator of its own
        ),
        st.tuples(st.just("Residual"), st.sampled_from([("activation", *a) for a in activations[:5]])),
        st.just(("shared",)),  # one Linear, wherever it stands
    )
    return st.lists(one, min_size=1, max_size=5)


losses = st.sampled_from(
    [
        ("MSELoss", {}),
        ("MSELoss", {"reduction": "sum"}),
        ("L1Loss", {}),
        ("HuberLoss", {"delta": 0.5}),
        ("SmoothL1Loss", {}),
        ("BCEWithLogitsLoss", {}),
        ("CrossEntropyLoss", {}),
        ("CrossEntropyLoss", {"label_smoothing": 0.1}),
        ("NLLLoss", {}),
        ("KLDivLoss", {"reduction": "batchmean"}),
    ]
)


def optimizers(exact: bool) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """Every optimizer with options; where rounding decides, with an eps that lets no rounding grow into a step."""

    def options(name: str, **those: Any) -> st.SearchStrategy[Any]:
        common = {"lr": numbers([0.003, 0.03]), "weight_decay": numbers([0, 0.01]), "maximize": maybe}
        return st.tuples(st.just(name), st.fixed_dictionaries({**common, **those}))

    eps = numbers([1e-8, 1e-3]) if exact else st.just(1e-2)
    plain = options("SGD", momentum=numbers([0, 0.9]), dampening=numbers([0, 0.3]))
    return st.one_of(
        plain,
        options("SGD", momentum=st.just(0.9), nesterov=st.just(True)),
        options("Adagrad", lr_decay=numbers([0, 0.1]), initial_accumulator_value=numbers([0, 0.1]), eps=eps),
        options("Adadelta", rho=numbers([0.9, 0.5]), eps=eps),
        options("RMSprop", momentum=numbers([0, 0.9]), centered=maybe, eps=eps),
        options("RMSprop", momentum=numbers([0, 0.9]), init=st.just("lecture"), eps=eps),
        options("Adam", betas=numbers([(0.9, 0.999), (0.5, 0.9)]), amsgrad=maybe, eps=eps),
        options("AdamW", amsgrad=maybe, eps=eps),
    )


penalties = st.lists(
    st.sampled_from(["L2(0.01)", "L1(0.003)", "L1(0.003, 'proximal')", "L2(0.1, ('bias', 'weight'))"]),
    max_size=2,
    unique=True,
)


def plans(exact: bool) -> st.SearchStrategy[dict[str, Any]]:
    """All that is drawn for one training."""
    return st.fixed_dictionaries(
        {
            "inputs": st.integers(1, 4),
            "layers": layers(exact),
            "outputs": st.integers(1, 4),
            "loss": losses,
            "optimizer": optimizers(exact),
            "penalties": penalties,
            "groups": st.integers(1, 2),
            "clip": st.sampled_from([None, ("norm", 0.5), ("norm", 1e9), ("value", 0.1)]),
            "backwards": st.integers(1, 2),
            "zero": st.sampled_from(["before", "before and after", "before twice", "after", "to zero", "never"]),
            "schedule": maybe,
            "dtype": st.sampled_from(["float32", "float64"]) if exact else st.just("float64"),
            "seed": st.integers(0, 1000),
        }
    )


# ---- from a plan to a training -------------------------------------------------------------------------------------


class Built:
    """What a plan says, built from its seed."""

    def __init__(self, plan: dict[str, Any], device: str = "cpu") -> None:
        ag.random.seed(plan["seed"])
        self.plan, self.device = plan, device
        self.shared = nn.Linear(3, 3)
        width, modules = plan["inputs"], []
        for number, layer in enumerate(plan["layers"]):
            added, width = self._layer(layer, width, number)
            modules += added
        modules.append(nn.Linear(width, plan["outputs"]))
        if plan["loss"][0] in ("NLLLoss", "KLDivLoss"):
            modules.append(nn.LogSoftmax(dim=-1))
        self.model = nn.Sequential(*modules).to(plan["dtype"]).to(device)
        self.loss = getattr(nn, plan["loss"][0])(**plan["loss"][1])
        self.optimizer = self._optimizer()
        self.schedule = optim.ExponentialLR(self.optimizer, 0.9) if plan["schedule"] else None

    def _layer(self, layer: tuple[Any, ...], width: int, number: int) -> tuple[list[nn.Module], int]:
        match layer:
            case ("Linear", out, bias):
                return [nn.Linear(width, out, bias)], out
            case ("activation", "PReLU", _):
                return [nn.PReLU(width)], width
            case ("activation", kind, options):
                return [getattr(nn, kind)(**options)], width
            case ("norm", (kind, options)):
                return [getattr(nn, kind)(width, **options)], width
            case ("Maxout", out, pieces, bias):
                return [nn.Maxout(width, out, pieces, bias)], out
            case ("Dropout", options, own):
                generator = Generator(self.plan["seed"], stream=number + 1) if own else None
                return [nn.Dropout(**options, generator=generator)], width
            case ("Residual", inner):
                return [nn.Residual(nn.Linear(width, width, False), *self._layer(inner, width, number)[0])], width
        return [nn.Linear(width, 3, False), self.shared, self.shared], 3

    def _optimizer(self) -> optim.Optimizer:
        name, options = self.plan["optimizer"]
        known = {"L1": optim.L1, "L2": optim.L2}
        chosen = [eval(text, known) for text in self.plan["penalties"]]
        parameters = list(self.model.parameters())
        given: Any = parameters
        if self.plan["groups"] == 2 and len(parameters) > 1:
            given = [{"params": parameters[::2]}, {"params": parameters[1::2], "lr": 0.01, "penalties": ()}]
        return getattr(optim, name)(given, penalties=chosen, **options)

    def step(self, x: Tensor, y: Tensor) -> Tensor:
        """One training step, with as many backwards as the plan says."""
        plan, optimizer = self.plan, self.optimizer
        if plan["zero"] in ("before", "before and after", "before twice"):
            optimizer.zero_grad()
        elif plan["zero"] == "to zero":
            optimizer.zero_grad(set_to_none=False)
        for _ in range(plan["backwards"]):
            loss = self.loss(self.model(x), y) / plan["backwards"]
            loss.backward()
        if plan["zero"] == "before twice":
            optimizer.zero_grad()
            loss = self.loss(self.model(x), y)
            loss.backward()
        if plan["clip"] is not None:
            kind, limit = plan["clip"]
            clip = optim.clip_grad_norm_ if kind == "norm" else optim.clip_grad_value_
            clip(self.model.parameters(), limit)
        optimizer.step()
        if plan["zero"] in ("after", "before and after"):
            optimizer.zero_grad()
        return loss

    def batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Inputs and targets that fit the plan's loss."""
        plan, dtype = self.plan, self.plan["dtype"]
        x = rng.normal(size=(ROWS, plan["inputs"])).astype(dtype)
        shape = (ROWS, plan["outputs"])
        match plan["loss"][0]:
            case "CrossEntropyLoss" | "NLLLoss":
                y = rng.integers(0, plan["outputs"], ROWS)
            case "BCEWithLogitsLoss":
                y = rng.integers(0, 2, shape).astype(dtype)
            case "KLDivLoss":
                y = rng.dirichlet(np.ones(plan["outputs"]), ROWS).astype(dtype)
            case _:
                y = rng.normal(size=shape).astype(dtype)
        return Tensor(x, device=self.device), Tensor(y, device=self.device)

    def train(self, step: Any) -> list[Any]:
        """Ten steps; gives each loss and, at the end, the whole world."""
        ag.random.seed(self.plan["seed"] + 1)
        rng = np.random.default_rng(self.plan["seed"])
        trail: list[Any] = []
        for _ in range(STEPS):
            trail.append(np.array(step(*self.batch(rng)).detach().numpy()))
            if self.schedule is not None:
                self.schedule.step()
        return [*trail, world(self.model, self.optimizer)]


def compare(plan: dict[str, Any], rtol: float | None, device: str = "cpu") -> None:
    eager, compiled = Built(plan), Built(plan, device)
    step = ag.compile(compiled.step)
    with np.errstate(all="ignore"):  # a network that explodes must do so in both
        wanted = eager.train(eager.step)
        found = compiled.train(step)
    assert_same(found, wanted, "", rtol)
    # One program for the first step (no gradients, no momentum yet) and one for all that follow.
    assert len(step.programs) <= 3


@pytest.mark.usefixtures("kernels_off")
@settings(max_examples=NETWORKS, suppress_health_check=list(HealthCheck))
@given(plan=plans(exact=True))
def test_compiled_training_equals_training_as_written(plan: dict[str, Any]) -> None:
    compare(plan, None)


@settings(max_examples=NETWORKS // 2, suppress_health_check=list(HealthCheck))
@given(plan=plans(exact=False))
def test_compiled_training_equals_training_with_kernels_to_rounding(plan: dict[str, Any]) -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TAPEGRAD_EXECUTOR", EXECUTOR)
        compare(plan, 1e-6)


@pytest.mark.parametrize("zero", ["after", "to zero", "never"])
@pytest.mark.usefixtures("kernels_off")
def test_gradients_that_are_there_already(zero: str) -> None:
    plan = {
        "inputs": 3,
        "layers": [("Linear", 4, True), ("norm", ("BatchNorm1d", {})), ("activation", "GELU", {})],
        "outputs": 2,
        "loss": ("MSELoss", {}),
        "optimizer": ("Adam", {"lr": 0.01}),
        "penalties": ["L2(0.01)"],
        "groups": 1,
        "clip": ("norm", 0.5),
        "backwards": 2,
        "zero": zero,
        "schedule": True,
        "dtype": "float32",
        "seed": 1,
    }
    compare(plan, None)
