"""The guard refuses what CuPy refuses, counts what makes the host wait, and otherwise computes what NumPy computes."""

from __future__ import annotations

import copy
import inspect
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd.backend import array_of, device_of, module_of, move, to_host
from autograd.writes import clock, mark_written, written_after
from tests import cupy_surface
from tests.guard import GuardArray, guard

HOST = np.arange(12.0, dtype="float32").reshape(3, 4)


@pytest.fixture
def a():
    return guard.asarray(HOST)


def same(array, expected):
    assert isinstance(array, GuardArray)
    expected = np.asarray(expected)
    assert array.dtype == expected.dtype
    assert array.shape == expected.shape
    np.testing.assert_array_equal(guard.asnumpy(array), expected)


# ---- what is refused ------------------------------------------------------------------------------------------------

HOST_OPERANDS = {
    "right of an operator": lambda a: a + HOST,
    "left of an operator": lambda a: HOST * a,
    "in place": lambda a: a.__iadd__(HOST),
    "into a host array": lambda a: HOST.copy().__iadd__(a),
    "compared": lambda a: a < HOST,
    "matmul": lambda a: a @ HOST.T,
    "without axes": lambda a: a + np.array(1.0),
    "a list": lambda a: a * [1.0, 2.0, 3.0, 4.0],
    "guard.add": lambda a: guard.add(a, HOST),
    "numpy.add": lambda a: np.add(a, HOST),
    "guard.where": lambda a: guard.where(a > 0, HOST, a),
    "the condition": lambda a: guard.where(HOST > 0, a, a),
    "guard.sum": lambda a: guard.sum(HOST),
    "a number to reduce": lambda a: guard.sum(2.0),
    "a list to reduce": lambda a: guard.sum([1.0, 2.0]),
    "concatenated": lambda a: guard.concatenate([a, HOST]),
    "stacked": lambda a: guard.stack((HOST, HOST)),
    "einsum": lambda a: guard.einsum("ij,ij->", a, HOST),
    "out": lambda a: guard.exp(a, out=HOST.copy()),
    "add.at": lambda a: guard.add.at(a, guard.asarray([0]), HOST[:1]),
    "numpy.sum": lambda a: np.concatenate([a, HOST]),
}


@pytest.mark.parametrize("name", HOST_OPERANDS)
def test_host_arrays_are_no_operands(name, a):
    with pytest.raises(TypeError):
        HOST_OPERANDS[name](a)


@pytest.mark.parametrize("convert", [np.asarray, np.array, lambda a: np.testing.assert_allclose(a, HOST), memoryview])
def test_nothing_becomes_a_numpy_array_silently(convert, a):
    with pytest.raises(TypeError):
        convert(a)


def test_the_refusal_names_the_remedy(a):
    with pytest.raises(TypeError, match=r"Implicit conversion to a NumPy array is not allowed.*\.get\(\)"):
        np.asarray(a)
    with pytest.raises(TypeError, match=r"Unsupported type <class 'numpy\.ndarray'>"):
        a + HOST


UNKNOWN = {
    "where of sum": lambda a: guard.sum(a, where=a > 0),
    "initial of sum": lambda a: guard.sum(a, initial=0.0),
    "initial of max": lambda a: guard.max(a, initial=0.0),
    "correction of var": lambda a: guard.var(a, correction=1),
    "mean of var": lambda a: guard.var(a, mean=0.0),
    "where of a ufunc": lambda a: guard.exp(a, where=a > 0),
    "order of a ufunc": lambda a: guard.add(a, a, order="C"),
    "subok of a ufunc": lambda a: guard.add(a, a, subok=True),
    "subok of broadcast_to": lambda a: guard.broadcast_to(a, (2, 3, 4), subok=True),
    "mode of take": lambda a: guard.take(a, a.astype("int64"), mode="clip"),
    "stable of sort": lambda a: guard.sort(a, stable=True),
    "min of clip": lambda a: guard.clip(a, min=0.0, max=1.0),
    "shape of reshape": lambda a: guard.reshape(a, shape=(4, 3)),
    "like of zeros": lambda a: guard.zeros(3, like=a),
    "device of ones": lambda a: guard.ones(3, device="cpu"),
    "out of einsum": lambda a: guard.einsum("ij->i", a, out=a),
    "initial of a method": lambda a: a.sum(initial=0.0),
    "where of a method": lambda a: a.mean(where=True),
    "mode of the method take": lambda a: a.take(0, mode="clip"),
    "rtol of matrix_rank": lambda a: guard.linalg.matrix_rank(a, rtol=1e-3),
    "hermitian of pinv": lambda a: guard.linalg.pinv(a, hermitian=True),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_keywords_that_cupy_lacks_are_refused(name, a):
    with pytest.raises(TypeError):
        UNKNOWN[name](a)


@pytest.mark.parametrize("name", ["errstate", "vecdot", "unstack", "insert", "object_", "longdouble", "random", "cuda"])
def test_names_that_cupy_lacks_or_we_must_not_use(name):
    with pytest.raises(AttributeError, match=f"module 'cupy' has no attribute '{name}'"):
        getattr(guard, name)


@pytest.mark.parametrize("name", ["setflags", "data", "ctypes", "itemset", "to_device", "__array_interface__"])
def test_attributes_that_the_array_lacks(name, a):
    with pytest.raises(AttributeError):
        getattr(a, name)


@pytest.mark.parametrize("name", ["linalg.multi_dot", "fft.no_such", "lib.mixins", "lib.stride_tricks.no_such"])
def test_submodules_have_only_what_cupys_have(name):
    module, _, last = name.rpartition(".")
    found = guard
    for part in module.split("."):
        found = getattr(found, part)
    with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
        getattr(found, last)


def test_there_is_no_writeable_flag(a):
    assert not hasattr(a.flags, "writeable")
    assert a.flags.c_contiguous
    assert a.flags["C_CONTIGUOUS"]
    assert a.T.flags.f_contiguous
    assert (a.flags.owndata, a.T.flags.owndata) == (True, False)


@pytest.mark.parametrize("make", [lambda: guard.asarray(["a"]), lambda: guard.zeros(2, dtype=object)])
def test_dtypes_that_a_gpu_lacks(make):
    with pytest.raises(ValueError, match="Unsupported dtype"):
        make()


def test_no_hash_no_index(a):
    with pytest.raises(TypeError):
        hash(a)
    with pytest.raises(TypeError):
        range(guard.asarray(3))
    with pytest.raises(TypeError):
        HOST[guard.asarray(1) :]


# ---- what is counted ------------------------------------------------------------------------------------------------

WAITING = {
    "float": lambda a: float(a[0, 0]),
    "int": lambda a: int(a[0, 0]),
    "bool": lambda a: bool(a[0, 0]),
    "complex": lambda a: complex(a[0, 0]),
    "if": lambda a: 1 if a[0, 0] else 2,
    "item": lambda a: a[0, 0].item(),
    "tolist": lambda a: a.tolist(),
    "tobytes": lambda a: a.tobytes(),
    "get": lambda a: a.get(),
    "asnumpy": lambda a: guard.asnumpy(a),
    "to_host": lambda a: to_host(a),
    "repr": lambda a: repr(a),
    "str": lambda a: str(a),
    "iteration": lambda a: list(a),
    "unpacking": lambda a: (lambda x, y, z: None)(*a),
    "reading through a mask": lambda a: a[a_mask(a)],
    "writing through a mask": lambda a: a.__setitem__(a_mask(a), 0.0),
    "nonzero": lambda a: guard.nonzero(a),
    "the method nonzero": lambda a: a.nonzero(),
    "where of one argument": lambda a: guard.where(a),
    "unique": lambda a: guard.unique(a),
    "argwhere": lambda a: guard.argwhere(a),
    "bincount": lambda a: guard.bincount(a.ravel().astype("int64")),
    "repeats on the device": lambda a: guard.repeat(a, guard.asarray([1, 2, 3]), axis=0),
}


def a_mask(a):
    return guard.greater(a, 3.0)


@pytest.mark.parametrize("name", WAITING)
def test_waiting_is_counted_once(name, a):
    before = guard.synchronizations
    WAITING[name](a)
    assert guard.synchronizations == before + 1


NOT_WAITING = {
    "arithmetic": lambda a: (a + 1) * 2 - a / 3,
    "reduction": lambda a: guard.sum(a, axis=0).max(),
    "len and shape": lambda a: (len(a), a.shape, a.size, a.ndim, a.dtype, a.strides, a.nbytes, a.itemsize, a.device),
    "basic index": lambda a: a[0, 1:, None],
    "index array": lambda a: a[guard.asarray([0, 1])],
    "three-armed where": lambda a: guard.where(a > 3, a, 0.0),
    "assignment": lambda a: a.__setitem__(0, 1.0),
    "array_equal": lambda a: guard.array_equal(a, a),
    "take": lambda a: guard.take(a, guard.asarray([0]), axis=0),
}


@pytest.mark.parametrize("name", NOT_WAITING)
def test_the_rest_does_not_wait(name, a):
    before = guard.synchronizations
    NOT_WAITING[name](a)
    assert guard.synchronizations == before


def test_copies_from_the_host_are_counted(a):
    before = guard.transfers
    a[[0, 1]], a[np.array([0, 1])]
    assert guard.transfers == before + 2
    guard.asarray(HOST)
    assert guard.transfers == before + 3
    a[0], a[a.astype("int64")[0] % 2], guard.asarray(a), a + 1
    assert guard.transfers == before + 3


# ---- what comes out -------------------------------------------------------------------------------------------------

NUMBERS = [2, 2.0, True, np.float32(2), np.int64(2)]


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
def test_numbers_are_operands_on_both_sides(number, a):
    same(a * number, HOST * number)
    same(number - a, number - HOST)
    same(guard.maximum(a, number), np.maximum(HOST, number))
    same(guard.where(a > 3, a, number), np.where(HOST > 3, HOST, number))
    b = a.copy()
    b += number
    same(b, HOST + np.float32(number))


def test_wide_numpy_scalars_widen_as_in_numpy(a):
    assert (np.float64(2) * a).dtype == np.float64
    assert (2.0 * a).dtype == np.float32
    with pytest.raises(TypeError):
        a.astype("int32").__iadd__(0.5)


@pytest.mark.parametrize(
    "reduce",
    [
        lambda x, m: m.sum(x),
        lambda x, m: x.max(),
        lambda x, m: x.mean(),
        lambda x, m: m.argmax(x),
        lambda x, m: m.vdot(x, x),
        lambda x, m: x[1, 2],
        lambda x, m: x[0].dot(x[1]),
        lambda x, m: m.linalg.norm(x),
        lambda x, m: m.count_nonzero(x),
        lambda x, m: np.asarray(m.array_equal(x, x)) if m is np else m.array_equal(x, x),
    ],
)
def test_reductions_give_arrays_without_axes(reduce, a):
    result = reduce(a, guard)
    assert isinstance(result, GuardArray)
    assert result.shape == ()
    same(result, reduce(HOST, np))


AGREEING = {
    "exp": lambda m, x: m.exp(x),
    "matmul": lambda m, x: m.matmul(x, x.T),
    "operators": lambda m, x: (-x + abs(x) ** 2 // 3 % 5) / (x + 1) @ x.T,
    "comparison": lambda m, x: (x == x) & ~(x < 3) | (x >= 7) ^ (x != 2),
    "shifts": lambda m, x: (x.astype("int32") << 2) >> 1,
    "divmod": lambda m, x: divmod(x, 2)[1],
    "reshape": lambda m, x: m.reshape(x, (2, 6)).swapaxes(0, 1),
    "transpose": lambda m, x: x.transpose(1, 0)[::-1],
    "einsum": lambda m, x: m.einsum("ij,kj->ik", x, x),
    "tensordot": lambda m, x: m.tensordot(x, x, axes=([0], [0])),
    "concatenate": lambda m, x: m.concatenate([x, x], axis=1),
    "stack": lambda m, x: m.stack([x, x], axis=-1),
    "split": lambda m, x: m.split(x, 2, axis=1)[1],
    "pad": lambda m, x: m.pad(x, ((1, 0), (0, 2)), constant_values=7),
    "cumsum": lambda m, x: m.cumsum(x, axis=1),
    "sort": lambda m, x: m.sort(-x, axis=0),
    "argsort": lambda m, x: (-x).argsort(axis=1),
    "clip": lambda m, x: m.clip(x, 2, None),
    "tril": lambda m, x: m.tril(x, 1),
    "windows": lambda m, x: m.lib.stride_tricks.sliding_window_view(x, (2, 2)),
    "strides": lambda m, x: m.lib.stride_tricks.as_strided(x, (2, 2), (4, 16)),
    "broadcast_to": lambda m, x: m.broadcast_to(x[0], (2, 4)),
    "qr": lambda m, x: m.linalg.qr(x)[0],
    "svd": lambda m, x: m.linalg.svd(x, full_matrices=False)[1],
    "fft": lambda m, x: m.fft.rfft(x, axis=0),
    "eye": lambda m, x: m.eye(3, dtype="float32"),
    "full_like": lambda m, x: m.full_like(x, 3),
    "arange": lambda m, x: m.arange(5),
    "take_along_axis": lambda m, x: m.take_along_axis(x, x.argsort(axis=1), 1),
    "view": lambda m, x: x.view("int32"),
    "real": lambda m, x: (x + 1j).imag,
    "numpy calls": lambda m, x: np.exp(np.sum(x, axis=1)),
}


@pytest.mark.parametrize("name", AGREEING)
def test_values_are_numpys(name, a):
    same(AGREEING[name](guard, a), AGREEING[name](np, HOST))


def test_a_division_by_zero_warns_nobody(a):
    same(a / 0, np.where(HOST, np.float32(np.inf), np.float32(np.nan)))
    same(guard.log(-guard.ones(1)), [np.nan])


INDICES = st.one_of(
    st.none(),
    st.just(Ellipsis),
    st.integers(-3, 2),
    st.slices(3),
    st.lists(st.integers(-3, 2), min_size=2, max_size=2).map(np.array),
    st.just(np.array([True, False, True])),
)


@given(index=st.lists(INDICES, max_size=4).map(tuple).filter(lambda index: sum(e is Ellipsis for e in index) < 2))
def test_indexing_is_numpys(index):
    host = np.arange(27.0).reshape(3, 3, 3)
    device_index = tuple(guard.asarray(entry) if isinstance(entry, np.ndarray) else entry for entry in index)
    try:
        expected = host[index]
    except IndexError:
        with pytest.raises(IndexError):
            guard.asarray(host)[device_index]
        return
    same(guard.asarray(host)[device_index], expected)
    written, written_host = guard.asarray(host), host.copy()
    written[device_index] = written_host[index] = -1.0
    same(written, written_host)


@pytest.mark.parametrize("index", [[0, 2], np.array([0, 2]), np.array([True, False, True]), (slice(None), [1, 2])])
def test_lists_and_host_arrays_may_index(index, a):
    same(a[index], HOST[index])


def test_integer_arrays_wrap_around(a):
    same(a[guard.asarray([3, -4])], HOST[[0, 2]])
    same(guard.take(a, guard.asarray([5]), axis=1), HOST[:, [1]])
    same(guard.take_along_axis(a, guard.asarray([[4]] * 3), 1), HOST[:, :1])
    a[guard.asarray([4])] = 9.0
    assert a[1].tolist() == [9, 9, 9, 9]
    with pytest.raises(IndexError):
        a[3]


# ---- memory ---------------------------------------------------------------------------------------------------------


def test_views_share_memory_and_know_their_base(a):
    assert a.base is None
    views = [a[1], a.T, a.reshape(-1), a[1:, 2], guard.transpose(a), a[0, 1], a.view()]
    views.append(guard.broadcast_to(a, (2, 3, 4)))
    for view in views:
        assert view.base is a
        assert view[...].base is a
    a[0, 1] = 50.0
    assert views[5].item() == 50
    views[0][...] = guard.ones(4, dtype="float32")
    views[0][0] += 5
    a[1, 1:] *= 2
    assert a[1].tolist() == [6, 2, 2, 2]


def test_copies_do_not_share(a):
    copies = [a.copy(), copy.copy(a), copy.deepcopy(a), guard.array(a), a + 0, a.flatten()]
    copies += [a[guard.asarray([0])], a[guard.asarray(0)]]
    assert [c.base for c in copies] == [None] * len(copies)
    a[...] = -1.0
    assert all(c.min().item() >= 0 for c in copies)


def test_the_host_is_never_shared():
    host = HOST.copy()
    a = guard.asarray(host)
    host[...] = 0
    a.get()[...] = 1
    same(a, HOST)


def test_what_needs_no_copy_gives_the_same_object(a):
    assert guard.asarray(a) is a
    assert guard.ascontiguousarray(a) is a
    assert a.astype("float32", copy=False) is a
    out = guard.empty_like(a)
    assert guard.exp(a, out=out) is out
    b = a
    b -= 1
    assert b is a


def test_what_is_undefined_is_poisoned(a):
    assert guard.isnan(guard.empty((2, 2))).all().item()
    assert guard.empty_like(a.astype("int8")).tolist() == [[127] * 4] * 3
    v = guard.zeros(3)
    v[guard.asarray([0, 0, 1])] = guard.asarray([1.0, 2.0, 3.0])
    assert math.isnan(v[0].item())
    assert v[1:].tolist() == [3, 0]
    v[guard.asarray([0, 0])] = 4.0
    assert v[0].item() == 4


def test_assignment_takes_device_arrays_and_numbers(a):
    a[0] = guard.asarray(HOST[2])
    a[1] = np.float64(3)
    assert a[:2].tolist() == [[8, 9, 10, 11], [3, 3, 3, 3]]
    with pytest.raises(ValueError, match="cannot be used for fill"):
        a[0] = HOST[0]


def test_scattered_addition(a):
    guard.add.at(a, guard.asarray([0, 0]), 1.0)
    assert a[0].tolist() == [2, 3, 4, 5]
    a.scatter_add((slice(None), guard.asarray([1])), guard.ones((3, 1), dtype="float32"))
    assert a[:, 1].tolist() == [4, 6, 10]
    with pytest.raises(TypeError, match=r"add\.at only supports"):
        guard.add.at(guard.zeros(3, dtype="int64"), guard.asarray([0]), 1)
    with pytest.raises(NotImplementedError):
        guard.multiply.at(a, guard.asarray([0]), 2.0)


# ---- the engine's side ----------------------------------------------------------------------------------------------


def test_the_backend_knows_the_guard(a):
    assert module_of(a) is guard
    assert device_of(a) == "guard"
    same(move(HOST, "guard"), HOST)
    assert move(a, "guard") is a
    assert isinstance(move(a, "cpu"), np.ndarray)
    assert isinstance(to_host(a), np.ndarray)
    same(array_of([1.0, 2.0], device="guard"), np.float32([1, 2]))


def test_writes_are_seen_through_views(a):
    view = a[1:]
    birth = clock()
    assert not written_after(a, birth)
    mark_written(view)
    assert written_after(a, birth)
    assert written_after(a.T, birth)
    assert not written_after(a.copy(), birth)


class OptsOut:
    """Like a Tensor: it wants to answer operators itself."""

    __array_ufunc__ = None

    def __radd__(self, other):
        return "mine"


def test_operands_that_opt_out_answer_first(a):
    assert a + OptsOut() == "mine"


# ---- the table ------------------------------------------------------------------------------------------------------


def test_the_table_is_what_cupy_says():
    cupy = pytest.importorskip("cupy")

    def parameters(function):
        try:
            names = list(inspect.signature(function).parameters)
        except ValueError:  # compiled: the signature is the first line of the docstring
            line = function.__doc__.partition("\n")[0]
            inner = line[line.index("(") + 1 : line.rindex(")")]
            names = [part.partition("=")[0].split(" ")[-1].lstrip("*") for part in inner.split(", ")]
        return set(names) - {"self", "", "/"}

    expanded = {"einsum", "meshgrid", "pad"}  # whose keywords the table writes out
    for name, signature in cupy_surface.FUNCTIONS.items():
        function = cupy
        for part in name.split("."):
            function = getattr(function, part)
        if name not in expanded and not isinstance(function, cupy.ufunc):
            assert set(signature.parameters) == parameters(function), name
    for name, signature in cupy_surface.METHODS.items():
        assert set(signature.parameters) == parameters(getattr(cupy.ndarray, name)), name
    for name in cupy_surface.UFUNCS:
        assert isinstance(getattr(cupy, name), cupy.ufunc)
    for name in cupy_surface.SHARED:
        assert hasattr(cupy, name), name
