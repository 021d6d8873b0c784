"""Losses beyond PyTorch's numbers: what they refuse, and the identities between them."""

from __future__ import annotations

import numpy as np
import pytest

import autograd as ag
import nn
import nn.functional as F
from autograd import Tensor

rng = np.random.default_rng(0)


def normal(*shape):
    return Tensor(rng.normal(size=shape))


def share(*shape):
    return Tensor(rng.uniform(0.1, 0.9, size=shape))


PAIRED = [
    F.mse_loss,
    F.l1_loss,
    F.huber_loss,
    F.smooth_l1_loss,
    F.binary_cross_entropy,
    F.binary_cross_entropy_with_logits,
    F.kl_div,
]


@pytest.mark.parametrize("loss", PAIRED)
def test_nothing_broadcasts_in_silence(loss):
    """(N, 1) against (N,) would compare all pairs."""
    with pytest.raises(ValueError, match=r"input of shape \(4, 1\) and target of shape \(4,\).*input\.squeeze\(-1\)"):
        loss(share(4, 1), share(4))
    with pytest.raises(ValueError, match=r"target\.squeeze\(-1\)"):
        loss(share(4), share(4, 1))
    with pytest.raises(ValueError, match="they must be the same; reshape one of them"):
        loss(share(4, 2), share(2))
    with pytest.raises(ValueError, match=r"target of shape \(\)"):
        loss(share(4), 1.0)


@pytest.mark.parametrize("loss", PAIRED)
def test_a_reduction_that_is_not_known_is_named(loss):
    with pytest.raises(ValueError, match=r"reduction='average'.*mean.*sum.*none"):
        loss(share(4), share(4), reduction="average")


@pytest.mark.parametrize("name", nn.loss.__all__)
def test_the_layer_refuses_it_when_it_is_made(name):
    with pytest.raises(ValueError, match=f"{name} got reduction='average'"):
        getattr(nn, name)(reduction="average")


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: F.nll_loss(normal(4, 3), Tensor([0, 1, 2, 3])), ValueError, "labels from 0 to 3.*3 classes, 0 to 2"),
        (lambda: F.nll_loss(normal(2, 3), Tensor([0, -1])), ValueError, "labels from -1 to 0"),
        (lambda: F.nll_loss(normal(2, 3), Tensor([0.0, 1.0])), TypeError, r"target of float32.*astype\('int64'\)"),
        (lambda: F.nll_loss(normal(2, 3), normal(2, 3)), TypeError, r"one-hot target becomes labels by argmax\(axis"),
        (lambda: F.nll_loss(normal(2, 3), F.one_hot(Tensor([0, 1]), 3)), ValueError, "one-hot target becomes labels"),
        (lambda: F.nll_loss(normal(2, 3), Tensor([[0], [1]])), ValueError, r"labels of shape \(2, 1\).*shape \(2,\)"),
        (lambda: F.nll_loss(normal(2, 3), Tensor([0, 1]), normal(2)), ValueError, "it must be one for each class, 3"),
        (lambda: F.nll_loss(normal(), Tensor(0)), ValueError, "input without axes"),
        (lambda: F.nll_loss(normal(2, 3), [0, 1]), TypeError, "list"),
        (lambda: F.cross_entropy(normal(2, 3), Tensor([0, 3])), ValueError, "labels from 0 to 3"),
        (lambda: F.cross_entropy(normal(2, 3), Tensor([0.0, 1.0])), ValueError, "labels must be integers"),
        (lambda: F.cross_entropy(normal(2, 3), Tensor([[0], [1]])), ValueError, "drop its last axis"),
        (lambda: F.cross_entropy(normal(2, 2), Tensor([[0, 1], [1, 0]])), ValueError, r"write labels.argmax\(axis=1\)"),
        (lambda: F.cross_entropy(normal(2, 2), np.array([True, False])), TypeError, r"write labels.astype\('int64'\)"),
        (
            lambda: F.cross_entropy(normal(2, 2), np.array(["a", "b"])),
            TypeError,
            r"write numpy.unique\(words, ret",
        ),
        (lambda: F.huber_loss(normal(2), normal(2), delta=0.0), ValueError, "delta=0.0"),
        (lambda: F.smooth_l1_loss(normal(2), normal(2), beta=-1.0), ValueError, "beta=-1.0"),
        (lambda: F.binary_cross_entropy(normal(9), share(9)), ValueError, "logits go to .*with_logits"),
        (lambda: F.binary_cross_entropy(share(2), share(2), normal(3)), ValueError, r"weight of shape \(3,\)"),
        (
            lambda: F.binary_cross_entropy_with_logits(normal(3, 1), share(3, 1), pos_weight=normal(4)),
            ValueError,
            r"pos_weight of shape \(4,\): it must broadcast to \(3, 1\)",
        ),
        (lambda: F.kl_div(share(), share(), "batchmean"), ValueError, "this input has no axes"),
    ],
)
def test_mistakes_are_named(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


def test_cross_entropy_is_nll_of_log_softmax():
    logits, labels = Tensor(normal(5, 4), requires_grad=True), Tensor([0, 3, 1, -100, 2])
    weight = share(4)
    loss = F.nll_loss(F.log_softmax(logits, 1), labels, weight)
    loss.backward()
    found, logits.grad = logits.grad, None
    other = F.cross_entropy(logits, labels, weight)
    other.backward()
    assert loss.item() == pytest.approx(other.item(), rel=1e-12)
    np.testing.assert_allclose(found.data, logits.grad.data, rtol=1e-10)


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
def test_a_mean_over_no_label_is_nan_and_a_sum_is_nothing(loss):
    x, labels = Tensor(np.zeros((2, 3)), requires_grad=True), np.array([-100, -100])
    with np.errstate(all="ignore"):
        mean = loss(x, labels)
        (g,) = ag.gradients(mean, [x])
    assert np.isnan(mean.item())
    assert (g.data == 0).all()
    total = loss(x, labels, reduction="sum")
    assert (total.item(), ag.gradients(total, [x])[0].tolist()) == (0, [[0.0] * 3] * 2)


def test_cross_entropy_with_logits_is_that_of_the_sigmoid():
    logits, target, weight = normal(4, 3), share(4, 3), share(3)
    wanted = F.binary_cross_entropy(F.sigmoid(logits), target, weight).item()
    assert F.binary_cross_entropy_with_logits(logits, target, weight).item() == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize("executor", ["numpy", "native"])
@pytest.mark.parametrize("wrong", [np.nan, -0.5, 1.5])
def test_a_compiled_loss_of_what_is_no_probability_is_nan(executor, wrong):
    loss = ag.compile(F.binary_cross_entropy, executor=executor)
    assert np.isnan(loss(Tensor([wrong, 0.5]), Tensor([0.0, 1.0])).item())
    assert loss(Tensor([0.0, 1.0]), Tensor([0.0, 0.0])).item() == 50.0


@pytest.mark.parametrize("loss", [F.binary_cross_entropy, F.binary_cross_entropy_with_logits])
@pytest.mark.parametrize("labels", [[-1.0, 1.0], [1.0, 2.0]])
def test_labels_that_are_no_shares_are_refused(loss, labels):
    with pytest.raises(ValueError, match=r"got target from .* labels -1 and 1 become those by \(y \+ 1\) / 2"):
        loss(Tensor(np.array([0.5, 0.5])), np.array(labels))
    assert loss(Tensor(np.array([0.5, 0.5])), np.array([False, True])).item() > 0


def test_with_logits_far_tails_keep_their_loss():
    logits, target = Tensor([1000.0, -1000.0, 1000.0]), Tensor([0.0, 1.0, 1.0])
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    assert loss.tolist() == [1000.0, 1000.0, 0.0]


@pytest.mark.parametrize("kind", ["float64", "int64"])
def test_weights_of_a_wider_kind_widen_the_loss_whatever_the_size(kind):
    weights = np.full(64, 2, kind)
    for rows in (2, 128):
        x, y = Tensor(np.ones((rows, 64), "float32")), np.ones((rows, 64), "float32")
        assert F.binary_cross_entropy_with_logits(x, y, pos_weight=weights).dtype == "float64"


def test_certain_probabilities_have_finite_losses_and_gradients():
    p = Tensor([0.0, 1.0, 0.0, 1.0], dtype="float64", requires_grad=True)
    loss = F.binary_cross_entropy(p, Tensor([0.0, 1.0, 1.0, 0.0], dtype="float64"), reduction="none")
    assert loss.tolist() == [0.0, 0.0, 100.0, 100.0]
    loss.sum().backward()
    assert p.grad.tolist() == [1.0, -1.0, -1e12, 1e12]


def test_huber_is_mse_near_and_l1_far():
    x, target = normal(6), normal(6)
    near = F.huber_loss(x, target, delta=100.0).item()
    assert near == pytest.approx(F.mse_loss(x, target).item() / 2, rel=1e-12)
    far = F.smooth_l1_loss(x, target, beta=1e-9).item()
    assert far == pytest.approx(F.l1_loss(x, target).item(), rel=1e-8)


def test_the_divergence_of_a_distribution_from_itself_is_zero():
    p = F.softmax(normal(3, 4), 1)
    assert abs(F.kl_div(F.log_softmax(p.log(), 1), p, "batchmean").item()) < 1e-15
    assert F.kl_div(Tensor([[-1.0, -1.0]]), Tensor([[0.0, 1.0]]), "sum").item() == pytest.approx(1.0)


def test_targets_may_be_arrays_and_class_weights_move_with_the_module():
    loss = nn.CrossEntropyLoss(weight=Tensor([1.0, 2.0]))
    assert list(loss.state_dict()) == ["weight"]
    assert loss.to("float64").weight.dtype == "float64"
    assert list(loss.parameters()) == []
    array = np.array([0.5, 0.25])
    assert F.mse_loss(Tensor(array), array).item() == 0.0
    assert nn.MSELoss(reduction="sum")(Tensor([1.0, 2.0]), Tensor([0.0, 0.0])).item() == 5.0


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
def test_labels_may_be_integers_of_any_size_and_logits_lie_in_any_order(kind, order):
    values, labels = rng.normal(size=(7, 3)), rng.integers(0, 3, 7)
    found, wanted = Tensor(values, requires_grad=True), Tensor(values, requires_grad=True)
    found.data = np.asarray(found.data, order=order)
    loss = F.cross_entropy(found, Tensor(labels.astype(kind)))
    reference = F.cross_entropy.definition(wanted, Tensor(labels))
    np.testing.assert_allclose(loss.item(), reference.item(), rtol=1e-12)
    loss.backward()
    reference.backward()
    np.testing.assert_allclose(found.grad.numpy(), wanted.grad.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
def test_labels_out_of_range_are_refused_whatever_their_size(kind):
    for wrong in (3, 100, -1)[: 2 if kind[0] == "u" else 3]:
        labels = np.array([0, wrong, 2], dtype=kind)
        with pytest.raises(ValueError, match=f"{wrong}.*3 classes"):
            F.cross_entropy(normal(3, 3), labels)


# What counts, and how much


@pytest.mark.parametrize("shape", [(6, 5), (2, 5, 3), (3, 5, 2, 4)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss], ids=["cross_entropy", "nll_loss"])
@pytest.mark.parametrize(
    "how",
    ["plain", "smooth", "weighed", "ignored", "weighed and ignored", "smooth and ignored", "another label ignored"],
)
def test_the_kernel_equals_the_definition(shape, reduction, loss, how):
    if loss is F.nll_loss and "smooth" in how:
        return
    z = rng.normal(size=shape)
    y = rng.integers(0, 5, shape[:1] + shape[2:])
    weight = rng.uniform(0.5, 2.0, 5) if "weighed" in how else None
    options = {"reduction": reduction, "ignore_index": -100}
    if "smooth" in how:
        options["label_smoothing"] = 0.2
    if "ignored" in how:
        y.reshape(-1)[::3] = options["ignore_index"] = 3 if "another" in how else -100
    found = [Tensor(z, requires_grad=True), Tensor(z, requires_grad=True)]
    losses = [f(x, y, weight, **options) for f, x in zip((loss, loss.definition), found, strict=True)]
    g = rng.normal(size=losses[1].shape)
    for made in losses:
        made.backward(g)
    if "smooth and" not in how:
        assert losses[0].node.primitive is loss
    np.testing.assert_allclose(losses[0].data, losses[1].data, rtol=1e-12)
    np.testing.assert_allclose(found[0].grad.data, found[1].grad.data, rtol=1e-10, atol=1e-14)


_by_definition = F.cross_entropy.definition


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"weight": np.arange(1.0, 4.0, dtype="float16")}])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_many_large_losses_of_float16_have_a_mean(options, reduction):
    z, y = (300 * rng.normal(size=(900, 3))).astype("float16"), rng.integers(0, 3, 900)
    x, wide = Tensor(z, requires_grad=True), Tensor(z.astype("float64"), requires_grad=True)
    found, wanted = (F.cross_entropy(logits, y, reduction=reduction, **options) for logits in (x, wide))
    assert found.dtype == "float16"
    # The logarithm of a little more than 1, in float32.
    np.testing.assert_allclose(found.data, wanted.data, rtol=2e-3, atol=1e-6)
    ones = np.ones(found.shape)
    (g,), (true,) = ag.gradients(found, [x], ones.astype("float16")), ag.gradients(wanted, [wide], ones)
    np.testing.assert_allclose(g.data, true.data, rtol=2e-3, atol=1e-6)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("row", [[np.inf, 0, 1], [np.inf, np.inf, 1], [-np.inf, 0, 1], [-np.inf] * 3, [np.nan, 0, 1]])
@pytest.mark.parametrize("rows", [2, 6000])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_infinite_logits_give_the_same_by_the_kernel_and_compiled(row, rows, reduction, smoothing):
    z = rng.normal(size=(rows, 3))
    z[0], z[-1] = row, row
    y = np.arange(rows) % 3
    options = {"reduction": reduction, "label_smoothing": smoothing}

    def slopes(x):
        x = Tensor(x, requires_grad=True)
        loss = F.cross_entropy(x, y, **options)
        return loss, ag.gradients(loss.sum(), [x])[0]

    leaf = Tensor(z, requires_grad=True)
    loss = _by_definition(leaf, y, **options)
    wanted = loss, ag.gradients(loss.sum(), [leaf])[0]
    for run in (slopes, ag.compile(slopes, executor="numpy")):
        for one, other in zip(run(Tensor(z)), wanted, strict=True):
            np.testing.assert_allclose(one.data, other.data, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"weight": np.arange(1.0, 5.0)}])
@pytest.mark.parametrize("loss", [F.cross_entropy, _by_definition, F.nll_loss], ids=["kernel", "definition", "nll"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_infinite_logits_of_a_row_that_does_not_count_do_not_count(loss, options, reduction):
    if loss is F.nll_loss and "label_smoothing" in options:
        return
    z = rng.normal(size=(4, 4))
    z[1, 0], z[3] = -np.inf, -np.inf
    x = Tensor(z, requires_grad=True)
    found = loss(x, np.array([1, -100, 2, -100]), reduction=reduction, **options)
    wanted = loss(Tensor(z[::2]), np.array([1, 2]), reduction=reduction, **options)
    if reduction == "none":
        np.testing.assert_allclose(found.data[1::2], 0.0)
        found, wanted = found[::2].sum(), wanted.sum()
    np.testing.assert_allclose(found.data, wanted.data)
    found.backward()
    np.testing.assert_array_equal(x.grad.data[1::2], 0.0)
