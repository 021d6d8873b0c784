"""Options that others have: what a function or a class is given elsewhere, by name or by place, and what to write.

One idea: a call that Python refuses is asked for the names of what it was given. Read `../hints.py` next.
"""

from __future__ import annotations

__all__ = ["FEWER_ARRAYS", "FIRST_ELSEWHERE", "MORE_ARRAYS", "NEEDLESS_OPTIONS", "OPTIONS_OF_CLASSES"]
__all__ += ["OPTIONS_OF_CLIP", "OPTIONS_OF_FUNCTIONS", "OPTIONS_OF_RECURRENT_LAYERS", "OPTIONS_THAT_DIFFER"]

# Functions that elsewhere take something more by place -> what to write.
MORE_ARRAYS = {
    "anomaly": "above a function write @anomaly(), with its brackets",
    "enable_grad": "above a function write @enable_grad(), with its brackets",
    "index_add": "to add to x write x + index_add(values, indices, axis=..., length=x.shape[...])",
    "max": "for two arrays write maximum(x1, x2)",
    "min": "for two arrays write minimum(x1, x2)",
    "no_grad": "above a function write @no_grad(), with its brackets",
    "norm": "this is the Euclidean norm, the one of order 2, and its axis goes by keyword: norm(x, axis=...); "
    "linalg.vector_norm has others",
    "polygamma": "its order goes by keyword: polygamma(x, n=...)",
    "round": "for n decimals write (x * 10**n).round() / 10**n",
    "scatter_add": "to add to x write x + scatter_add(values, indices, axis=..., length=x.shape[...])",
}

# Functions that elsewhere do something else of fewer arrays -> what to write for that.
FEWER_ARRAYS = {
    "where": "for the places at which a condition holds write nonzero(condition)",
}

# What stands behind the arrays elsewhere, where that is not the first of our options.
FIRST_ELSEWHERE = {"diff": "n", "matrix_norm": "ord", "vector_norm": "ord"}

# Options.
OPTIONS_OF_FUNCTIONS = {
    "a_max": "high",
    "a_min": "low",
    "argnum": "argnums",
    "axis": "dim",
    "ddof": "correction",
    "diagonal": "k",
    "dim": "axis",
    "dim0": "axis1",
    "dim1": "axis2",
    "dims": "axis",
    "end_dim": "end_axis",
    "grad_outputs": "weights",
    "grad_tensors": "gradient",
    "in_dims": "in_axes",
    "keepdim": "keepdims",
    "loc": "mean",
    "lower": "upper",
    "map_location": "device",
    "max": "high",
    "maxval": "high",
    "min": "low",
    "minval": "low",
    "newshape": "shape",
    "out_dims": "out_axes",
    "rcond": "rtol",
    "reps": "repetitions",
    "scale": "std",
    "shifts": "shift",
    "size": "shape",
    "split_size_or_sections": "sections",
    "start_dim": "start_axis",
    "steps": "num",
    "unbiased": "correction",
    "validation_data": "val",
    "value": "constant_values",
}
# Options of layers, losses, optimizers and schedules.
OPTIONS_OF_CLASSES = {
    "alpha": "negative_slope",
    "b1": "betas",
    "b2": "betas",
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
    "restore_best_weights": "restore_best",
    "units": "out_features",
    "use_bias": "bias",
}
OPTIONS_OF_CLIP = {"a_max": "max", "a_min": "min"}
OPTIONS_OF_RECURRENT_LAYERS = {"input_dim": "input_size", "units": "hidden_size"}
_WHOLE_LOOP = "a step is one loop over all parameters in any case, leave {} out"
NEEDLESS_OPTIONS = {
    "add_bias_kv": "keys and values get no row of a bias here, leave add_bias_kv out",
    "add_zero_attn": "keys and values get no row of zeros here, leave add_zero_attn out",
    "allow_int": "integers have no derivative here, leave allow_int out",
    "activation": "put nn.ReLU() or its like behind it, leave activation out",
    "amsgrad": "only Adam and AdamW have amsgrad",
    "as_tuple": "nonzero gives a tuple in any case, leave as_tuple out",
    "assign": "parameters stay and take the values, leave assign out",
    "axis_name": "sum over the examples outside vmap, leave axis_name out",
    "axis_size": "vmap counts the examples of its arguments, leave axis_size out",
    "antialias": "nn.functional.adaptive_avg_pool2d(x, size) makes means of what falls together, leave antialias out",
    "backend": 'executor="numpy" or "native" says what runs a program, leave backend out',
    "callbacks": "Trainer(..., callbacks=[...]) takes them, leave callbacks out",
    "capturable": "autograd.compile takes the whole step, leave capturable out",
    "class_weight": "nn.CrossEntropyLoss(weight=...) weighs classes, leave class_weight out",
    "chunk_size": "call it with parts of the examples where memory is short, leave chunk_size out",
    "clipnorm": "call optim.clip_grad_norm_(parameters, max_norm) before step(), leave clipnorm out",
    "clipvalue": "call optim.clip_grad_value_(parameters, clip_value) before step(), leave clipvalue out",
    "create_graph": "what is given can be differentiated again, leave create_graph out",
    "decay": "optim.InverseTimeLR(optimizer, decay) is that schedule, leave decay out",
    "decimals": "write (x * 10**n).round() / 10**n for n decimals, leave decimals out",
    "decoupled_weight_decay": "optim.AdamW is Adam with decoupled weight decay, leave decoupled_weight_decay out",
    "device_type": "a product is made where its arrays are, leave device_type out",
    "differentiable": "a step is taken outside the graph, leave differentiable out",
    "dtype": "write x.astype(dtype) before it, leave dtype out",
    "donate_argnums": "arrays that are written to are written in place, leave donate_argnums out",
    "dynamic": "each shape has a program of its own, leave dynamic out",
    "enable_gqa": "autograd.repeat(key, times, axis=-3), and value too, gives each query a head, leave it out",
    "enable_nested_tensor": "a batch is computed as it is padded, leave enable_nested_tensor out",
    "foreach": _WHOLE_LOOP.format("foreach"),
    "from_logits": "nn.CrossEntropyLoss and nn.BCEWithLogitsLoss take logits, nn.BCELoss probabilities, leave it out",
    "fullgraph": "a function is one program, or, with fallback=True, none: leave fullgraph out",
    "fused": _WHOLE_LOOP.format("fused"),
    "holomorphic": "complex numbers carry no gradient, leave holomorphic out",
    "inputs": "autograd.gradients(y, inputs) gives the gradients of these alone, leave inputs out",
    "inplace": "nothing is done in place here, leave inplace out",
    "jit_compile": "a function is compiled in any case, leave jit_compile out",
    "keep_vars": "dict(model.named_parameters()) has the Parameters themselves, leave keep_vars out",
    "kernel_initializer": "nn.init.zeros_(layer.weight) and its like fill it, leave kernel_initializer out",
    "last_epoch": "load_state_dict of a schedule takes up its count, leave last_epoch out",
    "mask_check": "a mask is checked where it is used, leave mask_check out",
    "max_norm": "penalties=[optim.MaxNorm(c)] of the optimizer keeps rows within a norm, leave max_norm out",
    "memory_format": "every operation takes any layout of memory, leave memory_format out",
    "non_blocking": "a copy is waited for where it is read, leave non_blocking out",
    "num_workers": "batches are cut from arrays in memory, leave num_workers out",
    "out": "a result is always a new array, leave it out",
    "penalties": "add them to the loss, as formulas of the weights, leave penalties out",
    "pin_memory": "batches are cut from arrays in memory, leave pin_memory out",
    "preserve_rng_state": "random numbers are the same again, leave preserve_rng_state out",
    "recompute_scale_factor": "size gives the lengths themselves, leave recompute_scale_factor out",
    "return_sequences": "the output has all times, output[-1] the last, leave return_sequences out",
    "return_state": "the last state is given too, leave return_state out",
    "rounding_mode": "x // y rounds down and (x / y).trunc() towards zero, leave rounding_mode out",
    "sample_weight": "a loss of your own weighs rows, by weights that stand in y, leave sample_weight out",
    "save_best_only": 'best="val_loss" says by what the best is kept, beside the last, leave save_best_only out',
    "scale_grad_by_freq": "multiply the gradient by 1 / numpy.bincount(indices), leave scale_grad_by_freq out",
    "sparse": "gradients are dense here, leave sparse out",
    "static_argnames": "what is no array is part of the program as it is, leave static_argnames out",
    "static_argnums": "what is no array is part of the program as it is, leave static_argnums out",
    "transpose_a": "write a.mT, leave transpose_a out",
    "transpose_b": "write b.mT, leave transpose_b out",
    "use_reentrant": "there is one way here, leave use_reentrant out",
    "validation_split": "recipe.data.split(x, y, sizes) gives parts, leave validation_split out",
    "verbose": "print(schedule) shows its values, recipe.callbacks.Progress() a run, leave verbose out",
    "weight_decay": "add share / 2 * (w * w).sum() for each weight to the loss, leave weight_decay out",
    "weights_only": "a file of safetensors holds nothing else, leave weights_only out",
}
OPTIONS_THAT_DIFFER = {
    "b1": "b1 is the first of betas=(beta1, beta2) here",
    "b2": "b2 is the second of betas=(beta1, beta2) here",
    "beta_1": "beta_1 is the first of betas=(beta1, beta2) here",
    "beta_2": "beta_2 is the second of betas=(beta1, beta2) here",
    "lower": "upper=False stands here for lower=True",
    "reduce": 'reduction="none" stands here for reduce=False',
    "size_average": 'reduction="mean" or "sum" stands here for size_average=True or False',
    "unbiased": "correction=1 for unbiased=True, and 0 is the default",
}
