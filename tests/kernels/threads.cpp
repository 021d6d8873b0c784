// The threads of a block, taking turns.
//
// One idea: whoever waits at a barrier gives its turn away, and gets it back until enough have come. Those that have
// ended are not waited for, as on a GPU. Read __init__.py next.
#include "threads.h"
#include <cstdlib>
#include <ucontext.h>

index_t blockIdx, blockDim, gridDim, threadIdx;
int now;
char lanes[1024][16];
char *dynamic;

struct thread_t { ucontext_t context; char *stack; bool done; };
struct barrier_t { int here = 0, round = 0; };
static thread_t threads[1024];
static ucontext_t outside;
static void (*kernel)(void *const *);
static void *const *arguments;
static int count, ended;  // of the threads of this block
static barrier_t of_block, of_lanes[1024][33];  // the latter by the first lane and how many there are

static void yield() { swapcontext(&threads[now].context, &outside); }
static void begin() {
  kernel(arguments);
  threads[now].done = true;
  ended++;
  yield();
}

static void wait_at(barrier_t &b, int wanted, bool all) {
  const int round = b.round;
  b.here++;
  while (b.round == round) {
    if (b.here >= wanted - (all ? ended : 0)) { b.here = 0; b.round++; }
    else yield();
  }
}
void __syncthreads() { wait_at(of_block, count, true); }
int __syncthreads_or(int x) {
  static int any;
  if (x) any = 1;
  __syncthreads();
  const int found = any;
  __syncthreads();
  any = 0;
  __syncthreads();
  return found;
}
void __syncwarp(unsigned mask) {
  const int first = now & ~31, left = count - first;
  if (left < 32) mask &= (1u << left) - 1;
  wait_at(of_lanes[first + __builtin_ctz(mask)][__builtin_popcount(mask)], __builtin_popcount(mask), false);
}
unsigned __ballot_sync(unsigned mask, bool x) {
  const int first = now & ~31;
  lanes[now][0] = x;
  __syncwarp(mask);
  unsigned votes = 0;
  for (int i = 0; i < 32; i++)
    if (mask >> i & 1) votes |= (unsigned)lanes[first + i][0] << i;
  __syncwarp(mask);
  return votes;
}

static void turn(int t) {
  now = t;
  threadIdx.x = t % blockDim.x, threadIdx.y = t / blockDim.x % blockDim.y, threadIdx.z = t / blockDim.x / blockDim.y;
}

static void together(int size) {
  ended = 0;
  for (int t = 0; t < count; t++) {
    thread_t &thread = threads[t];
    if (!thread.stack) thread.stack = (char *)malloc(size);
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack, thread.context.uc_stack.ss_size = size;
    thread.context.uc_link = &outside, thread.done = false;
    makecontext(&thread.context, begin, 0);
  }
  while (ended < count)
    for (int t = 0; t < count; t++)
      if (!threads[t].done) { turn(t); swapcontext(&outside, &threads[t].context); }
}

// Blocks run in any order on a GPU; here the last one comes first, so that what leans on the order shows.
void launch(void (*f)(void *const *), const unsigned *grid, const unsigned *block, void *const *given, unsigned shared,
            bool meets) {
  gridDim = {grid[0], grid[1], grid[2]}, blockDim = {block[0], block[1], block[2]};
  count = block[0] * block[1] * block[2];
  kernel = f, arguments = given;
  dynamic = (char *)realloc(dynamic, shared + 1);
  for (long n = (long)grid[0] * grid[1] * grid[2] - 1; n >= 0; n--) {
    blockIdx.x = n % grid[0], blockIdx.y = n / grid[0] % grid[1], blockIdx.z = n / grid[0] / grid[1];
    if (meets) together(1 << 16);
    else for (int t = 0; t < count; t++) { turn(t); f(given); }
  }
}
