"""The logarithm of the gamma function and its slopes: exact to the last places, and what they are at their poles."""

from __future__ import annotations

import math

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, compile

EULER, ZETA3 = 0.57721566490153286061, 1.2020569031595942854

# lgamma and then digamma and its slopes of order 1, 2 and 5, from mpmath in 40 digits.
LOGARITHMS = {
    1e-300: 690.77552789821370518,
    1e-5: 11.512919692895825626,
    0.25: 1.2880225246980774574,
    1.000000001: -5.7721571183810395192e-10,
    0.999: 0.00057803853289138023817,
    1.5: -0.12078223763524522235,
    1.999999999: -4.2278436975733279119e-10,
    2.001: 0.00042310673480011699119,
    3.9999: 1.7916338588803396745,
    4.0: 1.7917594692280550008,
    10.5: 13.940625219403763633,
    1e4: 82099.717496442377273,
    1e300: 6.8977552789821374147e302,
}
KNOWN = {
    1e-5: (-100000.57719921567289, 10000000001.64490839, -2000000000000001.9132, 1.199999999999999411e32),
    0.25: (-4.2274535333762654081, 17.197329154507110739, -129.32773993753692033, 491552.51376768129205),
    1.5: (0.036489973978576520559, 0.93480220054467930942, -0.8287966442343199956, 11.113548602435496242),
    3.9999: (1.2560892857360205624, 0.28383095993467274495, -0.080044218965444165048, 0.041564111267781509348),
    4.0: (1.2561176684318004727, 0.28382295573711532536, -0.080039732245114496725, 0.041558384635954378911),
    10.0: (2.2517525890667211076, 0.10516633568168574612, -0.011049834970802067462, 0.00030594516211726820905),
    1e4: (9.2102903711428494036, 0.00010000500016666666633, -1.0001000049999999833e-8, 2.40060005999999944e-19),
    -0.75: (-2.8941202000429320748, 18.975106932284888517, -124.58699919679617959, 492226.75245080886406),
    -2.5: (1.1031566406452431872, 9.5392466449891237539, -0.108204051641727403, 15382.140048026303809),
}


def test_lgamma_is_exact_to_the_last_places() -> None:
    np.testing.assert_allclose(ag.lgamma(np.array([*LOGARITHMS])), [*LOGARITHMS.values()], rtol=1e-15, atol=0)
    # Python's own is as near to the truth, but not relative to it where that is 0, at 1 and 2.
    x = np.concatenate([np.geomspace(1e-300, 1e300, 3000), np.linspace(0.01, 12, 3000)])
    np.testing.assert_allclose(ag.lgamma(x), np.vectorize(math.lgamma)(x), rtol=1.5e-15, atol=1.5e-15)
    narrow = np.geomspace(1e-3, 1e5, 3000, dtype=np.float32)
    np.testing.assert_allclose(ag.lgamma(narrow), ag.lgamma(narrow.astype(float)), rtol=6e-7)
    below = np.linspace(-9.97, -0.03, 1000)  # and none of them is whole
    np.testing.assert_allclose(ag.lgamma(below), np.vectorize(math.lgamma)(below), rtol=0, atol=2e-14)


@pytest.mark.parametrize("x", KNOWN)
def test_slopes_are_exact_to_the_last_places(x: float) -> None:
    found = [ag.digamma(x), *(ag.polygamma(x, n=n) for n in (1, 2, 5))]
    np.testing.assert_allclose(found, KNOWN[x], rtol=3e-15 if x > 0 else 5e-14, atol=0)  # below 0 two terms may cancel
    if x == np.float32(x) > 0:
        found = [ag.digamma(np.float32(x)), *(ag.polygamma(np.float32(x), n=n) for n in (1, 2, 5))]
        np.testing.assert_allclose(found, KNOWN[x], rtol=1.5e-6)


def test_digamma_is_exact_beside_its_zero() -> None:
    assert ag.digamma(1.4616321449683622) == pytest.approx(-9.2412655217294275e-17, rel=1e-8)  # the nearest double
    x = np.linspace(1.4, 1.5, 2001, dtype=np.float32)
    np.testing.assert_allclose(ag.digamma(x), ag.digamma(x.astype(np.float64)), rtol=6e-7, atol=0)


def test_numbers_that_have_names() -> None:
    two = np.array([1.0, 0.5])
    np.testing.assert_allclose(ag.digamma(two), [-EULER, -EULER - 2 * math.log(2)], rtol=1e-15)
    np.testing.assert_allclose(ag.polygamma(two, n=1), [math.pi**2 / 6, math.pi**2 / 2], rtol=1e-15)
    np.testing.assert_allclose(ag.polygamma(two, n=2), [-2 * ZETA3, -14 * ZETA3], rtol=1e-15)
    np.testing.assert_allclose(ag.polygamma(two, n=3), [math.pi**4 / 15, math.pi**4], rtol=1e-15)


def test_poles_and_ends() -> None:
    x = np.array([0.0, -1.0, -2.0, np.inf, np.nan])
    with np.errstate(all="ignore"):
        assert float(ag.lgamma(-np.inf)) == np.inf  # as in C
        np.testing.assert_array_equal(ag.lgamma(x), [np.inf, np.inf, np.inf, np.inf, np.nan])
        np.testing.assert_array_equal(ag.digamma(x), [-np.inf, np.nan, np.nan, np.inf, np.nan])
        np.testing.assert_array_equal(ag.polygamma(x, n=1), [np.inf, np.nan, np.nan, 0, np.nan])
        np.testing.assert_array_equal(ag.polygamma(x, n=2), [-np.inf, np.nan, np.nan, 0, np.nan])


def test_nothing_is_warned_of_above_zero(recwarn: pytest.WarningsRecorder) -> None:
    x = np.geomspace(1e-8, 1e300, 100)
    for function in (ag.lgamma, ag.digamma, lambda x: ag.polygamma(x, n=1)):
        assert np.isfinite(function(x)).all()
    assert not recwarn.list


def test_whole_numbers_and_half_precision() -> None:
    assert ag.lgamma(np.array([3, 4])).tolist() == pytest.approx([math.log(2), math.log(6)])
    assert ag.lgamma(5) == pytest.approx(math.log(24))
    for function in (ag.lgamma, ag.digamma, lambda x: ag.polygamma(x, n=1)):
        x = np.array([0.5, 3.5, 300.0], np.float16)
        assert function(x).dtype == np.float16
        np.testing.assert_allclose(function(x), function(x.astype(float)), rtol=1e-3)


@pytest.mark.parametrize("executor", ["native", "numpy"])
def test_slopes_of_slopes_are_compiled(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAPEGRAD_EXECUTOR", executor)
    x = Tensor(np.linspace(0.1, 9.0, 50))

    def third(x: Tensor) -> Tensor:
        f = ag.lgamma
        for _ in range(3):
            f = ag.grad(lambda x, f=f: f(x).sum())
        return f(x)

    np.testing.assert_allclose(third(x).data, ag.polygamma(x.data, n=2), rtol=1e-14)
    np.testing.assert_allclose(compile(third)(x).data, third(x).data, rtol=0 if executor == "numpy" else 1e-13)


@pytest.mark.parametrize("n", [0, -1, 1.5, None])
def test_another_order_is_refused(n: object) -> None:
    with pytest.raises(ValueError, match=r"polygamma: n must be a whole number of at least 1, got"):
        ag.polygamma(2.0, n=n)
