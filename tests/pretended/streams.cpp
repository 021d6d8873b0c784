// Streams, events and graphs, as streams.h has them.
#include "streams.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>

std::recursive_mutex everything;
thread_local bool has_context = false;
static Stream ordinary;  // the default stream
static std::set<Stream *> others;
static int recordings = 0;
static const std::string order = getenv("PRETENDED_ORDER") ? getenv("PRETENDED_ORDER") : "late";
static std::mt19937 chance(getenv("PRETENDED_SEED") ? atoi(getenv("PRETENDED_SEED")) : 1);
static const long MOST = 3000;  // in a queue

Status refused(Status status, const std::string &why) {
  fprintf(stderr, "pretended CUDA: %s\n", why.c_str());
  return status;
}

Stream *stream_of(void *handle) {
  return handle == nullptr || handle == (void *)1 ? &ordinary : (Stream *)handle;  // 1 is cudaStreamLegacy
}

Stream *new_stream(bool blocking) {
  Stream *made = new Stream;
  made->blocking = blocking;
  others.insert(made);
  return made;
}

void forget(Stream *stream) {  // but not its memory, which events know
  finish(stream);
  others.erase(stream);
}

// Doing

void finish(Stream *stream, long upto) {
  while (stream->done < upto) {
    Work work = std::move(stream->queue.front());
    stream->queue.pop_front();
    stream->done++;
    work();
  }
}

void finish(Stream *stream) {
  if (stream == &ordinary)
    for (Stream *other : others)
      if (other->blocking) finish(other, other->asked);
  finish(stream, stream->asked);
}

void finish_all() {
  finish(&ordinary);
  for (Stream *stream : others) finish(stream);
}

bool is_recording() { return recordings > 0; }

static void put(Stream *stream, Work work) {
  stream->queue.push_back(std::move(work));
  stream->asked++;
}

static void follow(Stream *stream, Stream *before) {
  const long upto = before->asked;
  if (before->done < upto) put(stream, [=] { finish(before, upto); });
}

static void do_some() {
  if (order == "now") finish_all();
  if (order != "random") return;
  std::vector<Stream *> all(others.begin(), others.end());
  all.push_back(&ordinary);
  for (int i = chance() % 3; i > 0; i--) {
    Stream *stream = all[chance() % all.size()];
    finish(stream, std::min<long>(stream->asked, stream->done + chance() % 4));
  }
}

Status start(Stream *stream, Work work) {
  if (stream->recording) {
    std::vector<Node> &nodes = stream->recording->nodes;
    nodes.push_back({std::move(work), stream->last});
    stream->last = {(int)nodes.size() - 1};
    return FINE;
  }
  if (stream == &ordinary) {
    for (Stream *other : others)
      if (other->blocking && other->recording)
        return refused(IMPLICIT, "the default stream is used while one that waits for it is recorded");
    for (Stream *other : others)
      if (other->blocking) follow(stream, other);
  } else if (stream->blocking) follow(stream, &ordinary);
  put(stream, std::move(work));
  if (stream->asked - stream->done > MOST) finish(stream, stream->asked - MOST / 2);
  do_some();
  return FINE;
}

// Events

static double clock_seconds() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

Status record(Event *event, Stream *stream) {
  event->graph = stream->recording, event->nodes = stream->last;
  if (stream->recording) return FINE;
  if (event->timed) {
    const Status status = start(stream, [event] { event->seconds = clock_seconds(); });
    if (status) return status;
  }
  event->stream = stream, event->after = stream->asked;
  return FINE;
}

Status wait_for(Event *event, Stream *stream) {
  if (event->graph) {
    if (!event->graph->open) return refused(RECORDED_EVENT, "a stream waits for an event of a recording that is over");
    if (stream->recording && stream->recording != event->graph) return refused(MERGED, "two recordings would be one");
    if (stream == &ordinary) return refused(IMPLICIT, "the default stream would be recorded");
    if (!stream->recording) {
      stream->recording = event->graph, stream->last.clear();
      event->graph->joined.push_back(stream);
    }
    stream->last.insert(event->nodes.begin(), event->nodes.end());
    return FINE;
  }
  if (!event->stream) return FINE;
  if (stream->recording) return refused(ISOLATED, "a recording waits for what is none of it");
  Stream *before = event->stream;
  const long upto = event->after;
  return before == stream ? FINE : start(stream, [=] { finish(before, upto); });
}

// Graphs

Status begin_graph(Stream *stream) {
  if (stream == &ordinary) return refused(RECORDING, "the default stream is recorded");
  if (stream->recording) return refused(ILLEGAL_STATE, "a stream is recorded already");
  stream->recording = new Graph, stream->last.clear();
  recordings++;
  return FINE;
}

Status end_graph(Stream *stream, Graph **made) {
  Graph *graph = *made = stream->recording;
  if (!graph) return refused(ILLEGAL_STATE, "a stream is not recorded");
  std::set<int> before = stream->last;  // all nodes that the last ones follow
  for (int i = (int)graph->nodes.size() - 1; i >= 0; i--)
    if (before.count(i)) before.insert(graph->nodes[i].after.begin(), graph->nodes[i].after.end());
  bool whole = true;
  for (Stream *other : graph->joined) {
    for (int node : other->last) whole = whole && before.count(node);
    other->recording = nullptr, other->last.clear();
  }
  stream->recording = nullptr, stream->last.clear();
  graph->open = false;
  recordings--;
  if (whole) return FINE;
  *made = nullptr;
  return refused(UNJOINED, "a recording ends, and a stream that joined it is not waited for");
}

// Of the nodes that may be next the last one is, so that what leans on the order shows.
static void play(Graph *graph) {
  const int count = graph->nodes.size();
  std::vector<std::vector<int>> next(count);
  std::vector<int> missing(count);
  std::vector<int> ready;
  for (int i = 0; i < count; i++) {
    missing[i] = graph->nodes[i].after.size();
    for (int before : graph->nodes[i].after) next[before].push_back(i);
    if (!missing[i]) ready.push_back(i);
  }
  while (!ready.empty()) {
    const int at = order == "random" ? chance() % ready.size() : ready.size() - 1, node = ready[at];
    ready.erase(ready.begin() + at);
    graph->nodes[node].work();
    for (int i : next[node])
      if (!--missing[i]) ready.push_back(i);
  }
}

Status start_graph(Graph *graph, Stream *stream) {
  return start(stream, [graph] { play(graph); });
}
