// Streams, events and graphs: what the pretended CUDA does, and when.
//
// One idea: what is started is put into the queue of its stream, and done as late as may be: when somebody waits for
// it. So whoever reads too early, or writes over what is still to be read, is wrong at every run, not at one in a
// thousand. PRETENDED_ORDER=now does everything at once, and "random" now and then some of it. Read memory.h next.
#pragma once
#include <deque>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#define HIDDEN __attribute__((visibility("hidden")))

typedef std::function<void()> Work;
struct Graph;

struct Stream {
  bool blocking = true;  // it waits for the default stream, and that for it
  std::deque<Work> queue;
  long done = 0, asked = 0;  // how many were done, and asked for, ever
  Graph *recording = nullptr;
  std::set<int> last;  // while it is recorded: the nodes that the next one follows
};

struct Event {
  Stream *stream = nullptr;  // where it was recorded, after so many
  long after = 0;
  Graph *graph = nullptr;  // or the graph, after these nodes
  std::set<int> nodes;
  bool timed = false;
  double seconds = 0;
};

struct Node { Work work; std::set<int> after; };
struct Graph { std::vector<Node> nodes; std::vector<Stream *> joined; bool open = true; };

// Numbers of cudaError_t; those of CUresult are the same.
enum Status {
  FINE = 0,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  INVALID_DEVICE = 101,
  NO_CONTEXT = 201,
  INVALID_HANDLE = 400,
  ILLEGAL_STATE = 401,
  NOT_FOUND = 500,
  NOT_READY = 600,
  NOT_SUPPORTED = 801,
  RECORDING = 900,
  MERGED = 902,
  UNJOINED = 904,
  ISOLATED = 905,
  IMPLICIT = 906,
  RECORDED_EVENT = 907
};

extern std::recursive_mutex everything HIDDEN;  // whoever does anything holds it
struct Hold { Hold() { everything.lock(); } ~Hold() { everything.unlock(); } };

HIDDEN Stream *stream_of(void *handle);  // null is the default stream
HIDDEN Status start(Stream *stream, Work work);
HIDDEN void finish(Stream *stream, long upto);
HIDDEN void finish(Stream *stream);
HIDDEN void finish_all();
HIDDEN bool is_recording();
HIDDEN Stream *new_stream(bool blocking);
HIDDEN void forget(Stream *stream);
HIDDEN Status record(Event *event, Stream *stream);
HIDDEN Status wait_for(Event *event, Stream *stream);
HIDDEN Status begin_graph(Stream *stream);
HIDDEN Status end_graph(Stream *stream, Graph **made);
HIDDEN Status start_graph(Graph *graph, Stream *stream);

extern thread_local bool has_context HIDDEN;  // whether this thread has asked the runtime for something
HIDDEN Status refused(Status status, const std::string &why);  // says so, and gives the status
