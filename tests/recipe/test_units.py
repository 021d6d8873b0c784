"""Silent and saturated units, told from hand-made outputs."""

from __future__ import annotations

import numpy as np
import pytest

import nn
from recipe.units import RANGED, RECTIFIERS, dead_share, flat_share, saturated_share


def test_dead_units_are_silent_on_every_row():
    out = np.array([[0.0, 0.0, 2.0], [0.0, 1.0, 0.0]])
    assert dead_share(out) == pytest.approx(1 / 3)
    images = np.zeros((2, 4, 5, 5))
    images[1, 2, 3, 3] = 1.0
    assert dead_share(images) == 0.75  # a unit of a convolution is a channel
    assert saturated_share(np.array([0.0, 0.005, 0.5, 0.999]), 0.0, 1.0) == 0.75


def test_each_activation_is_measured_at_its_own_flat_ends():
    out = np.array([[0.0, 0.005, 0.5, 1.99]])
    assert flat_share(nn.ReLU(), out) == {"dead": 0.25}
    assert flat_share(nn.Sigmoid(), out) == {"saturated": 0.75}
    assert flat_share(nn.Hardtanh(0.0, 2.0), out) == {"saturated": 0.75}
    assert flat_share(nn.Hardtanh(), out) == {"saturated": 0.25}
    assert flat_share(nn.GELU(), out) == {}


def test_the_table_names_activations_that_there_are():
    assert all(hasattr(nn, name) for name in (*RECTIFIERS, *RANGED))
