"""Whose `autograd` is this? The one check that tapegrad's packages make before they use it.

`autograd` is also the import name of another project on PyPI, and one environment holds only one of the two. The check
cannot live in autograd, which may be the other one, so it stands in a module that only tapegrad ships. Read
`autograd/__init__.py` next: its `__project__` is the marker.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


def require_own_autograd() -> None:
    """Raise ImportError, with both paths and the repair, unless `import autograd` gives tapegrad's."""
    found = importlib.import_module("autograd")
    if getattr(found, "__project__", None) == "tapegrad":
        return
    ours = Path(__file__).resolve().parent / "autograd"
    # A package or a script has a file; a folder left without its __init__.py has only a path.
    theirs = Path(found.__file__ or next(iter(found.__path__))).resolve()
    theirs = theirs.parent if theirs.name == "__init__.py" else theirs
    pip = f"{sys.executable} -m pip uninstall -y autograd"
    if theirs == ours:
        repair = f"it was installed over tapegrad's; run `{pip} tapegrad`, then install tapegrad again."
    else:
        repair = f"run `{pip}`; if it is still there, rename it or take {theirs.parent} off PYTHONPATH."
    raise ImportError(
        f"`import autograd` gave another project's code, from {theirs}, where tapegrad needs its own, from {ours}. "
        f"Both cannot live in one environment: {repair}"
    )
