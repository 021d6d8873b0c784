"""Training of networks of any kind: what is drawn of losses and optimizers, and ten steps as written and compiled.

One idea: two copies are built from one seed, and the whole world around them is compared: losses, parameters, buffers,
gradients, optimizer state and random generators.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import autograd as ag
import nn
import optim
from autograd import Tensor
from tests.autograd.compile.worlds import assert_same, world
from tests.opspecs.spec import whole

from . import dense, images, letters
from .parts import maybe, numbers

STEPS = 10
KINDS: dict[str, Any] = {"dense": dense, "images": images, "letters": letters}


# ---- plans: plain data, so that a network that fails can be read ---------------------------------------------------


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
        options("NAdam", decoupled_weight_decay=maybe, eps=eps),
        options("RAdam", betas=numbers([(0.9, 0.999), (0.5, 0.6)]), decoupled_weight_decay=maybe, eps=eps),
        options("Adamax", betas=numbers([(0.9, 0.999), (0.5, 0.6)]), eps=eps),
    )


penalties = st.lists(
    st.sampled_from(["L2(0.01)", "L1(0.003)", "L1(0.003, 'proximal')", "L2(0.1, ('bias', 'weight'))"]),
    max_size=2,
    unique=True,
)


def plans(kind: str, exact: bool) -> st.SearchStrategy[dict[str, Any]]:
    """All that is drawn for one training of a network of that kind."""
    return st.fixed_dictionaries(
        {
            "kind": st.just(kind),
            "network": KINDS[kind].drawn(exact),
            "outputs": whole(1, 4, first=3),
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
        modules, width = KINDS[plan["kind"]].layers(plan["network"], plan["seed"])
        modules.append(nn.Linear(width, plan["outputs"]))
        if plan["loss"][0] in ("NLLLoss", "KLDivLoss"):
            modules.append(nn.LogSoftmax(dim=-1))
        self.model = nn.Sequential(*modules).to(plan["dtype"]).to(device)
        self.loss = getattr(nn, plan["loss"][0])(**plan["loss"][1])
        self.optimizer = self._optimizer()
        self.schedule = optim.ExponentialLR(self.optimizer, 0.9) if plan["schedule"] else None

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
        x, rows = KINDS[plan["kind"]].batch(plan["network"], rng, dtype)
        shape = (rows, plan["outputs"])
        match plan["loss"][0]:
            case "CrossEntropyLoss" | "NLLLoss":
                y = rng.integers(0, plan["outputs"], rows)
            case "BCEWithLogitsLoss":
                y = rng.integers(0, 2, shape).astype(dtype)
            case "KLDivLoss":
                y = rng.dirichlet(np.ones(plan["outputs"]), rows).astype(dtype)
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
    """Ten compiled steps leave what ten steps as written leave, in every bit or to `rtol`."""
    eager, compiled = Built(plan), Built(plan, device)
    step = ag.compile(compiled.step)
    with np.errstate(all="ignore"):  # a network that explodes must do so in both
        wanted = eager.train(eager.step)
        found = compiled.train(step)
    assert_same(found, wanted, "", rtol)
    # One program for the first step (no gradients, no momentum yet) and one for all that follow.
    assert len(step.programs) <= 3
