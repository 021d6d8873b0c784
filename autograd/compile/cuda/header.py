"""Header: what every CUDA source begins with.

One idea: a row is worked on by L threads, `lanes`, a power of two; a value for a row is made by all of them together,
within a warp by shuffles, in a wider row with one word of shared memory for each warp. Sums are always added in the
same order, so a program gives the same bits at every call. Read `loops.py` next.
"""

from __future__ import annotations

__all__ = ["HEADER"]

HEADER = """
#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fffffff)
#endif
template <int K, int P> struct Jobs { long first[K + 1]; long size[K]; char *p[K][P]; };
struct bfloat16 {  // the first 16 bits of a float, rounded to the nearest, of two the even one
  unsigned short bits;
  bfloat16() = default;
  __device__ bfloat16(float x) {
#if __CUDA_ARCH__ >= 800
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
    if (x == x) return;
#endif
    const unsigned u = __float_as_uint(x);
    bits = x != x ? u >> 16 | 64 : (u + 0x7fff + (u >> 16 & 1)) >> 16;
  }
  __device__ operator float() const { return __uint_as_float((unsigned)bits << 16); }
};
template <class T, int N> struct alignas(N * sizeof(T)) Beside { T of[N]; };  // neighbours, as one load or store
template <class T, int N> __device__ Beside<T, N> beside(const T *x) {  // wherever they lie
  Beside<T, N> found;
  if ((unsigned long)x % sizeof(found) == 0) return *(const Beside<T, N> *)x;
  for (int i = 0; i < N; i++) found.of[i] = x[i];
  return found;
}
__device__ float floor_modf(float a, float b) {  // NumPy's remainder, which has the sign of the divisor
  const float r = fmodf(a, b);
  return r == 0 ? copysignf(0.0f, b) : (r < 0) != (b < 0) ? r + b : r;
}
__device__ double floor_mod(double a, double b) {
  const double r = fmod(a, b);
  return r == 0 ? copysign(0.0, b) : (r < 0) != (b < 0) ? r + b : r;
}
struct Sum { template <class T> static __device__ T of(T a, T b) { return a + b; } };
struct Max { template <class T> static __device__ T of(T a, T b) { return a > b ? a : b; } };
struct Min { template <class T> static __device__ T of(T a, T b) { return a < b ? a : b; } };
template <int L> __device__ unsigned lanes_of_row() {  // of L <= 32
  return L == 32 ? ~0u : ((1u << (L & 31)) - 1) << (threadIdx.x & 31 & ~(L - 1));
}
template <class F, int L, class T> __device__ T over_lanes(T x) {  // of L <= 32 lanes; each gets the result
  const unsigned mask = lanes_of_row<L>();
  for (int o = L / 2; o; o /= 2) x = F::of(x, __shfl_xor_sync(mask, x, o));
  return x;
}
template <int L> __device__ void meet_in_row() {  // what all L lanes have read may be written from here on
  if (L > 32) __syncthreads();
  else __syncwarp(lanes_of_row<L <= 32 ? L : 32>());
}
template <class F, int L, class T> __device__ T over_row(T x) {  // of L lanes, which are all of a block if L > 32
  if (L <= 32) return over_lanes<F, L <= 32 ? L : 32>(x);
  __shared__ T found[32];
  x = over_lanes<F, 32>(x);
  if ((threadIdx.x & 31) == 0) found[threadIdx.x >> 5] = x;
  __syncthreads();
  x = found[0];
  for (int i = 1; i < L / 32; i++) x = F::of(x, found[i]);
  __syncthreads();
  return x;
}
""".strip()
