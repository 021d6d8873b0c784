"""What the layer over cuDNN writes down is the convolution, or the attention, that was meant.

One idea: the simulated library does exactly what it is told, so NumPy's result is the proof of the telling. Whether the
real one takes the same words, `test_cudnn_plans.py` asks it.
"""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import convolution
from autograd.convolution import Geometry, geometry
from autograd.cuda import cudnn, report
from autograd.cuda.attentions import HALVES, Attention
from autograd.cuda.convolutions import DTYPES, KINDS, Convolution
from autograd.cuda.cublaslt import cuda_number
from autograd.cuda.graphs import graph_of
from autograd.errors import DeviceError
from tests import simulated_cudnn
from tests.simulated_cublaslt import as_tf32, view
from tests.simulated_cudnn import SimulatedCudnn

TOLERANCE = {"float32": 1e-5, "float16": 2e-3, "bfloat16": 2e-2}
NUMPYS = {dtype.name: dtype for dtype in simulated_cudnn.DTYPES.values()}
ONE, NONE = (1, 1), ((0, 0), (0, 0))
SMALL = geometry("convolve", (2, 5, 6, 4), (8, 3, 2, 4), ONE, ((1, 0), (0, 1)), ONE, 1)


def aligned(size: int, alignment: int = 256) -> np.ndarray:
    """So many bytes, at an address that is a multiple of `alignment`."""
    memory = np.full(size + alignment, 0x77, np.uint8)
    start = -memory.ctypes.data % alignment
    return memory[start : start + size]


WORKSPACE = aligned(simulated_cudnn.WORKSPACE)


class Case:
    """An operation with arrays to it in memory, and a cuDNN that does it."""

    def __init__(self, operation: Any, seed: int = 0, library: SimulatedCudnn | None = None) -> None:
        self.operation, rng = operation, np.random.default_rng(seed)
        self.library = library or SimulatedCudnn()
        self.cudnn = cudnn.Cudnn(self.library, handle=self.library.create_handle())
        self.memory = {role: aligned(operation.nbytes(role)) for role in (*operation.reads, *operation.writes)}
        for role in operation.reads:
            if role != "stats":
                self[role][...] = rng.uniform(-1, 1, operation.shape(role)).astype(NUMPYS[operation.dtype])

    def __getitem__(self, role: str) -> np.ndarray:
        """The array of this name, where it lies."""
        operation = self.operation
        dtype = np.dtype("float32") if role == "stats" else NUMPYS[operation.dtype]
        address, shape = self.memory[role].ctypes.data, operation.shape(role)
        if isinstance(operation, Attention):
            return view(address, dtype, shape, operation.strides_of(role))
        return self.memory[role].view(dtype).reshape(shape)

    def wide(self, role: str) -> np.ndarray:
        return self[role].astype(float)

    def addresses(self) -> dict[str, int]:
        return {role: memory.ctypes.data for role, memory in self.memory.items()}

    def run(self, stream: int = 0) -> None:
        self.cudnn.plan(self.operation).run(self.addresses(), stream, WORKSPACE.ctypes.data)


def close(got: np.ndarray, wanted: np.ndarray, dtype: str) -> None:
    np.testing.assert_allclose(got, wanted, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * 10)


# Convolutions


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    channels, features = (groups * draw(st.integers(1, 3)) for _ in "xy")
    size, stride, dilation = (tuple(draw(st.integers(1, most)) for _ in "hw") for most in (3, 3, 2))
    padding = tuple(tuple(draw(st.integers(0, 3)) for _ in "ab") for _ in "hw")
    length = tuple(d * (k - 1) + 1 + draw(st.integers(0, 5)) for d, k in zip(dilation, size, strict=True))
    shapes = (draw(st.integers(1, 3)), *length, channels), (features, *size, channels // groups)
    return geometry("convolve", *shapes, stride, padding, dilation, groups)


def numpys(case: Case, geo: Geometry) -> np.ndarray:
    """What our own convolution makes of a case, in float64, with the factors that TF32 has of float32."""

    def factor(role: str) -> np.ndarray:
        return as_tf32(case[role]).astype(float) if case[role].dtype == np.float32 else case.wide(role)

    options = {"stride": geo.stride, "padding": geo.padding, "dilation": geo.dilation, "groups": geo.groups}
    kind = case.operation.kind
    if kind == "input":
        return convolution.convolve_input(factor("y"), factor("w"), length=geo.length, **options)
    if kind == "weight":
        return convolution.convolve_weight(factor("x"), factor("y"), size=geo.size, **options)
    return convolution.convolve(factor("x"), factor("w"), **options)


@given(geometries(), st.sampled_from(list(KINDS)), st.sampled_from(sorted(NUMPYS)), st.integers(0, 99))
def test_every_convolution_is_ours(geo, kind, dtype, seed):
    case = Case(Convolution.of(kind, geo, dtype), seed)
    case.run()
    (role,) = case.operation.writes
    assert case.operation.shape(role) == {"x": geo.x_shape, "w": geo.w_shape, "y": geo.out_shape}[role]
    close(case.wide(role), numpys(case, geo), dtype)


def test_no_engine_is_taken_that_loses_digits_or_shakes():
    case = Case(Convolution.of("weight", SMALL, "float32"))
    plan = case.cudnn.plan(case.operation)
    assert plan.engine == "cores"
    assert plan.workspace_bytes == simulated_cudnn.WORKSPACE
    assert repr(plan).startswith("<plan for the float32 adjoint in w of x (2, 5, 6, 4)")


# Attention


@st.composite
def attentions(draw: st.DrawFn, kind: str) -> Attention:
    batch, heads, queries, keys = (draw(st.integers(1, 4)) for _ in range(4))
    width, values = (8 * draw(st.integers(1, 2)) for _ in "ev")
    q, k, v = ((batch, heads, *last) for last in ((queries, width), (keys, width), (keys, values)))
    dtype = draw(st.sampled_from([name for name in HALVES if name in NUMPYS]))
    scale, causal = draw(st.sampled_from([None, 1.5])), draw(st.booleans())
    made = Attention.packed(kind, q, k, v, dtype, scale=scale, causal=causal)
    for role, _ in made.strides:  # by heads, or the heads of a row side by side, with or without gaps
        if draw(st.booleans()):
            _, h, n, e = made.shape(role)
            gap = 8 * draw(st.integers(0, 2))
            made = made.where(**{role: (n * h * (e + gap), e + gap, h * (e + gap), 1)})
    return made


def weighed(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """The weights of the values, and the logarithms of the sums of exponentials, in float64."""
    a = case.operation
    scores = case.wide("q") @ case.wide("k").swapaxes(2, 3) * a.scale
    if a.causal:
        scores = np.where(np.arange(a.keys) <= np.arange(a.queries)[:, None], scores, -np.inf)
    sums = np.exp(scores).sum(axis=-1, keepdims=True)
    return np.exp(scores) / sums, np.log(sums)


@given(attentions("forward"), st.integers(0, 99))
def test_every_attention_is_numpys(operation, seed):
    case = Case(operation, seed)
    case.run()
    weights, stats = weighed(case)
    close(case.wide("o"), weights @ case.wide("v"), operation.dtype)
    close(case.wide("stats"), stats, "float32")


@given(attentions("inference"), st.integers(0, 99))
def test_attention_without_statistics_is_numpys(operation, seed):
    case = Case(operation, seed)
    assert "stats" not in case.memory
    case.run()
    close(case.wide("o"), weighed(case)[0] @ case.wide("v"), operation.dtype)


@given(attentions("backward"), st.integers(0, 99))
def test_the_adjoint_of_attention_is_numpys(operation, seed):
    case = Case(operation, seed)
    weights, case["stats"][...] = weighed(case)
    q, k, v, do = (case.wide(role) for role in ("q", "k", "v", "do"))
    case["o"][...] = weights @ v
    slope = do @ v.swapaxes(2, 3)
    slope = weights * (slope - (weights * slope).sum(axis=-1, keepdims=True)) * operation.scale
    case.run()
    close(case.wide("dv"), weights.swapaxes(2, 3) @ do, operation.dtype)
    close(case.wide("dq"), slope @ k, operation.dtype)
    close(case.wide("dk"), slope.swapaxes(2, 3) @ q, operation.dtype)


@given(attentions("forward"), st.integers(0, 9))
def test_nothing_is_written_between_the_rows(operation, seed):
    case = Case(operation, seed)
    outside = np.ones(len(case.memory["o"]) // 2, bool)
    view(outside.ctypes.data, bool, operation.shape("o"), operation.strides_of("o"))[...] = False
    case.run()
    assert (case.memory["o"].view(np.uint16)[outside] == 0x7777).all()


# Plans and runs


def test_a_plan_is_made_once_for_an_operation():
    case = Case(Convolution.of("forward", SMALL, "float32"))
    first = case.cudnn.plan(case.operation)
    assert case.cudnn.plan(Convolution.of("forward", SMALL, "float32")) is first
    assert case.cudnn.plan(Convolution.of("input", SMALL, "float32")) is not first
    assert len(case.library.graphs) == 2


def test_what_is_refused_is_told_and_not_asked_again():
    case = Case(Convolution.of("weight", SMALL, "float32"), library=SimulatedCudnn(lacks=("conv_wgrad",)))
    for _ in range(2):
        with pytest.raises(
            cudnn.UnsupportedOperation, match=r"adjoint in w of x \(2, 5, 6, 4\).*it has no engine for this \(No valid"
        ):
            case.cudnn.plan(case.operation)
    assert len(case.library.graphs) == 1
    case.cudnn.plan(Convolution.of("forward", SMALL, "float32"))


def test_a_workspace_beyond_measure_is_refused(monkeypatch):
    monkeypatch.setattr(cudnn, "WORKSPACE_BYTES", simulated_cudnn.WORKSPACE - 1)
    with pytest.raises(cudnn.UnsupportedOperation, match=r"\(Workspace too large\)"):
        Case(Convolution.of("forward", SMALL, "float32")).run()


def test_plans_are_not_collected_for_ever(monkeypatch):
    monkeypatch.setattr(cudnn, "MOST", 2)
    case = Case(Convolution.of("forward", SMALL, "float32"))
    for kind in ("forward", "input", "weight", "forward"):
        case.cudnn.plan(Convolution.of(kind, SMALL, "float32"))
    assert len(case.library.graphs) == 4


def test_a_run_is_on_its_stream():
    case = Case(Convolution.of("forward", SMALL, "float32"))
    for stream in (0, 7, 7, 0):
        case.run(stream)
    assert case.library.ran == [("cores", stream) for stream in (0, 7, 7, 0)]


def test_a_run_that_is_refused_says_of_what():
    case = Case(Convolution.of("forward", SMALL, "float32"))
    plan, addresses = case.cudnn.plan(case.operation), case.addresses()
    with pytest.raises(cudnn.CudnnError, match=r"float32 convolution of x .* it could not be run \(the workspace is"):
        plan.run(addresses)
    with pytest.raises(cudnn.CudnnError, match=r"the address of x and y must be a multiple of 16, so copy what lies"):
        plan.run({**addresses, "x": addresses["x"] + 4, "y": addresses["y"] + 8}, 0, WORKSPACE.ctypes.data)
    assert issubclass(cudnn.CudnnError, DeviceError)


def test_threads_that_share_a_handle_keep_their_streams(monkeypatch):
    case = Case(Convolution.of("forward", SMALL, "float32"))
    plan, wrong = case.cudnn.plan(case.operation), []
    execute = simulated_cudnn.Graph._execute
    monkeypatch.setattr(simulated_cudnn.Graph, "_execute", lambda *a: (time.sleep(1e-4), execute(*a)))

    def work(stream: int) -> None:
        try:
            for _ in range(20):
                plan.run(case.addresses(), stream, WORKSPACE.ctypes.data)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(stream,)) for stream in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert sorted(stream for _, stream in case.library.ran) == sorted(list(range(4)) * 20)


def test_what_goes_wrong_in_planning_is_no_refusal(monkeypatch):
    def fails(graph: object) -> None:
        raise RuntimeError("CUDNN_STATUS_INTERNAL_ERROR\nmore lines")

    case = Case(Convolution.of("forward", SMALL, "float32"))
    monkeypatch.setattr(simulated_cudnn.Graph, "build_operation_graph", fails)
    with pytest.raises(cudnn.CudnnError, match=r"could not be planned \(CUDNN_STATUS_INTERNAL_ERROR\)") as caught:
        case.run()
    assert not isinstance(caught.value, cudnn.UnsupportedOperation)
    monkeypatch.undo()
    case.run()


# Plain values


def test_values_are_compared_hashed_and_printed():
    one, other = (Convolution.of("forward", SMALL, "float32") for _ in "ab")
    assert one == other
    assert {one: 1}[other] == 1
    assert replace(one, dtype="float16") != one
    assert str(replace(one, groups=2, stride=(2, 1))) == (
        "the float32 convolution of x (2, 5, 6, 4) by w (8, 3, 2, 2), stride (2, 1), padding ((1, 0), (0, 1)), "
        "2 groups, tf32"
    )
    a = Attention.packed("forward", (2, 3, 5, 8), (2, 3, 7, 8), (2, 3, 7, 16), "float16", causal=True)
    assert {a: 1}[replace(a)] == 1
    assert str(a) == (
        "the float16 attention, forward, of q (2, 3, 5, 8), k (2, 3, 7, 8) and v (2, 3, 7, 16), scale 0.353553, causal"
    )
    assert [a.nbytes(role) for role in (*a.reads, *a.writes)] == [480, 672, 1344, 960, 120]
    assert a.where(q=(240, 8, 48, 1)).nbytes("q") == 2 * (240 + 2 * 8 + 4 * 48 + 7 + 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "sideways"}, "of kind forward, input, weight, got 'sideways'"),
        ({"dtype": "int32"}, "cuDNN is given convolutions of float32 or float16 or bfloat16, not of 'int32'"),
        ({"dtype": "float64"}, "not of 'float64'"),
        ({"batch": 0}, "of 1 at least"),
        ({"stride": (0, 1)}, "of 1 at least"),
        ({"padding": ((0, -1), (0, 0))}, r"a padding of 0 at least, got \(\(0, -1\)"),
        ({"groups": 3}, "4 channels and 8 features cannot be split into 3 groups"),
        ({"size": (9, 2)}, "no window of .9, 2. places fits into x with its padding"),
    ],
)
def test_a_convolution_that_cannot_be_right(changes, words):
    with pytest.raises(ValueError, match=words):
        replace(Convolution.of("forward", SMALL, "float32"), **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "sideways"}, "of kind inference, forward, backward, got 'sideways'"),
        ({"dtype": "float32"}, "dtype float16 or bfloat16, got 'float32'"),
        ({"keys": 0}, "lengths of 1 at least"),
        ({"scale": float("nan")}, "a finite scale, got nan"),
        ({"kind": "backward"}, "strides must name q, k, v, o, do, dq, dk, dv in this order"),
        ({"strides": tuple((role, (1, 1, 1, 8)) for role in "qkvo")}, r"strides of q are .* the last must be 1"),
        ({"strides": tuple((role, (0, 8, 8, 1)) for role in "qkvo")}, "what is written must not lie on itself"),
    ],
)
def test_an_attention_that_cannot_be_right(changes, words):
    q = (2, 3, 5, 8)
    with pytest.raises(ValueError, match=words):
        replace(Attention.packed("forward", q, q, q, "bfloat16"), **changes)


def test_shapes_of_an_attention_that_do_not_fit():
    q, odd = (2, 3, 5, 8), (2, 3, 5, 16)
    with pytest.raises(ValueError, match=r"k \(2, 3, 5, 16\) and v .* must be \(B, H, L, E\)"):
        Attention.packed("forward", q, odd, q, "bfloat16")
    with pytest.raises(ValueError, match="dq: an Attention of kind 'forward' has no such array"):
        Attention.packed("forward", q, q, q, "bfloat16").where(dq=q)


def test_the_sums_of_each_dtype_are_wide():
    for dtype in DTYPES:
        library = SimulatedCudnn()
        graph = graph_of(library, Convolution.of("forward", SMALL, dtype), {"device_property": "a GPU"}).graph
        assert graph.wide == "float32"


# The library


@pytest.fixture
def install(monkeypatch):
    """Put a package called cudnn in the place of the real one, and let it be for CUDA 13, whatever CuPy is here."""
    monkeypatch.setattr(cudnn, "cuda_number", lambda: 13)

    def install(module: Any) -> None:
        monkeypatch.setitem(sys.modules, "cudnn", module)
        forget()

    yield install
    forget()


def forget() -> None:
    """What was found, and told, of another cuDNN."""
    cudnn.library.cache_clear()
    cudnn.on_device.cache_clear()
    cudnn.told.clear()


def why() -> str:
    with pytest.raises(DeviceError) as caught:
        cudnn.library()
    assert not cudnn.is_available()
    assert report.libraries()["cuDNN"] == f"missing: {caught.value}"
    return str(caught.value)


def test_a_package_that_is_not_there(install):
    install(None)
    assert why().endswith('here: pip install nvidia-cudnn-cu13 "nvidia-cudnn-frontend<1.29" brings both.')


def test_a_package_that_cannot_be_imported(install, monkeypatch, tmp_path):
    (tmp_path / "cudnn.py").write_text('assert False, "Found 2 libcudnn.so.x\\nmore lines"\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    install(None)
    monkeypatch.delitem(sys.modules, "cudnn")
    assert "installed but cannot be imported (Found 2 libcudnn.so.x): install it and nvidia-cudnn-cu13 again" in why()


def test_for_a_cupy_of_cuda_12_the_wheels_of_cuda_12_are_named(install, monkeypatch):
    cupy = SimpleNamespace(cuda=SimpleNamespace(runtime=SimpleNamespace(runtimeGetVersion=lambda: 12090)))
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(cudnn, "cuda_number", cuda_number)
    install(None)
    with pytest.raises(DeviceError, match="here: pip install nvidia-cudnn-cu12 "):
        cudnn.library()


def test_a_package_without_its_library(install):
    def missing() -> int:
        raise RuntimeError("Unable to find symbol cudnnGetVersion")

    install(SimpleNamespace(backend_version=missing))
    assert "finds no cuDNN (Unable to find symbol cudnnGetVersion): pip install" in why()


def test_a_library_that_is_too_old(install):
    install(SimulatedCudnn(version=90501))
    assert "cuDNN 9.5.1 is too old, 9.8.0 is the oldest that can be used: pip install --upgrade" in why()


def test_a_library_that_is_there(install):
    install(SimulatedCudnn())
    assert cudnn.is_available()
    assert report.libraries()["cuDNN"] == cudnn.version() == "9.28.1"


def test_each_gpu_has_a_handle_of_its_own(install, monkeypatch):
    library, current = SimulatedCudnn(), [0]
    install(library)
    runtime = SimpleNamespace(getDevice=lambda: current[0])
    monkeypatch.setitem(sys.modules, "cupy.cuda.runtime", runtime)
    operation = Convolution.of("forward", SMALL, "float32")
    first = cudnn.plan(operation)
    current[0] = 1
    assert cudnn.plan(operation) is not first
    current[0] = 0
    assert cudnn.plan(operation) is first
    assert len(library.handles) == 2
    assert cudnn.is_supported(operation)


@pytest.fixture
def on_gpu(monkeypatch):
    """CuPy's current GPU is the first."""
    monkeypatch.setitem(sys.modules, "cupy.cuda.runtime", SimpleNamespace(getDevice=lambda: 0))


def test_what_goes_wrong_in_planning_is_told_once_and_done_without(install, on_gpu, monkeypatch):
    reason = "set_attribute(RESHAPE_MODE) failed with BAD_PARAM"

    def fails(graph: object) -> None:
        raise RuntimeError(f"{reason}.\nmore lines")

    install(SimulatedCudnn(version=91900))
    monkeypatch.setattr(simulated_cudnn.Graph, "build_operation_graph", fails)
    q = (2, 3, 5, 8)
    operations = [Attention.packed(kind, q, q, q, "float16") for kind in ("backward", "inference")]
    with pytest.warns(RuntimeWarning) as told:
        assert not any(cudnn.is_supported(operation) for operation in operations * 2)
    assert [str(one.message) for one in told] == [
        f"cuDNN, {operations[0]}: it could not be planned ({reason}). What fails like this is done without cuDNN. It "
        "may be that cuDNN 9.19.0 and nvidia-cudnn-frontend 1.26.0 do not fit each other: pip install --upgrade "
        "nvidia-cudnn-cu13, or install an older nvidia-cudnn-frontend."
    ]
    reason = "CUDNN_STATUS_INTERNAL_ERROR"
    with pytest.warns(RuntimeWarning, match=r"could not be planned \(CUDNN_STATUS_INTERNAL_ERROR\)"):
        assert not cudnn.is_supported(operations[0])


def test_a_gpu_on_which_it_cannot_start_is_told_once(install, on_gpu, monkeypatch):
    def fails(library: object) -> None:
        raise RuntimeError("CUDNN_STATUS_NOT_INITIALIZED")

    install(SimulatedCudnn())
    monkeypatch.setattr(SimulatedCudnn, "create_handle", fails)
    with pytest.warns(RuntimeWarning, match=r"could not start on cuda:0 \(CUDNN_STATUS_NOT_INITIALIZED\)") as told:
        assert not any(cudnn.is_supported(Convolution.of(kind, SMALL, "float32")) for kind in KINDS)
    assert len(told) == 1


def test_what_is_not_there_is_not_supported(install, on_gpu, monkeypatch):
    install(None)
    assert not cudnn.is_supported(Convolution.of("forward", SMALL, "float32"))
    install(SimulatedCudnn(lacks=("conv_fprop",)))
    assert not cudnn.is_supported(Convolution.of("forward", SMALL, "float32"))
    assert cudnn.is_supported(Convolution.of("input", SMALL, "float32"))
    monkeypatch.setenv("TAPEGRAD_CUDNN", "0")
    assert not cudnn.is_supported(Convolution.of("input", SMALL, "float32"))
