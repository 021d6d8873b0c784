// Memory, as memory.h has it.
#include "memory.h"
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <sys/mman.h>

struct Piece { size_t size, mapped; Kind kind; char *base; };
static std::map<char *, Piece> pieces;
static size_t used = 0;
static const size_t PAGE = 4096, POISONED = 8 << 20;  // the latter: bytes that are filled at most
static const size_t ALIGNED = getenv("PRETENDED_POOL") && !atoi(getenv("PRETENDED_POOL")) ? 16 : 512;

static size_t up(size_t size, size_t to) { return (size + to - 1) / to * to; }
size_t all_bytes() { return (size_t)(getenv("PRETENDED_GIB") ? atoi(getenv("PRETENDED_GIB")) : 6) << 30; }
size_t free_bytes() { return all_bytes() - used; }

Status give(void **place, size_t size, Kind kind) {
  *place = nullptr;
  if (!size) return FINE;
  if (kind == OF_DEVICE && size > free_bytes()) return OUT_OF_MEMORY;
  const size_t whole = up(size, ALIGNED), body = up(whole, PAGE), mapped = body + PAGE;
  void *base = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return OUT_OF_MEMORY;
  mprotect((char *)base + body, PAGE, PROT_NONE);
  char *start = (char *)base + body - whole;
  memset(start, 0xFF, whole < POISONED ? whole : POISONED);
  pieces[start] = {size, mapped, kind, (char *)base};
  if (kind == OF_DEVICE) used += size;
  *place = start;
  return FINE;
}

Status take_back(void *place) {
  if (!place) return FINE;
  auto found = pieces.find((char *)place);
  if (found == pieces.end()) return refused(INVALID_VALUE, "memory is given back that was not given");
  finish_all();  // as cudaFree does
  if (found->second.kind == OF_DEVICE) used -= found->second.size;
  munmap(found->second.base, found->second.mapped);
  pieces.erase(found);
  return FINE;
}

Kind kind_of(const void *place) {
  auto after = pieces.upper_bound((char *)place);
  if (after == pieces.begin()) return ORDINARY;
  const auto &[start, piece] = *--after;
  return (char *)place < start + piece.size ? piece.kind : ORDINARY;
}

// From ordinary memory of the host it is read at once, as CUDA does, and into that the caller waits. Pinned memory is
// read when the copy is done.
Status copy(void *to, const void *from, size_t size, Stream *stream) {
  if (!size) return FINE;
  const bool at_once = kind_of(from) == ORDINARY, waited = kind_of(to) == ORDINARY;
  if ((at_once || waited) && stream->recording) return refused(RECORDING, "a copy of ordinary memory is recorded");
  if (at_once && !waited) {
    auto kept = std::make_shared<std::vector<char>>((const char *)from, (const char *)from + size);
    return start(stream, [=] { memcpy(to, kept->data(), size); });
  }
  const Status status = start(stream, [=] { memmove(to, from, size); });
  if (!status && waited) finish(stream);
  return status;
}
