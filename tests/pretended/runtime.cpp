// CUDA's runtime, as far as CuPy asks for it: the functions of cuda_runtime_api.h, in its order.
//
// One idea: each function is a line or two of streams.h and memory.h. What is missing is made by build.py, and refuses.
// Read driver.cpp next.
#include "memory.h"
#include <cstdio>
#include <cstring>
#include <cuda_runtime_api.h>
#undef cudaGetDeviceProperties
#undef cudaEventElapsedTime

static thread_local cudaError_t last = cudaSuccess;

static cudaError_t told(int status) {
  if (status && status != NOT_READY) last = (cudaError_t)status;
  return (cudaError_t)status;
}

// What asks for anything that a context is needed for has one afterwards.
struct Asked : Hold { Asked() { has_context = true; } };

static int attribute(int number) {
  switch (number) {
    case cudaDevAttrComputeCapabilityMajor: return 9;
    case cudaDevAttrComputeCapabilityMinor: return 0;
    case cudaDevAttrMultiProcessorCount: return 132;
    case cudaDevAttrMaxThreadsPerBlock: return 1024;
    case cudaDevAttrWarpSize: return 32;
    case cudaDevAttrMaxSharedMemoryPerBlock: return 49152;
    case cudaDevAttrMemoryPoolsSupported: return 0;
    case cudaDevAttrClockRate: return 1980000;       // kHz
    case cudaDevAttrMemoryClockRate: return 2619000; // kHz
    case cudaDevAttrGlobalMemoryBusWidth: return 5120;
  }
  return 1;
}

extern "C" {

const char *cudaGetErrorName(cudaError_t error) {
  static thread_local char name[40];
  if (error == cudaErrorMemoryAllocation) return "cudaErrorMemoryAllocation";
  snprintf(name, sizeof name, "cudaError %d", error);
  return name;
}
const char *cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "out of memory" : "refused by the pretended CUDA";
}
cudaError_t cudaGetLastError() { const cudaError_t error = last; last = cudaSuccess; return error; }
cudaError_t cudaDriverGetVersion(int *version) { *version = CUDART_VERSION; return cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int *version) { *version = CUDART_VERSION; return cudaSuccess; }

// Devices

cudaError_t cudaGetDeviceCount(int *count) { *count = 1; return cudaSuccess; }
cudaError_t cudaGetDevice(int *device) { *device = 0; return cudaSuccess; }
cudaError_t cudaSetDevice(int device) {
  if (device) return told(INVALID_DEVICE);
  Asked asked;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr number, int) {
  *value = attribute(number);
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *made, int device) {
  if (device) return told(INVALID_DEVICE);
  *made = {};
  strcpy(made->name, "NVIDIA Pretended");
  made->major = attribute(cudaDevAttrComputeCapabilityMajor);
  made->minor = attribute(cudaDevAttrComputeCapabilityMinor);
  made->multiProcessorCount = attribute(cudaDevAttrMultiProcessorCount), made->warpSize = 32;
  made->maxThreadsPerBlock = 1024, made->maxThreadsPerMultiProcessor = 2048, made->sharedMemPerBlock = 49152;
  made->totalGlobalMem = all_bytes(), made->l2CacheSize = 50 << 20;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties_v2(cudaDeviceProp *made, int device) {
  return cudaGetDeviceProperties(made, device);
}
cudaError_t cudaDeviceGetPCIBusId(char *text, int size, int) {
  snprintf(text, size, "0000:00:00.0");
  return cudaSuccess;
}
cudaError_t cudaDeviceCanAccessPeer(int *can, int, int) { *can = 0; return cudaSuccess; }
cudaError_t cudaDeviceSynchronize() {
  Asked asked;
  if (is_recording()) return told(refused(RECORDING, "the device is waited for during a recording"));
  finish_all();
  return cudaSuccess;
}

// Memory

cudaError_t cudaMemGetInfo(size_t *free, size_t *all) {
  Asked asked;
  *free = free_bytes(), *all = all_bytes();
  return cudaSuccess;
}
cudaError_t cudaMalloc(void **place, size_t size) { Asked asked; return told(give(place, size, OF_DEVICE)); }
cudaError_t cudaHostAlloc(void **place, size_t size, unsigned) { Asked asked; return told(give(place, size, PINNED)); }
cudaError_t cudaFree(void *place) { Asked asked; return told(take_back(place)); }
cudaError_t cudaFreeHost(void *place) { Asked asked; return told(take_back(place)); }
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t size, cudaMemcpyKind, cudaStream_t stream) {
  Asked asked;
  return told(copy(to, from, size, stream_of(stream)));
}
cudaError_t cudaMemcpy(void *to, const void *from, size_t size, cudaMemcpyKind kind) {
  Asked asked;
  const cudaError_t error = cudaMemcpyAsync(to, from, size, kind, nullptr);
  if (!error) finish(stream_of(nullptr));
  return error;
}
cudaError_t cudaMemcpyPeerAsync(void *to, int, const void *from, int, size_t size, cudaStream_t stream) {
  return cudaMemcpyAsync(to, from, size, cudaMemcpyDefault, stream);
}
cudaError_t cudaMemsetAsync(void *place, int value, size_t size, cudaStream_t stream) {
  Asked asked;
  return told(start(stream_of(stream), [=] { memset(place, value, size); }));
}
cudaError_t cudaMemset(void *place, int value, size_t size) { return cudaMemsetAsync(place, value, size, nullptr); }
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes *made, const void *place) {
  Asked asked;
  const Kind kind = kind_of(place);
  *made = {};
  made->type = kind == OF_DEVICE ? cudaMemoryTypeDevice
               : kind == PINNED  ? cudaMemoryTypeHost
                                 : cudaMemoryTypeUnregistered;
  made->devicePointer = kind == ORDINARY ? nullptr : (void *)place;
  made->hostPointer = kind == OF_DEVICE ? nullptr : (void *)place;
  return cudaSuccess;
}

// Streams

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *made, unsigned flags) {
  Asked asked;
  *made = (cudaStream_t)new_stream(!(flags & cudaStreamNonBlocking));
  return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t *made) { return cudaStreamCreateWithFlags(made, cudaStreamDefault); }
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *made, unsigned flags, int) {
  return cudaStreamCreateWithFlags(made, flags);
}
cudaError_t cudaStreamGetFlags(cudaStream_t stream, unsigned *flags) {
  *flags = stream_of(stream)->blocking ? cudaStreamDefault : cudaStreamNonBlocking;
  return cudaSuccess;
}
cudaError_t cudaStreamGetPriority(cudaStream_t, int *priority) { *priority = 0; return cudaSuccess; }
cudaError_t cudaStreamDestroy(cudaStream_t stream) { Asked asked; forget(stream_of(stream)); return cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  Asked asked;
  if (stream_of(stream)->recording) return told(refused(RECORDING, "a stream is waited for while it is recorded"));
  finish(stream_of(stream));
  return cudaSuccess;
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  Asked asked;
  return stream_of(stream)->done < stream_of(stream)->asked ? cudaErrorNotReady : cudaSuccess;
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *given) {
  Asked asked;
  return told(start(stream_of(stream), [=] { function(given); }));
}

// Events: they are not given back, since streams that wait for them may know them

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *made, unsigned flags) {
  Asked asked;
  Event *event = new Event;
  event->timed = !(flags & cudaEventDisableTiming);
  *made = (cudaEvent_t)event;
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t *made) { return cudaEventCreateWithFlags(made, cudaEventDefault); }
cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  Asked asked;
  return told(record((Event *)event, stream_of(stream)));
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  Asked asked;
  return told(wait_for((Event *)event, stream_of(stream)));
}
cudaError_t cudaEventQuery(cudaEvent_t given) {
  Asked asked;
  const Event *event = (Event *)given;
  if (event->graph) return told(refused(RECORDED_EVENT, "an event of a recording is asked whether it is over"));
  return event->stream && event->stream->done < event->after ? cudaErrorNotReady : cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t given) {
  Asked asked;
  const Event *event = (Event *)given;
  if (event->graph) return told(refused(RECORDED_EVENT, "an event of a recording is waited for"));
  if (event->stream) finish(event->stream, event->after);
  return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t first, cudaEvent_t second) {
  Asked asked;
  for (cudaEvent_t event : {first, second})
    if (!((Event *)event)->timed) return told(refused(INVALID_HANDLE, "an event that takes no time is asked for it"));
    else if (cudaEventQuery(event)) return cudaErrorNotReady;
  *milliseconds = 1e3 * (((Event *)second)->seconds - ((Event *)first)->seconds);
  return cudaSuccess;
}
cudaError_t cudaEventElapsedTime_v2(float *milliseconds, cudaEvent_t first, cudaEvent_t second) {
  return cudaEventElapsedTime(milliseconds, first, second);
}

// Graphs

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  Asked asked;
  return told(begin_graph(stream_of(stream)));
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *made) {
  Asked asked;
  return told(end_graph(stream_of(stream), (Graph **)made));
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus *status) {
  Asked asked;
  *status = stream_of(stream)->recording ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *made, cudaGraph_t graph, unsigned long long) {
  *made = (cudaGraphExec_t)graph;
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
  Asked asked;
  return told(start_graph((Graph *)graph, stream_of(stream)));
}
cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaGraphDestroy(cudaGraph_t) { return cudaSuccess; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t) { return cudaSuccess; }
}
