"""A pretended CUDA: the tests that want a GPU, on a machine without one, with the CuPy that a GPU has.

One idea: CuPy, `autograd/cuda` and the executor of compiled steps are the real ones. What they call, the driver, the
runtime, NVRTC, cuBLASLt and cuBLAS, is one library of ours, which computes on the host and is as late as CUDA may be.
What it cannot show: races within a kernel, whether NVIDIA's libraries agree, and how fast anything is. cuDNN and CuPy's
sorts and factors of matrices are NumPy's, see `plugin.py`. Read `streams.h` next.

    make test-pretended
    python -m tests.pretended pytest -q -m gpu tests/autograd/cuda
    PRETENDED_ORDER=random python -m tests.pretended python my_step.py
    python -m tests.pretended python -m benchmarks gpu --only mlp-128 --out /tmp/rehearsal

PRETENDED_ORDER is "late", "now" (everything at once) or "random", by PRETENDED_SEED. PRETENDED_POOL=0 has each array
end where memory ends. PRETENDED_GIB is how much memory the GPU has: 6, where nothing is said.
"""
