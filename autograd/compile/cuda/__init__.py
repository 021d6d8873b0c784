"""The cuda executor: a program as kernels and products on a GPU, replayed as one graph.

One idea: the groups are those of the native executor, written in CUDA C; what is told the GPU for a step is one tape of
commands, recorded once and then launched with a single call. Read `commands.py` first. What every source begins with is
in `header.py`, what a call is sent in `numbers.py` and `draws.py`, what need not be copied in `whole.py` and
`strided.py`, and what eager code takes of all this in `eager.py` and `in_place.py`.
"""

from .device import Device as Device
from .device import device_named as device_named
from .device import is_device as is_device
from .device import register_device as register_device
from .executor import Cuda as Cuda
from .tape import Tape as Tape

__all__ = ["Cuda", "Device", "Tape", "device_named", "is_device", "register_device"]
