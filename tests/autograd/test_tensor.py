"""Tensor: what it is made of, what it says of itself, what Python and NumPy may ask of it, and what it refuses."""

from __future__ import annotations

import copy
import pickle
import weakref

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.errors import DeviceError, GradientError

from .leaves import leaf


class Foreign:
    """An array of another library."""

    def __init__(self, array):
        self.array, self.dtype = array, array.dtype

    def __array__(self, dtype=None, copy=None):
        return self.array


# ---- making ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype", "shape"),
    [
        (1.5, "float32", ()),
        (3, "int64", ()),
        (True, "bool", ()),
        ([1.0, 2.0], "float32", (2,)),
        ([[1, 2], [3, 4]], "int64", (2, 2)),
        ([], "float32", (0,)),
        (np.float64(1.0), "float64", ()),
        ([np.float64(1.0)], "float64", (1,)),
        ([Tensor(np.ones(2)), Tensor(np.ones(2))], "float64", (2, 2)),
        (Foreign(np.ones(2)), "float64", (2,)),
        (np.ones(2, "float16"), "float16", (2,)),
        (np.arange(3, dtype="uint8"), "uint8", (3,)),
        (1j, "complex128", ()),
    ],
)
def test_python_numbers_get_the_default_dtype_and_arrays_keep_theirs(data, dtype, shape):
    t = Tensor(data)
    assert (t.dtype, t.shape, t.ndim, t.device) == (dtype, shape, len(shape), "cpu")
    assert t.size == int(np.prod(shape))
    assert Tensor(data, dtype="float64" if dtype != "complex128" else dtype).dtype in ("float64", "complex128")


def test_a_tensor_copies_what_it_is_made_of():
    array = np.ones(2)
    t = Tensor(array)
    array[0] = 5.0
    assert t.tolist() == [1.0, 1.0]
    twin = Tensor(t)
    assert not np.shares_memory(twin.data, t.data)


@pytest.mark.parametrize("bad", ["text", ["a", "b"], {"a": 1}, object(), None, [None]])
def test_what_is_no_number_is_refused(bad):
    with pytest.raises(TypeError, match="cannot make an array of numbers from"):
        Tensor(bad)


def test_ragged_lists_are_refused():
    with pytest.raises(ValueError, match=r"cannot make an array of \[\[1\.0, 2\.0\], \[3\.0\]\]"):
        Tensor([[1.0, 2.0], [3.0]])


def test_a_device_that_is_not_known():
    with pytest.raises(DeviceError, match=r'unknown device "gpu"; devices are: cpu, cuda') as raised:
        Tensor([1.0], device="gpu")
    assert "trace" not in str(raised.value)  # the compiler's own


def test_requires_grad_can_be_asked_and_taken_back():
    t = Tensor([1.0])
    assert t.requires_grad_() is t
    assert t.requires_grad
    assert not t.requires_grad_(False).requires_grad
    with pytest.raises(GradientError, match=r"turned off for leaves only; use detach\(\)"):
        (leaf([1.0]) * 2.0).requires_grad_(False)


# ---- what it says ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (Tensor(1.5), "Tensor(1.5)"),
        (Tensor([1.0, 2.0]), "Tensor([1. 2.])"),
        (Tensor([1, 2]), "Tensor([1 2])"),
        (Tensor(np.ones(2)), "Tensor([1. 1.], dtype=float64)"),
        (leaf([1.0], "float32"), "Tensor([1.], requires_grad=True)"),
        (leaf([1.0], "float32") * 2.0, "Tensor([2.], made by multiply)"),
        (Tensor([[1.0], [2.0]]), "Tensor([[1.]\n        [2.]])"),
    ],
)
def test_repr(tensor, text):
    assert repr(tensor) == text


def test_repr_of_a_node():
    y = leaf([1.0]) * 2.0
    assert repr(y.node).endswith(": multiply, shape (1,)>")
    assert repr(y.node).startswith("<Node ")


def test_is_leaf():
    x = leaf([1.0])
    assert x.is_leaf
    assert not (x * 2.0).is_leaf
    assert x.detach().is_leaf


# ---- Python's questions ---------------------------------------------------------------------------------------------


def test_numbers_out():
    t = Tensor([[2.5]])
    assert (float(t), int(t), bool(t), t.item()) == (2.5, 2, True, 2.5)
    assert Tensor([1, 2]).tolist() == [1, 2]
    assert [10, 20, 30][Tensor(1)] == 20
    assert f"{Tensor(2.0).item():.1f}" == "2.0"


@pytest.mark.parametrize("kind", [float, int, bool])
def test_several_elements_are_no_number(kind):
    with pytest.raises(ValueError, match=rf"{kind.__name__}\(\) of a Tensor of shape \(2,\) is not one value"):
        kind(Tensor([1.0, 2.0]))


def test_only_an_integer_is_an_index():
    with pytest.raises(TypeError, match="only an integer Tensor of one element can be an index; this is float32"):
        [1, 2][Tensor(1.0)]


def test_item_needs_one_element():
    with pytest.raises(ValueError, match=r"item\(\) needs exactly one element, this Tensor has shape \(2,\)"):
        Tensor([1.0, 2.0]).item()


def test_length_iteration_and_membership():
    t = Tensor([[1.0, 2.0], [3.0, 4.0]])
    assert len(t) == 2
    assert [row.tolist() for row in t] == [[1.0, 2.0], [3.0, 4.0]]
    assert 3.0 in t
    assert 7.0 not in t
    for ask in (len, iter):
        with pytest.raises(TypeError, match="a Tensor without axes"):
            ask(Tensor(1.0))


def test_iteration_is_recorded():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    first, second = x
    (first * second).sum().backward()
    assert x.grad.tolist() == [[3.0, 4.0], [1.0, 2.0]]


def test_tensors_are_keys_by_identity():
    a, b = Tensor([1.0]), Tensor([1.0])
    assert len({a, b, a}) == 2
    assert weakref.ref(a)() is a
    assert (a == b).tolist() == [True]
    assert (a != b).tolist() == [False]


def test_array_namespace():
    assert Tensor([1.0]).__array_namespace__() is ag
    assert Tensor([1.0]).__array_namespace__(api_version="2024.12") is ag
    with pytest.raises(ValueError, match=r"version '1999\.12' is not known"):
        Tensor([1.0]).__array_namespace__(api_version="1999.12")


# ---- NumPy ----------------------------------------------------------------------------------------------------------


def test_numpy_shares_memory_and_asarray_reads():
    t = Tensor([1.0, 2.0])
    assert t.numpy() is t.data
    assert np.asarray(t) is t.data
    assert np.asarray(t, dtype="float64").dtype == np.float64
    assert not np.shares_memory(np.array(t, copy=True), t.data)
    assert np.array(t, copy=False) is t.data
    with pytest.raises(ValueError, match="copy=False, but a Tensor of float32 on cpu must be copied"):
        np.array(t, dtype="float64", copy=False)
    np.testing.assert_array_equal(np.stack([t, t]), [[1, 2], [1, 2]])


def test_leaving_the_graph_must_be_said():
    x = leaf([1.0])
    for leave in (lambda: x.numpy(), lambda: np.asarray(x), lambda: (x * 2.0).numpy()):
        with pytest.raises(GradientError, match=r"write tensor\.detach\(\)\.numpy\(\)"):
            leave()
    assert x.detach().numpy() is x.data


def test_numpy_leaves_operators_to_the_tensor():
    x = Tensor([1.0, 2.0])
    array = np.array([3.0, 4.0])
    for result in (array + x, array - x, array * x, array / x, array**x, array @ x, array > x, array == x):
        assert isinstance(result, Tensor)
    assert (array - x).tolist() == [2.0, 2.0]
    array_in_place = array.copy()
    with pytest.raises(TypeError):
        np.add(array_in_place, x, out=array_in_place)


# ---- copies ---------------------------------------------------------------------------------------------------------


def test_copies():
    x = leaf([1.0, 2.0])
    shallow = copy.copy(x)
    assert shallow.data is x.data
    assert shallow.requires_grad
    deep = copy.deepcopy(x)
    assert not np.shares_memory(deep.data, x.data)


def test_subclasses_and_attributes():
    with pytest.raises(AttributeError):
        Tensor([1.0]).colour = "red"

    class Named(Tensor):
        pass

    assert isinstance(Named([1.0]) * 2.0, Tensor)


def test_a_leaf_can_be_sent_to_another_process():
    again = pickle.loads(pickle.dumps(Tensor([1.0, 2.0])))
    assert again.tolist() == [1.0, 2.0]


# ---- bad calls ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x - [1.0, 2.0],
        lambda x: [1.0, 2.0] * x,
        lambda x: x @ [1.0, 2.0],
        lambda x: x.maximum([1.0, 2.0]),
        lambda x: x > (1.0, 2.0),
    ],
)
def test_lists_are_no_operands(call):
    with pytest.raises(TypeError, match=r"expected an array, a Tensor or a number, got (list|tuple); .* Tensor\("):
        call(leaf([1.0, 2.0]))


@pytest.mark.parametrize("other", ["1.0", b"1", {"a": 1}, object()])
def test_other_things_are_no_operands(other):
    with pytest.raises(TypeError) as caught:
        leaf([1.0]) * other
    assert str(caught.value) == f"expected an array, a Tensor or a number, got {type(other).__name__}."


def test_none_is_no_operand():
    with pytest.raises(TypeError):
        leaf([1.0]) + None
    with pytest.raises(TypeError):
        None * Tensor([1.0])


def test_wrong_keywords_show_the_signature():
    x = leaf([[1.0, 2.0]])
    with pytest.raises(TypeError, match=r"sum\(x, \*, axis=None.*\): got an unexpected keyword argument 'dim'"):
        ag.sum(x, dim=0)
    with pytest.raises(TypeError, match=r"options go by keyword: sum\(x, axis=1\)"):
        ag.sum(x, 1)
    with pytest.raises(TypeError, match="missing a required argument: 'x2'"):
        ag.add(x)
    with pytest.raises(TypeError, match="dim"):
        x.sum(dim=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: x * 10**400, "multiply got a whole number of 1329 bits beside float32, which does not hold it"),
        (lambda x: 10**400 - x, "subtract got a whole number of 1329 bits beside float32"),
        (lambda x: ag.where(x > 1, x, 10**400), "where got a whole number of 1329 bits beside bool and float32"),
        (lambda x: x.astype("int8") + 300, "add got 300 beside int8, which does not hold it; use astype"),
        (lambda x: x.astype("uint8") + -1, "add got -1 beside uint8"),
        (lambda x: ag.compile(lambda x: x * 10**400)(x), "multiply got a whole number of 1329 bits beside float32"),
    ],
)
def test_a_number_that_no_array_holds_is_told(call, message):
    with pytest.raises(OverflowError, match=message):
        call(Tensor([1.0, 2.0], dtype="float32"))


def test_bare_arrays_get_the_same_words():
    with pytest.raises(TypeError, match="unexpected keyword argument 'dim'"):
        ag.sum(np.ones(2), dim=0)
    with pytest.raises(TypeError, match="missing a required argument: 'x2'"):
        ag.add(np.ones(2))
    with pytest.raises(TypeError, match="got str"):
        ag.exp("x")


@pytest.mark.parametrize("axis", ["a", 1.5, (0, "a")])
@pytest.mark.parametrize("name", ["sum", "softmax", "cumsum", "argmax", "sort", "expand_dims", "flip", "mean", "stack"])
def test_what_is_no_axis_is_told(name, axis):
    x = ag.ones((2, 3))
    with pytest.raises(TypeError, match=r"an axis is a whole number|takes one axis"):
        getattr(ag, name)([x, x] if name == "stack" else x, axis=axis)


@pytest.mark.parametrize("name", ["cumsum", "argmax", "argsort"])
def test_several_axes_where_one_is_wanted_are_told(name):
    with pytest.raises(TypeError, match=rf"{name} takes one axis, got axis=\(0, 1\)\."):
        getattr(ag, name)(ag.ones((2, 3)), axis=(0, 1))


def test_sort_without_an_axis_sorts_all_of_them():
    x = ag.Tensor([[3.0, 1.0], [0.0, 2.0]], requires_grad=True)
    out = ag.sort(x, axis=None)
    assert out.tolist() == [0.0, 1.0, 2.0, 3.0]
    (out * ag.arange(4)).sum().backward()
    assert x.grad.tolist() == [[3.0, 1.0], [0.0, 2.0]]


@pytest.mark.parametrize("x", [Tensor([[1.0]]), np.ones((1, 1))])
def test_several_axes_are_a_tuple(x):
    for f in (ag.sum, ag.max, ag.softmax, ag.var):
        with pytest.raises(TypeError, match=r"[a-z]+ takes several axes as a tuple: axis=\(0, 1\), not \[0, 1\]\."):
            f(x, axis=[0, 1])


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        leaf([1.0, 2.0]) + leaf([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="matmul"):
        leaf([1.0, 2.0]) @ leaf([1.0, 2.0, 3.0])
