"""The claims of the lecture "Tips for Deep Learning" as experiments, E0 to E9: `python -m benchmarks claims`.

One idea: a claim is a comparison that must hold in every seed, written beside the experiment that measures it, so its
verdict is computed and never read off a picture. Read `lecture.py` for the claims, `experiment.py` for what an
experiment is, and `e1_depth.py` as an example.
"""
