"""Every code block of every page runs, and prints what the page says.

One idea: a page is a program. The Python blocks of one page run in order and share their names, as a reader would type
them; blocks with prompts are also compared with the output printed beneath them.
"""

from __future__ import annotations

import ast
import doctest
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("docs/*.md")])


def blocks(text: str) -> list[tuple[int, str]]:
    """The Python blocks of a page, each with the line it begins on."""
    found = re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, m.start(1)) + 1, m.group(1)) for m in found]


def run_block(code: str, names: dict[str, Any], name: str, line: int) -> None:
    """Run one block; raise AssertionError when it prints something else than the page says."""
    if ">>>" not in code:
        exec(compile("\n" * (line - 1) + code, name, "exec"), names)
        return
    test = doctest.DocTestParser().get_doctest(code, names, name, name, line - 1)
    test.globs = names
    report: list[str] = []
    failed, _ = doctest.DocTestRunner(verbose=False).run(test, out=report.append, clear_globs=False)
    assert not failed, "".join(report)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")  # a page shows how an Inf is hunted
def test_the_code_of_the_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__page__"}
    for line, code in blocks(page.read_text(encoding="utf-8")):
        run_block(code, names, str(page.relative_to(ROOT)), line)


def test_a_wrong_output_is_caught() -> None:
    with pytest.raises(AssertionError, match="Expected"):
        run_block(">>> 1 + 1\n3\n", {}, "page", 1)


def test_a_block_that_fails_is_caught() -> None:
    with pytest.raises(NameError):
        run_block("undefined_name\n", {}, "page", 1)


def test_the_tour_names_every_file_of_the_engine() -> None:
    page = ROOT / "autograd" / "README.md"
    named = set(re.findall(r"`([\w]+(?:\.py|/))`", page.read_text(encoding="utf-8")))
    files = {path.name for path in page.parent.glob("*.py")} - {"__init__.py"}
    folders = {f"{path.parent.name}/" for path in page.parent.glob("*/__init__.py")}
    assert not (files | folders) - named


def test_an_opening_that_names_a_file_names_one_that_is_there() -> None:
    """The order of reading that the files of the packages give leads nowhere that is not there."""
    lost = []
    for path in (path for room in ("autograd", "nn", "optim", "recipe") for path in (ROOT / room).rglob("*.py")):
        opening = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        for name in re.findall(r"`([\w./]+\.py)`", opening):
            if not any((place / name).exists() for place in path.parents if place.is_relative_to(ROOT)):
                lost.append(f"{path.relative_to(ROOT)} names {name}")
    assert not lost


def test_every_file_is_named_by_the_opening_of_another() -> None:
    """Whoever follows the openings from file to file leaves none out."""
    paths = [path for room in ("autograd", "nn", "optim", "recipe") for path in (ROOT / room).rglob("*.py")]
    named: set[Path] = set()
    for path in paths:
        opening = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        for name in re.findall(r"`([\w./]+\.py)`", opening):
            places = (place / name for place in path.parents if place.is_relative_to(ROOT))
            named.update(place.resolve() for place in places if place.exists() and place.resolve() != path)
    left_out = {path for path in paths if not path.stem.startswith("__")} - named
    assert not left_out


def test_links_to_files_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_every_environment_variable_is_on_the_page_of_the_compiled_step() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "autograd").rglob("*.py")]
    asked = {name for source in sources for name in re.findall(r'environ\.get\("(TAPEGRAD_\w+)"', source)}
    page = (ROOT / "docs" / "compiled-step.md").read_text(encoding="utf-8")
    assert asked
    assert asked == set(re.findall(r"^\| `(TAPEGRAD_[A-Z]+)", page, re.MULTILINE))
