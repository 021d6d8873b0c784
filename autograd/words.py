"""Words of PyTorch and NumPy that have another name here, so that an error can tell the newcomer ours.

One idea: one word for one thing. So there are no aliases, but whoever types another library's word is told which one
to type. Nothing here is looked at unless a call has failed already. Read `errors.py` next.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["METHODS", "OPTIONS", "of_function", "of_keywords"]

_WRITE = "x += y, or x[...] = value, under no_grad()"

# What is no attribute of a Tensor -> what to write.
METHODS = {
    "H": "x.mT",
    "add_": _WRITE,
    "bool": 'x.astype("bool")',
    "cat": "autograd.concat([x, y])",
    "chunk": "autograd.split(x, parts, axis=...)",
    "clamp": "x.clip(low, high)",
    "clamp_": _WRITE,
    "clamp_max": "x.clip(None, high)",
    "clamp_min": "x.clip(low)",
    "contiguous": "x alone: every operation takes any layout of memory",
    "copy": "x.clone(), or x.detach().clone() outside the graph",
    "copy_": _WRITE,
    "detach_": "x = x.detach()",
    "dim": "x.ndim",
    "div": "x / y",
    "div_": _WRITE,
    "eq": "x == y",
    "expand": "x.broadcast_to(shape)",
    "expand_as": "x.broadcast_to(y.shape)",
    "fill_": _WRITE,
    "gather": "autograd.take_along_axis(x, indices, axis=...)",
    "grad_fn": "x.node",
    "half": 'x.astype("float16")',
    "index_select": "autograd.take(x, indices, axis=...)",
    "int": 'x.astype("int32")',
    "is_cuda": "x.device",
    "long": 'x.astype("int64")',
    "masked_fill": "autograd.where(mask, value, x)",
    "mm": "x @ y",
    "mul": "x * y",
    "mul_": _WRITE,
    "neg": "-x",
    "ndimension": "x.ndim",
    "nelement": "x.size",
    "nonzero": "x.numpy().nonzero()",
    "normal_": "nn.init.normal_(x)",
    "numel": "x.size",
    "permute": "x.permute_dims(axes)",
    "register_hook": "x.retain_grad(), which keeps x.grad",
    "relu": "nn.functional.relu(x)",
    "repeat": "autograd.tile(x, times), or autograd.repeat(x, times) for each element in a row",
    "sub": "x - y",
    "sub_": _WRITE,
    "t": "x.T",
    "type": "x.dtype, or x.astype(dtype)",
    "type_as": "x.astype(y.dtype)",
    "unbind": "autograd.unstack(x)",
    "uniform_": "nn.init.uniform_(x)",
    "view": "x.reshape(shape)",
    "view_as": "x.reshape(y.shape)",
    "zero_": "x[...] = 0 under no_grad(), or x.grad = None for a gradient",
    "zero_grad": "x.grad = None",
}

# Functions of the package that others have as methods too.
METHODS |= {
    name: f"autograd.{name}(x, ...)"
    for name in (
        *("acos", "add", "argsort", "asin", "atan", "concat", "cosh", "count_nonzero", "cross", "cumprod", "diagonal"),
        *("divide", "dot", "flip", "floor_divide", "greater", "hypot", "index_add", "less", "logical_and"),
        *("logical_not", "logical_or", "matmul", "median", "moveaxis", "multiply", "negative", "outer", "quantile"),
        *("remainder", "roll", "scatter_add", "sigmoid", "sinh", "sort", "split", "stack", "subtract", "take"),
        *("take_along_axis", "tensordot", "tile", "topk", "trace", "tril", "triu", "unstack", "where"),
    )
}

# What is no name of the package -> what to write.
_FUNCTIONS = {
    "Function": "a function under @autograd.primitive.primitive",
    "array": "autograd.Tensor(data)",
    "as_tensor": "autograd.asarray(data)",
    "cat": "autograd.concat([x, y])",
    "clamp": "autograd.clip(x, low, high)",
    "concatenate": "autograd.concat([x, y])",
    "float": "autograd.float32",
    "from_numpy": "autograd.asarray(array)",
    "is_grad_enabled": "autograd.is_recording()",
    "load": "nn.load(path)",
    "long": "autograd.int64",
    "manual_seed": "autograd.random.seed(n)",
    "mm": "autograd.matmul(x, y)",
    "nn": "import nn",
    "nonzero": "x.numpy().nonzero()",
    "optim": "import optim",
    "permute": "autograd.permute_dims(x, axes)",
    "rand": "autograd.random.uniform(shape)",
    "randint": "autograd.random.integers(low, high, shape)",
    "randn": "autograd.random.normal(shape)",
    "relu": "nn.functional.relu(x)",
    "save": "nn.save(state, path)",
    "set_grad_enabled": "with autograd.no_grad(): or with autograd.enable_grad():",
    "transpose": "autograd.permute_dims(x, axes), swapaxes(x, i, j) or matrix_transpose(x)",
    "unique": "numpy.unique(x.numpy())",
}

# Options.
_KEYWORDS = {
    "a_max": "high",
    "a_min": "low",
    "ddof": "correction",
    "dim": "axis",
    "dims": "axis",
    "keepdim": "keepdims",
    "max": "high",
    "min": "low",
    "unbiased": "correction",
}
OPTIONS = frozenset(_KEYWORDS.values())  # our options that have other names elsewhere
_KEYWORDS_THAT_DIFFER = {"unbiased": "correction=1 for unbiased=True, and 0 is the default"}


def of_function(name: str) -> str:
    """What to write for a name that the package lacks."""
    return f"; write {_FUNCTIONS[name]}" if name in _FUNCTIONS else ""


def of_keywords(given: Iterable[str], known: Iterable[str]) -> str:
    """What to write for options of other libraries, when the function has `known` ones."""
    known = set(known)
    ours = {name: _KEYWORDS[name] for name in given if name not in known and _KEYWORDS.get(name) in known}
    if not ours:
        return ""
    told = [_KEYWORDS_THAT_DIFFER.get(name, f"{name} is called {word} here") for name, word in ours.items()]
    return f"; {', '.join(told)}"
