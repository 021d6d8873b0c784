"""Words that others have both as a function and as a method of a Tensor, and that are neither here.

One idea: what to write is the same for both, so it is said once. Read `members.py` next.
"""

from __future__ import annotations

__all__ = ["CHOLESKY_SOLVE", "SHARED"]

_HALF = "autograd.linalg.solve_triangular(L, b, upper=False)"
CHOLESKY_SOLVE = f"autograd.linalg.solve_triangular(L.mT, y, upper=True), where y = {_HALF}"

# What is no function of the package and no attribute of a Tensor -> what to write.
SHARED = {
    "addcdiv": "x + value * a / b",
    "addcmul": "x + value * a * b",
    "addmm": "bias + x @ y",
    "addmv": "bias + x @ y",
    "addr": "bias + autograd.outer(x, y)",
    "adjoint": "x.mT",
    "allclose": "numpy.allclose(x, y)",
    "argwhere": "autograd.stack(autograd.nonzero(x), axis=-1)",
    "baddbmm": "bias + x @ y",
    "bincount": "numpy.bincount(x.numpy())",
    "block_until_ready": "autograd.synchronize(x.device)",
    "cat": "autograd.concat([x, y])",
    "cholesky_solve": CHOLESKY_SOLVE,
    "chunk": "autograd.split(x, parts, axis=...)",
    "cummax": (
        'autograd.where(autograd.tril(autograd.ones((n, n), dtype="bool")), x[..., None, :], '
        '-float("inf")).max(axis=-1), where n = x.shape[-1]'
    ),
    "cummin": (
        'autograd.where(autograd.tril(autograd.ones((n, n), dtype="bool")), x[..., None, :], '
        'float("inf")).min(axis=-1), where n = x.shape[-1]'
    ),
    "deg2rad": "x * (math.pi / 180)",
    "det": "autograd.linalg.det(x)",
    "diag": "autograd.diagonal(x), or autograd.diag_embed(x) for the matrix with this diagonal",
    "diagflat": "autograd.diag_embed(x.ravel())",
    "fix": "x.trunc()",
    "fliplr": "autograd.flip(x, axis=1)",
    "flipud": "autograd.flip(x, axis=0)",
    "fmax": "autograd.where(x.isnan(), y, autograd.where(y.isnan(), x, autograd.maximum(x, y)))",
    "fmin": "autograd.where(x.isnan(), y, autograd.where(y.isnan(), x, autograd.minimum(x, y)))",
    "fmod": "x - (x / y).trunc() * y",
    "frac": "x - x.trunc()",
    "gather": "autograd.take_along_axis(x, indices, axis=...)",
    "ger": "autograd.outer(x, y)",
    "heaviside": "autograd.where(x == 0, value, x > 0)",
    "histc": "numpy.histogram(x.numpy())",
    "index_copy": "y = x.clone(), then y[indices] = values",
    "index_put": "y = x.clone(), then y[indices] = values",
    "index_select": "autograd.take(x, indices, axis=...)",
    "inner": "x @ y.mT",
    "inverse": "autograd.linalg.inv(x)",
    "is_complex": 'autograd.isdtype(x.dtype, "complex floating")',
    "is_floating_point": 'autograd.isdtype(x.dtype, "real floating")',
    "isclose": "numpy.isclose(x, y)",
    "kthvalue": "autograd.sort(x)[..., k - 1]",
    "lerp": "x + share * (y - x)",
    "logaddexp2": "autograd.logaddexp(x * math.log(2), y * math.log(2)) / math.log(2)",
    "logcumsumexp": (
        'autograd.where(autograd.tril(autograd.ones((n, n), dtype="bool")), x[..., None, :], -float("inf"))'
        ".logsumexp(axis=-1), where n = x.shape[-1]"
    ),
    "logdet": "autograd.linalg.slogdet(x)[1]",
    "logit": "(x / (1 - x)).log()",
    "masked_fill": "autograd.where(mask, value, x)",
    "masked_scatter": "y = x.clone(), then y[mask] = values",
    "masked_select": "x[mask]",
    "mode": "values, counts = autograd.unique_counts(x), then values[counts.argmax()]",
    "movedim": "autograd.moveaxis(x, source, destination)",
    "msort": "autograd.sort(x, axis=0)",
    "nan_to_num": "autograd.where(x.isnan(), 0.0, x)",
    "nanmean": "x[~x.isnan()].mean()",
    "nansum": "autograd.where(x.isnan(), 0.0, x).sum()",
    "narrow": "x[start:stop]",
    "numel": "x.size",
    "pinverse": "autograd.linalg.pinv(x)",
    "rad2deg": "x * (180 / math.pi)",
    "relu": "nn.functional.relu(x)",
    "renorm": "x * (max_norm / x.norm(axis=..., keepdims=True)).clip(None, 1.0)",
    "rot90": "autograd.flip(x.swapaxes(0, 1), axis=0)",
    "scatter": "y = x.clone(), then y[places] = values",
    "scatter_reduce": "autograd.scatter_add(values, indices, axis=..., length=...) for sums",
    "select": "x[i], or x[:, i] for axis 1",
    "select_scatter": "y = x.clone(), then y[i] = values",
    "sinc": "autograd.where(x == 0, 1.0, (math.pi * x).sin() / (math.pi * autograd.where(x == 0, 1.0, x)))",
    "slice_scatter": "y = x.clone(), then y[start:stop] = values",
    "split_with_sizes": "autograd.split(x, [n, n + m], axis=...), which takes the places of the cuts, not the lengths",
    "t": "x.T",
    "take_along_dim": "autograd.take_along_axis(x, indices, axis=...)",
    "tensor_split": "autograd.split(x, parts, axis=...)",
    "unbind": "autograd.unstack(x)",
    "unflatten": "x.reshape(shape)",
    "unique": "autograd.unique_values(x), or unique_all(x) with places and counts",
    "vdot": "(x * y).sum()",
    "xlogy": "x * autograd.where(x == 0, 1.0, y).log()",
    **{
        name: f"autograd.linalg.{name}(x)"
        for name in ("cholesky", "eigh", "inv", "pinv", "qr", "slogdet", "svd", "svdvals")
    },
}
