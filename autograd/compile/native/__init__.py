"""The native executor: a program as one C function, compiled by the system's compiler.

One idea: neighbours that walk over the same elements become one loop, products go to the BLAS that NumPy brings along,
and everything lies in one piece of memory that was planned beforehand; Python makes one call a step.
Read `layout.py` first.
"""

from . import across as across  # which quickens primitives
from . import added_rows as added_rows  # which adds a way to `ops/index.py`
from . import convolution as convolution  # this and most of the next fill in kernels
from . import draws as draws
from . import large as large
from . import pooling as pooling
from . import ranked as ranked
from . import recurrent as recurrent
from . import rows as rows
from . import running as running
from . import spread as spread
from . import strided as strided
from . import sums as sums
from . import triangles as triangles
from .executor import Native as Native
from .library import missing as missing

__all__ = ["Native", "missing"]
