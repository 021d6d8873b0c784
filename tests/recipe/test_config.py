"""The configuration: defaults, file, flags; whatever is wrong is one line that names it and says what is wanted."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipe.config import Config, ConfigError, configure, from_dict, options, read_toml
from recipe.kinds import choice, literal, number, one_or_several, optional, several, switch, text, whole

ROWS = list(options())


def test_the_defaults_are_the_lectures_network():
    config = configure()
    assert config.model.hidden == (512, 512)
    assert config.model.dropout == (0.2, 0.5)
    assert (config.optim.name, config.optim.lr, config.optim.schedule, config.optim.max_norm) == (
        "adam",
        1e-3,
        "cosine",
        3.0,
    )
    assert config.model.init == "glorot"


def test_synthetic_data_have_smaller_defaults_which_can_be_overridden():
    config = configure(flags={"data.source": "spirals", "fit.epochs": "3"})
    assert (config.model.hidden, config.model.dropout, config.optim.max_norm) == ((32, 32), (), None)
    assert config.fit.epochs == 3


def test_flags_override_the_file_and_the_file_the_defaults():
    file = {"seed": 3, "optim": {"lr": 0.5, "name": "sgd"}, "model.hidden": [7]}
    config = configure(file, {"optim.lr": "0.25"}, "run.toml")
    assert (config.seed, config.optim.lr, config.optim.name, config.model.hidden) == (3, 0.25, "sgd", (7,))


@pytest.mark.parametrize("name", ["adam", "sgd", "adadelta"])
def test_the_rate_is_the_optimizers_unless_it_is_given(name):
    assert configure(flags={"optim.name": name}).optim.lr == {"adam": 1e-3, "sgd": 0.1, "adadelta": 1.0}[name]
    assert configure(flags={"optim.name": name, "optim.lr": "3"}).optim.lr == 3.0


def test_every_default_is_of_its_kind_and_every_option_has_help_and_a_flag_of_its_own():
    for row in ROWS:
        for value in (row.default, row.synthetic):
            row.kind.accept(list(value) if isinstance(value, tuple) else value)
        assert row.help
        assert row.section
    assert len({row.flag for row in ROWS}) == len(ROWS)


def test_a_configuration_survives_json():
    config = configure(flags={"model.hidden": "5", "stop.criterion": "GL", "optim.max_norm": "none"})
    assert from_dict(json.loads(json.dumps(config.to_dict())), "run.json") == config
    assert isinstance(config, Config)


@pytest.mark.parametrize(
    ("file", "flags", "message"),
    [
        ({"optim": {"lr": "fast"}}, {}, 'optim.lr = "fast" in run.toml: wanted is a number above 0, or none.'),
        ({"optim": {"lr": True}}, {}, "optim.lr = True in run.toml: wanted is a number above 0, or none."),
        ({}, {"fit.epochs": "2.5"}, 'fit.epochs = "2.5": wanted is a whole number from 1 up.'),
        ({}, {"fit.epochs": "true"}, 'fit.epochs = "true": wanted is a whole number from 1 up.'),
        ({}, {"optim.lr": "nan"}, 'optim.lr = "nan": wanted is a number above 0, or none.'),
        ({}, {"optim.lr": "inf"}, 'optim.lr = "inf": wanted is a number above 0, or none.'),
        ({"model": {"hidden": [5, 0]}}, {}, "model.hidden = [5, 0] in run.toml: wanted is widths, such as 512,512"),
        ({}, {"model.hidden": "64,,10"}, 'model.hidden = "64,,10": wanted is widths, such as 512,512'),
        ({}, {"model.dropout": "0.1,0.2,0.3"}, 'model.dropout = "0.1,0.2,0.3": wanted is probabilities below 1'),
        ({}, {"model.activation": "rlu"}, 'model.activation = "rlu": wanted is one of relu, sigmoid,'),
        ({"optm": {"lr": 1}}, {}, "there is no option optm.lr in run.toml; did you mean optim.lr?"),
        ({"optim": {"learning_rate": 1}}, {}, "there is no option optim.learning_rate in run.toml; did"),
        ({"optimizer": {"name": "sgd"}}, {}, "there is no option optimizer.name in run.toml; did you mean optim.name?"),
        ({"optim": {"lr": 10**400}}, {}, f"optim.lr = 1{'0' * 400} in run.toml: wanted is a number above 0, or none."),
        ({"batchsize": 1}, {}, "there is no option batchsize in run.toml; did you mean fit.batch_size?"),
        ({}, {"optimizer": "sgd"}, "there is no option optimizer; did you mean optim.name?"),
        ({}, {"xyz": "1"}, "there is no option xyz; python -m recipe train --help lists them."),
        ({"optim": 3}, {}, "there is no option optim in run.toml; "),
        ({"seed": {"lr": 3}}, {}, "there is no option seed.lr in run.toml; did you mean optim.lr?"),
        ({"data": {"source": ""}}, {}, 'data.source = "" in run.toml: wanted is "mnist", "blobs", "spirals" or'),
        ({}, {"name": "../x"}, 'name = "../x": wanted is a name without slashes.'),
        ({}, {"optim.momentum": "0.9"}, "optim.momentum is an option of sgd and rmsprop; adam has none"),
        ({}, {"optim.nesterov": "true"}, "optim.nesterov needs optim.name = sgd and optim.momentum above 0."),
        (
            {},
            {"optim.warmup": "1", "optim.schedule": "plateau"},
            "optim.warmup does not go with optim.schedule = plateau: leave it at its default.",
        ),
        (
            {},
            {"optim.decay": "1e-4"},
            "optim.decay is an option of optim.schedule = inverse_time, and here it is cosine.",
        ),
        ({}, {"model.pieces": "3"}, "model.pieces is an option of model.activation = maxout, and here it is relu."),
        ({}, {"optim.min_lr": "1"}, "optim.min_lr = 1 needs a rate that begins there or above, and optim.lr is 0.001."),
        ({}, {"optim.end_factor": "0.1"}, "optim.end_factor is an option of optim.schedule = linear, and here it is"),
        ({}, {"optim.momentum_epochs": "3"}, "optim.momentum_epochs needs optim.momentum_end, the momentum that is"),
        (
            {"optim": {"name": "sgd", "momentum": 0.5}},
            {"optim.momentum_end": "0.9"},
            "optim.momentum_end needs optim.momentum_epochs or optim.momentum_updates, one of them.",
        ),
        (
            {},
            {"optim.momentum_end": "0.9", "optim.momentum_epochs": "3"},
            "optim.momentum_end needs optim.momentum above 0 to begin with.",
        ),
        (
            {"model": {"dropout": 0.5}},
            {"model.input_scale": "1"},
            "model.input_scale needs dropout of inputs, the first of two numbers in model.dropout.",
        ),
        ({}, {"model.init": "uniform"}, "model.init_scale goes with model.init = uniform and normal, which need it"),
        ({}, {"model.init_scale": "0.1"}, "model.init_scale goes with model.init = uniform and normal, which need"),
        (
            {"model": {"init": "uniform"}},
            {"model.init_scale": "0.1,0.2"},
            "model.init_scale needs 1 number for all layers or 3, one for each, and got 2.",
        ),
        ({}, {"optim.max_norm": "3,2"}, "optim.max_norm needs 1 number for all layers or 3, one for each, and got 2."),
        ({}, {"optim.max_norm": "0"}, 'optim.max_norm = "0": wanted is a number above 0, or one for each layer of'),
        (
            {},
            {"stop.target": "start"},
            "stop.target = start needs fit.start_from, the folder of the run to start from.",
        ),
        ({}, {"stop.target": "soon"}, 'stop.target = "soon": wanted is a number or start, or none.'),
        (
            {"fit": {"start_from": "a"}, "stop": {"monitor": "val_accuracy"}},
            {"stop.target": "start"},
            "stop.target = start is a loss: set stop.monitor = val_loss.",
        ),
        ({}, {"paper": "maxout"}, 'paper = "maxout": wanted is one of dropout-2012, '),
        (
            {},
            {"stop.criterion": "GL", "stop.monitor": "val_accuracy"},
            "stop.criterion = GL compares losses: set stop.monitor = val_loss.",
        ),
    ],
)
def test_what_is_wrong_is_named_in_one_line(file, flags, message):
    with pytest.raises(ConfigError) as caught:
        configure(file, flags, "run.toml")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
        max_leaves=4,
    ),
    st.sampled_from(ROWS),
)
def test_any_value_in_a_file_is_taken_or_refused_with_its_name(value, row):
    section, _, name = row.key.rpartition(".")
    file = {section: {name: value}} if section else {name: value}
    try:
        config = configure(file, where="run.toml")
    except ConfigError as error:
        text = str(error)
    else:
        text = ""
        assert from_dict(json.loads(json.dumps(config.to_dict())), "run.json") == config
    together = ("does not go with", "is an option of", "needs", "goes with")
    assert not text or "run.toml" in text or any(words in text for words in together)


@given(st.text(max_size=8), st.sampled_from(ROWS))
def test_any_text_of_a_flag_is_taken_or_refused(given_text, row):
    try:
        configure(flags={row.key: given_text})
    except ConfigError as error:
        text = str(error)
    else:
        text = row.key
    assert row.key.rpartition(".")[0] in text


def test_a_paper_is_overridden_by_the_file_and_the_file_by_flags():
    config = configure({"paper": "maxout-2013", "optim": {"lr": 0.2, "gamma": 0.5}}, {"optim.lr": "0.3"}, "run.toml")
    assert (config.paper, config.model.activation, config.model.pieces) == ("maxout-2013", "maxout", 5)
    assert (config.optim.lr, config.optim.gamma, config.optim.momentum_end) == (0.3, 0.5, 0.7)
    assert from_dict(json.loads(json.dumps(config.to_dict())), "run.json") == config


def test_files_that_cannot_be_read(tmp_path):
    bad = tmp_path / "bad.toml"
    bad.write_text("seed = = 3\n")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    long = tmp_path / "long.toml"
    long.write_text(f"seed = {'1' * 5000}\n")
    for path, text_ in [
        (tmp_path / "none.toml", "cannot be read: No such file or directory."),
        (tmp_path, "cannot be read: Is a directory."),
        (bad, "is no TOML: "),
        (binary, "is no text in UTF-8: "),
        (long, "is no TOML: "),
    ]:
        with pytest.raises(ConfigError, match=f"^{re.escape(str(path))} {re.escape(text_)}"):
            read_toml(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])  # the second begins with a mark, as Notepad writes it
def test_toml_is_read(tmp_path, encoding):
    path = tmp_path / "run.toml"
    text_ = 'seed = 2\r\n[model]\nhidden = [9, 8]\n[optim]\nname = "sgd"\nmomentum = 0.9\n'
    path.write_text(text_, encoding=encoding, newline="")
    config = configure(read_toml(path), where=str(path))
    assert (config.seed, config.model.hidden, config.optim.momentum) == (2, (9, 8), 0.9)


def test_literals():
    assert [literal(t) for t in ("1", "1.5", "1e-3", "true", "None", "a", "1,a", "3,")] == [
        *(1, 1.5, 1e-3, True, None, "a", [1, "a"], [3])
    ]


def test_kinds_say_what_they_want():
    kinds = [
        whole(1),
        whole(0, 3),
        number(above=0, most=1),
        number(),
        choice(["a", "b"]),
        switch(),
        switch("auto"),
        optional(whole(2)),
    ]
    assert [kind.wanted for kind in kinds] == [
        "a whole number from 1 up",
        "a whole number from 0 to 3",
        "a number above 0 to 1",
        "a number",
        "one of a, b",
        "true or false",
        "true, false or auto",
        "a whole number from 2 up, or none",
    ]
    assert one_or_several(number(), "w").of_text("3") == 3.0
    assert one_or_several(number(), "w").of_text("3,4.5") == (3.0, 4.5)
    assert several(whole(1), "w").of_text("3") == (3,)
    assert several(whole(1), "w").of_text("none") == ()
    assert text("a name").of_text("12") == "12"
    assert optional(text("a name")).of_text("none") is None
