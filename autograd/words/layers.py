"""Names of layers that others have: what is no layer, function of layers or start of weights here, and what to write.

One idea: a layer and the function that does the same have one answer. Read `names.py` next.
"""

from __future__ import annotations

__all__ = ["LAYERS"]

_NOTHING_LAZY = "the layer with its numbers of inputs: none here waits for its first input to know them"
_WINDOWED = "autograd.windows(x, size=(d, h, w), stride=(d, h, w)), and its max or mean over the last three axes"
_UTILITIES = (
    "optim.clip_grad_norm_(parameters, max_norm), which stands in optim; for parameters_to_vector "
    "autograd.concat([p.ravel() for p in parameters]); for weight_norm g * v / v.norm(axis=1, keepdims=True) in forward"
    "; for spectral_norm w / autograd.linalg.matrix_norm(w.reshape(len(w), -1), ord=2) in forward"
    "; a sequence is not packed here: pad it, leave what lies behind its end out of the loss, and take its last state, "
    "output[lengths - 1, range(n)]; bidirectional=True would begin its way back in the padding, so for that way take a "
    "layer of its own, of x[turned, range(n)] with turned = autograd.where(t < lengths, lengths - 1 - t, t)"
)

# A layer and the function that does the same -> what to write.
_PAIRS = {
    ("AvgPool3d", "avg_pool3d"): _WINDOWED,
    ("CTCLoss", "ctc_loss"): "a loss over the paths with autograd.logaddexp: none is here",
    ("Conv3d", "conv3d"): "autograd.windows(x, size=(d, h, w)) and autograd.tensordot with a weight",
    (
        "CosineEmbeddingLoss",
        "cosine_embedding_loss",
    ): (
        "autograd.where(y == 1, 1 - cosine, nn.functional.relu(cosine - margin)).mean(), where cosine = "
        "nn.functional.cosine_similarity(a, b)"
    ),
    ("GLU", "glu"): "a, b = autograd.split(x, 2, axis=-1), then a * nn.functional.sigmoid(b)",
    ("GaussianNLLLoss", "gaussian_nll_loss"): "(autograd.log(var) + (x - y) ** 2 / var).mean() / 2",
    ("HingeEmbeddingLoss", "hinge_embedding_loss"): "autograd.where(y == 1, x, nn.functional.relu(margin - x)).mean()",
    ("MarginRankingLoss", "margin_ranking_loss"): "nn.functional.relu(-y * (a - b) + margin).mean()",
    ("MaxPool3d", "max_pool3d"): _WINDOWED,
    ("PoissonNLLLoss", "poisson_nll_loss"): "(autograd.exp(x) - y * x).mean()",
    ("SoftMarginLoss", "soft_margin_loss"): "nn.functional.softplus(-y * x).mean()",
    (
        "TripletMarginWithDistanceLoss",
        "triplet_margin_with_distance_loss",
    ): "nn.functional.relu(distance(a, p) - distance(a, n) + margin).mean()",
}

# What is no name of a package -> what to write.
LAYERS = {
    "nn": {
        **{layer: instead for (layer, _), instead in _PAIRS.items()},
        "Activation": "nn.ReLU() or its like",
        "AdaptiveMaxPool1d": "nn.AdaptiveMaxPool2d((1, size)) of x[..., None, :]",
        "AlphaDropout": "nn.Dropout(p), which is another rule",
        "BatchNorm": "nn.BatchNorm1d(features), or nn.BatchNorm2d(channels)",
        "BatchNorm3d": "nn.BatchNorm1d(channels) of x.reshape(*x.shape[:2], -1)",
        "BatchNormalization": "nn.BatchNorm1d(features), or nn.BatchNorm2d(channels)",
        "Bidirectional": "nn.LSTM(input_size, hidden_size, bidirectional=True), or nn.GRU",
        "Bilinear": 'autograd.einsum("bi,oij,bj->bo", x, weight, y) in forward',
        "BinaryCrossentropy": "nn.BCELoss(), or nn.BCEWithLogitsLoss() for from_logits=True",
        "Buffer": "self.register_buffer(name, tensor) in __init__",
        "CategoricalCrossentropy": "nn.CrossEntropyLoss(), which takes logits",
        "ChannelShuffle": "x.reshape(n, groups, -1, h, w).swapaxes(1, 2).reshape(x.shape) in forward",
        "Conv1D": "nn.Conv1d(in_channels, out_channels, kernel_size)",
        "Conv2D": "nn.Conv2d(in_channels, out_channels, kernel_size)",
        "ConvTranspose3d": "nn.ConvTranspose2d: no space of three axes is here",
        "DataParallel": "the model alone: one process computes on one device",
        "Dense": "nn.Linear(in_features, out_features)",
        "Dropout1d": "nn.Dropout2d(p) of x[..., None]",
        "Dropout3d": "nn.Dropout2d(p) of x.reshape(*x.shape[:2], -1, 1)",
        "EmbeddingBag": 'nn.Embedding(number, features)(indices).mean(axis=-2), or sum(axis=-2) for mode="sum"',
        "FeatureAlphaDropout": "nn.Dropout2d(p), which is another rule",
        "GlobalAveragePooling2D": "nn.AdaptiveAvgPool2d(1)",
        "Hardshrink": "autograd.where(autograd.abs(x) > 0.5, x, 0.0) in forward",
        "Huber": "nn.HuberLoss()",
        "InstanceNorm1d": "nn.GroupNorm(channels, channels, affine=False)",
        "InstanceNorm2d": "nn.GroupNorm(channels, channels, affine=False)",
        "InstanceNorm3d": "nn.GroupNorm(channels, channels, affine=False)",
        "KLDivergence": "nn.KLDivLoss()",
        "L2Loss": "nn.MSELoss()",
        "Lambda": "a Module of your own that calls the function in forward",
        "Layer": "nn.Module",
        "LayerNormalization": "nn.LayerNorm(shape)",
        "LazyBatchNorm1d": _NOTHING_LAZY,
        "LazyBatchNorm2d": _NOTHING_LAZY,
        "LazyConv1d": _NOTHING_LAZY,
        "LazyConv2d": _NOTHING_LAZY,
        "LazyLinear": "nn.Linear(in_features, out_features)",
        "LocalResponseNorm": "a formula of its own with autograd.windows(x ** 2, size=(size,)): none is here",
        "MaxPool2D": "nn.MaxPool2d(kernel_size)",
        "MaxPooling2D": "nn.MaxPool2d(kernel_size)",
        "MaxUnpool2d": "nn.ConvTranspose2d(channels, channels, 2, 2): no pooling here is undone",
        "MeanAbsoluteError": "nn.L1Loss()",
        "MeanSquaredError": "nn.MSELoss()",
        "Model": "nn.Module",
        "MultiHeadAttention": "nn.MultiheadAttention(embed_dim, num_heads)",
        "MultiLabelSoftMarginLoss": "nn.BCEWithLogitsLoss()",
        "MultiMarginLoss": "nn.functional.relu(margin - x[rows, y][:, None] + x).mean(), with 0 at [rows, y]",
        "Reshape": "x.reshape(shape) in forward",
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
        "Unflatten": "x.reshape(shape) in forward",
        "UpSampling2D": "nn.Upsample(scale_factor=2)",
        "UpsamplingBilinear2d": 'nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)',
        "UpsamplingNearest2d": "nn.Upsample(scale_factor=2)",
        "ZeroPadding2D": "nn.ZeroPad2d(padding)",
        "losses": "nn.MSELoss(): losses stand in nn itself",
        "optimizers": "optim.SGD(parameters, lr): optimizers stand in optim",
        "parallel": "the model alone: one process computes on one device",
        "utils": _UTILITIES,
    },
    "nn.functional": {
        **{function: instead for (_, function), instead in _PAIRS.items()},
        "adaptive_max_pool1d": "nn.functional.adaptive_max_pool2d(x[..., None, :], (1, size))[..., 0, :]",
        "affine_grid": "x[..., rows, columns] with places of your own: nothing here draws lines between pixels",
        "alpha_dropout": "nn.functional.dropout(x, p), which is another rule",
        "bilinear": 'autograd.einsum("bi,oij,bj->bo", x, weight, y)',
        "channel_shuffle": "x.reshape(n, groups, -1, h, w).swapaxes(1, 2).reshape(x.shape)",
        "dot_product_attention": "nn.functional.scaled_dot_product_attention(query, key, value)",
        "dropout1d": "nn.functional.dropout2d(x[..., None], p)[..., 0]",
        "embedding_bag": 'nn.functional.embedding(indices, weight).mean(axis=-2), or sum(axis=-2) for mode="sum"',
        "grid_sample": "x[..., rows, columns] with places of your own: nothing here draws lines between pixels",
        "hard_sigmoid": "nn.functional.hardsigmoid(x)",
        "hard_silu": "nn.functional.hardswish(x)",
        "hard_swish": "nn.functional.hardswish(x)",
        "hard_tanh": "nn.functional.hardtanh(x)",
        "hardshrink": "autograd.where(autograd.abs(x) > 0.5, x, 0.0)",
        "instance_norm": "nn.functional.group_norm(x, channels)",
        "log_sigmoid": "nn.functional.logsigmoid(x)",
        "logsumexp": "autograd.logsumexp(x, axis=...)",
        "max_pool2d_with_indices": "nn.functional.max_pool2d(x, size), and autograd.pool_places for the places",
        "multi_margin_loss": "nn.functional.relu(margin - x[rows, y][:, None] + x).mean(), with 0 at [rows, y]",
        "multilabel_soft_margin_loss": "nn.functional.binary_cross_entropy_with_logits(x, y)",
        "pdist": "(x[:, None] - x).norm(axis=-1) above its diagonal",
        "soft_sign": "nn.functional.softsign(x)",
        "softmin": "nn.functional.softmax(-x, dim)",
        "softshrink": "x - x.clip(-0.5, 0.5)",
        "squareplus": "(x + autograd.sqrt(x * x + 4)) / 2",
        "standardize": "(x - x.mean(axis=-1, keepdims=True)) / (x.var(axis=-1, keepdims=True) + 1e-5).sqrt()",
        "swish": "nn.functional.silu(x)",
        "tanhshrink": "x - autograd.tanh(x)",
        "threshold": "autograd.where(x > threshold, x, value)",
        "upsample": "nn.functional.interpolate(x, scale_factor=2)",
        "upsample_bilinear": 'nn.functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)',
        "upsample_nearest": "nn.functional.interpolate(x, scale_factor=2)",
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
}
