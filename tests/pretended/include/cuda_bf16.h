// bfloat16, as CuPy's kernels use it: the first 16 bits of a float. Read ../compile.py next.
#pragma once
struct __nv_bfloat16 {
  unsigned short bits;
  __nv_bfloat16() = default;
  __nv_bfloat16(float x) {
    const unsigned u = __float_as_uint(x);
    bits = x != x ? 0x7fff : (u + 0x7fff + (u >> 16 & 1)) >> 16;
  }
  operator float() const { return __uint_as_float((unsigned)bits << 16); }
};
static inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 x) { return x.bits; }
static inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short x) { __nv_bfloat16 y; y.bits = x; return y; }
static inline bool __hisnan(__nv_bfloat16 x) { return (x.bits & 0x7fff) > 0x7f80; }
static inline bool __hisinf(__nv_bfloat16 x) { return (x.bits & 0x7fff) == 0x7f80; }
