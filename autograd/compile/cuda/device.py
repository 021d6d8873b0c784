"""Device: what a tape needs to be run, and who offers it.

One idea: a GPU gives memory, makes functions of source, and does what it is told in order, now or whenever a recording
is played. That is all the executor knows of it; a simulated one in the tests does the same on the host.
Read `gpu.py` next, which is the real one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, NamedTuple, Protocol

from ...cuda.blas import Product
from ...cuda.graphs import Operation

__all__ = ["Addresses", "Device", "Launcher", "Library", "Multiplier", "Run"]
__all__ += ["device_named", "eager_device", "is_device", "is_switched_off", "register_device"]

Run = Callable[[], Any]
Launcher = Callable[[list[int], int], Any]  # addresses, stream
Multiplier = Callable[[int, int, int, int, int], Any]  # the addresses of a, b, c and the bias, stream


class Addresses(NamedTuple):
    """Where a product reads and writes; 0 for what its epilogue does not have."""

    a: int
    b: int
    c: int
    bias: int = 0
    aux: int = 0


class Library(Protocol):
    """Functions made of one source."""

    def launch(self, name: str, blocks: int, threads: int, words: Sequence[int]) -> Run:
        """What launches a function with these 64-bit words."""

    def launcher(self, name: str, blocks: int, threads: int, sizes: Sequence[int], count: int) -> Launcher:
        """What launches a function with these words and so many addresses, others each time."""


class Device(Protocol):
    """A GPU, or what takes its place. Arrays are those of its backend.

    `eager` says whether fused functions of eager code are to be its kernels as well, `alignment` of how many bytes the
    address of an array of its own is a multiple.
    """

    eager: bool
    alignment: int

    @property
    def stream(self) -> int:
        """The stream on which everything is done now."""

    def follow(self, before: Any) -> Any:
        """The current stream; what comes now begins when all is done that was asked for on this one before, or None."""

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """An array of its own, uninitialised."""

    def address(self, array: Any) -> int:
        """Where an array begins."""

    def copy(self, target: Any, source: Any) -> None:
        """Copy an array to one of the same shape and dtype, both on the device."""

    def staged(self, size: int) -> tuple[Any, Any, Run]:
        """So many bytes on the host (an array), the same on the device, and what sends the one to the other."""

    def library(self, source: str) -> Library:
        """Functions of a source in CUDA C. Raises CompileError where there is a mistake in it."""

    def product(self, product: Product, at: Addresses, timed: bool) -> Run:
        """What multiplies matrices at these addresses, by the algorithm that was `timed` to be the fastest or not."""

    def pays(self, fused: Sequence[Product], apart: Sequence[Product], saved: int, alignment: int) -> bool:
        """Whether products with epilogues are faster than those without, with which loops move so many bytes more.

        All addresses will be multiples of `alignment`.
        """

    def multiplier(self, product: Product) -> Multiplier:
        """What multiplies matrices that lie elsewhere each time."""

    def does(self, operation: Operation) -> bool:
        """Whether it has a way of its own to do a convolution, or attention; it is asked before `operation`."""

    def operation(self, operation: Operation, addresses: Mapping[str, int]) -> Run:
        """What does it at these addresses, by the names that the operation has for its arrays.

        They must be multiples of 16. The memory that it works in lives as long as what is given, or a recording of it.
        """

    def record(self, runs: Sequence[Run], after: Sequence[Set[int]] | None = None) -> Run:
        """What does all of these at once; they were run before, one by one.

        They are done in order, or each when those are done whose numbers `after` has for it.
        """


_makers: dict[str, Callable[[str], Device]] = {}
_known: dict[str, Device] = {}


def register_device(name: str, make: Callable[[str], Device]) -> None:
    """Let compiled functions run on devices called `name` or `name:0`, `name:1`, ..."""
    _makers[name] = make


def is_device(name: str) -> bool:
    """Whether compiled functions run on devices of this name."""
    return name.partition(":")[0] in _makers


def device_named(name: str) -> Device:
    """The device of this name, made when it is first wanted."""
    if name not in _known:
        _known[name] = _makers[name.partition(":")[0]](name)
    return _known[name]


def eager_device(name: str) -> Device | None:
    """The device on which fused functions of eager code may be kernels; None where they are left to the module."""
    device = _known.get(name)
    if device is None:
        if not is_device(name) or is_switched_off():
            return None
        device = device_named(name)
    return device if device.eager else None


def is_switched_off() -> bool:
    """Whether eager code is to make no kernels. To ask takes longer than a look-up, so it is asked when one is made."""
    return os.environ.get("TAPEGRAD_EXECUTOR") == "numpy"


def _gpu(name: str) -> Device:
    from .gpu import GPU

    return GPU(int(name.partition(":")[2] or 0))


register_device("cuda", _gpu)
