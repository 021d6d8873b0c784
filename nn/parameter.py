"""Parameter: a Tensor that a Module owns and an optimizer changes.

One idea: a parameter knows its role, so that a penalty can leave out biases, slopes and norm parameters without
guessing from names or shapes. Read `module.py` next.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from autograd.backend import array_of, host
from autograd.tensor import Tensor

__all__ = ["Parameter", "Role"]

Role = Literal["weight", "bias", "slope", "norm"]
ROLES = get_args(Role)


class Parameter(Tensor):
    """A Tensor that requires a gradient and is found by `Module.parameters()`; the data are copied.

    `role` is "weight", "bias", "slope" (of an activation) or "norm" (scale and shift of a normalisation); penalties
    apply to weights. Raises ValueError for another role, GradientError for data that are not floating point.
    """

    __slots__ = ("role",)

    role: Role

    def __init__(
        self,
        data: Any,
        role: Role = "weight",
        *,
        dtype: Any = None,
        device: str | None = None,
        requires_grad: bool = True,
    ) -> None:
        if role not in ROLES:
            way = f"; write requires_grad={role}" if isinstance(role, bool) else ""
            raise ValueError(f"Parameter got role={role!r}: it must be one of {', '.join(ROLES)}{way}.")
        super().__init__(data, dtype=dtype, device=device, requires_grad=requires_grad)
        self.role = role

    def __repr__(self) -> str:
        text = super().__repr__().removeprefix("Tensor").removesuffix(")").removesuffix(", requires_grad=True")
        frozen = "" if self.requires_grad else ", requires_grad=False"
        # Rows after the first stand under the first, which the longer name has moved to the right.
        text = text.replace("\n", "\n" + " " * (len("Parameter") - len("Tensor")))
        return f'Parameter{text}, role="{self.role}"{frozen})'


def zeros(shape: tuple[int, ...], dtype: Any = None, device: str | None = None) -> Tensor:
    """A Tensor of zeros for an initialiser to fill, float32 unless told otherwise.

    Raises ValueError for lengths that are no whole numbers, or below 0.
    """
    if not all(isinstance(n, (int, host.integer)) and type(n) is not bool and n >= 0 for n in shape):
        raise ValueError(f"a layer's sizes must be whole numbers, 0 or more; they would make a weight of {shape}.")
    return Tensor(array_of(host.zeros(shape, "float32" if dtype is None else dtype), None, device, copy=None))
