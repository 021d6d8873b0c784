"""The GPU: whether there is one, what its memory holds, how exactly it multiplies, and ranges for a profiler.

One idea: everything here answers on a machine without a GPU too, or says in one sentence what is missing and what to
do. CuPy is imported when the first "cuda" is named, not before. The room also holds the layer over cuBLASLt, read
`product.py`, `cublaslt.py`, `blas.py`, `operands.py`, `products.py`, `windows.py`, `gather.py`, `precision.py` and
`algorithms.py`, in this order, and the layer over cuDNN, `convolutions.py`, `attentions.py`, `graphs.py` and
`cudnn.py`; then `device.py`.
"""

from .algorithms import get_matmul_algorithms as get_matmul_algorithms
from .algorithms import matmul_algorithms as matmul_algorithms
from .device import OutOfMemory as OutOfMemory
from .precision import get_matmul_precision as get_matmul_precision
from .precision import matmul_precision as matmul_precision
from .report import Memory as Memory
from .report import device_count as device_count
from .report import device_name as device_name
from .report import empty_cache as empty_cache
from .report import is_available as is_available
from .report import libraries as libraries
from .report import memory as memory
from .report import profiler_range as profiler_range
from .report import synchronize as synchronize
