// float16, as CuPy's kernels use it: numbers of g++'s own. Read cuda_bf16.h next.
#pragma once
struct __half_raw { unsigned short x; };
struct __half {
  _Float16 number;
  __half() = default;
  __half(float x) : number(x) {}
  __half(const __half_raw &bits) : number(bits_as<_Float16>(bits)) {}
  template <class T> explicit __half(T x) : number(x) {}
  operator float() const { return number; }
  operator __half_raw() const { return bits_as<__half_raw>(number); }
};
typedef __half half;
static inline unsigned short __half_as_ushort(__half x) { return __half_raw(x).x; }
static inline __half __ushort_as_half(unsigned short x) { return __half(__half_raw{x}); }
