"""The real cuDNN takes what the layer writes: it plans every kind of operation for an H100, where there is none.

One idea: a plan needs no GPU but what is known of it, `h100.json`, so this runs wherever the wheels of the extra
"cudnn" are. Some of cuDNN's parts look for the driver when they are loaded, and some load a kernel that they compiled;
a library of functions that do nothing stands in for it, in a process of its own. Nothing is run here: for that read
`test_cudnn_gpu.py`.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autograd.convolution import geometry
from autograd.cuda.attentions import HALVES, READS, Attention
from autograd.cuda.convolutions import DTYPES, KINDS, Convolution

pytestmark = pytest.mark.slow

HERE = Path(__file__).resolve().parent
MOST = 1 << 30
ONE, NONE, SAME = (1, 1), ((0, 0), (0, 0)), ((1, 1), (1, 1))

GEOMETRIES = {  # x, the weight, stride, padding, dilation, groups
    "digits": ((256, 28, 28, 1), (32, 3, 3, 1), ONE, SAME, ONE, 1),
    "deep": ((64, 14, 14, 64), (128, 3, 3, 64), ONE, SAME, ONE, 1),
    "strided": ((8, 15, 17, 8), (16, 3, 3, 8), (2, 2), SAME, ONE, 1),
    "one side": ((8, 15, 17, 8), (16, 3, 3, 8), ONE, ((0, 1), (2, 1)), ONE, 1),
    "dilated": ((8, 15, 17, 8), (16, 3, 3, 8), ONE, ((2, 2), (2, 2)), (2, 2), 1),
    "groups": ((8, 16, 16, 32), (64, 3, 3, 8), ONE, SAME, ONE, 4),
    "depthwise": ((8, 16, 16, 32), (32, 3, 3, 1), ONE, SAME, ONE, 32),
    "depthwise twice": ((8, 16, 16, 32), (64, 5, 5, 1), ONE, ((2, 2), (2, 2)), ONE, 32),
    "pointwise": ((64, 14, 14, 64), (256, 1, 1, 64), ONE, NONE, ONE, 1),
    "patches": ((64, 32, 32, 3), (384, 4, 4, 3), (4, 4), NONE, ONE, 1),
    "odd": ((3, 7, 5, 3), (5, 3, 2, 3), (2, 1), ((1, 0), (0, 1)), ONE, 1),
    "far out": ((2, 9, 9, 3), (5, 3, 3, 3), ONE, ((4, 4), (4, 4)), ONE, 1),
    "one line": ((4, 1, 1000, 16), (32, 1, 9, 16), ONE, ((0, 0), (4, 4)), ONE, 1),
    "left over": ((2, 8, 8, 3), (4, 1, 1, 3), (3, 3), NONE, ONE, 1),
    "one number": ((1, 1, 1, 1), (1, 1, 1, 1), ONE, NONE, ONE, 1),
}

# cuDNN looks for these in the driver. What it makes of a kernel needs a handle that is not null.
GIVES = ("cuLibraryLoadData", "cuLibraryGetKernel", "cuKernelGetFunction", "cuModuleLoadData", "cuModuleGetFunction")
NOTHING = (
    "cuCtxGetCurrent", "cuCtxGetLimit", "cuCtxPopCurrent", "cuCtxPushCurrent", "cuDeviceGet", "cuDeviceGetCount",
    "cuGetErrorName", "cuGetErrorString", "cuKernelGetAttribute", "cuKernelSetAttribute", "cuLaunchCooperativeKernel",
    "cuLaunchKernel", "cuLaunchKernelEx", "cuLibraryLoadFromFile", "cuLibraryUnload", "cuLinkAddData",
    "cuLinkComplete", "cuLinkCreate", "cuLinkDestroy", "cuModuleUnload", "cuOccupancyMaxPotentialClusterSize",
    "cuStreamGetCtx", "cuTensorMapEncodeIm2col", "cuTensorMapEncodeTiled",
)  # fmt: skip
DRIVER = "\n".join(
    [
        "int cuDriverGetVersion(int *version) { *version = 13000; return 0; }",
        *(f"int {name}(void **made) {{ *made = made; return 0; }}" for name in GIVES),
        *(f"int {name}(void) {{ return 0; }}" for name in NOTHING),
    ]
)

PROGRAM = """
import pickle, sys
import cudnn
from autograd.cuda.cudnn import Cudnn, CudnnError, library
described = cudnn.create_device_properties(open(sys.argv[1]).read())
on = Cudnn(library(), device_property=described, sm_version=90, sm_count=132)
def planned(operation):
    try:
        plan = on.plan(operation)
    except CudnnError as error:
        return type(error).__name__, str(error)
    return plan.engine, plan.workspace_bytes
with open(sys.argv[2], "rb") as asked:
    operations = pickle.load(asked)
with open(sys.argv[3], "wb") as told:
    pickle.dump([planned(operation) for operation in operations], told)
"""


def convolutions() -> Iterator[Convolution]:
    for described in GEOMETRIES.values():
        geo = geometry("convolve", *described)
        for dtype in DTYPES:
            for kind in KINDS:
                yield Convolution.of(kind, geo, dtype)


def attentions() -> Iterator[Attention]:
    heads, long, queries, keys = (4, 8, 256, 64), (1, 2, 2048, 128), (2, 3, 7, 16), (2, 3, 33, 16)
    one = (1, 1, 256, 64)
    for kind in READS:
        yield from (Attention.packed(kind, heads, heads, heads, dtype) for dtype in HALVES)
        yield Attention.packed(kind, long, long, long, "bfloat16", causal=True)
        yield Attention.packed(kind, queries, keys, keys, "bfloat16", causal=True)
        # q, k and v are slices of one product (B, L, 3, H, E), and o is (B, L, H, E); so are their adjoints.
        inside, along = (256 * 3 * 8 * 64, 64, 3 * 8 * 64, 1), (256 * 8 * 64, 64, 8 * 64, 1)
        lies = {"q": inside, "k": inside, "v": inside, "o": along}
        if kind == "backward":
            lies |= {"do": along, "dq": inside, "dk": inside, "dv": inside}
        yield Attention.packed(kind, heads, heads, heads, "bfloat16").where(**lies)
        # Where there is one of something, a view has no step along that axis.
        single = Attention.packed(kind, one, one, one, "bfloat16")
        yield single.where(**{role: (0, 0, 64, 1) for role in single.reads if role != "stats"})


def refused() -> Iterator[Attention]:
    narrow = (2, 2, 16, 12)
    yield from (Attention.packed(kind, narrow, narrow, narrow, "float16") for kind in READS)


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> dict[Any, tuple[str, Any]]:
    """What cuDNN says to each operation: an engine and its workspace, or an error and its text."""
    if importlib.util.find_spec("cudnn") is None:
        pytest.skip('the real cuDNN is not here: pip install ".[cudnn]"')
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("what stands in for the driver needs gcc")
    folder = tmp_path_factory.mktemp("driver")
    (folder / "driver.c").write_text(DRIVER)
    library = ["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o", str(folder / "libcuda.so.1")]
    subprocess.run([compiler, *library, str(folder / "driver.c")], check=True)
    operations = [*convolutions(), *attentions(), *refused()]
    asked, told = folder / "asked", folder / "told"
    asked.write_bytes(pickle.dumps(operations))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(HERE / "h100.json"), str(asked), str(told)],
        env={**os.environ, "LD_LIBRARY_PATH": ":".join([str(folder), *_libraries()]), "PYTHONPATH": ":".join(sys.path)},
        cwd=HERE.parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(operations, pickle.loads(told.read_bytes()), strict=True))


def _libraries() -> list[str]:
    """Where the wheels of NVIDIA keep their libraries."""
    found = importlib.util.find_spec("nvidia")
    places = found.submodule_search_locations if found else None
    return [str(folder) for place in places or () for folder in Path(place).glob("*/lib")]


@pytest.mark.parametrize("name", GEOMETRIES)
def test_every_convolution_has_an_engine(planned, name):
    geo = geometry("convolve", *GEOMETRIES[name])
    mine = {o: said for o, said in planned.items() if isinstance(o, Convolution) and o.shape("x") == geo.x_shape}
    assert len(mine) >= len(DTYPES) * len(KINDS)
    for operation, (engine, workspace) in mine.items():
        assert engine.startswith("eng"), f"{operation}: {workspace}"
        assert 0 <= workspace <= MOST


def test_every_attention_has_an_engine(planned):
    for operation in attentions():
        engine, workspace = planned[operation]
        assert engine.startswith("eng"), workspace
        assert 0 <= workspace <= MOST


def test_what_it_has_no_engine_for_is_refused_in_its_words(planned):
    for operation in refused():
        name, text = planned[operation]
        assert name == "UnsupportedOperation"
        assert text.startswith(f"cuDNN, {operation}: it has no engine for this (")
        assert text.endswith("hidden_dim should be multiple of 8).")
