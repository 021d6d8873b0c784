"""The real cuDNN on a real GPU: convolutions and attention against NumPy in float64, in a CUDA graph too.

One idea: the simulated library proves what is written down, `test_cudnn_plans.py` that the real one takes it, this file
that it means the same by it. Run it by `pytest -m gpu tests/autograd/cuda/test_cudnn_gpu.py`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import convolution
from autograd.compile.cuda.commands import Operate
from autograd.compile.cuda.device import device_named
from autograd.convolution import Geometry, geometry
from autograd.cuda import cudnn
from autograd.cuda.attentions import HALVES, Attention
from autograd.cuda.convolutions import KINDS, Convolution
from autograd.errors import DeviceError
from nn.functional import scaled_dot_product_attention
from tests.autograd.cuda.test_cudnn_plans import GEOMETRIES

pytestmark = pytest.mark.gpu

# Of the largest number in a result. Float32 is multiplied as TF32, which has as many digits as float16.
TOLERANCE = {"float32": 2e-3, "float16": 2e-3, "bfloat16": 1.5e-2}


@pytest.fixture(scope="module")
def cupy() -> Any:
    ag.Tensor([0.0], device="cuda")
    try:
        cudnn.library()
    except DeviceError as error:
        pytest.skip(str(error))
    return __import__("cupy")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def dtype_of(name: str) -> Any:
    return np.dtype(pytest.importorskip("ml_dtypes").bfloat16 if name == "bfloat16" else name)


def close(got: Any, wanted: np.ndarray, dtype: str, times: float = 1) -> None:
    scale = max(np.abs(wanted).max(), 1e-3)
    np.testing.assert_allclose(got.get().astype(float) / scale, wanted / scale, rtol=0, atol=TOLERANCE[dtype] * times)


def run(cupy: Any, operation: Any, arrays: dict[str, Any]) -> None:
    """Plan and run it on the current stream, in a workspace that is full of NaN."""
    plan = cudnn.plan(operation)
    workspace = cupy.full(max(1, plan.workspace_bytes), 0xFF, np.uint8)
    addresses = {role: array.data.ptr for role, array in arrays.items()}
    plan.run(addresses, cupy.cuda.get_current_stream().ptr, workspace.data.ptr)
    cupy.cuda.get_current_stream().synchronize()


# Convolutions


def operands(rng: np.random.Generator, geo: Geometry, dtype: str) -> dict[str, np.ndarray]:
    shapes = {"x": geo.x_shape, "w": geo.w_shape, "y": geo.out_shape}
    return {role: rng.uniform(-1, 1, shape).astype(dtype_of(dtype)) for role, shape in shapes.items()}


def numpys(kind: str, geo: Geometry, host: dict[str, np.ndarray]) -> np.ndarray:
    return convolved(kind, geo, {role: array.astype(float) for role, array in host.items()})


def convolved(kind: str, geo: Geometry, arrays: dict[str, Any]) -> Any:
    options = {name: getattr(geo, name) for name in ("stride", "padding", "dilation", "groups")}
    x, w, y = (arrays[role] for role in "xwy")
    if kind == "input":
        return convolution.convolve_input(y, w, length=geo.length, **options)
    if kind == "weight":
        return convolution.convolve_weight(x, y, size=geo.size, **options)
    return convolution.convolve(x, w, **options)


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("kind", KINDS)
def test_convolutions(cupy, rng, kind, dtype, name):
    geo = geometry("convolve", *GEOMETRIES[name])
    operation, host = Convolution.of(kind, geo, dtype), operands(rng, geo, dtype)
    there = {role: cupy.asarray(array) for role, array in host.items()}
    (written,) = operation.writes
    there[written][...] = np.nan
    run(cupy, operation, there)
    close(there[written], numpys(kind, geo, host), dtype, 4)
    before = there[written].copy()
    run(cupy, operation, there)
    assert before.tobytes() == there[written].tobytes(), "another run gave other bits"


@pytest.mark.parametrize("kind", KINDS)
def test_tf32_only_where_it_is_asked_for(cupy, rng, kind):
    geo = geometry("convolve", *GEOMETRIES["deep"])
    host = operands(rng, geo, "float32")
    there = {role: ag.Tensor(array, device="cuda") for role, array in host.items()}
    wanted = numpys(kind, geo, host)
    step = ag.compile(lambda there: ag.Tensor(convolved(kind, geo, {role: x.data for role, x in there.items()})))

    def error(precision: Any) -> float:
        with ag.cuda.matmul_precision(precision):
            return float(np.abs(step(there).numpy() - wanted).max() / np.abs(wanted).max())

    assert error("float32") < 1e-5 < 5e-5 < error("tf32") < 1e-2


# Attention


def attended(operation: Attention, host: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What attention gives, and its adjoint, in float64."""
    q, k, v, do = (host[role].astype(float) for role in ("q", "k", "v", "do"))
    scores = q @ k.swapaxes(2, 3) * operation.scale
    if operation.causal:
        scores = np.where(np.tri(*scores.shape[2:], dtype=bool), scores, -np.inf)
    stats = np.log(np.exp(scores).sum(axis=-1, keepdims=True))
    weights = np.exp(scores - stats)
    slope = do @ v.swapaxes(2, 3)
    slope = weights * (slope - (weights * slope).sum(axis=-1, keepdims=True)) * operation.scale
    adjoint = {"dq": slope @ k, "dk": slope.swapaxes(2, 3) @ q, "dv": weights.swapaxes(2, 3) @ do}
    return {"o": weights @ v, "stats": stats, **adjoint}


SIZES = {
    "heads": ((2, 8, 256, 64), 256),
    "wide": ((1, 2, 512, 128), 512),
    "fewer queries": ((2, 3, 7, 16), 33),
    "more queries": ((2, 3, 33, 16), 7),
    "one token": ((2, 3, 1, 32), 40),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_attention_and_its_adjoint(cupy, rng, dtype, causal, size, inside):
    q, keys = SIZES[size]
    k = (*q[:2], keys, q[3])
    lies: dict[str, Any] = {}

    def array(role: str, shape: Any) -> Any:
        """An array of heads, or a view of rows with their heads side by side and something behind them."""
        if not inside:
            return cupy.full(shape, np.nan, dtype_of(dtype))
        b, h, n, e = shape
        rows = cupy.full((b, n, h + 1, e), np.nan, dtype_of(dtype))
        lies[role] = (n * (h + 1) * e, e, (h + 1) * e, 1)
        return rows[:, :, :h].transpose(0, 2, 1, 3)

    roles = {"q": q, "k": k, "v": k, "o": q, "do": q, "dq": q, "dk": k, "dv": k}
    there = {role: array(role, shape) for role, shape in roles.items()}
    there["stats"] = cupy.full((*q[:3], 1), np.nan, np.float32)
    host = {role: rng.uniform(-1, 1, roles[role]).astype(dtype_of(dtype)) for role in ("q", "k", "v", "do")}
    for role, values in host.items():
        there[role][...] = cupy.asarray(values)
    options = {"dtype": dtype, "causal": causal}
    forward = Attention.packed("forward", q, k, k, **options)
    forward = forward.where(**{role: lies[role] for role in "qkvo" if role in lies})
    run(cupy, forward, there)
    wanted = attended(forward, host)
    close(there["o"], wanted["o"], dtype, 4)
    close(there["stats"], wanted["stats"], "float32", 0.1)
    there["o"][...] = np.nan
    inference = Attention.packed("inference", q, k, k, **options)
    inference = inference.where(**{role: lies[role] for role in "qkvo" if role in lies})
    run(cupy, inference, {role: there[role] for role in "qkvo"})
    close(there["o"], wanted["o"], dtype, 4)
    backward = Attention.packed("backward", q, k, k, **options).where(**lies)
    run(cupy, backward, there)
    for role in backward.writes:
        close(there[role], wanted[role], dtype, 8)
    before = {role: there[role].copy() for role in backward.writes}
    run(cupy, backward, there)
    assert all(before[role].tobytes() == there[role].copy().tobytes() for role in backward.writes), "other bits"


def test_backward_of_a_step_reads_what_its_forward_left(cupy, rng):
    shape, bfloat16 = (4, 8, 256, 64), dtype_of("bfloat16")
    host = {role: rng.uniform(-1, 1, shape).astype(bfloat16) for role in ("q", "k", "v", "do")}
    there = [ag.Tensor(array.astype("float32"), device="cuda") for array in host.values()]

    @ag.compile
    @ag.autocast()
    def step(q: ag.Tensor, k: ag.Tensor, v: ag.Tensor, g: ag.Tensor) -> tuple[ag.Tensor, ...]:
        out, pull = ag.vjp(partial(scaled_dot_product_attention, is_causal=True), q, k, v)
        return out, *pull(g)

    wanted = attended(Attention.packed("forward", shape, shape, shape, "bfloat16", causal=True), host)
    for _ in range(3):  # command by command, recorded, and the recording
        for role, made in zip(("o", "dq", "dk", "dv"), step(*there), strict=True):
            close(made.data, wanted[role], "bfloat16", 8)
    ((entry,),) = step._entries.values()
    operations = [command for command in entry.run_program.tape.commands if isinstance(command, Operate)]
    assert [command.operation.kind for command in operations] == ["forward", "backward"]
    forward, backward = (dict(command.places) for command in operations)
    assert all(backward[role] == place for role, place in forward.items())


# CUDA graphs


def test_operations_are_recorded_in_a_cuda_graph(cupy, rng):
    device = device_named("cuda")
    geo = geometry("convolve", *GEOMETRIES["deep"])
    operations = [Convolution.of(kind, geo, "float32") for kind in KINDS]
    shape = (4, 8, 256, 64)
    attention = Attention.packed("forward", shape, shape, shape, "bfloat16", causal=True)
    there = {role: device.empty(operations[0].shape(role), "float32") for role in "xwy"}
    made = {role: device.empty(operations[0].shape(role), "float32") for role in "xwy"}
    heads = {role: device.empty(shape, dtype_of("bfloat16")) for role in "qkvo"}
    heads["stats"] = device.empty((*shape[:3], 1), "float32")
    runs = []
    for operation in operations:
        assert device.does(operation)
        (written,) = operation.writes
        arrays = {**there, written: made[written]}
        runs.append(device.operation(operation, {role: device.address(array) for role, array in arrays.items()}))
    runs.append(device.operation(attention, {role: device.address(array) for role, array in heads.items()}))
    for each in runs:
        each()
    play = device.record(runs)
    del runs
    for _ in range(3):
        host = operands(rng, geo, "float32")
        tokens = {role: rng.uniform(-1, 1, shape).astype(dtype_of("bfloat16")) for role in "qkv"}
        for role in "xwy":
            there[role][...] = cupy.asarray(host[role])
            made[role][...] = np.nan
        for role, values in tokens.items():
            heads[role][...] = cupy.asarray(values)
        ag.cuda.synchronize()
        play()
        ag.cuda.synchronize()
        for operation in operations:
            (written,) = operation.writes
            close(made[written], numpys(operation.kind, geo, host), "float32", 4)
        close(heads["o"], attended(attention, {**tokens, "do": tokens["q"]})["o"], "bfloat16", 4)


def test_what_cudnn_is_here(cupy):
    libraries = ag.cuda.libraries()
    assert set(libraries) == {"CuPy", "cuBLASLt", "cuDNN"}
    assert not any(version.startswith("missing") for version in libraries.values())
