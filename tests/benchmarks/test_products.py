"""The products of a step, each kind once with how often it is wanted, and what is said where there is no GPU."""

from __future__ import annotations

import json
from types import SimpleNamespace

from autograd.cuda.product import Product
from benchmarks import __main__ as cli
from benchmarks.gpu import device, products
from benchmarks.gpu.products import timed_products
from benchmarks.measure import BenchmarkError

LARGE, SMALL = Product.packed(128, 512, 784, "float32"), Product.packed(128, 10, 512, "float32")
TIMES = {LARGE: (8e-6, 6e-6), SMALL: (5e-6, 5e-6)}  # expected, fastest
FOUND = [
    {"product": str(SMALL)[4:], "times": 2, "expected_us": 5.0, "fastest_us": 5.0},
    {"product": str(LARGE)[4:], "times": 1, "expected_us": 8.0, "fastest_us": 6.0},
]


def trial(product, alignment):
    expected, fastest = TIMES[product]
    return SimpleNamespace(expected=expected, seconds=fastest)


def test_each_kind_is_timed_once_and_what_takes_longest_comes_first():
    found = timed_products([LARGE, SMALL, SMALL], trial)
    for one, wanted in zip(found, FOUND, strict=True):
        assert {name: round(value, 9) if "us" in name else value for name, value in one.items()} == wanted
    assert timed_products([], trial) == []


def test_a_result_is_shown_and_kept(monkeypatch, tmp_path, capsys):
    contender = SimpleNamespace(environment={}, versions=dict, prepare=lambda job: None)
    monkeypatch.setattr(device, "describe", lambda: {"name": "NVIDIA Toy"})
    monkeypatch.setattr(products, "told", lambda contender_, precision: contender)
    monkeypatch.setattr(products, "_of_step", lambda step: {"products": FOUND, "with_epilogues": FOUND[:1]})
    assert cli.main(["products", "mlp-128", "--precision", "tf32", "--out", str(tmp_path)]) == 0
    path = tmp_path / "products-mlp-128-nvidia-toy-tf32.json"
    assert json.loads(path.read_text())["products"] == FOUND
    told = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in told.splitlines()]
    assert lines[0] == "NVIDIA Toy; mlp-128: 784-512-512-10, batch 128, sgd; float32, factors rounded to TF32"
    assert "all of them, one after the other 3 18 us 16 us" in lines
    assert "all of them, one after the other 2 10 us 10 us" in lines
    assert cli.main(["show", str(path)]) == 0
    assert capsys.readouterr().out.splitlines() == told.partition("\n\nsaved")[0].splitlines()


def test_without_a_gpu_it_says_so(monkeypatch, capsys):
    def none():
        raise BenchmarkError("there is no GPU here")

    monkeypatch.setattr(device, "describe", none)
    assert cli.main(["products", "mlp-128"]) == 1
    assert capsys.readouterr().err == "python -m benchmarks products: there is no GPU here\n"
