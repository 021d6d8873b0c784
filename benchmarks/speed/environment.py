"""What a contender's process finds in its environment, and the folders of peers that cannot live beside us.

One idea: a peer is given everything that we have. tapegrad raises two thresholds of malloc at import; here the same are
raised through the environment. Read `pytorch.py` next.
"""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["ONE_POOL", "RAISED", "peer_folder"]

# What autograd/allocator.py asks of mallopt, as glibc's environment variables.
RAISED = {"MALLOC_MMAP_THRESHOLD_": str(2**31 - 1), "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}
# Where NumPy only makes the first numbers its pool of threads is not even started: the framework has its own.
ONE_POOL = {"OPENBLAS_NUM_THREADS": "1"}


def peer_folder(name: str) -> Path:
    """Where `make bench` puts a peer that would hide or be hidden by a package of the environment."""
    return Path(sys.prefix, "peers", name)
