"""A cuBLASLt without a GPU: the library's functions, which do on the host the product that was described to them.

One idea: it believes nothing but the descriptions, read byte by byte from the memory that `ctypes` hands over, and
reads matrices by columns as the real one does. So a test that compares its result with NumPy proves every flag,
distance, stride, address and number that the layer above wrote. What the real library leaves to luck is refused here:
addresses that break the alignment that was promised, a workspace that is too small, rows that overlap.

Left alone, its first algorithm for half precision cuts k in two and rounds each part's sums to the dtype of the result,
as algorithms of the real one do that share the sums of a product among blocks.

It refuses with the real library's numbers: 7 for an argument, 15 for what it has no algorithm for (`without`).
Read `tests/autograd/cuda/test_blas.py` next.
"""

from __future__ import annotations

import ctypes
import itertools
import traceback
import zlib
from types import SimpleNamespace
from typing import Any

import numpy as np

from autograd.cuda.cublaslt import FUNCTIONS, Heuristic

WORKSPACE = 4096  # bytes that every algorithm here asks for
ALGORITHMS = 3  # for every product
ROUNDED = 1 | 4  # ways to add up parts of a product in the dtype of the result (cublasLtReductionScheme_t)


class Refused(Exception):
    """A status other than 0."""

    def __init__(self, status: int) -> None:
        self.status = status


def refuse_unless(holds: bool, status: int = 7) -> None:
    if not holds:
        raise Refused(status)


def number(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


class SimulatedCublasLt:
    """Has the functions that `autograd.cuda.cublaslt.Library` has. `without`: epilogues, by number, that it lacks."""

    path, version = "simulated", "0.0.0"

    def __init__(self, without: tuple[int, ...] = ()) -> None:
        self.without = without
        self.things: dict[int, SimpleNamespace] = {}  # what was created, by its made-up address
        self.calls: list[str] = []
        self.errors: list[str] = []  # tracebacks of our own mistakes
        self.chosen: list[int] = []  # the number of each product's algorithm among those that were offered
        self._addresses = itertools.count(1 << 44, 64)
        self._handle: int | None = None
        for name, takes in FUNCTIONS.items():
            setattr(self, name, ctypes.CFUNCTYPE(ctypes.c_int, *takes)(self._function(name)))

    def _function(self, name: str) -> Any:
        name = name.removeprefix("cublasLt")
        kind, suffix = next(
            ((name.removesuffix(end), end) for end in ("Create", "Destroy", "SetAttribute") if name.endswith(end)),
            (None, name),
        )
        deed = getattr(self, f"_{suffix}")

        def call(*arguments: Any) -> int:
            self.calls.append(name)
            try:
                deed(*arguments) if kind is None else deed(kind, *arguments)
            except Refused as refusal:
                return refusal.status
            except Exception:
                self.errors.append(traceback.format_exc())
                return 14
            return 0

        return call

    # Descriptions

    def _Create(self, kind: str, place: int, *arguments: int) -> None:
        address = next(self._addresses)
        if kind:
            self.things[address] = SimpleNamespace(kind=kind, made_with=arguments, attributes={})
        else:
            self._handle = address
        ctypes.c_void_p.from_address(place).value = address

    def _Destroy(self, kind: str, address: int) -> None:
        refuse_unless(self.things.pop(address).kind == kind)

    def _SetAttribute(self, kind: str, address: int, attribute: int, value: int, size: int) -> None:
        refuse_unless(self.things[address].kind == kind and size == SIZES[kind][attribute])
        self.things[address].attributes[attribute] = ctypes.string_at(value, size)

    # The choice of an algorithm

    def _MatmulAlgoGetHeuristic(self, handle: Any, description: int, *rest: Any) -> None:
        *layouts, preference, asked, found, count = rest
        refuse_unless(handle == self._handle and asked >= 1)
        refuse_unless(number(self._attributes(description).get(7, b"\1")) not in self.without, 15)
        for layout in layouts:
            _, rows, _, distance = self._thing(layout, "MatrixLayout").made_with
            refuse_unless(distance >= rows)
        wanted = self._thing(preference, "MatmulPreference").attributes
        refuse_unless(number(wanted[1]) >= WORKSPACE, 15)
        alignment, pointers = min(number(wanted[i]) for i in (5, 6, 7, 8)), self._pointers(description)
        given = min(asked, ALGORITHMS)
        for i, result in enumerate((Heuristic * given).from_address(found)):
            cuts = i == 0 and self._is_half(layouts[-1]) and bool(number(wanted.get(3, b"\7")) & ROUNDED)
            result.algorithm[:5] = (self._kind(description), alignment, pointers, i, cuts)
            result.workspace_bytes, result.state = WORKSPACE, 0
        ctypes.c_int.from_address(count).value = given

    def _is_half(self, layout: int) -> bool:
        return TYPES[self._thing(layout, "MatrixLayout").made_with[0]].itemsize == 2

    def _kind(self, description: int) -> int:
        """A number for what a description says, but for the epilogue's addresses."""
        said = {name: value for name, value in self._attributes(description).items() if name not in (8, 11)}
        return zlib.crc32(repr((self._thing(description, "MatmulDesc").made_with, sorted(said.items()))).encode())

    def _pointers(self, description: int) -> int:
        """What the algorithm saw of the epilogue's addresses: their alignment."""
        at = self._attributes(description)
        return int(np.gcd(number(at.get(8, b"\0")), number(at.get(11, b"\0"))))

    def _thing(self, address: int, kind: str) -> SimpleNamespace:
        thing = self.things[address]
        refuse_unless(thing.kind == kind)
        return thing

    def _attributes(self, description: int) -> dict[int, bytes]:
        return self._thing(description, "MatmulDesc").attributes

    # The product

    def _Matmul(self, handle: Any, description: int, *rest: Any) -> None:
        alpha, a, a_layout, b, b_layout, beta, c, c_layout, d, d_layout, algorithm, workspace, size, _ = rest
        chosen = Heuristic.from_address(algorithm).algorithm
        self.chosen.append(chosen[3])
        refuse_unless(handle == self._handle and chosen[0] == self._kind(description))
        refuse_unless(c == d and c_layout == d_layout)
        refuse_unless(bool(workspace) and size >= WORKSPACE and workspace % 256 == 0)
        refuse_unless(all(address and address % chosen[1] == 0 for address in (a, b, c)))
        refuse_unless(not chosen[2] or self._pointers(description) % chosen[2] == 0)
        compute, scale = self._thing(description, "MatmulDesc").made_with
        attributes = self._attributes(description)
        # As seen on an H100: an address that the epilogue has no use for is refused, in one way or another.
        name = NAMES[number(attributes[7])]
        refuse_unless("AUX" in name or name.startswith("D") or not number(attributes.get(11, b"\0")), 15)
        refuse_unless("BIAS" in name or "BGRAD" in name or not number(attributes.get(8, b"\0")), 7)
        turn_a, turn_b = (number(attributes[i]) for i in (3, 4))
        first, second, result = self._stack(a, a_layout), self._stack(b, b_layout), self._stack(c, c_layout)
        wide = {70: np.float64, 68: np.float32, 77: np.float32}[compute]
        refuse_unless(TYPES[scale] == wide)
        alpha_value, beta_value = (np.ctypeslib.as_array((c_of(wide)).from_address(at)) for at in (alpha, beta))
        left = (first.swapaxes(1, 2) if turn_a else first).astype(wide)
        right = (second.swapaxes(1, 2) if turn_b else second).astype(wide)
        if compute == 77:
            left, right = as_tf32(left), as_tf32(right)
        refuse_unless(left.shape[1] == result.shape[1] and right.shape[2] == result.shape[2])
        # A GPU multiplies infinities without a word. Around this alone: the garbage collector may call Destroy, and a
        # context variable set there, as errstate does, can meet CPython in the middle of setting the same one.
        with np.errstate(all="ignore"):
            parts = np.array_split(range(left.shape[2]), 2) if chosen[4] else [slice(None)]
            sums = [np.matmul(left[:, :, k], right[:, k]) for k in parts]
            value = alpha_value * (sum(x.astype(result.dtype).astype(wide) for x in sums) if chosen[4] else sums[0])
            if beta_value:
                value = value + beta_value * result.astype(wide)
            result[...] = self._epilogue(attributes, value, left, right, result)

    def _stack(self, address: int, layout: int) -> np.ndarray:
        """The matrices in memory, (batch, rows, columns) by columns."""
        thing = self._thing(layout, "MatrixLayout")
        kind, rows, columns, distance = thing.made_with
        batch, stride = number(thing.attributes.get(5, b"\1")), number(thing.attributes.get(6, b"\0"))
        return view(address, TYPES[kind], (batch, rows, columns), (stride, 1, distance))

    def _epilogue(self, at: dict[int, bytes], value: Any, left: Any, right: Any, result: np.ndarray) -> Any:
        name = NAMES[number(at[7])]
        batch, rows, columns = value.shape
        dtype = result.dtype
        if name in ("BGRADA", "BGRADB"):
            sums = left.sum(axis=2) if name == "BGRADA" else right.sum(axis=1)
            view(number(at[8]), dtype, sums.shape[1:], (1,))[...] = sums[0]
            return value
        aux = None
        if "AUX" in name or name.startswith("D"):
            distance, stride = number(at[12]), number(at.get(13, b"\0"))
            refuse_unless(distance >= rows and distance % (128 if "RELU" in name else 8) == 0)
            if "RELU" in name:
                whole = view(number(at[11]), np.uint8, (batch, columns, distance // 8), (stride // 8, distance // 8, 1))
                aux = np.unpackbits(whole, axis=2, bitorder="little")[:, :, :rows].swapaxes(1, 2).astype(bool)
            else:
                aux = view(number(at[11]), dtype, (batch, rows, columns), (stride, 1, distance))
        if name.startswith("D"):
            value = value * (aux if "RELU" in name else gelu_slope(aux.astype(value.dtype)))
            if name.endswith("_BGRAD"):
                view(number(at[8]), dtype, (rows,), (1,))[...] = value[0].sum(axis=1)
            return value
        if "BIAS" in name:
            value = value + view(number(at[8]), dtype, (rows,), (1,)).astype(value.dtype)[:, None]
        if "AUX" in name and "RELU" in name:
            bits = np.zeros((batch, columns, distance), np.uint8)
            bits[:, :, :rows] = (value > 0).swapaxes(1, 2)
            whole[...] = np.packbits(bits, axis=2, bitorder="little")
        elif "AUX" in name:
            aux[...] = value
        if "RELU" in name:
            return np.maximum(value, 0)
        return gelu(value) if "GELU" in name else value


# How many bytes the attributes of each description take.
SIZES = {
    "MatmulDesc": {3: 4, 4: 4, 7: 4, 8: 8, 11: 8, 12: 8, 13: 8},
    "MatrixLayout": {5: 4, 6: 8},
    "MatmulPreference": {1: 8, 3: 4, 5: 4, 6: 4, 7: 4, 8: 4},
}
TYPES: dict[int, Any] = {0: np.dtype("float32"), 1: np.dtype("float64"), 2: np.dtype("float16")}
NAMES = {
    **{1: "PLAIN", 2: "RELU", 4: "BIAS", 6: "RELU_BIAS", 32: "GELU", 36: "GELU_BIAS", 256: "BGRADA", 512: "BGRADB"},
    **{130: "RELU_AUX", 134: "RELU_AUX_BIAS", 160: "GELU_AUX", 164: "GELU_AUX_BIAS", 136: "DRELU", 192: "DGELU"},
    **{152: "DRELU_BGRAD", 208: "DGELU_BGRAD"},
}
try:
    import ml_dtypes

    TYPES[14] = np.dtype(ml_dtypes.bfloat16)
except ImportError:
    pass


def c_of(dtype: Any) -> Any:
    return {np.float64: ctypes.c_double, np.float32: ctypes.c_float}[dtype]


def view(address: int, dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray:
    """An array of NumPy's in this memory; strides count elements."""
    dtype = np.dtype(dtype)
    reach = 1 + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
    memory = (ctypes.c_char * (reach * dtype.itemsize)).from_address(address)
    flat = np.frombuffer(memory, dtype)
    return np.lib.stride_tricks.as_strided(flat, shape, [stride * dtype.itemsize for stride in strides])


def as_tf32(x: np.ndarray) -> np.ndarray:
    """x with 10 bits behind the point, the others cut off."""
    return (np.ascontiguousarray(x).view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)


def gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def gelu_slope(x: np.ndarray) -> np.ndarray:
    inner = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
    return 0.5 * (1 + inner) + 0.5 * x * (1 - inner**2) * np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)
