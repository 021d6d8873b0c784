"""The document of a run: its schema, the bars, the tables, the files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import output
from benchmarks.layers.run import LAYERS_BENCHMARK, measure_layers
from benchmarks.measure import BenchmarkError, Plan
from benchmarks.operations.run import OPERATIONS_BENCHMARK, measure_operations
from benchmarks.overhead.run import OVERHEAD, measure_overhead
from benchmarks.plot import COLOURS, Panel, draw
from benchmarks.run import Job, Request, compiling_in, run
from benchmarks.speed.bars import BARS, Bar, judge, verdicts
from benchmarks.speed.run import SPEED, measure_speed

PLAN = Plan(rounds=3, threads=1, turn_seconds=0.0005, rest_seconds=0.0)
SCHEMA = {
    "schema": int,
    "benchmark": str,
    "device": str,
    "date": str,
    "quick": bool,
    "plan": dict,
    "machine": dict,
    "contenders": dict,
    "left_out": dict,
    "jobs": dict,
}


@pytest.fixture
def document(fakes):
    """A run of the network benchmark where `ours` and `slow` stand for tapegrad and torch."""
    contenders = [fakes["ours"], fakes["slow"], fakes["absent"]]
    return measure_speed(contenders, ["tiny", "deep"], PLAN, True, lambda text: None)


def test_the_document_survives_json_and_has_its_schema(document):
    read = json.loads(json.dumps(document))
    assert read == document
    assert {name: type(read[name]) for name in SCHEMA} == SCHEMA
    assert read["schema"] == 1
    result = read["jobs"]["tiny"]["results"]["slow"]
    assert (result["median_us"], result["least_us"], result["samples"]) == (40.0, 40.0, 3 * 13)
    assert result["round_medians_us"] == [40.0] * 3
    assert result["values"] == {"1": 1.0, "5": 0.2, "20": 0.05}
    assert {"page_faults_per_step", "idle_seconds_most", "lower_quartile_us", "upper_quartile_us"} < set(result)


def test_the_time_of_building_is_written_down_where_there_is_one(fakes):
    contenders = [fakes["ours"], fakes["compiling"]]
    document = measure_speed(contenders, ["tiny"], PLAN, False, lambda text: None)
    results = document["jobs"]["tiny"]["results"]
    assert "build_seconds" not in results["ours"]
    assert 0 <= results["compiling"]["build_seconds"] < 1
    lines = SPEED.tables(document).splitlines()
    assert lines[0].split()[:6] == ["workload", "contender", "median", "quartiles", "least", "build"]
    assert "0.0 s" in lines[3]
    assert "0.0 s" not in lines[2]


def test_a_full_run_compiles_into_an_empty_folder_and_a_trial_where_the_user_does(fakes):
    for quick in (True, False):
        with compiling_in(Request("speed", {}, [], PLAN, quick)) as folder:
            assert (folder is None) == quick
            assert quick or not list(Path(folder).iterdir())
    assert not Path(folder).exists()


def test_ratios_are_ours_over_each_other_contender(document):
    assert document["jobs"]["deep"]["ratios"] == {"ours": {"slow": {"ratio": 0.25, "low": 0.25, "high": 0.25}}}


def test_the_machine_is_described(document):
    about = document["machine"]
    assert about["processor"]["model"]
    assert about["cores_usable"] >= 1
    assert about["others_cores_during"] is None or about["others_cores_during"] >= 0
    assert {"caches", "memory_gib", "system", "python", "numpy", "numpy_blas", "load_average_before", "commit"} < set(
        about
    )


def test_no_path_of_this_machine_is_written_down(document):
    assert "PYTHONPATH" not in json.dumps(document)


def test_who_is_not_installed_is_left_out_with_the_way_to_install_it(document):
    assert "absent" not in document["contenders"]
    assert document["left_out"] == {"absent": "no_such_framework is not installed here (pip install no-such-framework)"}
    assert output.left_out_lines({"a": "why", "b": "why", "c": "because"}) == [
        "left out: a, b: why",
        "left out: c: because",
    ]


def test_nobody_installed_is_an_error(fakes):
    with pytest.raises(BenchmarkError, match="nobody is left to measure: no_such_framework is not installed"):
        run(Request("speed", {"tiny": Job("", {1: 0.0})}, [fakes["absent"]], PLAN))


def test_every_bar_names_what_exists():
    for bar in BARS:
        assert bar.workload in SPEED.jobs
        assert {bar.ours, bar.theirs} <= set(SPEED.contenders)
    assert {bar.workload for bar in BARS} == set(SPEED.jobs)


@pytest.mark.parametrize(
    ("ratio", "with_aim", "without"),
    [
        (0.10, "aim reached", "reached"),
        (0.11, "reached", "reached"),
        (0.30, "reached", "reached"),
        (0.31, "missed", "missed"),
    ],
)
def test_a_bar_and_an_aim_are_reached_up_to_their_figures(ratio, with_aim, without):
    measured = {"ratio": ratio, "low": 0.2, "high": 0.4}
    assert judge(Bar("tiny", "tapegrad", "torch", 0.30, 0.10), measured)["verdict"] == with_aim
    assert judge(Bar("tiny", "tapegrad", "torch", 0.30), measured)["verdict"] == without


def test_every_aim_is_beyond_its_bar_and_every_native_bar_has_one():
    for bar in BARS:
        assert (bar.aim is not None) == (bar.ours == "tapegrad-native")
        assert bar.aim is None or bar.aim < bar.reach


@pytest.mark.parametrize(("ratio", "verdict"), [(0.30, "reached"), (0.31, "missed")])
def test_bars_are_judged_where_both_were_measured(ratio, verdict):
    measured = {"ratio": ratio, "low": 0.2, "high": 0.4}
    assert [v["verdict"] for v in verdicts({"tiny": {"tapegrad": {"torch": measured}}})] == [verdict]
    assert verdicts({"tiny": {"tapegrad": {"torch-fused": measured}}}) == []


def test_the_table_says_what_was_reached(document):
    document["bars"] = verdicts({"tiny": {"tapegrad": {"torch": {"ratio": 0.31, "low": 0.30, "high": 0.32}}}})
    lines = SPEED.tables(document).splitlines()
    assert lines[0].split()[5:] == ["build", "ours", "/", "it"]
    assert lines[3].split() == [
        "tiny",
        "slow",
        "40",
        "us",
        "40",
        "us",
        "-",
        "40",
        "us",
        "40",
        "us",
        "0.25",
        "[0.25,",
        "0.25]",
    ]
    assert lines[-1].split() == ["tiny", "tapegrad", "/", "torch", "0.31", "[0.30,", "0.32]", "0.30", "missed"]


def test_the_heading_warns_of_a_trial_and_of_a_busy_machine(document):
    document["machine"]["load_average_before"] = 1.5
    assert "a quick trial" in output.heading(document)
    assert "busy before the run (load average 1.5)" in output.heading(document)
    document["machine"]["others_cores_during"] = 0.31
    assert "others kept 0.31 cores busy during the run" in output.heading(document)
    document["machine"].update(load_average_before=0.1, others_cores_during=0.01)
    document["quick"] = False
    assert len(output.heading(document).splitlines()) == 2


def test_columns_are_aligned():
    assert output.table(["name", "n"], [["a", "1"], ["long name", "10"]]).splitlines() == [
        "name        n",
        "---------  --",
        "a           1",
        "long name  10",
    ]


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [(0.5, "500 ns"), (1, "1 us"), (12.345, "12.3 us"), (999.6, "1000 us"), (1234, "1.23 ms"), (2.5e6, "2.5 s")],
)
def test_durations_have_three_digits_and_a_unit(microseconds, text):
    assert output.duration(microseconds) == text


def test_saving_replaces_an_older_result_and_leaves_nothing_else(document, tmp_path):
    folder = tmp_path / "new" / "results"
    path = output.save({**document, "date": "before"}, folder)
    assert output.save(document, folder) == path == folder / "speed-cpu.json"
    assert json.loads(path.read_text()) == document
    assert list(folder.iterdir()) == [path]


def test_the_picture_of_one_result_is_always_the_same(document, tmp_path):
    pictures = []
    for name in ("a.svg", "b.svg"):
        draw(SPEED.panels(document), output.heading(document), tmp_path / name)
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1]
    assert b"<svg" in pictures[0]


def test_pictures_show_multiples_of_the_baseline(document):
    (panel,) = SPEED.panels(document)
    assert panel.groups == ["tiny", "deep"]
    assert panel.bars["slow"]["tiny"] == (4.0, 4.0, 4.0)  # no torch here, so the first contender is 1
    assert panel.bars["ours"]["deep"] == (1.0, 1.0, 1.0)
    assert panel.marks == {}
    document["bars"] = [{"workload": "deep", "theirs": "ours", "reach": 0.5}, {"workload": "tiny", "theirs": "slow"}]
    assert SPEED.panels(document)[0].marks == {"deep": 0.5}


def test_longer_bars_are_cut_at_the_end_and_every_series_looks_its_own(tmp_path):
    bars = {f"series {i}": {"tiny": (0.1 + 10 * i, 0.1 + 10 * i, 0.1 + 10 * i)} for i in range(len(COLOURS) + 1)}
    drawn = {}
    for name, end in (("cut", 2.5), ("whole", None)):
        draw([Panel("", "", ["tiny"], bars, end=end)], "", tmp_path / f"{name}.svg")
        drawn[name] = (tmp_path / f"{name}.svg").read_text()
    assert "url(#h" in drawn["cut"]  # a pattern of stripes: the ninth has the first one's colour
    assert drawn["cut"].count("<!-- 80 -->") == 1  # its number is written all the same
    assert "<!-- 2.5 -->" in drawn["cut"]
    assert "<!-- 2.5 -->" not in drawn["whole"]


def test_layers_have_a_table_and_a_panel(fakes, tmp_path):
    contenders = [fakes["ours"], fakes["slow"]]
    document = measure_layers(contenders, ["GELU", "linear"], PLAN, False, lambda text: None)
    header, _, first, second = LAYERS_BENCHMARK.tables(document).splitlines()
    assert header.split("  ")[0] == "forward and backward, ms"
    assert first.split()[:4] == ["GELU", "0.01", "0.04", "0.25"]
    assert second.startswith("linear")
    (panel,) = LAYERS_BENCHMARK.panels(document)
    assert panel.bars["slow"]["linear"] == (0.04, 0.04, 0.04)
    draw([panel], "layers", tmp_path / "layers.svg")
    assert (tmp_path / "layers.svg").stat().st_size > 10_000


def test_operations_have_a_table_and_a_panel_for_each_size(fakes, tmp_path):
    contenders = [fakes["ours"], fakes["slow"]]
    document = measure_operations(contenders, ["exp", "x + y"], PLAN, False, lambda text: None)
    small, large = OPERATIONS_BENCHMARK.tables(document).split("\n\n")
    assert small.startswith("16 x 16, us")
    assert large.splitlines()[0].split()[-3:] == ["ours", "/", "slow"]
    assert large.splitlines()[2].split()[:4] == ["exp", "10", "40", "0.25"]
    assert [list(panel.bars["tapegrad"]) for panel in OPERATIONS_BENCHMARK.panels(document)] == [["exp", "x + y"]] * 2
    draw(OPERATIONS_BENCHMARK.panels(document), "operations", tmp_path / "operations.svg")
    alone = measure_operations(contenders[:1], ["exp"], PLAN, False, lambda text: None)
    assert OPERATIONS_BENCHMARK.panels(alone) == []
    assert OPERATIONS_BENCHMARK.tables(alone).splitlines()[2].split() == ["exp", "10"]


def test_overhead_has_a_table_and_a_panel_for_each_mode(fakes, tmp_path):
    contenders = [fakes["ours"], fakes["slow"], fakes["floor"]]
    document = measure_overhead(contenders, ["exp", "add"], PLAN, False, lambda text: None)
    assert list(document["jobs"]) == ["exp, forward", "add, forward", "exp, forward+backward", "add, forward+backward"]
    forward, backward = OVERHEAD.tables(document).split("\n\n")
    assert forward.splitlines()[0].split()[:5] == ["forward,", "us", "ours", "slow", "floor"]
    assert forward.splitlines()[2].split()[:4] == ["exp", "10.00", "40.00", "5.00"]
    assert "floor" not in backward
    panels = OVERHEAD.panels(document)
    assert [p.title for p in panels] == ["forward", "forward+backward"]
    assert panels[1].bars["floor"] == {}
    draw(panels, "overhead", tmp_path / "overhead.svg")
    assert (tmp_path / "overhead.svg").stat().st_size > 10_000
