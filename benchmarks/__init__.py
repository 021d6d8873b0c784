"""Speed, measured: whole training steps and single operations, against other frameworks.

One idea: every contender runs in a process of its own and they take short turns, so that within one run each meets the
same machine and their ratios count, where times of different days do not. `python -m benchmarks --help` says how to
run it; read `contender.py` next, then `worker.py` and `measure.py`.
"""

from _tapegrad_marker import require_own_autograd

require_own_autograd()
