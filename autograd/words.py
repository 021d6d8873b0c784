"""Words of PyTorch and NumPy that have another name here, so that an error can tell the newcomer ours.

One idea: one word for one thing. So aliases are few (`unsqueeze`, `rand`, `randn`), and whoever types another
library's word is told which one to type. Nothing here is looked at unless a call has failed already. Read `errors.py`
next.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

__all__ = ["FILES", "METHODS", "NAMES", "OF_MODULES", "OF_OPTIMIZERS", "OPTIONS"]
__all__ += ["missing", "of_keywords", "of_places", "refuse_foreign", "telling"]

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
    "evaluate": "recipe.Trainer(model, loss, optimizer).evaluate((x, y))",
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
_NOTHING_LAZY = "the layer with its numbers of inputs: none here waits for its first input to know them"
_UPSAMPLED = "autograd.repeat(autograd.repeat(x, 2, axis=2), 2, axis=3)"
_PADDED = "autograd.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))"
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
        "Activation": "nn.ReLU() or its like",
        "BatchNorm": "nn.BatchNorm1d(features), or nn.BatchNorm2d(channels)",
        "BatchNorm3d": "nn.BatchNorm1d(channels) of x.reshape(*x.shape[:2], -1)",
        "BatchNormalization": "nn.BatchNorm1d(features), or nn.BatchNorm2d(channels)",
        "Bilinear": 'autograd.einsum("bi,oij,bj->bo", x, weight, y) in forward',
        "BinaryCrossentropy": "nn.BCELoss(), or nn.BCEWithLogitsLoss() for from_logits=True",
        "Buffer": "self.register_buffer(name, tensor) in __init__",
        "CTCLoss": "a loss over the paths with autograd.logaddexp: none is here",
        "CategoricalCrossentropy": "nn.CrossEntropyLoss(), which takes logits",
        "ConstantPad2d": f"{_PADDED} in forward",
        "Conv1D": "nn.Conv1d(in_channels, out_channels, kernel_size)",
        "Conv2D": "nn.Conv2d(in_channels, out_channels, kernel_size)",
        "Conv3d": "autograd.windows(x, size=(d, h, w)) and autograd.tensordot with a weight",
        "CosineSimilarity": "(x * y).sum(axis=-1) / (x.norm(axis=-1) * y.norm(axis=-1))",
        "DataParallel": "the model alone: one process computes on one device",
        "Dense": "nn.Linear(in_features, out_features)",
        "EmbeddingBag": "nn.Embedding(num_embeddings, embedding_dim)(indices).sum(axis=-2)",
        "GLU": "a, b = autograd.split(x, 2, axis=-1), then a * nn.functional.sigmoid(b)",
        "GRU": _RECURRENT,
        "GRUCell": _RECURRENT,
        "GaussianNLLLoss": "(autograd.log(var) + (x - y) ** 2 / var).mean() / 2",
        "GlobalAveragePooling2D": "nn.AdaptiveAvgPool2d(1)",
        "Hardshrink": "autograd.where(autograd.abs(x) > 0.5, x, 0.0) in forward",
        "Huber": "nn.HuberLoss()",
        "InstanceNorm1d": "nn.GroupNorm(channels, channels, affine=False)",
        "InstanceNorm2d": "nn.GroupNorm(channels, channels, affine=False)",
        "KLDivergence": "nn.KLDivLoss()",
        "L2Loss": "nn.MSELoss()",
        "LSTM": _RECURRENT,
        "LSTMCell": _RECURRENT,
        "Lambda": "a Module of your own that calls the function in forward",
        "Layer": "nn.Module",
        "LayerNormalization": "nn.LayerNorm(shape)",
        "LazyBatchNorm2d": _NOTHING_LAZY,
        "LazyConv2d": _NOTHING_LAZY,
        "LazyLinear": "nn.Linear(in_features, out_features)",
        "MarginRankingLoss": "nn.functional.relu(-y * (a - b) + margin).mean()",
        "MaxPool2D": "nn.MaxPool2d(kernel_size)",
        "MaxPooling2D": "nn.MaxPool2d(kernel_size)",
        "MeanAbsoluteError": "nn.L1Loss()",
        "MeanSquaredError": "nn.MSELoss()",
        "Model": "nn.Module",
        "MultiHeadAttention": "nn.MultiheadAttention(embed_dim, num_heads)",
        "PairwiseDistance": "(x - y).norm(axis=-1)",
        "PoissonNLLLoss": "(autograd.exp(x) - y * x).mean()",
        "RNN": _RECURRENT,
        "RNNCell": _RECURRENT,
        "ReflectionPad2d": f'{_PADDED[:-1]}, "reflect") in forward',
        "ReplicationPad2d": f'{_PADDED[:-1]}, "edge") in forward',
        "Softmax2d": "nn.Softmax(dim=-3)",
        "Softmin": "nn.Softmax(dim) of -x",
        "Softshrink": "x - x.clip(-0.5, 0.5) in forward",
        "SparseCategoricalCrossentropy": "nn.CrossEntropyLoss(), which takes logits",
        "SpatialDropout2D": "nn.Dropout2d(p)",
        "Swish": "nn.SiLU()",
        "SyncBatchNorm": "nn.BatchNorm2d(channels): one process computes on one device",
        "Tanhshrink": "x - autograd.tanh(x) in forward",
        "Tensor": "autograd.Tensor(data)",
        "Threshold": "autograd.where(x > threshold, x, value) in forward",
        "Transformer": "nn.TransformerEncoder and nn.TransformerDecoder",
        "TripletMarginLoss": "nn.functional.relu((a - p).norm(axis=-1) - (a - n).norm(axis=-1) + margin).mean()",
        "Unflatten": "x.reshape(shape) in forward",
        "UpSampling2D": f"{_UPSAMPLED} in forward",
        "Upsample": f"{_UPSAMPLED} in forward",
        "UpsamplingNearest2d": f"{_UPSAMPLED} in forward",
        "ZeroPad2d": f"{_PADDED} in forward",
        "ZeroPadding2D": f"{_PADDED} in forward",
        "losses": "nn.MSELoss(): losses stand in nn itself",
        "optimizers": "optim.SGD(parameters, lr): optimizers stand in optim",
        "utils": "optim.clip_grad_norm_(parameters, max_norm), which stands in optim",
    },
    "nn.functional": {
        "conv3d": "autograd.windows(x, size=(d, h, w)) and autograd.tensordot with a weight",
        "cosine_similarity": "(x * y).sum(axis=-1) / (x.norm(axis=-1) * y.norm(axis=-1))",
        "ctc_loss": "a loss over the paths with autograd.logaddexp: none is here",
        "embedding_bag": "nn.functional.embedding(indices, weight).sum(axis=-2)",
        "gaussian_nll_loss": "(autograd.log(var) + (x - y) ** 2 / var).mean() / 2",
        "glu": "a, b = autograd.split(x, 2, axis=-1), then a * nn.functional.sigmoid(b)",
        "gumbel_softmax": "softmax((x - log(-log(autograd.random.uniform(x.shape)))) / tau, axis=-1), all of autograd",
        "hardshrink": "autograd.where(autograd.abs(x) > 0.5, x, 0.0)",
        "instance_norm": "nn.functional.group_norm(x, channels)",
        "interpolate": _UPSAMPLED,
        "margin_ranking_loss": "nn.functional.relu(-y * (a - b) + margin).mean()",
        "normalize": "x / x.norm(axis=..., keepdims=True)",
        "pad": "autograd.pad(x, ((before, after), ...)), a pair an axis, the first axis first",
        "pairwise_distance": "(x - y).norm(axis=-1)",
        "poisson_nll_loss": "(autograd.exp(x) - y * x).mean()",
        "softmin": "nn.functional.softmax(-x, dim)",
        "softshrink": "x - x.clip(-0.5, 0.5)",
        "swish": "nn.functional.silu(x)",
        "tanhshrink": "x - autograd.tanh(x)",
        "threshold": "autograd.where(x > threshold, x, value)",
        "triplet_margin_loss": "nn.functional.relu((a - p).norm(axis=-1) - (a - n).norm(axis=-1) + margin).mean()",
        "upsample": _UPSAMPLED,
    },
    "nn.init": {
        "glorot_normal": "nn.init.xavier_normal_(tensor)",
        "glorot_uniform": "nn.init.xavier_uniform_(tensor)",
        "he_normal": "nn.init.kaiming_normal_(tensor)",
        "he_uniform": "nn.init.kaiming_uniform_(tensor)",
        "kaiming_normal": "nn.init.kaiming_normal_(tensor)",
        "kaiming_uniform": "nn.init.kaiming_uniform_(tensor)",
        "lecun_normal": 'nn.init.kaiming_normal_(tensor, nonlinearity="linear")',
        "normal": "nn.init.normal_(tensor)",
        "orthogonal": "nn.init.orthogonal_(tensor)",
        "uniform": "nn.init.uniform_(tensor)",
        "xavier_normal": "nn.init.xavier_normal_(tensor)",
        "xavier_uniform": "nn.init.xavier_uniform_(tensor)",
    },
    "recipe.data": {
        "DataLoader": "recipe.data.Batches(x, y, batch_size)",
        "TensorDataset": "the pair of arrays (x, y)",
        "random_split": "recipe.data.split(x, y, sizes)",
        "train_test_split": "recipe.data.split(x, y, sizes)",
    },
    "optim": {
        "ASGD": "optim.SGD(parameters, lr), and average += (p - average) / (n + 1), under no_grad(), for all p",
        "AdaMax": "optim.Adam(parameters, lr), which is another rule",
        "Adafactor": "optim.Adam(parameters, lr), which is another rule",
        "Adamax": "optim.Adam(parameters, lr), which is another rule",
        "ChainedScheduler": "optim.Schedule(optimizer, curves), with one function of t and the value at the start",
        "CosineDecay": "optim.CosineAnnealingLR(optimizer, T_max)",
        "CosineDecayRestarts": "optim.CosineAnnealingWarmRestarts(optimizer, T_0)",
        "CyclicLR": "optim.LambdaLR(optimizer, factor), with factor a function of t",
        "ExponentialDecay": "optim.ExponentialLR(optimizer, gamma)",
        "Ftrl": "optim.Adagrad(parameters, lr), which is another rule",
        "InverseTimeDecay": "optim.InverseTimeLR(optimizer, decay)",
        "LBFGS": "optim.Adam(parameters, lr): no rule here asks for the loss several times a step",
        "LRScheduler": "optim.Schedule",
        "Lion": "optim.AdamW(parameters, lr), which is another rule",
        "Momentum": "optim.SGD(parameters, lr, momentum=0.9)",
        "MultiplicativeLR": "optim.LambdaLR(optimizer, factor), with the product so far as a function of t",
        "Muon": "optim.AdamW(parameters, lr), which is another rule",
        "Nadam": "optim.NAdam(parameters, lr)",
        "PiecewiseConstantDecay": "optim.MultiStepLR(optimizer, milestones)",
        "PolynomialDecay": "optim.PolynomialLR(optimizer, total_iters, power)",
        "RMSProp": "optim.RMSprop(parameters, lr)",
        "Rprop": "optim.RMSprop(parameters, lr), which is another rule",
        "SparseAdam": "optim.Adam(parameters, lr): gradients are dense here",
        "clip_by_global_norm": "optim.clip_grad_norm_(parameters, max_norm)",
        "clip_grad_norm": "optim.clip_grad_norm_(parameters, max_norm)",
        "clip_grad_value": "optim.clip_grad_value_(parameters, clip_value)",
        "lr_scheduler": "optim.StepLR(optimizer, step_size): schedules stand in optim itself",
        "schedules": "optim.StepLR(optimizer, step_size): schedules stand in optim itself",
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
# Options of layers, losses, optimizers and schedules.
_OF_CLASSES = {
    "alpha": "negative_slope",
    "beta_1": "betas",
    "beta_2": "betas",
    "dilation_rate": "dilation",
    "epsilon": "eps",
    "filters": "out_channels",
    "input_dim": "in_features",
    "learning_rate": "lr",
    "output_dim": "embedding_dim",
    "pool_size": "kernel_size",
    "rate": "p",
    "reduce": "reduction",
    "rho": "alpha",
    "size_average": "reduction",
    "strides": "stride",
    "units": "out_features",
    "use_bias": "bias",
}
_WHOLE_LOOP = "a step is one loop over all parameters in any case, leave {} out"
_NEEDLESS = {
    "activation": "put nn.ReLU() or its like behind it, leave activation out",
    "amsgrad": "only Adam and AdamW have amsgrad",
    "capturable": "autograd.compile takes the whole step, leave capturable out",
    "clipnorm": "call optim.clip_grad_norm_(parameters, max_norm) before step(), leave clipnorm out",
    "clipvalue": "call optim.clip_grad_value_(parameters, clip_value) before step(), leave clipvalue out",
    "decay": "optim.InverseTimeLR(optimizer, decay) is that schedule, leave decay out",
    "differentiable": "a step is taken outside the graph, leave differentiable out",
    "dtype": "write x.astype(dtype) before it, leave dtype out",
    "foreach": _WHOLE_LOOP.format("foreach"),
    "from_logits": "nn.CrossEntropyLoss and nn.BCEWithLogitsLoss take logits, nn.BCELoss probabilities, leave it out",
    "fused": _WHOLE_LOOP.format("fused"),
    "inplace": "nothing is done in place here, leave inplace out",
    "last_epoch": "load_state_dict of a schedule takes up its count, leave last_epoch out",
    "max_norm": "penalties=[optim.MaxNorm(c)] of the optimizer keeps rows within a norm, leave max_norm out",
    "sparse": "gradients are dense here, leave sparse out",
    "verbose": "print(schedule) shows its values, leave verbose out",
}
_FOREIGN = frozenset({*_KEYWORDS, *_OF_CLASSES, *_NEEDLESS}) - {"dtype"}
_KEYWORDS_THAT_DIFFER = {
    "beta_1": "beta_1 is the first of betas=(beta1, beta2) here",
    "beta_2": "beta_2 is the second of betas=(beta1, beta2) here",
    "reduce": 'reduction="none" stands here for reduce=False',
    "size_average": 'reduction="mean" or "sum" stands here for size_average=True or False',
    "unbiased": "correction=1 for unbiased=True, and 0 is the default",
}


def missing(module: str, name: str) -> AttributeError:
    """The error for a name that a package lacks, with what to write."""
    hint = f"; write {NAMES[module][name]}" if name in NAMES[module] else ""
    return AttributeError(f"module {module!r} has no attribute {name!r}{hint}")


def of_keywords(given: Iterable[str], known: Iterable[str]) -> str:
    """What to write for options of other libraries, when the function has `known` ones."""
    known = set(known)
    told = []
    for name in given:
        ours = next((table[name] for table in (_KEYWORDS, _OF_CLASSES) if table.get(name) in known), None)
        if name not in known and name in _NEEDLESS:
            told.append(_NEEDLESS[name])
        elif name not in known and ours:
            told.append(_KEYWORDS_THAT_DIFFER.get(name, f"{name} is called {ours} here"))
    return f"; {', '.join(told)}" if told else ""


def of_places(name: str, places: list[str], option: str, extra: Any) -> str:
    """What to write where a function of `places` and, by keyword, an `option` got something more by place."""
    if name != "norm" and (isinstance(extra, (int, float, str, tuple)) or extra is None):
        return f"; options go by keyword: {name}({', '.join(places)}, {option}={extra!r})"
    if places == ["arrays"]:
        return f"; the arrays go in one list: {name}([x, y])"
    return f"; {_MORE[name]}" if name in _MORE else ""


def refuse_foreign(kind: type, options: Mapping[str, Any]) -> None:
    """Raise TypeError, with what to write, for an option of a class that it has elsewhere and not here."""
    if _FOREIGN.isdisjoint(options):
        return
    known = inspect.signature(kind.__init__).parameters  # type: ignore[misc]
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        return
    for name in options:
        hint = of_keywords([name], known) if name in _FOREIGN else ""
        if hint:
            raise TypeError(f"{kind.__name__} has no option {name}{hint}.")


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
