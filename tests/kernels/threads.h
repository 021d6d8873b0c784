// What a kernel in CUDA C is compiled behind on the host: the words of CUDA that are none of C++'s.
//
// One idea: the threads of a block are coroutines of one thread of the host, which take turns wherever they meet. So a
// kernel runs as it stands, one block after the other. Read threads.cpp next.
#pragma once
#include <cmath>
#include <cstring>
#define __global__
#define __device__
#define __shared__ static
#define __grid_constant__
#define __launch_bounds__(...)
#define __restrict__
#define __forceinline__ inline

#pragma GCC visibility push(hidden)  // every library has its own of these
struct index_t { unsigned x = 0, y = 0, z = 0; };
extern index_t blockIdx, blockDim, gridDim, threadIdx;
extern int now;              // the number in its block of the thread whose turn it is
extern char lanes[1024][16]; // by thread: what it shows to the others of its warp
extern char *dynamic;        // the shared memory that a launch brings
void __syncthreads();
int __syncthreads_or(int x);
void __syncwarp(unsigned mask = ~0u);
unsigned __ballot_sync(unsigned mask, bool x);
void launch(void (*f)(void *const *), const unsigned *grid, const unsigned *block, void *const *given, unsigned shared,
            bool meets);
#pragma GCC visibility pop

template <class T> static T of_lane(unsigned mask, T x, int lane) {  // the x of another thread of the warp
  const int me = now;
  memcpy(lanes[me], &x, sizeof x);
  __syncwarp(mask);
  T y;
  memcpy(&y, lanes[(me & ~31) | lane], sizeof y);
  __syncwarp(mask);
  return y;
}
template <class T> static T __shfl_xor_sync(unsigned mask, T x, int o) { return of_lane(mask, x, (now & 31) ^ o); }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned __int128)a * b >> 64;
}
template <class T, class F> static inline T bits_as(F x) { T y; memcpy(&y, &x, sizeof y); return y; }
static inline unsigned __float_as_uint(float x) { return bits_as<unsigned>(x); }
static inline float __uint_as_float(unsigned x) { return bits_as<float>(x); }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline double __dadd_rn(double a, double b) { return a + b; }

// A kernel is given a list of pointers, one to each parameter, as cuLaunchKernel takes them.
template <int... I> struct places {};
template <int N, int... I> struct up_to : up_to<N - 1, N - 1, I...> {};
template <int... I> struct up_to<0, I...> { typedef places<I...> of; };
template <class... A, int... I> static void call(void (*f)(A...), void *const *given, places<I...>) {
  f(*(A *)given[I]...);
}
template <class... A> static void call(void (*f)(A...), void *const *given) {
  call(f, given, typename up_to<sizeof...(A)>::of());
}
template <class... A> static const unsigned *sizes(void (*f)(A...)) {  // in bytes, and a 0 behind the last
  static const unsigned found[] = {sizeof(A)..., 0};
  return found;
}
