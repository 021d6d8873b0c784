"""What somebody types who comes from PyTorch, with layers, losses and optimizers: it works, or one sentence helps."""

from __future__ import annotations

import re

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from autograd import Tensor
from autograd.words import NAMES
from nn import functional as F


@pytest.fixture
def names(tmp_path):
    """What the lines below speak of."""
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    x = Tensor([[1.0, 2.0]])
    logits = Tensor([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]], requires_grad=True)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    return {
        **{"ag": ag, "nn": nn, "optim": optim, "np": np, "F": F, "Tensor": Tensor, "path": tmp_path / "a.safetensors"},
        **{"model": model, "x": x, "logits": logits, "optimizer": optimizer},
    }


WORKS = {
    "model(x.data).shape, model(np.ones((5, 2), 'float32')).shape": ((1, 1), (5, 1)),
    "model(np.ones((5, 2), np.uint8)).dtype.name": "float32",
    "F.cross_entropy(logits, np.array([0, 1])).shape": (),
    "F.cross_entropy(logits, np.array([0, 1], np.uint8)).shape": (),
    "F.softmax(logits, 1).shape, F.softmax(logits, dim=1).shape, nn.Softmax(dim=1)(logits).shape": ((2, 3),) * 3,
    "model.eval().training, model.train().training": (False, True),
    "model.to(device='cpu', dtype='float64')[0].weight.dtype.name": "float64",
    "len(model), model[0].weight.shape, len(list(model.parameters()))": (3, (3, 2), 4),
    "nn.save(model, path), sorted(nn.load(path)) == sorted(model.state_dict())": (None, True),
    "model.zero_grad(set_to_none=True), model.zero_grad(set_to_none=False)": (None, None),
    "hasattr(model, 'fit'), 'fit' in dir(model), nn.Dropout(p=0.5).p": (False, False, 0.5),
    # A number of NumPy's among the options decides no dtype.
    "[f(x, np.float64(0.5)).dtype.name for f in (F.leaky_relu, F.elu, F.celu, F.softplus, F.hardtanh)]": ["float32"]
    * 5,
    "F.rrelu(x, np.float64(0.1), np.float64(0.3)).dtype.name": "float32",
    "[f(x, x, delta=np.float64(0.5)).dtype.name for f in (F.huber_loss,)]": ["float32"],
    "F.smooth_l1_loss(x, x, beta=np.float64(0.5)).dtype.name": "float32",
    "F.cross_entropy(logits, np.array([0, 1]), label_smoothing=np.float64(0.1)).dtype.name": "float32",
    "F.group_norm(x, 2, eps=np.float64(1e-5)).dtype.name": "float32",
    "nn.BatchNorm1d(2, np.float64(1e-5)).eval()(x).dtype.name": "float32",
    "F.scaled_dot_product_attention(x, x, x, scale=1 / np.sqrt(2.0)).dtype.name": "float32",
    # Nor does a mask of NumPy's.
    "F.scaled_dot_product_attention(x, x, x, np.zeros((1, 1))).dtype.name": "float32",
    "nn.MultiheadAttention(2, 1)(x, x, x, attn_mask=Tensor(np.zeros((1, 1))))[0].dtype.name": "float32",
    "F.leaky_relu(x, Tensor([0.5, 0.25])).shape": (1, 2),
    "F.max_pool2d(np.ones((1, 4, 4)), 2, stride=np.int64(1)).shape": (1, 3, 3),
    "nn.LayerNorm(np.int64(2))(x).shape": (1, 2),
    "F.silu(0.0).item(), F.relu(0.5).item()": (0.0, 0.5),
    "nn.ModuleDict([('a', nn.ReLU())]).keys(), nn.ModuleDict(nn.ModuleDict({'b': nn.ReLU()})).keys()": (["a"], ["b"]),
    "[table := nn.ModuleDict({'a': nn.ReLU()}), table.clear(), len(table)][1:]": [None, 0],
    "nn.Embedding.from_pretrained(logits)(np.array([1])).tolist()": [[0.0, 1.0, 0.0]],
    "[nn.Embedding.from_pretrained(x, f).weight.requires_grad for f in (True, False)]": [False, True],
    "[nn.BatchNorm1d(2, bias=b).bias is None for b in (True, False)]": [False, True],
    "[nn.GroupNorm(1, 2, bias=b)(x).shape for b in (True, False)]": [(1, 2)] * 2,
    "optim.SGD(model.named_parameters(), 0.1).param_groups[0]['lr']": 0.1,
    "optim.Adam(model.parameters(), betas=[0.8, 0.9]).param_groups[0]['betas']": (0.8, 0.9),
    "optim.Adam(model.parameters(), lr=np.float32(0.5)).param_groups[0]['lr']": 0.5,
}


@pytest.mark.parametrize("line", WORKS)
def test_it_works_as_expected(names, line):
    assert eval(line, names) == WORKS[line]


FAILS = {
    "nn.Dropout('a')": (TypeError, "Dropout got p='a': the probability of silencing a unit must be in [0, 1]."),
    "F.dropout(x, True)": (TypeError, "dropout got p=True: the probability of silencing a unit must be in [0, 1]."),
    "F.leaky_relu(x, None)": (TypeError, "leaky_relu got negative_slope=None: it must be a number."),
    "nn.ELU('a')(x)": (TypeError, "elu got alpha='a': it must be a number."),
    "F.hardtanh(x, max_val='a')": (TypeError, "hardtanh got max_val='a': it must be a number."),
    "F.softplus(x, (1, 2))": (TypeError, "softplus got beta=(1, 2): it must be a number."),
    "F.rrelu(x, 'a')": (TypeError, "rrelu got lower='a': it must be a number."),
    "F.layer_norm(x, 2, eps='a')": (TypeError, "layer_norm got eps='a': it must be a number."),
    "F.scaled_dot_product_attention(x, x, x, scale='a')": (TypeError, "got scale='a': it must be a number."),
    "F.cross_entropy(logits, np.array([0, 1]), label_smoothing=None)": (TypeError, "label_smoothing=None: it must be"),
    "F.cross_entropy(logits, np.array([0, 1]), ignore_index=None)": (
        TypeError,
        "ignore_index=None: it must be a label",
    ),
    "nn.CrossEntropyLoss(ignore_index=1.5)(logits, np.array([0, 1]))": (
        TypeError,
        "it must be a label, a whole number.",
    ),
    "F.nll_loss(logits, np.array([0, 1]), ignore_index='pad')": (TypeError, "nll_loss got ignore_index='pad': it must"),
    "F.max_pool2d(x[None, None], 1, stride=True)": (
        ValueError,
        "max_pool2d got stride=True: it must be one whole number",
    ),
    "setattr(model, '0', F.relu)": (TypeError, "Sequential.0 is a Module and cannot become a Primitive, with which"),
    "nn.Parameter(x, False)": (ValueError, "must be one of weight, bias, slope, norm; write requires_grad=False."),
    "nn.ModuleDict({1: nn.ReLU()})": (TypeError, "a name must be a text, got 1: write '1'."),
    "model.register_buffer(3, x)": (TypeError, "a name must be a text, got 3: write '3'."),
    "model.get_submodule(0)": (TypeError, 'get_submodule takes a dotted name, such as "layers.0", got 0.'),
    "model.apply('init')": (TypeError, "apply takes a function of a Module, got 'init'."),
    "nn.CrossEntropyLoss(logits, np.array([0, 1]))": (
        TypeError,
        "is called afterwards: write CrossEntropyLoss()(x, y).",
    ),
    "nn.MSELoss(x, x)": (TypeError, "MSELoss makes a Module, which is called afterwards: write MSELoss()(x, y)."),
    "nn.ReLU(x)": (TypeError, "ReLU makes a Module, which is called afterwards: write ReLU()(x)."),
    "nn.ModuleDict(nn.ReLU())": (TypeError, "ModuleDict takes a dict, {name: a, other: b}, got a ReLU."),
    "nn.ModuleDict({'a': 3})": (TypeError, "ModuleDict holds Modules, got a int: write ModuleDict({name: a"),
    "nn.ModuleList(nn.ReLU())": (TypeError, "ModuleList takes several at once, got a ReLU: write [a, b, c]."),
    "nn.ParameterList([x])": (TypeError, "ParameterList holds Parameters, got a Tensor: write nn.Parameter(tensor)."),
    "nn.ParameterDict({'a': x})": (TypeError, "ParameterDict holds Parameters, got a Tensor: write nn.Parameter"),
    "nn.save(model, path.parent)": (IsADirectoryError, "is a folder: name a file in it to save to."),
    "nn.Embedding.from_pretrained(3)": (TypeError, "Embedding.from_pretrained got a int in the place of embeddings"),
    "nn.Embedding.from_pretrained(x[0])": (ValueError, "from_pretrained got a table of (2,): it must be"),
    "nn.Embedding.from_pretrained(x, padding_idx=1)": (ValueError, "Embedding got padding_idx=1 for 1 rows."),
    "nn.init.xavier_uniform_(model[0].weight, '1')": (TypeError, "xavier_uniform_ got gain='1': it must be 0"),
    "nn.init.xavier_normal_(model[0].weight, -1)": (ValueError, "xavier_normal_ got gain=-1: it must be 0 or greater."),
    "optim.clip_grad_norm_([np.ones(2)], 1.0)": (TypeError, "clipping takes Tensors, got a ndarray: give it"),
    "optim.SequentialLR(optimizer, optim.StepLR(optimizer, 1), [3])": (TypeError, "SequentialLR takes a list of"),
    "optim.StepLR(optimizer, 1).base_lrs": (AttributeError, "no attribute 'base_lrs'; write schedule.initial[\"lr\"]"),
    "optim.StepLR(optimizer, 1).get_lr()": (AttributeError, "write schedule.get_last_lr(), or schedule.values(t)"),
    "nn.LSTM(2, 3, bidirectional=2)": (TypeError, "LSTM got bidirectional=2: it must be True or False."),
    "nn.GRU(2, 3, True)": (ValueError, "GRU got num_layers=True: it must be a whole number, 1 or more."),
    "nn.MultiheadAttention(8, 2.0)": (ValueError, "num_heads=2.0: the heads must divide it, in whole numbers."),
    "nn.TransformerEncoderLayer('8', 2)": (ValueError, "got embed_dim='8' and num_heads=2: the heads must divide"),
    "nn.Flatten('x')": (TypeError, "Flatten got start_dim='x': it must be an axis, a whole number."),
    "F.huber_loss(x, x, delta=None)": (TypeError, "huber_loss got delta=None: it must be greater than 0."),
    "nn.GRU(2, 2, 2, dropout='a')": (TypeError, "GRU got dropout='a': a probability must be in [0, 1]."),
    "nn.BatchNorm1d(2, momentum=-1)": (ValueError, "BatchNorm1d got momentum=-1: the share of the new must be None or"),
    "nn.BatchNorm2d(2, eps=float('nan'))": (ValueError, "BatchNorm2d got eps=nan: it must be 0 or greater."),
    "nn.LayerNorm(2, -1)": (ValueError, "LayerNorm got eps=-1: it must be 0 or greater."),
    "nn.RMSNorm(2, 'a')": (TypeError, "RMSNorm got eps='a': it must be None, 0 or greater."),
    "nn.GroupNorm(1, 2, None)": (TypeError, "GroupNorm got eps=None: it must be 0 or greater."),
    "nn.init.normal_(model[0].weight, 0.0, -1.0)": (ValueError, "normal_ got std=-1.0: it must be 0 or greater."),
    "nn.init.uniform_(model[0].weight, 2, 1)": (ValueError, "uniform_ got a=2: it must be a number, at most b=1."),
    "nn.Linear(2.0, 3)": (ValueError, "a layer's sizes must be whole numbers, 0 or more"),
    "nn.Linear(-1, 3)": (ValueError, "they would make a weight of (3, -1)."),
    "nn.Sequential([nn.Linear(2, 2), nn.ReLU()])": (TypeError, "got a list: write Sequential(a, b, c)."),
    "nn.ModuleList(nn.Linear(2, 2) if i else 3 for i in range(2))": (TypeError, "write ModuleList([a, b, c])."),
    "nn.Sequential(nn.Linear(2, 2), nn.ReLU)": (TypeError, "got the class ReLU: make one, ReLU(...)."),
    "nn.Sequential(nn.Linear(2, 2), F.relu)": (TypeError, "the function relu: write its layer, as nn.ReLU() for relu"),
    "nn.ModuleList([lambda x: x])": (TypeError, "or a Module of your own that calls it in forward."),
    "nn.ReLU(inplace=True)": (TypeError, "ReLU() takes no arguments; nothing is done in place here, leave inplace out"),
    "nn.ReLU(True)": (TypeError, "nothing is done in place here, leave inplace out: write ReLU()."),
    "nn.LeakyReLU(0.2, inplace=True)": (TypeError, "LeakyReLU has no option inplace; nothing is done in place here"),
    "nn.LeakyReLU(0.2, True)": (TypeError, "by place and takes 1; nothing is done in place here, leave inplace out."),
    "nn.Dropout(0.5, True)": (TypeError, "by place and takes 1; nothing is done in place here, leave inplace out."),
    "nn.BatchNorm2d(3, 1e-5, 0.1, True, True, True)": (TypeError, "BatchNorm2d got 6 arguments by place and takes 5"),
    "nn.CrossEntropyLoss(None, 0)": (TypeError, "go by keyword: CrossEntropyLoss(weight, ignore_index=0)."),
    "F.relu(x, inplace=True)": (TypeError, "nothing is done in place here, leave inplace out."),
    "nn.LSTM(2, 3).flatten_parameters()": (AttributeError, "write nothing for it: the weights lie where they are used"),
    "nn.utils.rnn.pack_padded_sequence(x, [2])": (AttributeError, "so for that way take a layer of its own"),
    "nn.utils.clip_grad_norm_(model.parameters(), 1.0)": (AttributeError, "write optim.clip_grad_norm_(parameters,"),
    "nn.utils.spectral_norm(model[0])": (AttributeError, "for spectral_norm w / autograd.linalg.matrix_norm(w"),
    "F.interpolate(x, 2, antialias=True)": (TypeError, "makes means of what falls together, leave antialias out."),
    "nn.Upsample(2, recompute_scale_factor=True)": (TypeError, "leave recompute_scale_factor out."),
    "nn.UpsamplingBilinear2d(2)": (AttributeError, 'write nn.Upsample(scale_factor=2, mode="bilinear", align_corners'),
    "nn.bogus": (AttributeError, "module 'nn' has no attribute 'bogus'"),
    "F.pad(x, ((1, 1), (0, 0)))": (ValueError, "a pair (before, after) for each of up to 2 axes, the last axis first."),
    "optim.lr_scheduler.StepLR(optimizer, 3)": (AttributeError, "schedules stand in optim itself"),
    "optim.swa_utils.AveragedModel(model)": (AttributeError, "write average += (p - average) / (n + 1), under"),
    "F.triplet_margin_with_distance_loss(x, x, x)": (AttributeError, "write nn.functional.relu(distance(a, p) - dist"),
    "F.gaussian_nll_loss(x, x, x)": (AttributeError, "write (autograd.log(var) + (x - y) ** 2 / var).mean() / 2"),
    "model.fit(x, x)": (AttributeError, "'Sequential' object has no attribute 'fit'; write recipe.Trainer(model"),
    "model[0].freeze()": (
        AttributeError,
        "'Linear' object has no attribute 'freeze'; write model.requires_grad_(False)",
    ),
    "F.cross_entropy(logits, np.array([0, 1]), label_smoothing='0.1')": (TypeError, "label_smoothing='0.1': it must"),
    "nn.Embedding(5, 3)(3)": (TypeError, "got the number 3: indices are an array or a Tensor, Tensor([3])."),
    "nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2), '2')": (ValueError, "num_layers='2': it must be a whole"),
    "nn.TransformerEncoder(nn.TransformerEncoderLayer, 2)": (TypeError, "takes the layer to be copied first, got a"),
    "model.requires_grad_('no')": (TypeError, "requires_grad_() takes True or False, got 'no'."),
    "nn.init.constant_(model[0].weight, '1')": (TypeError, "constant_ fills with a number, got '1', a str."),
    "nn.init.xavier_normal_(model[0])": (TypeError, "fills a Tensor, got a Linear: give it a weight of it, layer"),
    "nn.init.zeros_(model[0].weight.data)": (TypeError, "got a ndarray: give it the Tensor of this array, "),
    "nn.LazyLinear(10)": (AttributeError, "write nn.Linear(in_features, out_features)"),
    "model[0].half()": (AttributeError, "'Linear' object has no attribute 'half'; write model.to(\"float16\")"),
    "model[0](Tensor([1.0, 2.0, 3.0]))": (ValueError, "the last axis of x must be in_features"),
    "model[0](3.0)": (TypeError, "linear got a float in the place of x: wanted is an array or a Tensor; write"),
    "F.linear(x, model[0].weight, 3)": (TypeError, "linear got a int in the place of bias: wanted is an array or a"),
    "F.conv2d([[1.0]], x)": (TypeError, "conv2d got a list in the place of x: wanted is an array or a Tensor"),
    "nn.MaxPool2d(2)(nn.LSTM(2, 3)(x))": (TypeError, "max_pool2d got a tuple in the place of x: wanted is an array"),
    "nn.GELU()(None)": (TypeError, "gelu got None in the place of x: does the forward before it return its result?"),
    "nn.LogSigmoid()(None)": (TypeError, "logsigmoid got None in the place of x"),
    "nn.Softmax()(None)": (TypeError, "softmax got None in the place of x"),
    "nn.BatchNorm1d(2)(None)": (TypeError, "BatchNorm1d got None in the place of x"),
    "nn.LayerNorm(2)(None)": (TypeError, "layer_norm got None in the place of x"),
    "nn.LSTM(2, 3)(None)": (TypeError, "LSTM got None in the place of x"),
    "nn.Flatten()(None)": (TypeError, "Flatten got None in the place of x"),
    "nn.Dropout()(None)": (TypeError, "dropout got None in the place of x"),
    "nn.PReLU()(None)": (TypeError, "prelu got None in the place of x"),
    "nn.PixelShuffle(2)(None)": (TypeError, "pixel_shuffle got None in the place of input"),
    "nn.TransformerEncoderLayer(2, 1)(None)": (TypeError, "MultiheadAttention got None in the place of query"),
    "F.scaled_dot_product_attention(x, x, x, 'causal')": (TypeError, "got a str in the place of attn_mask: wanted is"),
    "F.cross_entropy(logits, np.array([0, 1]), 2.0)": (TypeError, "cross_entropy got a float in the place of weight"),
    "F.batch_norm(x, 0.0, 1.0)": (TypeError, "batch_norm got a float in the place of running_mean"),
    "F.softmax(logits, None)": (TypeError, "softmax got dim=None: it must be an axis, a whole number; the last"),
    "nn.LogSoftmax('a')(logits)": (TypeError, "log_softmax got dim='a': it must be an axis"),
    "nn.LayerNorm(2.5)": (ValueError, "LayerNorm got normalized_shape=2.5: it must be a whole number, or several"),
    "F.layer_norm(x, None)": (ValueError, "layer_norm got normalized_shape=None: it must be a whole number"),
    "nn.Conv2d('3', 4, 3)": (ValueError, "Conv2d got in_channels='3': it must be a whole number, at least 0."),
    "nn.GroupNorm(2, '4')": (ValueError, "GroupNorm got num_groups=2 and num_channels='4': the channels must divide"),
    "nn.Linear(True, 2)": (ValueError, "a layer's sizes must be whole numbers, 0 or more"),
    "F.one_hot(np.array([0, 1]), '3')": (ValueError, "one_hot got num_classes='3': it must be a whole number, or -1"),
    "nn.Embedding(5, 3, padding_idx=1.5)": (ValueError, "Embedding got padding_idx=1.5 for 5 rows."),
    "F.embedding(np.array([0]), x, 0.5)": (ValueError, "embedding got padding_idx=0.5, and its table has 1 rows."),
    "F.max_pool2d(x[None, None], 2, stride=Tensor(1.5))": (ValueError, "max_pool2d got stride=Tensor(1.5): it must be"),
    "F.avg_pool2d(x[None], 1, divisor_override='a')": (TypeError, "divisor_override='a': it must be a number, or None"),
    "model[0](None)": (TypeError, "does the forward before it return its result?"),
    "model[0]([[1.0, 2.0]])": (TypeError, "turn lists into arrays first: Tensor([[1.0, 2.0]])."),
    "F.mse_loss(None, x)": (TypeError, "mse_loss got None in the place of input: does the forward before it return"),
    "F.nll_loss(None, np.array([0, 1]))": (TypeError, "nll_loss got None in the place of input"),
    "F.cross_entropy(None, np.array([0, 1]))": (TypeError, "cross_entropy got None in the place of logits: does the"),
    "F.cross_entropy(logits, [0, 1])": (TypeError, "turn lists into arrays first: Tensor([0, 1])."),
    "F.cross_entropy(logits, np.array([0.0, 1.0]))": (ValueError, "labels must be integers (astype('int64'))"),
    "F.cross_entropy(logits, np.array([[0], [1]]))": (
        ValueError,
        "the labels must have shape (2,); drop its last axis.",
    ),
    "F.cross_entropy(logits, np.array([0, 3]))": (ValueError, "and there are 3 classes, 0 to 2."),
    "F.cross_entropy(logits[0], 1)": (TypeError, "cross_entropy got a target of type int: pass an array or a Tensor."),
    "F.cross_entropy(input=logits, target=np.array([0, 1]))": (TypeError, "input is called logits here."),
    "F.softmax(input=logits, dim=1)": (TypeError, "input is called x here."),
    "F.cross_entropy(logits, F.softmax(logits, 1), ignore_index=0)": (
        ValueError,
        "ignore_index=0 and probabilities: it",
    ),
    "nn.MultiheadAttention(4, 2, add_bias_kv=True)": (TypeError, "no row of a bias here, leave add_bias_kv out."),
    "optim.Adam(model.parameters(), decoupled_weight_decay=True)": (TypeError, "optim.AdamW is Adam with decoupled"),
    "F.softmax(logits, axis=1)": (TypeError, "axis is called dim here."),
    "F.mse_loss(x, Tensor([1.0]))": (ValueError, "they must be the same; reshape one of them."),
    "nn.save(str(path), model)": (TypeError, "save takes a Module or a state, then the path; got a str first."),
    "nn.save({'model': model.state_dict()}, path)": (TypeError, 'write **model.state_dict("model.") in its place'),
    "nn.load(path, map_location='cpu')": (TypeError, "map_location is called device here."),
    "model.load_state_dict(path)": (TypeError, "load_state_dict takes a dict of Tensors by name"),
    "model.train(mode='yes')": (TypeError, "train() takes True or False"),
    "model.to('gpu')": (ag.DeviceError, 'unknown device "gpu"; devices are: cpu, cuda'),
    "optim.SGD(model, lr=0.1)": (TypeError, "SGD takes parameters, got a Sequential: give it model.parameters()."),
    "optim.SGD(nn.ReLU().parameters(), lr=0.1)": (ValueError, "SGD got no parameters."),
    "optim.SGD(model.parameters(), lr='0.1')": (TypeError, "lr must be a number, got '0.1', a str."),
    "optim.Adam(model.parameters(), lr=Tensor(0.1))": (TypeError, "lr must be a number, got Tensor(0.1"),
    "optim.RMSprop(model.parameters(), alpha=None)": (TypeError, "alpha must be a number, got None"),
    "optim.Adam(model.parameters(), betas=0.9)": (ValueError, "betas must be two numbers, (beta1, beta2), got 0.9."),
    "optimizer.lr": (AttributeError, "no attribute 'lr'; write optimizer.param_groups[0][\"lr\"]"),
    "optimizer.learning_rate": (AttributeError, 'write optimizer.param_groups[0]["lr"]'),
    "setattr(optimizer, 'lr', 0.5)": (AttributeError, "SGD.lr would change no step; each group of parameters has its"),
    "setattr(optimizer, 'learning_rate', 0.5)": (AttributeError, 'optimizer.param_groups[0]["lr"] = ...'),
    "optimizer.param_groups[0].__setitem__('learning_rate', 0.5)": (KeyError, "learning_rate is called lr here"),
    "optimizer.state[model[0].weight]": (AttributeError, 'write optimizer.state_dict()["state"]'),
    "optimizer.bogus": (AttributeError, "'SGD' object has no attribute 'bogus'"),
    "optimizer.load_state_dict({})": (ValueError, "give what its own state_dict() gave."),
    "optim.clip_grad_norm_(model, 1.0)": (TypeError, "clipping takes parameters, got a Sequential"),
    "optim.clip_grad_value_(model, 1.0)": (TypeError, "give it model.parameters()."),
    "nn.Softmax(axis=1)": (TypeError, "Softmax has no option axis; axis is called dim here."),
    "nn.Dropout(rate=0.1)": (TypeError, "Dropout has no option rate; rate is called p here."),
    "nn.Linear(2, 3, activation='relu')": (TypeError, "put nn.ReLU() or its like behind it, leave activation out."),
    "nn.Conv2d(1, 2, 3, strides=2)": (TypeError, "Conv2d has no option strides; strides is called stride here."),
    "nn.MSELoss(size_average=False)": (TypeError, 'reduction="mean" or "sum" stands here for size_average=True or'),
    "nn.CrossEntropyLoss(from_logits=True)": (TypeError, "nn.BCELoss probabilities, leave it out."),
    "nn.Bilinear(2, 3, 4)": (AttributeError, 'write autograd.einsum("bi,oij,bj->bo", x, weight, y) in forward'),
    "nn.CTCLoss()": (AttributeError, "write a loss over the paths with autograd.logaddexp: none is here"),
    "nn.MeanSquaredError()": (AttributeError, "write nn.MSELoss()"),
    "nn.init.xavier_uniform(model[0].weight)": (AttributeError, "write nn.init.xavier_uniform_(tensor)"),
    "F.softmax(logits, 1, dtype='float64')": (TypeError, "write x.astype(dtype) before it, leave dtype out."),
    "F.dropout(x, 0.5, inplace=True)": (TypeError, "nothing is done in place here, leave inplace out."),
    "F.mse_loss(x, x, size_average=False)": (TypeError, 'reduction="mean" or "sum" stands here for size_average'),
    "optim.Adam(model.parameters(), fused=True)": (TypeError, "one loop over all parameters in any case, leave fused"),
    "optim.Adam(model.parameters(), learning_rate=0.1)": (TypeError, "Adam has no option learning_rate; learning_rate"),
    "optim.Adam(model.parameters(), beta_1=0.8)": (TypeError, "beta_1 is the first of betas=(beta1, beta2) here."),
    "optim.SGD(model.parameters(), 0.1, True)": (TypeError, "momentum must be a number, got True, a bool."),
    "optim.SGD(model.parameters(), clipnorm=1.0)": (
        TypeError,
        "call optim.clip_grad_norm_(parameters, max_norm) before",
    ),
    "optim.clip_grad_norm_(model.parameters(), 1.0, foreach=True)": (TypeError, "leave foreach out."),
    "optim.StepLR(optimizer, 3, last_epoch=9)": (TypeError, "load_state_dict of a schedule takes up its count, leave"),
    "optim.SGD(model.parameters(), momentum=0.9, nesterov='no')": (
        TypeError,
        "SGD: nesterov must be True or False, got 'no', a str.",
    ),
    "optim.AdamW(model.parameters(), maximize=1)": (TypeError, "maximize must be True or False, got 1, a int."),
    "optimizer.param_groups[0].update(nesterov='no')": (TypeError, "nesterov must be True or False, got 'no', a str."),
    "optim.SGD([type('Tensor', (), {'__module__': 'torch'})()])": (
        TypeError,
        "is a Tensor of torch; wanted is a Tensor of",
    ),
    "optim.Adam(None)": (TypeError, "Adam takes parameters, got a NoneType: give it model.parameters()."),
    "optim.Adam([{'params': None}])": (TypeError, "Adam takes parameters, got a NoneType"),
    "optim.clip_grad_norm_(None, 1.0)": (TypeError, "clipping takes parameters, got a NoneType"),
    "optim.StepLR(model, 3)": (
        TypeError,
        "StepLR takes an Optimizer of optim, got a Sequential: write StepLR(optimizer",
    ),
    "optim.LambdaLR(optim.SGD, len)": (TypeError, "LambdaLR takes an Optimizer of optim, got the class SGD"),
    "optim.ReduceLROnPlateau(None)": (TypeError, "ReduceLROnPlateau takes an Optimizer of optim, got a NoneType"),
    "optim.StepLR(optimizer, '3')": (TypeError, "StepLR: step_size must be a number, got '3', a str."),
    "optim.StepLR(optimizer, 3, gamma=None)": (TypeError, "StepLR: gamma must be a number, got None"),
    "optim.MultiStepLR(optimizer, 3)": (TypeError, "MultiStepLR takes several milestones, [30, 80], got 3 alone."),
    "optim.LambdaLR(optimizer, 3)": (TypeError, "LambdaLR takes a function of t that gives a factor, got 3."),
    "optim.LambdaLR(optimizer, lambda t: None)": (
        TypeError,
        "what lr_lambda gives for t = 0 must be a number, got None",
    ),
    "optim.OneCycleLR(optim.Adagrad(model.parameters()), 0.1, 5)": (ValueError, "Adagrad has no momentum to go down"),
    "optim.OneCycleLR(optimizer, '0.1', 5)": (TypeError, "OneCycleLR: max_lr must be a number, got '0.1', a str."),
    "optim.ReduceLROnPlateau(optimizer, patience=-1)": (ValueError, "patience must be at least 0, got -1."),
    "optim.ReduceLROnPlateau(optimizer).step(None)": (TypeError, "takes the newest value of the metric, a number, got"),
    "optim.ReduceLROnPlateau(optimizer, verbose=True)": (
        TypeError,
        "print(schedule) shows its values, recipe.callbacks.Progress() a run, leave verb",
    ),
    "model.to('cpu', non_blocking=True)": (TypeError, "a copy is waited for where it is read, leave non_blocking out"),
    "model.load_state_dict({}, assign=True)": (TypeError, "parameters stay and take the values, leave assign out"),
    "model.state_dict(keep_vars=True)": (
        TypeError,
        "dict(model.named_parameters()) has the Parameters",
    ),
    "F.scaled_dot_product_attention(x, x, x, enable_gqa=True)": (
        TypeError,
        "autograd.repeat(key, times, axis=-3), and",
    ),
    "ag.nonzero(x, as_tuple=True)": (TypeError, "nonzero gives a tuple in any case, leave as_tuple out"),
    "nn.load('file', weights_only=True)": (
        TypeError,
        "a file of safetensors holds nothing else, leave weights_only out",
    ),
    "optim.LBFGS(model.parameters(), weight_decay=0.1)": (
        TypeError,
        "LBFGS has no option weight_decay; add share / 2 * (w * w).sum() for each weight to the loss, leave weight_dec",
    ),
    "optim.LBFGS(model.parameters(), penalties=[optim.L2(0.1)])": (TypeError, "add them to the loss, as formulas of"),
    "optim.LBFGS(model.parameters()).step()": (TypeError, "LBFGS asks for the loss several times: write step(closure)"),
}


@pytest.mark.parametrize("line", FAILS)
def test_one_sentence_says_what_to_type(names, line):
    kind, text = FAILS[line]
    with pytest.raises(kind, match=re.escape(text)) as raised:
        eval(line, names)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("room", ["nn", "nn.functional", "nn.init", "optim"])
def test_what_the_sentences_name_is_there_and_what_they_are_for_is_not(names, room):
    for name, instead in NAMES[room].items():
        assert not hasattr(eval(room, names), name)
        for path in re.findall(r"\b(?:nn|optim|autograd)\.[\w.]*\w", instead):
            assert eval(path, {**names, "autograd": ag}) is not None


@pytest.mark.parametrize("wrong", [np.ones((3, 2), np.float32), [[1.0, 2.0]] * 3])
def test_a_gradient_that_is_no_tensor_is_named(names, wrong):
    names["model"][0].weight.grad = wrong
    with pytest.raises(TypeError, match=r"must be a Tensor or None, got a (ndarray|list): assign Tensor"):
        names["optimizer"].step()


def test_a_forward_that_forgets_its_return_is_told_by_the_next_layer():
    class Forgetful(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 2)

        def forward(self, x):
            self.layer(x)

    with pytest.raises(TypeError, match="does the forward before it return its result"):
        nn.Sequential(Forgetful(), nn.Linear(2, 2))(Tensor([[1.0, 2.0]]))


def test_names_that_lead_elsewhere_are_free_for_a_module_of_ones_own():
    class Own(nn.Module):
        def __init__(self, inplace):
            self.layer, self.summary = nn.Linear(2, 2), "mine"

        def fit(self):
            return "fitted"

    assert (Own(inplace=True).summary, Own(True).fit()) == ("mine", "fitted")
    assert {"fit", "summary"} <= set(dir(Own(True)))
    assert "half" not in dir(Own(True))
