"""The operations: each forward with its rules beneath it, by family. Read `elementwise.py` first."""
