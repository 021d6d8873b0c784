// Memory of the pretended GPU, and memory of the host that it reads.
//
// One idea: each piece ends where a page begins that nobody may touch, so a kernel that reads or writes behind its
// array ends the process, as far as CuPy asks for a piece for each array (PRETENDED_POOL=0 sees to that). New memory
// is all NaN. Read runtime.cpp next.
#pragma once
#include "streams.h"
#include <cstddef>

enum Kind { ORDINARY = 0, PINNED = 1, OF_DEVICE = 2 };

HIDDEN Status give(void **place, size_t size, Kind kind);
HIDDEN Status take_back(void *place);
HIDDEN Kind kind_of(const void *place);
HIDDEN size_t free_bytes();
HIDDEN size_t all_bytes();
HIDDEN Status copy(void *to, const void *from, size_t size, Stream *stream);
