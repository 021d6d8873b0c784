"""Words of PyTorch and NumPy that have another name here, so that an error can tell the newcomer ours.

One idea: one word for one thing. So aliases are few (`unsqueeze`, `rand`, `randn`), and whoever types another
library's word is told which one to type. Nothing here is looked at unless a call has failed already. Read `errors.py`
next.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

__all__ = ["FILES", "METHODS", "NAMES", "OF_MODULES", "OF_OPTIMIZERS", "OPTIONS"]
__all__ += ["missing", "of_keywords", "of_places", "telling"]

P = ParamSpec("P")
T = TypeVar("T")

_WRITE = "x += y, or x[...] = value, under no_grad()"

# What is no attribute of a Tensor -> what to write.
METHODS = {
    "H": "x.mT",
    "add_": _WRITE,
    "allclose": "numpy.allclose(x, y)",
    "amax": "x.max()",
    "amin": "x.min()",
    "addcmul_": _WRITE,
    "at": "x[i] = value, which leaves what was computed from x before as it was",
    "bernoulli": "autograd.random.uniform(x.shape) < x",
    "bfloat16": 'x.astype("bfloat16")',
    "block_until_ready": "autograd.synchronize(x.device)",
    "bmm": "x @ y",
    "bool": 'x.astype("bool")',
    "byte": 'x.astype("uint8")',
    "cat": "autograd.concat([x, y])",
    "chunk": "autograd.split(x, parts, axis=...)",
    "clamp": "x.clip(low, high)",
    "clamp_": _WRITE,
    "clamp_max": "x.clip(None, high)",
    "clamp_min": "x.clip(low)",
    "contiguous": "x alone: every operation takes any layout of memory",
    "copy": "x.clone(), or x.detach().clone() outside the graph",
    "copy_": _WRITE,
    "det": "autograd.linalg.det(x)",
    "detach_": "x = x.detach()",
    "diag": "autograd.diagonal(x), or autograd.diag_embed(x) for the matrix with this diagonal",
    "dim": "x.ndim",
    "div": "x / y",
    "div_": _WRITE,
    "element_size": "x.dtype.itemsize",
    "eq": "x == y",
    "equal": "(x == y).all()",
    "exp_": _WRITE,
    "expand": "x.broadcast_to(shape)",
    "expand_as": "x.broadcast_to(y.shape)",
    "fill": _WRITE,
    "fill_": _WRITE,
    "gather": "autograd.take_along_axis(x, indices, axis=...)",
    "ge": "x >= y",
    "get_device": "x.device",
    "grad_fn": "x.node",
    "gt": "x > y",
    "half": 'x.astype("float16")',
    "index_select": "autograd.take(x, indices, axis=...)",
    "int": 'x.astype("int32")',
    "inverse": "autograd.linalg.inv(x)",
    "is_contiguous": "x alone: every operation takes any layout of memory",
    "is_cuda": "x.device",
    "is_floating_point": 'autograd.isdtype(x.dtype, "real floating")',
    "isclose": "numpy.isclose(x, y)",
    "le": "x <= y",
    "lerp": "x + share * (y - x)",
    "lerp_": "x += share * (y - x), under no_grad()",
    "long": 'x.astype("int64")',
    "lt": "x < y",
    "masked_fill": "autograd.where(mask, value, x)",
    "masked_fill_": "x[mask] = value, under no_grad() for a leaf",
    "masked_select": "x[mask]",
    "mm": "x @ y",
    "movedim": "autograd.moveaxis(x, source, destination)",
    "mul": "x * y",
    "mul_": _WRITE,
    "nan_to_num": "autograd.where(x.isnan(), 0.0, x)",
    "narrow": "x[start:stop]",
    "ndimension": "x.ndim",
    "ne": "x != y",
    "neg": "-x",
    "nelement": "x.size",
    "new_full": "autograd.full(shape, value, dtype=x.dtype, device=x.device)",
    "new_ones": "autograd.ones(shape, dtype=x.dtype, device=x.device)",
    "new_tensor": "autograd.Tensor(data, dtype=x.dtype, device=x.device)",
    "new_zeros": "autograd.zeros(shape, dtype=x.dtype, device=x.device)",
    "nonzero": "x.numpy().nonzero()",
    "normal_": "nn.init.normal_(x)",
    "numel": "x.size",
    "permute": "x.permute_dims(axes)",
    "pow_": _WRITE,
    "register_hook": "x.retain_grad(), which keeps x.grad",
    "relu": "nn.functional.relu(x)",
    "repeat": "autograd.tile(x, times), or autograd.repeat(x, times) for each element in a row",
    "reshape_as": "x.reshape(y.shape)",
    "scatter": "y = x.clone(), then y[places] = values",
    "scatter_": "x[places] = values, under no_grad() for a leaf",
    "scatter_add_": "x + autograd.scatter_add(values, indices, axis=..., length=...)",
    "split": "autograd.split(x, parts, axis=...), which takes the number of parts, not their length",
    "sqrt_": _WRITE,
    "sub": "x - y",
    "sub_": _WRITE,
    "swapdims": "x.swapaxes(i, j)",
    "t": "x.T",
    "type": "x.dtype, or x.astype(dtype)",
    "type_as": "x.astype(y.dtype)",
    "unbind": "autograd.unstack(x)",
    "unflatten": "x.reshape(shape)",
    "uniform_": "nn.init.uniform_(x)",
    "unique": "numpy.unique(x.numpy())",
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
        *("remainder", "roll", "scatter_add", "sigmoid", "sinh", "sort", "stack", "subtract", "take"),
        *("take_along_axis", "tensordot", "tile", "topk", "trace", "tril", "triu", "unstack", "where"),
    )
}

# What is no attribute of a Module -> what to write.
OF_MODULES = {
    "compile": "autograd.compile(step) for a whole training step, or recipe.Trainer, which does it by itself",
    "count_params": "sum(p.size for p in model.parameters())",
    "device": "next(model.parameters()).device",
    "dtype": "next(model.parameters()).dtype",
    "evaluate": "recipe.Trainer(model, loss, optimizer).evaluate(x, y)",
    "fit": "recipe.Trainer(model, loss, optimizer).fit((x, y), epochs=..., batch_size=...)",
    "freeze": "model.requires_grad_(False)",
    "get_parameter": "dict(model.named_parameters())[name]",
    "half": 'model.to("float16")',
    "load_weights": "model.load_state_dict(nn.load(path))",
    "predict": "model(x) under autograd.no_grad(), after model.eval()",
    "register_backward_hook": "x.retain_grad() in a forward hook, and read x.grad after backward()",
    "register_full_backward_hook": "x.retain_grad() in a forward hook, and read x.grad after backward()",
    "save": "nn.save(model, path)",
    "save_weights": "nn.save(model, path)",
    "summary": "print(model)",
    "trainable": "model.requires_grad_(False), which freezes it",
    "weights": "list(model.parameters())",
}

# What is no attribute of an optimizer, and none of its options -> what to write.
OF_OPTIMIZERS = {
    "apply_gradients": "optimizer.step() after loss.backward()",
    "get_lr": 'optimizer.param_groups[0]["lr"]',
    "learning_rate": 'optimizer.param_groups[0]["lr"]',
    "minimize": "loss.backward(), then optimizer.step()",
    "state": 'optimizer.state_dict()["state"]',
}

_RECURRENT = "a loop over time around nn.Linear layers: no layer here is recurrent"
_OWN_RULE = "a function f(xp, x) under @autograd.primitive.primitive, and f.vjp(rule) beneath it"
_ROWS_OF_PROBABILITIES = (
    "(autograd.log(p) - autograd.log(-autograd.log(autograd.random.uniform(p.shape)))).argmax(axis=-1), a draw a row"
)

# What is no name of a package -> what to write.
NAMES = {
    "autograd": {
        "DataLoader": "recipe.data.Batches(x, y, batch_size)",
        "FloatTensor": "autograd.Tensor(data)",
        "Function": _OWN_RULE,
        "Generator": "autograd.random.Generator(seed)",
        "GradScaler": "autograd.autocast() alone: bfloat16 has the range of float32, so nothing has to be scaled",
        "GradientTape": "loss.backward(), or autograd.value_and_grad(f)",
        "LongTensor": 'autograd.Tensor(data, dtype="int64")',
        "Module": "nn.Module",
        "Parameter": "nn.Parameter(data)",
        "Variable": "autograd.Tensor(data, requires_grad=True)",
        "absolute": "autograd.abs(x)",
        "addmm": "bias + x @ y",
        "allclose": "numpy.allclose(x, y)",
        "amax": "autograd.max(x)",
        "amin": "autograd.min(x)",
        "amp": "autograd.autocast()",
        "arccos": "autograd.acos(x)",
        "arcsin": "autograd.asin(x)",
        "arctan": "autograd.atan(x)",
        "arctan2": "autograd.atan2(x, y)",
        "array": "autograd.Tensor(data)",
        "array_equal": "(x == y).all()",
        "as_tensor": "autograd.asarray(data)",
        "autograd": "autograd.gradients(y, [x]) for autograd.grad(y, x)",
        "average": "autograd.mean(x)",
        "bernoulli": "autograd.random.uniform(p.shape) < p",
        "bfloat16": 'the word itself, "bfloat16"',
        "bincount": "numpy.bincount(x)",
        "bmm": "autograd.matmul(x, y)",
        "cat": "autograd.concat([x, y])",
        "chunk": "autograd.split(x, parts, axis=...)",
        "clamp": "autograd.clip(x, low, high)",
        "clone": "x.clone()",
        "concatenate": "autograd.concat([x, y])",
        "custom_gradient": _OWN_RULE,
        "custom_jvp": _OWN_RULE,
        "custom_vjp": _OWN_RULE,
        "det": "autograd.linalg.det(x)",
        "device": 'the word itself, "cpu" or "cuda"',
        "diag": "autograd.diagonal(x), or autograd.diag_embed(x) for the matrix with this diagonal",
        "div": "autograd.divide(x, y)",
        "double": "autograd.float64",
        "elementwise_grad": "autograd.grad(lambda x: f(x).sum())",
        "eq": "autograd.equal(x, y)",
        "expand": "autograd.broadcast_to(x, shape)",
        "float": "autograd.float32",
        "from_numpy": "autograd.asarray(array)",
        "gather": "autograd.take_along_axis(x, indices, axis=...)",
        "ge": "autograd.greater_equal(x, y)",
        "gelu": "nn.functional.gelu(x)",
        "get_rng_state": "autograd.random.default.state_dict()",
        "gt": "autograd.greater(x, y)",
        "half": "autograd.float16",
        "hstack": "autograd.concat([x, y], axis=-1)",
        "index_select": "autograd.take(x, indices, axis=...)",
        "inference_mode": "autograd.no_grad()",
        "int": "autograd.int32",
        "inv": "autograd.linalg.inv(x)",
        "inverse": "autograd.linalg.inv(x)",
        "is_grad_enabled": "autograd.is_recording()",
        "is_tensor": "isinstance(x, autograd.Tensor)",
        "isclose": "numpy.isclose(x, y)",
        "jacfwd": "autograd.jacobian(f)",
        "jacrev": "autograd.jacobian(f)",
        "jit": "autograd.compile(f)",
        "le": "autograd.less_equal(x, y)",
        "lerp": "x + share * (y - x)",
        "load": "nn.load(path)",
        "long": "autograd.int64",
        "lt": "autograd.less(x, y)",
        "manual_seed": "autograd.random.seed(n)",
        "masked_fill": "autograd.where(mask, value, x)",
        "masked_select": "x[mask]",
        "mm": "autograd.matmul(x, y)",
        "mod": "autograd.remainder(x, y)",
        "movedim": "autograd.moveaxis(x, source, destination)",
        "mul": "autograd.multiply(x, y)",
        "multinomial": _ROWS_OF_PROBABILITIES,
        "mv": "autograd.matmul(x, y)",
        "nan_to_num": "autograd.where(x.isnan(), 0.0, x)",
        "ne": "autograd.not_equal(x, y)",
        "neg": "autograd.negative(x)",
        "nn": "import nn",
        "nonzero": "x.numpy().nonzero()",
        "normal": "autograd.random.normal(shape, mean, std)",
        "numel": "x.size",
        "optim": "import optim",
        "percentile": "autograd.quantile(x, percent / 100)",
        "permute": "autograd.permute_dims(x, axes)",
        "power": "autograd.pow(x, y)",
        "rand": "autograd.random.uniform(shape)",
        "rand_like": "autograd.random.uniform(x.shape)",
        "randint": "autograd.random.randint(low, high, shape)",
        "randn": "autograd.random.normal(shape)",
        "randn_like": "autograd.random.normal(x.shape)",
        "randperm": "autograd.random.permutation(n)",
        "ravel": "x.ravel()",
        "relu": "nn.functional.relu(x)",
        "repeat_interleave": "autograd.repeat(x, times)",
        "save": "nn.save(state, path)",
        "scatter": "y = x.clone(), then y[places] = values",
        "seed": "autograd.random.seed(n)",
        "set_default_dtype": 'dtype="float64" where a Tensor is made, and model.to("float64")',
        "set_grad_enabled": "with autograd.no_grad(): or with autograd.enable_grad():",
        "set_printoptions": "numpy.set_printoptions(...)",
        "set_rng_state": "autograd.random.default.load_state_dict(state)",
        "set_seed": "autograd.random.seed(n)",
        "stop_gradient": "x.detach()",
        "sub": "autograd.subtract(x, y)",
        "transpose": "autograd.permute_dims(x, axes), swapaxes(x, i, j) or matrix_transpose(x)",
        "true_divide": "autograd.divide(x, y)",
        "unbind": "autograd.unstack(x)",
        "unique": "numpy.unique(x.numpy())",
        "unsqueeze": "autograd.expand_dims(x, axis=...)",
        "view": "autograd.reshape(x, shape)",
        "vmap": "f for arrays with one more axis in front, which every operation takes",
        "vstack": "autograd.concat([x, y]) for matrices, autograd.stack([x, y]) for rows",
    },
    "autograd.random": {
        "PRNGKey": "autograd.random.Generator(seed)",
        "bernoulli": "autograd.random.uniform(p.shape) < p",
        "choice": "x[autograd.random.randint(0, len(x), n)], or x[autograd.random.permutation(len(x))[:n]]",
        "default_rng": "autograd.random.Generator(seed)",
        "integers": "autograd.random.randint(low, high, shape)",
        "key": "autograd.random.Generator(seed)",
        "manual_seed": "autograd.random.seed(n)",
        "random": "autograd.random.uniform(shape)",
        "shuffle": "x[autograd.random.permutation(len(x))]",
        "standard_normal": "autograd.random.normal(shape)",
    },
    "autograd.linalg": {"norm": "autograd.norm(x)"},
    "nn": {
        "BatchNormalization": "nn.BatchNorm1d(features), or nn.BatchNorm2d(channels)",
        "Buffer": "self.register_buffer(name, tensor) in __init__",
        "ConstantPad2d": "autograd.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right))) in forward",
        "Conv1D": "nn.Conv1d(in_channels, out_channels, kernel_size)",
        "Conv2D": "nn.Conv2d(in_channels, out_channels, kernel_size)",
        "Dense": "nn.Linear(in_features, out_features)",
        "GLU": "a, b = autograd.split(x, 2, axis=-1), then a * nn.functional.sigmoid(b)",
        "GRU": _RECURRENT,
        "GRUCell": _RECURRENT,
        "GlobalAveragePooling2D": "nn.AdaptiveAvgPool2d(1)",
        "InstanceNorm1d": "nn.GroupNorm(channels, channels, affine=False)",
        "InstanceNorm2d": "nn.GroupNorm(channels, channels, affine=False)",
        "LSTM": _RECURRENT,
        "LSTMCell": _RECURRENT,
        "Lambda": "a Module of your own that calls the function in forward",
        "Layer": "nn.Module",
        "LayerNormalization": "nn.LayerNorm(shape)",
        "LazyLinear": "nn.Linear(in_features, out_features)",
        "MaxPool2D": "nn.MaxPool2d(kernel_size)",
        "MaxPooling2D": "nn.MaxPool2d(kernel_size)",
        "Model": "nn.Module",
        "MultiHeadAttention": "nn.MultiheadAttention(embed_dim, num_heads)",
        "RNN": _RECURRENT,
        "RNNCell": _RECURRENT,
        "Swish": "nn.SiLU()",
        "Tensor": "autograd.Tensor(data)",
        "Transformer": "nn.TransformerEncoder and nn.TransformerDecoder",
        "Unflatten": "x.reshape(shape) in forward",
        "Upsample": "autograd.repeat(autograd.repeat(x, 2, axis=2), 2, axis=3) in forward",
        "ZeroPad2d": "autograd.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right))) in forward",
        "utils": "optim.clip_grad_norm_(parameters, max_norm), which stands in optim",
    },
    "nn.functional": {
        "cosine_similarity": "(x * y).sum(axis=-1) / (x.norm(axis=-1) * y.norm(axis=-1))",
        "glu": "a, b = autograd.split(x, 2, axis=-1), then a * nn.functional.sigmoid(b)",
        "gaussian_nll_loss": "(autograd.log(var) + (x - y) ** 2 / var).mean() / 2",
        "interpolate": "autograd.repeat(autograd.repeat(x, 2, axis=2), 2, axis=3)",
        "normalize": "x / x.norm(axis=..., keepdims=True)",
        "pad": "autograd.pad(x, ((before, after), ...)), a pair an axis, the first axis first",
        "pairwise_distance": "(x - y).norm(axis=-1)",
        "swish": "nn.functional.silu(x)",
        "triplet_margin_loss": "nn.functional.relu((a - p).norm(axis=-1) - (a - n).norm(axis=-1) + margin).mean()",
    },
    "recipe.data": {
        "DataLoader": "recipe.data.Batches(x, y, batch_size)",
        "TensorDataset": "the pair of arrays (x, y)",
        "random_split": "recipe.data.split(x, y, sizes)",
        "train_test_split": "recipe.data.split(x, y, sizes)",
    },
    "optim": {
        "ExponentialDecay": "optim.ExponentialLR(optimizer, gamma)",
        "Momentum": "optim.SGD(parameters, lr, momentum=0.9)",
        "RMSProp": "optim.RMSprop(parameters, lr)",
        "clip_by_global_norm": "optim.clip_grad_norm_(parameters, max_norm)",
        "clip_grad_norm": "optim.clip_grad_norm_(parameters, max_norm)",
        "clip_grad_value": "optim.clip_grad_value_(parameters, clip_value)",
        "lr_scheduler": "optim.StepLR(optimizer, step_size): schedules stand in optim itself",
        "swa_utils": "average += (p - average) / (n + 1), under no_grad(), for all p of a model and its copy",
    },
}

# A file of the engine that is called as if it were a function -> what is in it, and what to write.
FILES = {
    "autograd.fused": ("fused", "@autograd.fused.fused"),
    "autograd.primitive": ("primitive", "@autograd.primitive.primitive"),
    "autograd.tensor": ("Tensor", "autograd.Tensor(data)"),
}

# Functions of one array that elsewhere take something more by place -> what to write.
_MORE = {
    "max": "for two arrays write maximum(x1, x2)",
    "min": "for two arrays write minimum(x1, x2)",
    "norm": "this is the Euclidean norm, the one of order 2, and its axis goes by keyword: norm(x, axis=...)",
}

# Options.
_KEYWORDS = {
    "a_max": "high",
    "a_min": "low",
    "axis": "dim",
    "ddof": "correction",
    "diagonal": "k",
    "dim": "axis",
    "dim0": "axis1",
    "dim1": "axis2",
    "dims": "axis",
    "end_dim": "end_axis",
    "keepdim": "keepdims",
    "map_location": "device",
    "max": "high",
    "min": "low",
    "size": "shape",
    "split_size_or_sections": "sections",
    "start_dim": "start_axis",
    "steps": "num",
    "unbiased": "correction",
}
OPTIONS = frozenset(_KEYWORDS.values())  # our options that have other names elsewhere
_NEEDLESS = {"inplace": "nothing is done in place here, leave inplace out"}
_KEYWORDS_THAT_DIFFER = {"unbiased": "correction=1 for unbiased=True, and 0 is the default"}


def missing(module: str, name: str) -> AttributeError:
    """The error for a name that a package lacks, with what to write."""
    hint = f"; write {NAMES[module][name]}" if name in NAMES[module] else ""
    return AttributeError(f"module {module!r} has no attribute {name!r}{hint}")


def of_keywords(given: Iterable[str], known: Iterable[str]) -> str:
    """What to write for options of other libraries, when the function has `known` ones."""
    known = set(known)
    told = []
    for name in given:
        ours = _KEYWORDS.get(name)
        if name not in known and name in _NEEDLESS:
            told.append(_NEEDLESS[name])
        elif name not in known and ours in known:
            told.append(_KEYWORDS_THAT_DIFFER.get(name, f"{name} is called {ours} here"))
    return f"; {', '.join(told)}" if told else ""


def of_places(name: str, places: list[str], option: str, extra: Any) -> str:
    """What to write where a function of `places` and, by keyword, an `option` got something more by place."""
    if name != "norm" and (isinstance(extra, (int, float, str, tuple)) or extra is None):
        return f"; options go by keyword: {name}({', '.join(places)}, {option}={extra!r})"
    if places == ["arrays"]:
        return f"; the arrays go in one list: {name}([x, y])"
    return f"; {_MORE[name]}" if name in _MORE else ""


def telling(function: Callable[P, T]) -> Callable[P, T]:
    """The function, which tells whoever gives it an option by place, or by another library's name, what to write."""
    known = inspect.signature(function).parameters
    places = [p.name for p in known.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    option = next((p.name for p in known.values() if p.kind is p.KEYWORD_ONLY), None)

    @functools.wraps(function)
    def called(*args: P.args, **options: P.kwargs) -> T:
        try:
            return function(*args, **options)
        except TypeError as error:
            hint = of_keywords(options, known)
            if option and len(args) > len(places) and "self" not in known:
                hint = of_places(function.__name__, places, option, args[len(places)])
            if not hint:
                raise
            raise TypeError(f"{error}{hint}.") from None

    return called
