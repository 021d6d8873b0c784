// The further words of CUDA that CuPy's own kernels use, in the way of ../kernels/threads.h, which is read first.
#pragma once
#include "threads.h"
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <utility>
using std::abs, std::isfinite, std::isinf, std::isnan, std::signbit;
#define __host__
#define __constant__ static
const int warpSize = 32;

template <class T> static T __shfl_sync(unsigned mask, T x, int o, int = 32) { return of_lane(mask, x, o & 31); }
template <class T> static T __shfl_down_sync(unsigned mask, T x, int o, int = 32) {
  return of_lane(mask, x, (now & 31) + o < 32 ? (now & 31) + o : now & 31);
}
template <class T> static T __shfl_up_sync(unsigned mask, T x, int o, int = 32) {
  return of_lane(mask, x, (now & 31) < o ? now & 31 : (now & 31) - o);
}
static inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll(x) : 64; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __float_as_int(float x) { return bits_as<int>(x); }
static inline float __int_as_float(int x) { return bits_as<float>(x); }
static inline long long __double_as_longlong(double x) { return bits_as<long long>(x); }
static inline double __longlong_as_double(long long x) { return bits_as<double>(x); }
static inline float rsqrtf(float x) { return 1 / sqrtf(x); }
static inline double rsqrt(double x) { return 1 / sqrt(x); }
template <class T> static T min(T a, T b) { return b < a ? b : a; }
template <class T> static T max(T a, T b) { return a < b ? b : a; }
static inline float min(float a, float b) { return fminf(a, b); }
static inline float max(float a, float b) { return fmaxf(a, b); }
static inline double min(double a, double b) { return fmin(a, b); }
static inline double max(double a, double b) { return fmax(a, b); }

// One thread runs at a time, so nothing else is needed for these.
template <class T, class U> static T atomicAdd(T *at, U x) { const T was = *at; *at = was + (T)x; return was; }
template <class T, class U> static T atomicMax(T *at, U x) { const T was = *at; if (was < (T)x) *at = x; return was; }
template <class T, class U> static T atomicMin(T *at, U x) { const T was = *at; if ((T)x < was) *at = x; return was; }
template <class T, class U> static T atomicExch(T *at, U x) { const T was = *at; *at = x; return was; }
template <class T, class U> static T atomicOr(T *at, U x) { const T was = *at; *at = was | x; return was; }
template <class T, class U, class V> static T atomicCAS(T *at, U like, V x) {
  const T was = *at;
  if (was == (T)like) *at = x;
  return was;
}
