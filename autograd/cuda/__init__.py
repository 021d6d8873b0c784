"""CUDA: what CuPy lacks, and what a user asks about the GPU."""
