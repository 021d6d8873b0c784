"""Who may import whom: the arrows between rooms, and between the files of the engine, lead one way only.

One idea: the imports are read from the source with `ast`, so nothing has to run, and an import inside a function counts
too. Imports under `if TYPE_CHECKING` do not: at run time they are not there.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Each room may import those on its right; nothing imports benchmarks or tests.
ROOMS = {
    "autograd": set(),
    "nn": {"autograd"},
    "optim": {"autograd"},
    "recipe": {"autograd", "nn", "optim"},
    "benchmarks": {"autograd", "nn", "optim", "recipe"},
}

# The engine from the ground up: a file may import those of earlier lines. (errors is below backend, which raises them.)
LEVELS = [
    {"errors", "allocator", "words", "blocks"},
    {"hints"},
    {"backend"},
    {"positions"},
    {"cuda"},
    {"shapes", "dtypes", "modes", "wholes", "writes", "draws"},
    {"array_operators"},
    {"batching"},
    {"tensor"},
    {"anomaly", "instruction"},
    {"attending", "convolution", "pooling", "recurring"},
    {"primitive"},
    {"fused"},
    {"ops"},
    {"leading"},
    {"engine"},
    {"asking", "changing", "methods"},
    {"operators"},
    {"linalg", "random", "tree"},
    {"vmap"},
    {"functional"},
    {"gradcheck", "drawing", "compile"},
]
LEVEL_OF = {name: level for level, names in enumerate(LEVELS) for name in names}

# Steps that are taken only when a call is made, each with its reason.
LATE = {
    ("backend", "cuda"): 'the first "cuda" that is named imports CuPy',
    ("operators", "drawing"): "a notebook asks a Tensor for its picture",
    ("asking", ""): "__array_namespace__ gives the package itself",
}
ARRAY_LIBRARIES = {"numpy", "cupy", "cupyx", "ml_dtypes"}


def imports(source: str, module: str, is_package: bool = False) -> Iterator[tuple[str, bool]]:
    """Every module that a file imports, by its full name, and whether only inside a function."""
    package = module if is_package else module.rpartition(".")[0]
    for node, late in _statements(ast.parse(source), False):
        if isinstance(node, ast.Import):
            yield from ((alias.name, late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                parts = parts[: len(parts) - node.level + 1]
                base = ".".join([*parts, node.module] if node.module else parts)
            # `from . import engine` names a module, `from .engine import backward` a thing in one; both come out alike.
            yield from ((f"{base}.{alias.name}", late) for alias in node.names)


def _statements(tree: ast.AST, late: bool) -> Iterator[tuple[ast.AST, bool]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for other in node.orelse:
                yield other, late
                yield from _statements(other, late)
            continue
        yield node, late
        yield from _statements(node, late or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)))


def wrong_steps(source: str, module: str, known: set[str], is_package: bool = False) -> list[str]:
    """The imports of one file that lead in a wrong direction; `known` are the modules of the project."""
    found = []
    for name, late in imports(source, module, is_package):
        target = _module_named(name, known)
        if target is None:
            found += _wrong_library(module, name.partition(".")[0], late)
            continue
        wrong = _wrong_between_rooms(module, target) or _wrong_inside_autograd(module, target, late)
        if wrong:
            found.append(wrong)
    return sorted(set(found))


def _wrong_library(module: str, library: str, late: bool) -> list[str]:
    if library not in ARRAY_LIBRARIES or not module.startswith("autograd.") or module == "autograd.backend":
        return []
    if module.startswith(("autograd.cuda", "autograd.compile.cuda")) and library == "cupy":
        return [] if late else [f"{module} imports cupy at once; it may only where a GPU is asked for"]
    return [f"{module} imports {library}; only autograd.backend may"]


def _module_named(name: str, known: set[str]) -> str | None:
    """The longest beginning of a dotted name that is a module of the project."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name or None


def _wrong_between_rooms(module: str, target: str) -> str | None:
    room, other = module.partition(".")[0], target.partition(".")[0]
    if room == other or other not in {*ROOMS, "tests"} or other in ROOMS.get(room, set()):
        return None
    return f"{module} imports {target}; {room} may import only {', '.join(sorted(ROOMS.get(room, ()))) or 'nothing'}"


def _wrong_inside_autograd(module: str, target: str, late: bool) -> str | None:
    if not (module.startswith("autograd.") and target.split(".")[0] == "autograd"):
        return None  # the package's own __init__ gathers all names
    part = module.split(".")[1]
    other = ([*target.split("."), ""])[1]
    top = len(LEVELS)  # a file without a level is reported by a test of its own
    if part == other or (other and LEVEL_OF.get(other, top) < LEVEL_OF.get(part, top)):
        return None
    if late and (part, other) in LATE:
        return None
    return f"{module} imports {target}, which stands above it"


def files() -> dict[str, Path]:
    """Every module of the rooms, and where it is."""
    found = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


FILES = files()
KNOWN = {*FILES, *ROOMS, "tests"}


@pytest.mark.parametrize("room", ROOMS)
def test_every_import_leads_the_right_way(room):
    found = []
    for module, path in FILES.items():
        if module.partition(".")[0] == room:
            found += wrong_steps(path.read_text(encoding="utf-8"), module, KNOWN, path.name == "__init__.py")
    assert not found, "\n".join(found)


def test_every_file_of_the_engine_has_a_level():
    parts = {module.split(".")[1] for module in FILES if module.startswith("autograd.")}
    assert parts == set(LEVEL_OF)


def test_files_of_one_level_do_not_import_each_other_in_a_circle():
    for names in LEVELS:
        for name in names:
            path = FILES[f"autograd.{name}"]
            targets = {target for target, _ in imports(path.read_text(encoding="utf-8"), f"autograd.{name}")}
            assert not {f"autograd.{other}" for other in names - {name}} & targets


def test_nothing_uses_a_late_step_that_is_not_needed():
    used = set()
    for part, other in LATE:
        source = FILES[f"autograd.{part}"].read_text(encoding="utf-8")
        targets = {_module_named(name, KNOWN) for name, late in imports(source, f"autograd.{part}") if late}
        parts = {".".join((target or "").split(".")[:2]) for target in targets}
        if f"autograd.{other}".rstrip(".") in parts:
            used.add((part, other))
    assert used == set(LATE)


# ---- the checker itself ---------------------------------------------------------------------------------------------

WRONG = {
    "numpy beside backend": ("autograd.ops.reduce", "import numpy as np"),
    "cupy beside backend": ("autograd.engine", "def f():\n    from cupy import ndarray"),
    "cupy in the room for it, at once": ("autograd.cuda.blas", "import cupy"),
    "numpy in the room for cupy": ("autograd.cuda.blas", "def f():\n    import numpy"),
    "a step up": ("autograd.tensor", "from .engine import backward"),
    "a step up, absolute": ("autograd.tensor", "from autograd.engine import backward"),
    "a step up, by the package": ("autograd.tensor", "from . import engine"),
    "a step up, inside a function": ("autograd.tensor", "def f():\n    from .operators import Surface"),
    "a step up from a lower folder": ("autograd.ops.reduce", "from ..engine import backward"),
    "the package itself": ("autograd.tensor", "import autograd"),
    "a late step taken early": ("autograd.operators", "from .drawing import draw"),
    "a neighbour": ("autograd.random", "from .tree import flatten"),
    "nn from the engine": ("autograd.functional", "import nn"),
    "optim from nn": ("nn.linear", "from optim import SGD"),
    "nn from optim": ("optim.sgd", "import nn.module"),
    "recipe from nn": ("nn.linear", "def f():\n    import recipe.data"),
    "benchmarks from recipe": ("recipe.fit", "from benchmarks import harness"),
    "tests from recipe": ("recipe.fit", "from tests.guard import guard"),
    "in an else": ("optim.sgd", "if TYPE_CHECKING:\n    pass\nelse:\n    import nn"),
    "in a try": ("optim.sgd", "try:\n    import nn\nexcept ImportError:\n    pass"),
    "in a class": ("optim.sgd", "class A:\n    import nn"),
}

RIGHT = {
    "cupy in the room for it": ("autograd.cuda.blas", "def f():\n    from cupy.cuda import Device"),
    "numpy in backend": ("autograd.backend", "import numpy"),
    "numpy in recipe": ("recipe.data", "import numpy as np"),
    "a step down": ("autograd.engine", "from .tensor import Tensor\nfrom . import ops"),
    "a step down from a folder": ("autograd.ops.reduce", "from ..primitive import Rule\nfrom .shape import reshape"),
    "for the type checker": ("autograd.tensor", "if TYPE_CHECKING:\n    from .operators import Surface"),
    "spelt out": ("autograd.tensor", "if typing.TYPE_CHECKING:\n    import numpy"),
    "a late step": ("autograd.operators", "def f():\n    from .drawing import as_html"),
    "the engine from nn": ("nn.linear", "import autograd as ag\nfrom autograd.tensor import Tensor"),
    "both from recipe": ("recipe.fit", "import nn, optim, autograd"),
    "others": ("nn.linear", "import math, numbers\nfrom collections import abc"),
    "a name that only begins alike": ("nn.linear", "import optimum"),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_checker_catches(name):
    module, source = WRONG[name]
    assert wrong_steps(source, module, {*KNOWN, module, "optim.sgd", "recipe.fit", "recipe.data", "nn.module"})


@pytest.mark.parametrize("name", RIGHT)
def test_the_checker_lets_pass(name):
    module, source = RIGHT[name]
    assert not wrong_steps(source, module, {*KNOWN, module, "optim.sgd", "recipe.fit", "recipe.data", "nn.module"})
