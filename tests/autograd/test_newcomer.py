"""What somebody types who comes from PyTorch, NumPy or JAX: it works as they expect, or one sentence says what to type.

One idea: we keep one word for one thing, so the error is where another library's word is translated. Each row is a line
as a newcomer writes it.
"""

from __future__ import annotations

import copy
import importlib
import math
import pickle
import re

import numpy as np
import pytest

import autograd as ag
import nn
import optim
import recipe
from autograd import GradientError, ShapeError, Tensor, words


@pytest.fixture
def names():
    """What the lines below speak of."""
    x, m = Tensor([1.0, 2.0, 3.0]), Tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    leaf = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = leaf * 2.0
    return {
        **{
            "ag": ag,
            "np": np,
            "math": math,
            "copy": copy,
            "pickle": pickle,
            "Tensor": Tensor,
            "recipe": recipe,
            "optim": optim,
        },
        **{"x": x, "m": m, "i": Tensor([0, 1, 2]), "leaf": leaf, "y": y, "loss": (y * y).mean()},
    }


WORKS = {
    # Printing
    'f"{loss:.3f}"': "18.667",
    'f"{i[1]:d} of {x.size}"': "1 of 3",
    '"{:8.1e}".format(x[2])': " 3.0e+00",
    'f"{x}"': "Tensor([1. 2. 3.])",
    '"%.2f" % loss': "18.67",
    # Python's own functions
    "sum([x, x]).tolist()": [2.0, 4.0, 6.0],
    "round(loss, 2), round(x[1]), round(Tensor(2**60 + 1))": (18.67, 2, 2**60 + 1),
    "sum(x).item()": 6.0,
    "max(x).item(), min(x).item()": (3.0, 1.0),
    "sorted(Tensor([2.0, 1.0]))[0].item()": 1.0,
    "any(x > 2), all(x > 2)": (True, False),
    "[t.item() for t in reversed(x)]": [3.0, 2.0, 1.0],
    "len(m), len(list(m)), 2.0 in x, 7.0 in x": (2, 2, True, False),
    "math.sqrt(x[0]), int(x[1]), float(x[2]), bool(x[0])": (1.0, 2, 3.0, True),
    "list(range(Tensor(2))), 'abc'[i[1]]": ([0, 1], "b"),
    "len({x, y, x}), {x: 1}[x]": (2, 1),
    "[a.item() + b.item() for a, b in zip(x, x)]": [2.0, 4.0, 6.0],
    # Indices and comparisons
    "x[x > 1].tolist(), x[[0, 2]].tolist(), x[i[1]].item()": ([2.0, 3.0], [1.0, 3.0], 2.0),
    "((x > 1) & (x < 3)).tolist(), (1 < x).tolist()": ([False, True, False], [False, True, True]),
    "(~(x > 1)).tolist(), (x == x).all().item()": ([True, False, False], True),
    # NumPy's functions on what no gradient is asked of
    "np.sum(x), np.mean(m, axis=1).tolist(), np.max(x)": (6.0, [2.0, 5.0], 3.0),
    "np.concatenate([x, x]).shape, np.stack((x, x), axis=1).shape": ((6,), (3, 2)),
    "np.where(x > 1, x, 0).tolist(), np.allclose(x, x)": ([0.0, 2.0, 3.0], True),
    "np.asarray(x).tolist(), np.array([x, x]).shape": ([1.0, 2.0, 3.0], (2, 3)),
    "type(np.float64(2) * x).__name__, type(np.ones(3) + x).__name__": ("Tensor", "Tensor"),
    # Shapes, places, dtypes
    "m.T.shape, m.reshape(3, -1).shape, m.reshape((6,)).shape": ((3, 2), (3, 2), (6,)),
    "m.transpose().shape, m.transpose(1, 0).shape, m.swapaxes(0, 1).shape": ((3, 2), (3, 2), (3, 2)),
    "m.mean(1).tolist(), m.sum((0, 1)).item()": ([2.0, 5.0], 21.0),
    'x.to("cpu") is x, x.to(dtype="float64").dtype.name': (True, "float64"),
    'x.to("cpu", "float64", ).dtype.name, x.to(device="cpu") is x': ("float64", True),
    'x.dtype == "float32", x.dtype == np.float32, x.dtype == ag.float32': (True, True, True),
    # Size is a number, whatever an error may be hung on it
    "x.size, type(x.size + 1), repr(m.size), x.size == 3": (3, int, "6", True),
    # Random numbers
    "ag.random.randn(2, 3).shape, ag.random.randn((2, 3)).shape": ((2, 3), (2, 3)),
    "ag.random.rand(3).shape, ag.random.rand((3,)).shape, ag.random.rand().shape": ((3,), (3,), ()),
    # Copies
    "copy.copy(x).tolist(), copy.deepcopy(leaf).requires_grad": ([1.0, 2.0, 3.0], True),
    "pickle.loads(pickle.dumps(leaf)).requires_grad": True,
}


@pytest.mark.parametrize("line", WORKS)
def test_it_works_as_expected(names, line):
    assert eval(line, names) == WORKS[line]


FAILS = {
    # Making
    "ag.zeros(2, 3)": (TypeError, "zeros takes the shape as one argument: zeros((2, 3)).$"),
    "ag.ones(2, 3)": (TypeError, "ones((2, 3)).$"),
    "ag.empty(2, 3)": (TypeError, "empty((2, 3)).$"),
    'ag.zeros((2, 3), "float64")': (TypeError, "options go by keyword: zeros(shape, dtype='float64')."),
    "Tensor([[1, 2], [3]])": (ValueError, "cannot make an array of [[1, 2], [3]]: its rows differ in length."),
    "Tensor([1.0], device=0)": (ag.DeviceError, 'a device is a word, "cpu", "cuda" or "cuda:1", got 0.'),
    'Tensor([1.0], device="gpu")': (ag.DeviceError, 'unknown device "gpu"'),
    "Tensor([1, 2], requires_grad=True)": (GradientError, "only real floating point carries one"),
    "Tensor([y, y])": (GradientError, "an array made of Tensors would leave the graph unseen; write stack([x, y])."),
    "ag.mean([y, y])": (TypeError, "got list of Tensors; join them first: stack([x, y])."),
    "x + None": (TypeError, "add got None for x2; wanted is an array, a Tensor or a number: does the function that"),
    'ag.exp("a")': (TypeError, "expected an array, a Tensor or a number, got str."),
    "ag.random.normal(0, 1, (2, 3))": (TypeError, "normal takes the shape first: normal((2, 3), 0, 1)."),
    "ag.random.uniform(-1, 1, [2, 3])": (TypeError, "uniform takes the shape first: uniform([2, 3], -1, 1)."),
    "ag.random.normal(size=(2, 3))": (TypeError, "size is called shape here."),
    "ag.zeros(size=(2, 3))": (TypeError, "size is called shape here."),
    "ag.linspace(0, 1, steps=5)": (TypeError, "steps is called num here."),
    # Other libraries' functions
    "ag.tensor([1.0])": (TypeError, "autograd.tensor is the file that Tensor is in; write autograd.Tensor(data)."),
    "ag.primitive(len)": (
        TypeError,
        "autograd.primitive is the file that primitive is in; write @autograd.primitive.pr",
    ),
    "ag.fused(len)": (TypeError, "autograd.fused is the file that fused is in; write @autograd.fused.fused."),
    "ag.Function": (
        AttributeError,
        "write a function f(xp, x) under @autograd.primitive.primitive, and f.vjp(rule) be",
    ),
    "ag.custom_vjp(ag.exp)": (AttributeError, "write a function f(xp, x) under @autograd.primitive.primitive"),
    "ag.amp.GradScaler": (AttributeError, "write autograd.autocast()"),
    "ag.constant([1.0])": (AttributeError, "write autograd.Tensor(data)"),
    "ag.reduce_sum(x)": (AttributeError, "write autograd.sum(x, axis=...)"),
    "ag.segment_sum(x, i)": (AttributeError, "write autograd.index_add(values, segments, axis=0, length=...)"),
    "ag.clip(x, a_min=0, a_max=1)": (TypeError, "a_min is called min here, a_max is called max here."),
    "ag.reshape(x, newshape=(3, 1))": (TypeError, "newshape is called shape here."),
    "ag.tile(x, reps=2)": (TypeError, "reps is called repetitions here."),
    "ag.where(x > 1)": (TypeError, "for the places at which a condition holds write nonzero(condition)."),
    "ag.matmul(m, m, transpose_b=True)": (TypeError, "write b.mT, leave transpose_b out."),
    "ag.random.uniform((3,), minval=0)": (TypeError, "minval is called low here."),
    "ag.random.categorical(x)": (AttributeError, "write (x - autograd.log(-autograd.log(autograd.random.uniform"),
    "ag.tree.map(abs, {})": (AttributeError, "write autograd.tree.map_tree(f, tree, *others)"),
    "ag.compile(abs, jit_compile=True)": (TypeError, "a function is compiled in any case, leave jit_compile out."),
    "optim.adam(1e-3)": (TypeError, "optim.adam is the file that Adam is in; write optim.Adam(parameters, lr)."),
    "optim.Adam([leaf], b1=0.9)": (TypeError, "b1 is the first of betas=(beta1, beta2) here."),
    "recipe.fit": (AttributeError, "write recipe.Trainer(model, loss, optimizer).fit((x, y), epochs=..."),
    "recipe.bogus": (AttributeError, "module 'recipe' has no attribute 'bogus'$"),
    "round(x, 1)": (ValueError, "float() of a Tensor of shape (3,) is not one value"),
    "ag.round(x, 2)": (TypeError, "for n decimals write (x * 10**n).round() / 10**n."),
    "x.round(2)": (TypeError, "for n decimals write (x * 10**n).round() / 10**n."),
    "x.round(decimals=2)": (TypeError, "write (x * 10**n).round() / 10**n for n decimals, leave decimals out."),
    "recipe.data.DataLoader": (AttributeError, "write recipe.data.Batches(x, y, batch_size)"),
    "recipe.data.bogus": (AttributeError, "module 'recipe.data' has no attribute 'bogus'$"),
    "ag.randint(0, 3, (2,))": (AttributeError, "write autograd.random.randint(low, high, shape)"),
    "ag.random.integers(0, 3, (2,))": (AttributeError, "write autograd.random.randint(low, high, shape)"),
    "ag.random.Generator(0).split(2)": (AttributeError, "'Generator' object has no attribute 'split'; write gener"),
    "ag.lax.scan": (AttributeError, "write a loop of Python for scan, autograd.where(c, x, y) for cond"),
    "ag.tree_map(abs, {})": (AttributeError, "write autograd.tree.map_tree(f, tree, *others)"),
    "ag.random.bogus": (AttributeError, "module 'autograd.random' has no attribute 'bogus'$"),
    "ag.eigh(m)": (AttributeError, "write autograd.linalg.eigh(x)"),
    "ag.lstsq(m, x)": (AttributeError, "write autograd.linalg.pinv(a) @ b"),
    "ag.fft.rfft(x)": (AttributeError, "numpy.fft.fft(x.numpy()): complex numbers carry no gradient here"),
    "ag.argwhere(x)": (AttributeError, "write autograd.stack(autograd.nonzero(x), axis=-1)"),
    "ag.linalg.eig(m)": (AttributeError, "autograd.linalg.eigh(x) for symmetric x; others have complex eigenvalues"),
    "x.diff()": (AttributeError, "write autograd.diff(x, ...)"),
    "x.unique()": (AttributeError, "write autograd.unique_values(x), or unique_all(x) with places and counts"),
    "m.svd()": (AttributeError, "write autograd.linalg.svd(x)"),
    'ag.linalg.qr(m, "complete")': (TypeError, "options go by keyword: qr(x, mode='complete')."),
    "ag.linalg.vector_norm(x, 1)": (TypeError, "options go by keyword: vector_norm(x, ord=1)."),
    'ag.linalg.matrix_norm(m, "fro")': (TypeError, "options go by keyword: matrix_norm(x, ord='fro')."),
    "ag.diff(x, 2)": (TypeError, "options go by keyword: diff(x, n=2)."),
    "ag.linalg.norm(x)": (AttributeError, "module 'autograd.linalg' has no attribute 'norm'; write autograd.norm(x)"),
    "ag.jit(ag.exp)": (AttributeError, "write autograd.compile(f)"),
    "ag.cat([x, x])": (AttributeError, "module 'autograd' has no attribute 'cat'; write autograd.concat([x, y])"),
    "ag.randn(2, 3)": (AttributeError, "autograd.random.normal(shape)"),
    "ag.manual_seed(0)": (AttributeError, "autograd.random.seed(n)"),
    "ag.nothing_of_the_kind": (AttributeError, "module 'autograd' has no attribute 'nothing_of_the_kind'$"),
    # Other libraries' methods
    "x.lerp_(x, 0.1)": (AttributeError, "write x += share * (y - x), under no_grad()"),
    "ag.autograd.grad(loss, leaf)": (AttributeError, "write autograd.gradients(y, [x]) for autograd.grad(y, x)"),
    "x.view(3, 1)": (AttributeError, "'Tensor' object has no attribute 'view'; write x.reshape(shape)"),
    "m.permute(1, 0)": (AttributeError, "write x.permute_dims(axes)"),
    "m.t()": (AttributeError, "write x.T"),
    "x.numel()": (AttributeError, "write x.size"),
    "x.zero_()": (AttributeError, "write x[...] = 0 under no_grad(), or x.grad = None for a gradient"),
    "x.sort()": (AttributeError, "write autograd.sort(x, ...)"),
    "x.split(2, dim=0)": (AttributeError, "which takes the number of parts, not their length"),
    "m.masked_fill_(m > 3, 0.0)": (AttributeError, "write x[mask] = value, under no_grad() for a leaf"),
    "x.ge(1)": (AttributeError, "write x >= y"),
    "x.random": (AttributeError, "no attribute 'random'$"),
    "x.sofmax()": (AttributeError, "'Tensor' object has no attribute 'sofmax'$"),
    "x.__array_struct__": (AttributeError, "'Tensor' object has no attribute '__array_struct__'$"),
    "x.size(0)": (TypeError, "size is the number of elements here, 3; for the lengths write tensor.shape[0]."),
    "x.size()": (TypeError, "write tensor.shape."),
    "m.max(1).values": (AttributeError, "write x.max(axis=...) itself, which gives the values alone: x.argmax(axis="),
    "m.index_add_(0, i, m)": (AttributeError, "write x + autograd.index_add(values, indices, axis=..., length=...)"),
    'x.astype("float32").bfloat16()': (AttributeError, 'or x.astype("bfloat16") after import ml_dtypes'),
    "ag.index_add(m, 0, i, m)": (TypeError, "to add to x write x + index_add(values, indices, axis=..."),
    "ag.scatter_add(m, 0, m, m)": (TypeError, "to add to x write x + scatter_add(values, indices, axis=..., length="),
    # Other libraries' options
    "y.backward(inputs=[leaf])": (
        TypeError,
        "Tensor.backward() got an unexpected keyword argument 'inputs'; autograd.gradients(y",
    ),
    "ag.gradients(loss, [leaf], grad_outputs=loss)": (TypeError, "grad_outputs is called weights here."),
    "m.sum(dim=1)": (TypeError, "Tensor.sum() got an unexpected keyword argument 'dim'; dim is called axis here."),
    "m.mean(1, keepdim=True)": (TypeError, "keepdim is called keepdims here."),
    "m.max(dim=1, keepdim=True)": (TypeError, "dim is called axis here, keepdim is called keepdims here."),
    "m.std(unbiased=True)": (TypeError, "correction=1 for unbiased=True, and 0 is the default."),
    "m.var(ddof=1)": (TypeError, "ddof is called correction here."),
    "x.clip(min=0)": (TypeError, "min is called low here."),
    "m.sum(bogus=1)": (TypeError, "Tensor.sum() got an unexpected keyword argument 'bogus'$"),
    "ag.softmax(m, dim=1)": (
        TypeError,
        "softmax(x, *, axis=-1): got an unexpected keyword argument 'dim'; dim is call",
    ),
    "ag.concat([x, x], dim=0)": (TypeError, "dim is called axis here."),
    "ag.stack([x, x], 1)": (TypeError, "options go by keyword: stack(arrays, axis=1)."),
    "ag.pad(x, 1, value=3.0)": (TypeError, "value is called constant_values here."),
    "ag.autocast(device_type='cuda', dtype='bfloat16')": (TypeError, "where its arrays are, leave device_type out."),
    "ag.compile(abs, backend='inductor')": (TypeError, "says what runs a program, leave backend out."),
    "ag.compile(abs, fullgraph=True)": (TypeError, "with fallback=True, none: leave fullgraph out."),
    "ag.compile(abs, static_argnums=1)": (TypeError, "is part of the program as it is, leave static_argnums out."),
    "ag.index_add(m, Tensor([0, 1, 2]), length=3)": (ag.ShapeError, "needs an index for each place along axis 0, got"),
    "ag.index_add(m[:1], Tensor([0, 1]), length=3)": (ag.ShapeError, "x of shape (1, "),
    "ag.stack([1.0, 2.0])": (TypeError, "stack joins arrays, got the number 1.0: Tensor([1.0]) makes an array of"),
    "ag.concat([x, 1.0])": (TypeError, "concat joins arrays, got the number 1.0"),
    "ag.random.normal((3,), std=-1.0)": (ValueError, "normal got std=-1.0: a standard deviation is at least 0."),
    "ag.concat(x, x)": (TypeError, "the arrays go in one list: concat([x, y])."),
    "ag.flatten(m, 1)": (TypeError, "options go by keyword: flatten(x, start_axis=1)."),
    "m.flatten(start_dim=1)": (TypeError, "start_dim is called start_axis here."),
    "ag.triu(m, diagonal=1)": (TypeError, "diagonal is called k here."),
    "ag.max(x, x)": (TypeError, "for two arrays write maximum(x1, x2)."),
    "ag.norm(x, 2)": (TypeError, "this is the Euclidean norm, the one of order 2, and its axis goes by keyword"),
    "ag.sum(m, 1)": (TypeError, "options go by keyword: sum(x, axis=1)"),
    "ag.sum(m, -1, True)": (TypeError, "options go by keyword: sum(x, axis=-1, keepdims=True)"),
    "m.sum(-1, True)": (TypeError, "options go by keyword: sum(axis, keepdims=True)."),
    "m.argmax(0, True)": (TypeError, "options go by keyword: argmax(axis, keepdims=True)."),
    "m.var(0, 1, True)": (TypeError, "options go by keyword: var(axis, correction=1, keepdims=True)."),
    "m.var(0, True)": (TypeError, "options go by keyword: var(axis, correction=0, keepdims=False)."),  # of which one?
    'm.sum(0, "float64")': (TypeError, "options go by keyword: sum(axis, keepdims=False)."),
    "loss.backward(None, True)": (TypeError, "options go by keyword: backward(gradient, retain_graph=True)."),
    # Meant otherwise elsewhere
    "m.transpose(0, 1)": (ShapeError, "names the order that the axes have already; write T, or swapaxes(0, 1)."),
    "m.reshape(1, 2, 3).transpose(1, 2)": (ShapeError, "all 3 axes in their new order, or none; write swapaxes(1, 2)."),
    "x.norm(1)": (TypeError, "takes 1 positional argument but 2 were given; this is the Euclidean norm, the one of"),
    "ag.grad(loss, leaf)": (TypeError, "grad takes a function, got a Tensor; gradients(y, [x]) gives the gradients"),
    "ag.gradients(loss, leaf)": (TypeError, "gradients takes the inputs as a list: gradients(y, [x])."),
    "ag.grad(3)": (TypeError, "grad takes a function, got a int."),
    "ag.jacobian(ag.exp, x)": (TypeError, "got a Tensor; what it gives is a function: jacobian(f)(x)."),
    "ag.hessian(ag.sum, np.ones(2))": (TypeError, "hessian takes argnums"),
    "ag.jacobian(ag.exp, 0, True)": (TypeError, "options go by keyword: jacobian(f, argnums, has_aux=True)."),
    'ag.jacobian(ag.exp, vectorize="yes")': (TypeError, "jacobian: vectorize must be True or False, got 'yes'."),
    "ag.grad(ag.sum, has_aux=1)": (TypeError, "grad: has_aux must be True or False, got 1."),
    "ag.grad(ag.sum, True)": (TypeError, "grad takes argnums, the place of an argument or of several, got a bool"),
    "ag.grad(ag.sum, argnum=0)": (TypeError, "argnum is called argnums here."),
    "ag.jvp(ag.exp, x, x)": (TypeError, "jvp takes points and directions as tuples, one entry an argument"),
    "ag.vjp(loss, x)": (TypeError, "vjp takes a function"),
    'ag.einsum(x, "i->")': (TypeError, "einsum takes its subscripts first, a text, got a Tensor: einsum("),
    "ag.meshgrid([x, x])": (TypeError, "meshgrid takes its vectors one by one"),
    'ag.einsum("i,i->", [x, x])': (TypeError, "einsum takes its operands one by one"),
    # Kinds that do not go together
    "~x": (TypeError, "bitwise_invert is not defined for float32; use astype."),
    "ag.linalg.pinv(ag.eye(2, dtype='float16'))": (TypeError, "pinv is not defined for float16; use astype."),
    "ag.linalg.solve(*2 * [ag.eye(2, dtype='float16')])": (TypeError, "solve is not defined for float16; use astype."),
    "x & (x > 1)": (TypeError, "bitwise_and is not defined for float32 and bool; use astype."),
    "-(x > 1)": (TypeError, "negative is not defined for bool; use astype."),
    "(x > 1) - (x > 2)": (TypeError, "subtract is not defined for bool; use astype."),
    'x.astype("int64") ** -1': (ValueError, "pow got whole numbers and a power below 0"),
    "ag.max(x[:0])": (ShapeError, "max: x of shape (0,) has no elements to choose from."),
    "ag.min(m[:, :0], axis=1)": (ShapeError, " has no elements along axis 1 to choose from."),
    "ag.argmax(x[:0])": (ShapeError, "argmax: x of shape (0,) has no elements to choose from."),
    "ag.argmin(m[:0], axis=0)": (ShapeError, " has no elements along axis 0 to choose from."),
    "ag.tril(x)": (ShapeError, "tril: x of shape (3,) is no matrix; it needs two axes at least."),
    "ag.triu(x[0])": (ShapeError, "triu: x of shape () is no matrix; it needs two axes at least."),
    "ag.sort(x[0])": (ValueError, "axis -1 is out of range for a single number, which has no axes."),
    "ag.argsort(x[0], axis=0)": (ValueError, "axis 0 is out of range for a single number, which has no axes."),
    "x + [1, 2, 3]": (TypeError, "turn lists into arrays first: Tensor([1, 2, 3])."),
    'f"{x:.3f}"': (TypeError, "the format '.3f' is for one number, this is a Tensor of shape (3,): reduce it first"),
    "1 if x else 0": (ValueError, "reduce it first, with any(), all() or sum()."),
    "float(x)": (ValueError, "float() of a Tensor of shape (3,) is not one value"),
    # Gradients
    "np.sum(leaf)": (GradientError, "numpy.sum would leave the graph unseen"),
    "np.concatenate([x, leaf])": (GradientError, "numpy.concatenate would leave the graph unseen"),
    "ag.Tensor(leaf * 2)": (GradientError, "Tensor(x) would leave the graph unseen; take x as it is, or x.detach()."),
    "np.asarray(leaf)": (GradientError, "write tensor.detach().numpy()."),
    "y.backward()": (GradientError, "reduce it first, with .sum() or .mean()"),
    "(loss.backward(), loss.backward())": (GradientError, "give that one retain_graph=True"),
    "x.sum().backward()": (GradientError, "requires_grad=True?"),
    "pickle.dumps(y)": (GradientError, "only a leaf can be pickled or copied; take tensor.detach() instead."),
    "copy.copy(y)": (GradientError, "only a leaf can be pickled or copied"),
    "copy.deepcopy(y)": (GradientError, "only a leaf can be copied deeply"),
}


@pytest.mark.parametrize("line", FAILS)
def test_one_sentence_says_what_to_type(names, line):
    kind, text = FAILS[line]
    at_the_end = text.endswith("$")
    with pytest.raises(kind, match=re.escape(text.removesuffix("$")) + "$" * at_the_end) as raised:
        eval(line, names)
    assert "\n" not in str(raised.value)


def test_the_array_of_a_tensor_is_not_a_tensor(names):
    x = names["x"].clone()
    x.data = names["x"]
    with pytest.raises(TypeError, match=r"got Tensor where its array is wanted; write x.data, as in y.data = x.data."):
        x + 1.0


def test_arrays_of_other_libraries_are_turned_into_ours(names):
    class Foreign:
        def __array__(self, dtype=None, copy=None):
            return np.ones(3, "float32")

    with pytest.raises(TypeError, match=r"got Foreign of \w+; write autograd.asarray\(x\)."):
        names["x"] + Foreign()
    assert (names["x"] + ag.asarray(Foreign())).tolist() == [2.0, 3.0, 4.0]


def test_what_the_words_promise_is_there(names):
    texts = [*words.METHODS.values(), *words.OF_MODULES.values(), *words.OF_OPTIMIZERS.values()]
    texts += [*words.OF_GENERATORS.values(), *words.OF_TRAINERS.values(), *words.OF_SCHEDULES.values()]
    texts += [text for told in words.NAMES.values() for text in told.values()]
    packages = {"autograd": ag, "nn": nn, "optim": optim, "recipe": recipe, "numpy": np}
    for text in texts:
        for package, path in re.findall(r"\b(autograd|nn|optim|recipe|numpy)\.([\w.]*\w)", text):
            found = packages[package]
            for name in path.split("."):
                assert hasattr(found, name), f"{text}: there is no {name}"
                found = getattr(found, name)
        for name in re.findall(r"\bgenerator\.(\w+)", text):
            assert hasattr(ag.random.Generator, name), f"{text}: a Generator has no {name}"
        for name in re.findall(r"\bx\.(?!numpy\(\)\.|grad\b|dtype\.)(\w+)", text):
            assert hasattr(names["m"], name), f"{text}: a Tensor has no {name}"


def test_other_libraries_words_are_not_there(names):
    assert not [name for name in words.METHODS if hasattr(names["x"], name) or hasattr(Tensor, name)]
    assert not words.METHODS.keys() & set(dir(names["x"]))
    for module, told in words.NAMES.items():
        assert not [name for name in told if hasattr(importlib.import_module(module), name)]
