"""What the layer over cuBLASLt writes down is the product that was meant.

One idea: the simulated library does exactly what it is told, so NumPy's result is the proof of the telling. The real
library, where it is installed, is asked whether it takes the same words; it needs no GPU for that.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd.cuda import blas, cublaslt
from autograd.cuda.product import DTYPES, EPILOGUES
from autograd.errors import DeviceError
from tests import simulated_cublaslt
from tests.simulated_cublaslt import SimulatedCublasLt, gelu, gelu_slope, view

TOLERANCE = {"float64": 1e-12, "float32": 1e-5, "float16": 2e-3, "bfloat16": 2e-2}
NAMED = [str(name) for name in simulated_cublaslt.TYPES.values()]

workspace = np.zeros(simulated_cublaslt.WORKSPACE + 256, np.uint8)
WORKSPACE = workspace.ctypes.data + -workspace.ctypes.data % 256


def aligned(array: np.ndarray, alignment: int = 64) -> np.ndarray:
    """The array, at an address that is a multiple of `alignment`."""
    memory = np.zeros(array.nbytes + alignment, np.uint8)
    start = -memory.ctypes.data % alignment
    placed = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    placed[...] = array
    return placed


def draw(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return aligned(rng.uniform(-1, 1, shape).astype(dtype_of(dtype)))


def dtype_of(name: str) -> np.dtype:
    return next(dtype for dtype in simulated_cublaslt.TYPES.values() if str(dtype) == name)


class Case:
    """A Product with operands to it in memory, and what NumPy makes of them."""

    def __init__(self, rng: np.random.Generator, product: blas.Product) -> None:
        self.product, p = product, product
        self.a = self._stack(rng, p.a_stored, p.lda, p.stride_a)
        self.b = self._stack(rng, p.b_stored, p.ldb, p.stride_b)
        self.c = self._stack(rng, (p.m, p.n), p.ldc, p.stride_c)
        length = p.m if p.epilogue == "bgrad_a" else p.n
        self.bias = draw(rng, (length,), p.dtype)
        self.aux = aligned(np.zeros(max(p.aux_bytes, 1), np.uint8))
        wide = np.float64
        op_a, op_b = (self.matrices(name).astype(wide) for name in "ab")
        self.op_a = op_a.swapaxes(1, 2) if p.a_transposed else op_a
        self.op_b = op_b.swapaxes(1, 2) if p.b_transposed else op_b
        self.plain = self.op_a @ self.op_b + (self.matrices("c").astype(wide) if p.accumulate else 0)

    def _stack(self, rng: np.random.Generator, stored: tuple[int, int], distance: int, stride: int) -> np.ndarray:
        length = (stored[0] - 1) * distance + stored[1] + stride * (self.product.batch - 1)
        return draw(rng, (length,), self.product.dtype)

    def matrices(self, name: str) -> np.ndarray:
        """The stack as stored, (batch, rows, columns)."""
        p, array = self.product, getattr(self, name)
        stored = {"a": p.a_stored, "b": p.b_stored, "c": (p.m, p.n)}[name]
        distance, stride = getattr(p, f"ld{name}"), getattr(p, f"stride_{name}")
        return view(array.ctypes.data, array.dtype, (p.batch, *stored), (stride, distance, 1))

    def run(self, lt: SimulatedCublasLt) -> np.ndarray:
        plan = blas.Blas(lt).plan(self.product, 64)
        addresses = (x.ctypes.data for x in (self.a, self.b, self.c, self.bias, self.aux))
        try:
            plan.run(*addresses, stream=0, workspace=WORKSPACE)
        finally:
            assert not lt.errors, lt.errors[0]
        return self.matrices("c").astype(np.float64)


@st.composite
def products(draw: st.DrawFn, **fixed: object) -> blas.Product:
    m, n, k = (draw(st.integers(1, 9)) for _ in "mnk")
    turned_a, turned_b = draw(st.booleans()), draw(st.booleans())
    gaps = [draw(st.integers(0, 3)) for _ in "abc"]
    lda, ldb, ldc = (m if turned_a else k) + gaps[0], (k if turned_b else n) + gaps[1], n + gaps[2]
    batch = draw(st.integers(1, 3))
    strides = {}
    if batch > 1:
        rows = {"a": (k if turned_a else m) * lda, "b": (n if turned_b else k) * ldb, "c": m * ldc}
        strides = {f"stride_{name}": size + draw(st.integers(0, 4)) for name, size in rows.items()}
        for name in draw(st.sets(st.sampled_from("ab"))):
            strides[f"stride_{name}"] = 0
    more = {"dtype": draw(st.sampled_from(NAMED)), "accumulate": draw(st.booleans()), "batch": batch, **strides}
    return blas.Product(m, n, k, turned_a, turned_b, lda, ldb, ldc, **{**more, **fixed})


def close(got: np.ndarray, wanted: np.ndarray, dtype: str) -> None:
    np.testing.assert_allclose(got, wanted, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * 10)


@given(products(), st.integers(0, 99))
def test_every_product_is_numpys(product, seed):
    case = Case(np.random.default_rng(seed), product)
    untouched = case.c.copy()
    close(case.run(SimulatedCublasLt()), case.plain, product.dtype)
    outside = np.ones(len(case.c), bool)
    view(outside.ctypes.data, bool, case.matrices("c").shape, (product.stride_c, product.ldc, 1))[...] = False
    assert (case.c[outside] == untouched[outside]).all(), "something was written between the rows"


@given(
    products(accumulate=False), st.sampled_from(["bias", "relu", "relu_bias", "gelu", "gelu_bias"]), st.integers(0, 9)
)
def test_an_epilogue_adds_the_bias_to_each_row_and_bends_it(product, epilogue, seed):
    case = Case(np.random.default_rng(seed), blas.Product(**{**vars(product), "epilogue": epilogue}))
    wanted = case.plain + (case.bias.astype(float) if "bias" in epilogue else 0)
    bent = np.maximum(wanted, 0) if "relu" in epilogue else gelu(wanted) if "gelu" in epilogue else wanted
    close(case.run(SimulatedCublasLt()), bent, product.dtype)


@given(products(dtype="float32"), st.sampled_from(["relu", "gelu"]), st.integers(0, 9))
def test_what_a_forward_leaves_in_aux_its_backward_takes(product, bend, seed):
    rng, shared = np.random.default_rng(seed), vars(product)
    forward = Case(rng, blas.Product(**{**shared, "epilogue": f"{bend}_aux_bias"}))
    before = forward.plain + forward.bias
    close(forward.run(SimulatedCublasLt()), np.maximum(before, 0) if bend == "relu" else gelu(before), "float32")
    slope = before > 0 if bend == "relu" else gelu_slope(before)
    for epilogue in [f"d{bend}", *([f"d{bend}_bgrad"] if product.batch == 1 else [])]:
        backward = Case(rng, blas.Product(**{**shared, "epilogue": epilogue}))
        backward.aux = forward.aux
        close(backward.run(SimulatedCublasLt()), backward.plain * slope, "float32")
        if "bgrad" in epilogue:
            close(backward.bias, (backward.plain * slope)[0].sum(axis=0), "float32")


@given(products(dtype="float32", batch=1), st.sampled_from("ab"), st.integers(0, 9))
def test_the_sums_of_an_operand_over_k(product, name, seed):
    case = Case(np.random.default_rng(seed), blas.Product(**{**vars(product), "epilogue": f"bgrad_{name}"}))
    close(case.run(SimulatedCublasLt()), case.plain, "float32")
    close(case.bias, case.op_a[0].sum(axis=1) if name == "a" else case.op_b[0].sum(axis=0), "float32")


def test_float32_is_rounded_to_tf32_only_when_asked_for():
    def error(tf32: bool) -> float:
        case = Case(np.random.default_rng(0), blas.Product.packed(16, 16, 64, "float32", tf32=tf32))
        return float(np.abs(case.run(SimulatedCublasLt()) - case.plain).max())

    assert error(False) < 1e-5 < 1e-4 < error(True)


@pytest.mark.parametrize("dtype", [name for name in NAMED if dtype_of(name).itemsize == 2])
def test_half_precision_is_added_up_in_float32(dtype):
    case = Case(np.random.default_rng(0), blas.Product.packed(1, 1, 4, dtype))
    case.a[...], case.b[...] = [4096, 1, -4096, 0], 1
    np.testing.assert_array_equal(case.run(SimulatedCublasLt()), 1)  # 4097 is no number of this dtype


def test_a_plan_is_made_once_for_a_product_and_an_alignment():
    lt = SimulatedCublasLt()
    on_device = blas.Blas(lt)
    first = on_device.plan(blas.Product.packed(2, 3, 4, "float32"), 64)
    assert on_device.plan(blas.Product.packed(2, 3, 4, "float32"), 64) is first
    assert on_device.plan(blas.Product.packed(2, 3, 4, "float32"), 16) is not first
    assert lt.calls.count("MatmulAlgoGetHeuristic") == 2


def test_a_run_is_one_call_and_two_more_when_the_epilogue_has_new_addresses():
    lt = SimulatedCublasLt()
    case = Case(np.random.default_rng(0), blas.Product.packed(2, 3, 4, "float32", epilogue="bias"))
    plan = blas.Blas(lt).plan(case.product, 64)
    addresses = [x.ctypes.data for x in (case.a, case.b, case.c, case.bias)]
    plan.run(*addresses, workspace=WORKSPACE)
    lt.calls.clear()
    plan.run(*addresses, workspace=WORKSPACE)
    assert lt.calls == ["Matmul"]


def test_threads_that_share_a_plan_do_not_take_each_others_bias():
    on_device = blas.Blas(SimulatedCublasLt())
    product = blas.Product.packed(1, 2, 1, "float32", epilogue="bias")
    wrong = []

    def work(number: int) -> None:
        case = Case(np.random.default_rng(number), product)
        addresses = [x.ctypes.data for x in (case.a, case.b, case.c, case.bias)]
        plan = on_device.plan(product, 64)
        for _ in range(200):
            plan.run(*addresses, workspace=WORKSPACE)
            if not np.allclose(case.matrices("c")[0], case.plain[0] + case.bias):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_descriptions_go_with_their_plan():
    lt = SimulatedCublasLt()
    plan = blas.Plan(blas.Blas(lt), blas.Product.packed(2, 3, 4, "float32"), 64)
    assert len(lt.things) == 4
    del plan
    gc.collect()
    assert not lt.things


# Refusals


def test_an_epilogue_without_an_algorithm_is_an_error_of_its_own():
    lt = SimulatedCublasLt(without=(152,))
    with pytest.raises(
        blas.UnsupportedProduct, match=r"float32 product \(8, 4\) @ \(4, 8\).*drelu_bgrad.*separate steps"
    ):
        blas.Blas(lt).plan(blas.Product.packed(8, 8, 4, "float32", epilogue="drelu_bgrad"))
    assert not lt.things, "what was described for it is left behind"


def test_the_sums_of_a_stack_have_no_place():
    with pytest.raises(blas.UnsupportedProduct, match="the sums of the whole stack to one place"):
        blas.Blas(SimulatedCublasLt()).plan(blas.Product.packed(2, 2, 2, "float32", batch=2, epilogue="bgrad_a"))


def test_a_run_that_is_refused_says_of_what():
    case = Case(np.random.default_rng(0), blas.Product.packed(2, 3, 4, "float32", b_transposed=True))
    plan = blas.Blas(SimulatedCublasLt()).plan(case.product, 64)
    with pytest.raises(blas.BlasError, match=r"\(2, 4\) @ \(3, 4\)\.T .*workspace that is too small \(status 7\)"):
        plan.run(case.a.ctypes.data, case.b.ctypes.data, case.c.ctypes.data)
    with pytest.raises(blas.BlasError, match="an alignment"):
        plan.run(case.a.ctypes.data + 4, case.b.ctypes.data, case.c.ctypes.data, workspace=WORKSPACE)
    assert issubclass(blas.BlasError, DeviceError)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dtype": "int32"}, "dtype float64 or float32 or float16 or bfloat16, got 'int32'"),
        ({"epilogue": "swish"}, "epilogue None, bias.*got 'swish'"),
        ({"k": 0}, "of 1 at least"),
        ({"lda": 3}, "lda is 3, but a stored row has 4 elements"),
        ({"ldb": 2}, "ldb is 2, but a stored row has 3 elements"),
        ({"ldc": 2}, "ldc is 2, but a row has 3 elements"),
        ({"dtype": "float64", "tf32": True}, "tf32 is a way to multiply float32, not float64"),
    ],
)
def test_a_description_that_cannot_be_right(changes, words):
    right = vars(blas.Product.packed(2, 3, 4, "float32"))
    with pytest.raises(ValueError, match=words):
        blas.Product(**{**right, **changes})


def test_every_status_becomes_a_sentence():
    for status in (1, 3, 7, 8, 11, 13, 14, 16):
        with pytest.raises(blas.BlasError, match=rf"cuBLASLt, a product: .* \(status {status}\)"):
            cublaslt.check(status, "a product")
    with pytest.raises(blas.BlasError, match=r"it failed \(status 99\)"):
        cublaslt.check(99, "a product")
    cublaslt.check(0, "a product")


def test_a_library_that_is_not_there(monkeypatch):
    def missing(name: str) -> None:
        raise RuntimeError(f"{name}: no such file\nsearched everywhere")

    pathfinder = pytest.importorskip("cuda.pathfinder")
    monkeypatch.setattr(pathfinder, "load_nvidia_dynamic_lib", missing)
    with pytest.raises(DeviceError, match=r"cuBLASLt, which was not found \(cublasLt: no such file\).*pip install"):
        cublaslt.library.__wrapped__()
    cupy = SimpleNamespace(cuda=SimpleNamespace(runtime=SimpleNamespace(runtimeGetVersion=lambda: 12090)))
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    with pytest.raises(DeviceError, match=r'pip install "cupy-cuda12x\[ctk\]" brings it'):  # no second CuPy
        cublaslt.library.__wrapped__()


# The real library, which describes products without a GPU


@pytest.fixture(scope="module")
def real() -> cublaslt.Library:
    try:
        return cublaslt.library()
    except DeviceError as error:
        pytest.skip(str(error))


def test_the_real_library_tells_its_version_and_place(real):
    assert real.path in repr(real)
    assert int(real.version.partition(".")[0]) >= 12


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("epilogue", EPILOGUES)
def test_the_real_library_takes_every_description(real, dtype, epilogue):
    product = blas.Product.packed(8, 24, 16, dtype, a_transposed=True, batch=3, epilogue=epilogue)
    described = blas._describe(real, blas._KINDS[dtype], product)
    described.set(cublaslt.Description.BIAS_POINTER, ctypes.c_void_p(256))
    described.set(cublaslt.Description.AUX_POINTER, ctypes.c_void_p(256))
    blas._layout(real, blas._KINDS[dtype], product.a_stored, product.lda, 3, product.stride_a)


def test_the_real_library_reads_back_what_was_written(real):
    product = blas.Product.packed(8, 24, 16, "float32", b_transposed=True, batch=3, epilogue="relu_aux_bias")
    described = blas._describe(real, blas._KINDS["tf32"], product)
    laid = blas._layout(real, blas._KINDS["float32"], product.b_stored, product.ldb, 3, product.stride_b)
    assert [read(real, described, i, 4) for i in (0, 1, 3, 4, 7)] == [77, 0, 1, 0, 134]
    assert read(real, described, cublaslt.Description.AUX_LEADING_DIMENSION, 8) == 128
    assert read(real, described, cublaslt.Description.AUX_BATCH_STRIDE, 8) == 8 * 128
    sizes = {0: 4, 2: 8, 3: 8, 4: 8, 5: 4, 6: 8}
    assert [read(real, laid, i, size) for i, size in sizes.items()] == [0, 16, 24, 16, 3, 384]


def read(real: cublaslt.Library, thing: cublaslt.Opaque, attribute: int, size: int) -> int:
    get = getattr(ctypes.CDLL(real.path), f"cublasLt{thing.kind}GetAttribute")
    value, written = ctypes.c_int64(), ctypes.c_size_t()
    status = get(thing.address, int(attribute), ctypes.byref(value), ctypes.c_size_t(size), ctypes.byref(written))
    assert (status, written.value) == (0, size)
    return value.value


def test_the_real_library_takes_the_wish_for_sums_in_float32(real):
    preference = cublaslt.Opaque(real, "MatmulPreference")
    assert read(real, preference, cublaslt.Preference.REDUCTIONS, 4) == 7  # all of them
    preference.set(cublaslt.Preference.REDUCTIONS, ctypes.c_uint32(2))
    assert read(real, preference, cublaslt.Preference.REDUCTIONS, 4) == 2


def test_the_real_library_refuses_a_number_that_it_does_not_know(real):
    described = cublaslt.Opaque(real, "MatmulDesc", 68, 0)
    with pytest.raises(blas.BlasError, match="setting 999 of a MatmulDesc to 1"):
        described.set(999, ctypes.c_int32(1))
