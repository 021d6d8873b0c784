"""Attention and transformers beyond PyTorch's numbers: masks, the kernel's paths, weights, dropout, and errors."""

from __future__ import annotations

import numpy as np
import pytest

import autograd as ag
import nn
import nn.functional as F
import optim
from autograd import Tensor
from autograd.random import Generator
from nn.functional.attention import attention

rng = np.random.default_rng(0)


def normal(*shape, dtype="float64", requires_grad=True):
    return Tensor(rng.normal(size=shape).astype(dtype), requires_grad=requires_grad)


def close(found, wanted, rtol=1e-10):
    np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), rtol=rtol, atol=rtol)


def outcome(function, inputs):
    """The result and the gradient of each input, weighted by fixed numbers."""
    for x in inputs:
        x.grad = None
    out = function(*inputs)
    out.backward(np.random.default_rng(1).normal(size=out.shape))
    return [out, *(x.grad for x in inputs)]


def compare(function, other, inputs, rtol=1e-10):
    for found, wanted in zip(outcome(function, inputs), outcome(other, inputs), strict=True):
        close(found, wanted, rtol)


def heads(batch, length, count, width):
    """Heads that lie beside each other in one product, as a layer's do."""
    return normal(batch, length, count, width, requires_grad=False).permute_dims((0, 2, 1, 3)).requires_grad_()


# The function


@pytest.mark.parametrize(("queries", "keys"), [(4, 4), (3, 5), (5, 3), (300, 300), (130, 300), (300, 140)])
def test_causal_is_the_lower_half_as_a_mask(queries, keys):
    inputs = normal(2, queries, 3), normal(2, keys, 3), normal(2, keys, 2)
    mask = Tensor(np.tri(queries, keys, dtype=bool))
    causal = F.scaled_dot_product_attention(*inputs, is_causal=True)
    assert causal.node.primitive is attention
    compare(
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, mask),
        inputs,
    )


@pytest.mark.parametrize("size", [0.1, 1e3])
@pytest.mark.parametrize("masked", [False, True])
def test_the_kernel_equals_its_definition_near_zero_and_far_from_it(size, masked):
    inputs = [normal(2, 5, 3) * size, normal(2, 6, 3), normal(2, 6, 4)]
    inputs = [x.detach().requires_grad_() for x in inputs]
    mask = Tensor(rng.random((5, 6)) < 0.5) if masked else None
    compare(lambda *x: attention(*x, mask), lambda *x: attention.definition(*x, mask), inputs, 1e-9)


def test_scores_that_would_overflow_give_weights():
    query = Tensor(np.full((1, 4), 1e3, "float32"), requires_grad=True)
    key = Tensor(np.array([[1.0] * 4, [2.0] * 4], "float32"))
    out = F.scaled_dot_product_attention(query, key, Tensor([[1.0], [5.0]]))
    assert out.tolist() == [[5.0]]
    out.backward(np.ones((1, 1)))
    assert query.grad.tolist() == [[0.0] * 4]


def test_what_a_mask_adds_to_a_whole_row_moves_nothing():
    inputs, far = (normal(3, 4), normal(5, 4), normal(5, 2)), Tensor(np.array([[-1e3], [1e3], [0.0]]))
    compare(lambda *x: F.scaled_dot_product_attention(*x, far), F.scaled_dot_product_attention, inputs)


@pytest.mark.parametrize("kind", ["bool", "float64"])
def test_a_query_that_sees_no_key_gives_0_and_moves_nothing(kind):
    query, key, value = normal(3, 4), normal(5, 4), normal(5, 2)
    seen = np.ones((3, 5), bool)
    seen[1] = False
    mask = Tensor(seen if kind == "bool" else np.where(seen, 0.0, -np.inf))
    out = F.scaled_dot_product_attention(query, key, value, mask)
    assert out.node.primitive is attention
    out.sum().backward()
    assert out[1].tolist() == [0.0, 0.0]
    assert query.grad[1].tolist() == [0.0] * 4
    for x in (out, query.grad, key.grad, value.grad):
        assert np.isfinite(x.detach().numpy()).all()


def test_a_mask_of_floats_has_a_gradient_of_its_own_shape():
    inputs = normal(2, 3, 4, 2), normal(2, 3, 5, 2), normal(2, 3, 5, 2), normal(3, 1, 5)
    compare(F.scaled_dot_product_attention, attention.definition, inputs)


def test_heads_are_read_and_written_as_they_lie():
    q, k, v = (heads(2, 5, 3, 4) for _ in range(3))
    out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    out.backward(np.ones(out.shape))
    for x in (out.detach(), q.grad, k.grad, v.grad):
        assert np.shares_memory(x.data, x.data.transpose(0, 2, 1, 3).reshape(2, 5, 12))  # joined without a copy


def test_second_derivatives_go_through_a_causal_mask():
    q, k, v = normal(2, 3, 2), normal(2, 3, 2), normal(2, 3, 2)
    assert ag.gradgradcheck(lambda *x: F.scaled_dot_product_attention(*x, is_causal=True), q, k, v)


def test_scale_takes_the_place_of_the_root():
    q, k, v = normal(3, 4), normal(3, 4), normal(3, 2)
    close(F.scaled_dot_product_attention(q, k, v, scale=0.5), F.scaled_dot_product_attention(q, k, v))
    other = F.scaled_dot_product_attention(q, k, v, scale=0.2).detach().numpy()
    assert np.abs(other - F.scaled_dot_product_attention(q, k, v).detach().numpy()).max() > 1e-3


def test_dropout_drops_weights_by_the_generator():
    q, k = normal(3, 8), normal(4, 8)
    eye = Tensor(np.eye(4))
    weights = F.scaled_dot_product_attention(q, k, eye)
    dropped = F.scaled_dot_product_attention(q, k, eye, dropout_p=0.5, generator=Generator(3))
    mask = Generator(3).keep_mask((3, 4), 0.5)
    close(dropped, weights * mask * 2.0)
    assert 0 < mask.sum() < 12


@pytest.mark.parametrize("shape", [(0, 3, 2), (2, 0, 2), (2, 3, 0)])
def test_empty_inputs(shape):
    lead, queries, keys = shape
    inputs = normal(lead, queries, 4), normal(lead, keys, 4), normal(lead, keys, 2)
    out = F.scaled_dot_product_attention(*inputs)
    assert out.shape == (lead, queries, 2)
    out.sum().backward()
    assert not out.detach().numpy().any()
    assert all(x.grad.shape == x.shape for x in inputs)


@pytest.mark.parametrize(
    ("shapes", "mask", "message"),
    [
        ([(3,), (3, 4), (3, 4)], None, r"query of shape \(3,\).*they must be \(\.\.\., L, E\), \(\.\.\., S, E\) and"),
        ([(3, 5), (3, 4), (3, 4)], None, "query and key must agree in their last axis, here 5 and 4"),
        ([(3, 4), (3, 4), (2, 4)], None, "there must be a value for each key, here 2 and 3"),
        (
            [(3, 4), (2, 4), (2, 4)],
            np.ones((2, 3), bool),
            r"of shape \(2, 3\): it must broadcast to \(3, 2\)",
        ),
        ([(3, 4), (2, 4), (2, 4)], np.ones((1, 3, 2), bool), r"attn_mask of shape \(1, 3, 2\): it must broadcast"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shapes, mask, message):
    with pytest.raises(ValueError, match=message):
        F.scaled_dot_product_attention(*(normal(*shape) for shape in shapes), None if mask is None else Tensor(mask))


def test_masks_that_make_no_sense_are_refused():
    q = normal(2, 3)
    with pytest.raises(ValueError, match=r"attn_mask and is_causal=True, a mask of its own: pass one of them"):
        F.scaled_dot_product_attention(q, q, q, Tensor(np.ones((2, 2), bool)), is_causal=True)
    with pytest.raises(TypeError, match=r"attn_mask of int64: it must be of bools, True where a key takes part"):
        F.scaled_dot_product_attention(q, q, q, Tensor([[1, 0], [1, 1]]))


# The layer


def layer(**options):
    return nn.MultiheadAttention(6, 3, generator=Generator(1), dtype="float64", batch_first=True, **options)


def test_the_weights_are_what_the_values_are_gathered_with():
    attend, x, memory = layer(), normal(2, 4, 6), normal(2, 5, 6)
    out, weights = attend(x, memory, memory, average_attn_weights=False)
    assert weights.shape == (2, 3, 4, 5)
    close(weights.sum(axis=-1), Tensor(np.ones((2, 3, 4))))
    values = F.linear(memory, attend.in_proj_weight[12:], attend.in_proj_bias[12:]).reshape((2, 5, 3, 2))
    gathered = ag.einsum("nhls,nshd->nlhd", weights, values).reshape((2, 4, 6))
    close(attend.out_proj(gathered), out)
    close(attend(x, memory, memory)[1], weights.mean(axis=1))
    plain, nothing = attend(x, memory, memory, need_weights=False)
    assert nothing is None
    close(plain, out)


def test_causal_joins_the_other_masks():
    attend, x = layer(), normal(2, 4, 6)
    padding = np.zeros((2, 4), bool)
    padding[1, 2:] = True
    hidden = np.triu(np.ones((4, 4), bool), 1) | padding[:, None]
    by_head = Tensor(np.repeat(hidden, 3, axis=0))  # (N * num_heads, L, S)
    numbers = Tensor(np.where(padding, -np.inf, 0.0))
    wanted, weights = attend(x, x, x, attn_mask=by_head)
    assert not weights.data[hidden].any()
    for mask in (Tensor(padding), numbers):
        for need in (True, False):
            close(attend(x, x, x, mask, need, is_causal=True)[0], wanted)
    close(attend(x, x, x, numbers, attn_mask=Tensor(np.triu(np.ones((4, 4), bool), 1)))[0], wanted)


def test_without_a_batch_and_with_it_behind_the_length():
    attend, x = layer(), normal(4, 6)
    out, weights = attend(x, x, x, Tensor(np.array([False, True, False, False])))
    assert (out.shape, weights.shape) == ((4, 6), (4, 4))
    assert not weights.data[:, 1].any()
    attend.batch_first = False
    second = ag.stack([normal(4, 6), x], axis=1)
    close(attend(second, second, second, Tensor(np.array([[False] * 4, [False, True, False, False]])))[0][:, 1], out)


def test_the_layer_starts_as_pytorchs_does():
    attend = nn.MultiheadAttention(64, 4, generator=Generator(0))
    bound = np.sqrt(6 / (64 + 192))
    assert 0.99 * bound < np.abs(attend.in_proj_weight.data).max() <= bound
    assert not attend.in_proj_bias.data.any()
    assert not attend.out_proj.bias.data.any()
    assert list(attend.state_dict()) == ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"]
    assert [p.role for p in attend.parameters()] == ["weight", "bias", "weight", "bias"]


def test_dropout_in_the_layer_is_for_training():
    attend, x = layer(dropout=0.5), normal(2, 4, 6)
    assert not (attend(x, x, x)[1].data != 0).all()
    attend.eval()
    close(attend(x, x, x)[0], layer()(x, x, x)[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.MultiheadAttention(6, 4), "embed_dim=6 and num_heads=4: the heads must divide it"),
        (lambda: nn.MultiheadAttention(6, 3, dropout=1.5), r"dropout=1\.5: a probability must be in \[0, 1\]"),
        (
            lambda: layer()(normal(2, 4, 6), normal(2, 4, 5), normal(2, 4, 6)),
            r"\(2, 4, 6\), \(2, 4, 5\), \(2, 4, 6\): they must be \(N, L, 6\), \(N, S, 6\) and \(N, S, 6\), or all",
        ),
        (
            lambda: layer()(*[normal(2, 4, 6)] * 3, Tensor(np.zeros((4, 2), bool))),
            r"key_padding_mask of shape \(4, 2\): it must be \(2, 4\)",
        ),
        (
            lambda: layer()(*[normal(2, 4, 6)] * 3, attn_mask=Tensor(np.zeros((2, 4, 4), bool))),
            r"attn_mask of shape \(2, 4, 4\): it must be \(4, 4\) or \(6, 4, 4\)",
        ),
        (lambda: nn.TransformerEncoderLayer(4, 2, activation="tanh"), 'it must be "relu", "gelu" or a function'),
    ],
)
def test_what_does_not_fit_the_layer_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_mask_of_bfloat16_is_one_of_floats():
    kind = pytest.importorskip("ml_dtypes").bfloat16
    x = normal(2, 3, 4, dtype="float32")
    added = np.array([[0, -np.inf, 1], [1, 0, 2], [-np.inf, 0, 0]])
    found = F.scaled_dot_product_attention(x, x, x, Tensor(added.astype(kind)))
    wanted = F.scaled_dot_product_attention(x, x, x, Tensor(added.astype("float32")))
    assert found.dtype == "float32"
    np.testing.assert_allclose(found.data, wanted.data, rtol=1e-6)


def test_a_mask_of_integers_is_refused():
    with pytest.raises(TypeError, match="attn_mask of int64: it must be of bools, True where a key is hidden"):
        layer()(*[normal(2, 4, 6)] * 3, attn_mask=Tensor(np.zeros((4, 4), "int64")))


# Transformers


def test_an_encoder_is_its_layers_one_after_the_other():
    part = nn.TransformerEncoderLayer(4, 2, 8, 0.0, dtype="float64", generator=Generator(2), batch_first=True)
    encoder = nn.TransformerEncoder(part, 2, nn.LayerNorm(4, dtype="float64"))
    x, mask = normal(2, 3, 4), Tensor(np.triu(np.ones((3, 3), bool), 1))
    close(encoder(x, mask), encoder.norm(part(part(x, is_causal=True), is_causal=True)))
    assert len(list(encoder.parameters())) == 2 * len(list(part.parameters())) + 2
    assert "layers.1.self_attn.out_proj.weight" in encoder.state_dict()


def test_a_decoder_is_its_layers_one_after_the_other():
    part = nn.TransformerDecoderLayer(4, 2, 8, 0.0, dtype="float64", generator=Generator(2), batch_first=True)
    decoder = nn.TransformerDecoder(part, 2)
    x, memory = normal(2, 3, 4), normal(2, 5, 4)
    close(decoder(x, memory, tgt_is_causal=True), part(part(x, memory, tgt_is_causal=True), memory, tgt_is_causal=True))


def test_copies_of_a_layer_drop_units_of_their_own():
    generator = Generator(2)
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, 0.5, generator=generator), 2)
    assert all(m.generator is generator for m in encoder.modules() if hasattr(m, "generator"))
    before = generator.state_dict()["draw"]
    encoder(normal(3, 2, 4, dtype="float32"))
    assert generator.state_dict()["draw"] == before + 8


class Letters(nn.Module):
    """Tokens and learned places, layers that look back only, and a guess of each next token."""

    def __init__(self, vocabulary, longest, width):
        generator = Generator(0)
        self.tokens = nn.Embedding(vocabulary, width, generator=generator)
        self.places = nn.Embedding(longest, width, generator=generator)
        part = nn.TransformerEncoderLayer(
            width, 2, 32, 0.0, "gelu", norm_first=True, batch_first=True, generator=generator
        )
        self.body = nn.TransformerEncoder(part, 2, nn.LayerNorm(width))
        self.head = nn.Linear(width, vocabulary, bias=False, generator=generator)

    def forward(self, indices):
        x = self.tokens(indices) + self.places(ag.arange(indices.shape[-1]))
        return self.head(self.body(x, is_causal=True))


def test_a_small_gpt_learns_to_count():
    model = Letters(5, 8, 16)
    optimizer = optim.AdamW(model.parameters(), lr=0.01)
    rows = (np.arange(9)[None] + np.arange(5)[:, None]) % 5
    x, y = Tensor(rows[:, :-1]), Tensor(rows[:, 1:].reshape(-1))
    for _ in range(40):
        loss = F.cross_entropy(model(x).reshape((-1, 5)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05
    with ag.no_grad():
        changed = rows[:, :-1].copy()
        changed[:, 5:] = 0  # what comes later moves nothing that came before
        close(model(Tensor(changed))[:, :5], model(x)[:, :5], 1e-5)
