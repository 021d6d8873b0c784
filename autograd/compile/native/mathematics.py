"""Mathematics: exp and tanh in C, for a compiler that makes vector instructions of them, and what C does not have.

One idea: a function without a branch costs the same for every number. The C library's exp for several numbers at once
goes number by number as soon as one of them is -inf, and half of the scores of a causal attention are.
Read `source.py` next.
"""

# Note [The exponential]
# With k the nearest whole number to x / log 2 and r = x - k log 2, exp(x) is 2^k exp(r), where |r| is below 0.35
# (Cody and Waite 1980, chapter 6). log 2 is taken off in two parts, the first of so few bits that k times it is exact.
# exp(r) - 1 - r is r^2 times a polynomial with the least largest error, 3e-9 and 4e-18 of exp(r). 2^k is multiplied
# in two halves, so that results may be as large or as small as a number can be. Below the smallest the result is 0 and
# nothing is computed, since processors are slow with numbers near 0. The error is below 1.1 units in the last place.
#
# tanh(|x|) is e / (e + 2) with e = exp(2 |x|) - 1, which is 2^k (exp(r) - 1) + (2^k - 1); below 3 units.
#
# NumPy's remainder has the sign of the divisor, C's fmod that of the dividend. Its quotient is the whole number nearest
# to what is left when that remainder is taken off, so that both belong together.

from __future__ import annotations

__all__ = ["MATHEMATICS"]

MATHEMATICS = """
static inline float reduced_float(float x, float *k) {
  *k = rintf(x * 0x1.715476p0f);
  float r = x - *k * 0x1.62e4p-1f - *k * 0x1.7f7d1cp-20f;
  float p = (((0x1.6a23ccp-10f * r + 0x1.123a2p-7f) * r + 0x1.5558f2p-5f) * r + 0x1.555492p-3f) * r + 0x1.fffffcp-2f;
  return p * r * r + r;
}
static inline float exp_float(float x) {
  float k, e = reduced_float(x < -104 ? 0 : x > 89 ? 89 : x, &k);
  int n = (int)k, half = n >> 1;
  union { int bits; float number; } a = {(half + 127) << 23}, b = {(n - half + 127) << 23};
  return x < -104 ? 0 : (e + 1) * a.number * b.number;
}
static inline float tanh_float(float x) {
  float y = fabsf(x), k, e = reduced_float(y > 10 ? 20 : y + y, &k);
  union { int bits; float number; } a = {((int)k + 127) << 23};
  e = e * a.number + (a.number - 1);
  return copysignf(e / (e + 2), x);
}
static inline double exp_double(double x) {
  double t = x < -746 ? 0 : x > 710 ? 710 : x, k = rint(t * 0x1.71547652b82fep0);
  double r = t - k * 0x1.62e42feep-1 - k * 0x1.a39ef35793c76p-33, p = 0x1.ad7ff569a5786p-26;
  p = p * r + 0x1.28ad9bf9f786ap-22, p = p * r + 0x1.71df2534c34aap-19, p = p * r + 0x1.a01999e198fa5p-16;
  p = p * r + 0x1.a01a012a4f8f6p-13, p = p * r + 0x1.6c16c1843924cp-10, p = p * r + 0x1.1111111127c2bp-7;
  p = p * r + 0x1.555555555083bp-5, p = p * r + 0x1.55555555554fap-3, p = p * r + 0x1.000000000000ap-1;
  union { double number; long long bits; } whole = {k + 0x1.8p52};  // k in its lowest bits
  int n = (int)whole.bits, half = n >> 1;
  union { long long bits; double number; } a = {(half + 1023LL) << 52}, b = {(n - half + 1023LL) << 52};
  return x < -746 ? 0 : (p * r * r + r + 1) * a.number * b.number;
}
static inline float floor_modf(float a, float b) {
  float r = fmodf(a, b);
  return r == 0 ? copysignf(0, b) : (r < 0) != (b < 0) ? r + b : r;
}
static inline double floor_mod(double a, double b) {
  double r = fmod(a, b);
  return r == 0 ? copysign(0, b) : (r < 0) != (b < 0) ? r + b : r;
}
static inline float floor_divf(float a, float b) {
  float r = fmodf(a, b), q = (a - r) / b - ((r != 0) & ((b < 0) != (r < 0))), whole = floorf(q);
  return b == 0 ? a / b : q == 0 ? copysignf(0, a / b) : whole + (q - whole > 0.5f);
}
static inline double floor_div(double a, double b) {
  double r = fmod(a, b), q = (a - r) / b - ((r != 0) & ((b < 0) != (r < 0))), whole = floor(q);
  return b == 0 ? a / b : q == 0 ? copysign(0, a / b) : whole + (q - whole > 0.5);
}
#define expf exp_float
#define exp exp_double
#define tanhf tanh_float""".strip()
