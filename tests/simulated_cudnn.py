"""A cuDNN without a GPU: the Python package of cuDNN, whose graphs are done on the host as they were described.

One idea: it believes nothing but the calls, and works at the addresses with the lengths and strides that each tensor
was given. So a test that compares its results with NumPy proves every axis, stride, padding and number that the layer
above wrote. Of its engines only the last is plain: each of the others has a note, and does what the note warns of.
Read `tests/autograd/cuda/test_cudnn.py` next.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.simulated_cublaslt import TYPES as BLAS_TYPES
from tests.simulated_cublaslt import as_tf32, view

WORKSPACE = 4096  # bytes that every engine asks for
DTYPES = {
    name: dtype
    for dtype in BLAS_TYPES.values()
    if (name := {"float32": "FLOAT", "float16": "HALF", "bfloat16": "BFLOAT16"}.get(dtype.name))
}
ENGINES = (
    ("atomic", {"NONDETERMINISTIC"}),
    ("fourier", {"FFT"}),
    ("winograd", {"WINOGRAD"}),
    ("narrow", {"REDUCED_PRECISION_REDUCTION"}),
    ("halves", {"TENSOR_CORE", "DOWN_CONVERT_INPUTS"}),
    ("cores", {"TENSOR_CORE"}),
    ("plain", set()),
)


class NotSupported(Exception):
    """What it has no engine for."""


def names(*words: str) -> SimpleNamespace:
    """What stands for an enumeration: each word is its own value."""
    return SimpleNamespace(**{word: word for word in words})


STEPS = ("conv_fprop", "conv_dgrad", "conv_wgrad", "sdpa", "sdpa_backward")  # that it can be without


class SimulatedCudnn:
    """Has what our layer asks of the package `cudnn`. `lacks`: the steps that it has no engine for."""

    __version__ = "1.26.0"
    cudnnGraphNotSupportedError = NotSupported
    data_type = names("FLOAT", "HALF", "BFLOAT16", "NOT_SET")
    numerical_note = names(*sorted({note for _, notes in ENGINES for note in notes}))
    heur_mode = names("A", "B", "FALLBACK")
    diagonal_alignment = names("TOP_LEFT", "BOTTOM_RIGHT")

    def __init__(self, lacks: tuple[str, ...] = (), version: int = 92801) -> None:
        self.lacks, self.version = lacks, version
        self.handles: list[Any] = []
        self.graphs: list[Graph] = []
        self.ran: list[tuple[str, int]] = []  # an engine, and the stream on which it was started

    def backend_version(self) -> int:
        return self.version

    def create_handle(self) -> Any:
        self.handles.append(SimpleNamespace(stream=0, busy=False))
        return self.handles[-1]

    def set_stream(self, handle: Any, stream: int) -> None:
        assert not handle.busy, "a handle was given another stream in the middle of a call"
        handle.stream = stream

    def pygraph(self, **options: Any) -> Graph:
        self.graphs.append(Graph(self, **options))
        return self.graphs[-1]


class Tensor:
    """An array in a graph: given, or made by a step of it."""

    def __init__(
        self, name: str = "", dim: Any = None, stride: Any = None, data_type: Any = None, uid: int = -1
    ) -> None:
        self.name, self.dim, self.stride, self.type, self.uid = name, dim, stride, data_type, uid
        self.output = False

    def set_output(self, output: bool) -> Tensor:
        self.output = output
        return self

    def set_dim(self, dim: list[int]) -> Tensor:
        self.dim = dim
        return self

    def set_stride(self, stride: list[int]) -> Tensor:
        self.stride = stride
        return self

    def set_data_type(self, data_type: Any) -> Tensor:
        self.type = data_type
        return self

    def set_uid(self, uid: int) -> Tensor:
        self.uid = uid
        return self

    def at(self, address: int) -> np.ndarray:
        """The array in memory."""
        assert address % 16 == 0, f"{self.name or self.uid} at an odd address"
        return view(address, DTYPES[self.type], tuple(self.dim), tuple(self.stride))


class Graph:
    """Steps, each of which makes tensors of others."""

    def __init__(
        self,
        library: SimulatedCudnn,
        *,
        io_data_type: Any,
        intermediate_data_type: Any,
        compute_data_type: Any,
        handle: Any = None,
        device_property: Any = None,
    ) -> None:
        assert (handle in library.handles) != (device_property is not None), "a graph is for one GPU"
        assert intermediate_data_type == compute_data_type
        self.library, self.io_type = library, io_data_type
        self.wide = DTYPES[compute_data_type]
        self.given: list[Tensor] = []
        self.steps: list[tuple[Callable[..., tuple[np.ndarray, ...]], list[Tensor], list[Tensor]]] = []
        self.words: list[str] = []
        self.stages: list[str] = []
        self.built: set[int] = set()
        self.deselected: set[str] = set()
        self.most = 1 << 62

    def tensor(self, **described: Any) -> Tensor:
        self.given.append(Tensor(**described))
        return self.given[-1]

    def _step(self, word: str, count: int, deed: Any, *inputs: Tensor) -> list[Tensor]:
        made = [Tensor() for _ in range(count)]
        self.words.append(word)
        self.steps.append((deed, list(inputs), made))
        return made

    # Steps

    def conv_fprop(self, *, image: Tensor, weight: Tensor, **options: Any) -> Tensor:
        return self._step("conv_fprop", 1, Sliding(options).forward, image, weight)[0]

    def conv_dgrad(self, *, loss: Tensor, filter: Tensor, **options: Any) -> Tensor:
        return self._step("conv_dgrad", 1, Sliding(options).adjoint_in_image, loss, filter)[0]

    def conv_wgrad(self, *, image: Tensor, loss: Tensor, **options: Any) -> Tensor:
        return self._step("conv_wgrad", 1, Sliding(options).adjoint_in_weight, image, loss)[0]

    def sdpa(self, *, q: Tensor, k: Tensor, v: Tensor, generate_stats: bool, **options: Any) -> list[Tensor | None]:
        o, stats = self._step("sdpa", 2, Attending(**options).forward, q, k, v)
        return [o, stats if generate_stats else None]

    def sdpa_backward(
        self,
        *,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        o: Tensor,
        dO: Tensor,
        stats: Tensor,
        use_deterministic_algorithm: bool,
        **options: Any,
    ) -> list[Tensor]:
        deed = Attending(shaken=not use_deterministic_algorithm, **options).backward
        return self._step("sdpa_backward", 3, deed, q, k, v, o, dO, stats)

    # Planning

    def validate(self) -> None:
        self.stages.append("validate")
        for tensor in self._outside():
            assert len(tensor.dim) == len(tensor.stride) == 4
            assert tensor.type in DTYPES
        numbers = [tensor.uid for tensor in self._outside()]
        assert min(numbers) > 0
        assert len(set(numbers)) == len(numbers)
        attends = {"sdpa", "sdpa_backward"} & set(self.words)
        if attends and any(tensor.dim[3] % 8 for tensor in self.given if tensor.name in ("q", "k", "v")):
            raise NotSupported("hidden_dim should be multiple of 8\nmore lines")

    def build_operation_graph(self) -> None:
        assert self.stages == ["validate"]
        self.stages.append("graph")

    def create_execution_plans(self, modes: list[Any]) -> None:
        assert self.stages == ["validate", "graph"]
        assert modes
        if set(self.words) & set(self.library.lacks):
            raise NotSupported("No valid engine configs for this")
        self.stages.append("plans")

    def deselect_numeric_notes(self, notes: list[str]) -> None:
        self.deselected.update(notes)

    def deselect_workspace_greater_than(self, size: int) -> None:
        self.most = size

    def get_execution_plan_count(self) -> int:
        return len(ENGINES)

    def build_plan_at_index(self, index: int) -> None:
        assert "plans" in self.stages
        if ENGINES[index][1] & self.deselected:
            raise RuntimeError("Deselected execution plan")
        if self.most < WORKSPACE:
            raise RuntimeError("Workspace too large\nmore lines")
        self.built.add(index)

    def get_plan_name_at_index(self, index: int) -> str:
        return ENGINES[index][0]

    def get_workspace_size_plan_at_index(self, index: int) -> int:
        return WORKSPACE

    # Running

    def execute_plan_at_index(self, pack: dict[int, int], workspace: int, index: int, handle: Any) -> None:
        if not workspace:
            raise RuntimeError("the workspace is missing\nmore lines")
        assert index in self.built
        assert any(handle is known for known in self.library.handles)
        assert not handle.busy, "a handle was used by two threads at once"
        handle.busy = True
        try:
            view(workspace, np.uint8, (WORKSPACE,), (1,))[...] = 0xFF  # whatever else lies there is lost
            self._execute(pack, ENGINES[index][1])
            self.library.ran.append((ENGINES[index][0], handle.stream))
        finally:
            handle.busy = False

    def _execute(self, pack: dict[int, int], notes: set[str]) -> None:
        values = {id(t): self._read(t, pack[t.uid], notes) for t in self.given}
        for deed, inputs, made in self.steps:
            for tensor, value in zip(made, deed(made, *(values[id(x)] for x in inputs)), strict=True):
                values[id(tensor)] = value
        for tensor in self._outside():
            if tensor.output:
                value = values[id(tensor)]
                assert list(value.shape) == list(tensor.dim)
                tensor.at(pack[tensor.uid])[...] = value if not notes - {"TENSOR_CORE"} else value * (1 + 1e-2)

    def _read(self, tensor: Tensor, address: int, notes: set[str]) -> np.ndarray:
        value = tensor.at(address).astype(self.wide)
        multiplied = tensor.type == "FLOAT" and tensor.name != "stats"
        return as_tf32(value) if "TENSOR_CORE" in notes and multiplied else value

    def _outside(self) -> list[Tensor]:
        made = itertools.chain.from_iterable(step[2] for step in self.steps)
        return [*self.given, *(tensor for tensor in made if tensor.output)]


class Sliding:
    """A convolution of images (N, C, H, W), place by place of its kernels."""

    def __init__(self, options: dict[str, Any]) -> None:
        assert set(options) == {"pre_padding", "post_padding", "stride", "dilation"}
        self.before, self.after = options["pre_padding"], options["post_padding"]
        self.stride, self.dilation = options["stride"], options["dilation"]

    def forward(self, made: Any, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
        lengths = [n + a + b for n, a, b in zip(x.shape[2:], self.before, self.after, strict=True)]
        spans = [d * (k - 1) + 1 for d, k in zip(self.dilation, w.shape[2:], strict=True)]
        counts = [(n - span) // s + 1 for n, span, s in zip(lengths, spans, self.stride, strict=True)]
        groups = x.shape[1] // w.shape[1]
        padded, kernels = self._padded(x), _grouped(w, groups, 0)
        out = np.zeros((x.shape[0], groups, w.shape[0] // groups, *counts), x.dtype)
        for i, j in np.ndindex(*w.shape[2:]):
            part = _grouped(padded[self._places(i, j, counts)], groups, 1)
            out += np.einsum("ngchw,goc->ngohw", part, kernels[..., i, j])
        return (out.reshape(x.shape[0], -1, *counts),)

    def adjoint_in_image(self, made: list[Tensor], y: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
        x = np.zeros(made[0].dim, y.dtype)
        groups = x.shape[1] // w.shape[1]
        padded, loss, kernels = self._padded(x), _grouped(y, groups, 1), _grouped(w, groups, 0)
        for i, j in np.ndindex(*w.shape[2:]):
            part = np.einsum("ngohw,goc->ngchw", loss, kernels[..., i, j])
            padded[self._places(i, j, y.shape[2:])] += part.reshape(x.shape[:2] + y.shape[2:])
        (top, left), (height, width) = self.before, x.shape[2:]
        return (padded[:, :, top : top + height, left : left + width],)

    def adjoint_in_weight(self, made: list[Tensor], x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
        w = np.zeros(made[0].dim, y.dtype)
        groups = x.shape[1] // w.shape[1]
        padded, loss = self._padded(x), _grouped(y, groups, 1)
        for i, j in np.ndindex(*w.shape[2:]):
            part = _grouped(padded[self._places(i, j, y.shape[2:])], groups, 1)
            w[:, :, i, j] = np.einsum("ngohw,ngchw->goc", loss, part).reshape(w.shape[:2])
        return (w,)

    def _padded(self, x: np.ndarray) -> np.ndarray:
        return np.pad(x, ((0, 0), (0, 0), *zip(self.before, self.after, strict=True)))

    def _places(self, i: int, j: int, counts: Any) -> tuple[slice, ...]:
        starts = (i * self.dilation[0], j * self.dilation[1])
        along = (slice(a, a + s * (n - 1) + 1, s) for a, s, n in zip(starts, self.stride, counts, strict=True))
        return (slice(None), slice(None), *along)


def _grouped(x: np.ndarray, groups: int, axis: int) -> np.ndarray:
    """x with one axis split into groups."""
    return x.reshape(*x.shape[:axis], groups, x.shape[axis] // groups, *x.shape[axis + 1 :])


class Attending:
    """Attention of (B, H, L, E), with its whole table of weights."""

    def __init__(
        self,
        attn_scale: float,
        diagonal_alignment: str | None = None,
        diagonal_band_right_bound: int | None = None,
        shaken: bool = False,
    ) -> None:
        assert (diagonal_alignment, diagonal_band_right_bound) in [(None, None), ("TOP_LEFT", 0)]
        self.scale, self.causal, self.shaken = attn_scale, diagonal_alignment is not None, shaken

    def forward(self, made: Any, q: np.ndarray, k: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, ...]:
        scores = self._scores(q, k)
        highest = scores.max(axis=-1, keepdims=True)
        stats = highest + np.log(np.exp(scores - highest).sum(axis=-1, keepdims=True))
        return np.exp(scores - stats) @ v, stats

    def backward(
        self,
        made: Any,
        q: np.ndarray,
        k: np.ndarray,
        v: np.ndarray,
        o: np.ndarray,
        do: np.ndarray,
        stats: np.ndarray,
    ) -> tuple[np.ndarray, ...]:
        weights = np.exp(self._scores(q, k) - stats)
        slope = do @ v.swapaxes(2, 3) - (do * o).sum(axis=-1, keepdims=True)
        slope = weights * slope * self.scale * (1.5 if self.shaken else 1)
        return slope @ k, slope.swapaxes(2, 3) @ q, weights.swapaxes(2, 3) @ do

    def _scores(self, q: np.ndarray, k: np.ndarray) -> np.ndarray:
        scores = q @ k.swapaxes(2, 3) * self.scale
        return np.where(np.tri(*scores.shape[2:], dtype=bool), scores, -np.inf) if self.causal else scores
