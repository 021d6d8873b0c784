// CUDA's driver and NVRTC, as far as CuPy and autograd ask for them: kernels compiled for the host, and launches.
//
// One idea: a program is compiled by `python -m tests.pretended.compile`, and its code is the name of the library that
// came out. Read products.cpp next.
#include "memory.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <unistd.h>

typedef void (*Launch)(const unsigned *grid, const unsigned *block, void *const *given, unsigned shared);
struct Kernel { Launch launch; const unsigned *sizes; std::string name; };
struct Program { std::string source, said, code; std::map<std::string, std::string> names; };
static const char MARK[] = "pretended:";

static bool usable(const char *what) {
  if (!has_context) refused(NO_CONTEXT, std::string("a thread without a context asks to ") + what);
  return has_context;
}

static std::string text_of(const std::string &path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

extern "C" {

// Driver (CUresult)

int cuGetErrorName(int error, const char **name) {
  static thread_local char text[40];
  snprintf(text, sizeof text, "CUDA_ERROR %d", error);
  *name = text;
  return FINE;
}
int cuGetErrorString(int, const char **text) { *text = "refused by the pretended CUDA"; return FINE; }
int cuInit(unsigned) { return FINE; }
int cudaRuntimeGetVersion(int *);
int cuDriverGetVersion(int *version) { return cudaRuntimeGetVersion(version); }
int cuDeviceGetCount(int *count) { *count = 1; return FINE; }
int cuDeviceGet(int *device, int) { *device = 0; return FINE; }
int cuDeviceGetName(char *name, int size, int) { snprintf(name, size, "NVIDIA Pretended"); return FINE; }
int cuDeviceTotalMem_v2(size_t *size, int) { *size = all_bytes(); return FINE; }
int cudaDeviceGetAttribute(int *, int, int);
int cuDeviceGetAttribute(int *value, int number, int device) { return cudaDeviceGetAttribute(value, number, device); }
int cuCtxGetCurrent(void **context) { *context = has_context ? &has_context : nullptr; return FINE; }
int cuCtxSetCurrent(void *context) { has_context = context != nullptr; return FINE; }
int cuCtxGetDevice(int *device) { *device = 0; return has_context ? FINE : NO_CONTEXT; }

int cuModuleLoadData(void **made, const char *code) {
  Hold hold;
  if (!usable("load a program")) return NO_CONTEXT;
  if (strncmp(code, MARK, sizeof MARK - 1)) return refused(INVALID_VALUE, "this code was not made here");
  *made = dlopen(code + sizeof MARK - 1, RTLD_NOW | RTLD_LOCAL);
  return *made ? FINE : refused(INVALID_VALUE, dlerror());
}
int cuModuleUnload(void *) { return FINE; }
int cuModuleGetFunction(void **made, void *module, const char *name) {
  Hold hold;
  void *launch = dlsym(module, (std::string("launch_") + name).c_str());
  void *sizes = dlsym(module, (std::string("sizes_of_") + name).c_str());
  if (!launch || !sizes) return refused(NOT_FOUND, std::string("there is no kernel ") + name);
  *made = new Kernel{(Launch)launch, ((const unsigned *(*)())sizes)(), name};
  return FINE;
}
int cuFuncGetAttribute(int *value, int, void *) { *value = 1024; return FINE; }  // threads of a block, and the like
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *count, void *, int, size_t) { *count = 2; return FINE; }
int cuOccupancyMaxPotentialBlockSize(int *blocks, int *threads, void *, void *, size_t, int) {
  *blocks = 264, *threads = 1024;
  return FINE;
}

int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void *stream, void **given, void **) {
  Hold hold;
  const Kernel *kernel = (Kernel *)function;
  if (!usable("launch a kernel")) return NO_CONTEXT;
  const unsigned long threads = (unsigned long)bx * by * bz;
  if (!gx || !gy || !gz || gx > 0x7fffffff || gy > 65535 || gz > 65535 || !threads || threads > 1024 || shared > 49152)
    return refused(INVALID_VALUE, "the kernel " + kernel->name + " is launched with blocks that no GPU has");
  auto values = std::make_shared<std::vector<std::string>>();  // what it is given is read now
  size_t bytes = 0;
  for (const unsigned *size = kernel->sizes; *size; bytes += *size++)
    values->push_back(std::string((char *)given[values->size()], *size));
  if (bytes > 4096) return refused(INVALID_VALUE, "the kernel " + kernel->name + " takes more than 4096 bytes");
  return start(stream_of(stream), [=] {
    std::vector<void *> at;
    for (std::string &value : *values) at.push_back(&value[0]);
    const unsigned grid[] = {gx, gy, gz}, block[] = {bx, by, bz};
    kernel->launch(grid, block, at.data(), shared);
  });
}

// NVRTC (nvrtcResult): 6 is that it could not be compiled

const char *nvrtcGetErrorString(int result) { return result ? "the pretended NVRTC could not compile" : "fine"; }
int nvrtcVersion(int *major, int *minor) {
  int version = 0;
  cudaRuntimeGetVersion(&version);
  *major = version / 1000, *minor = version / 10 % 100;
  return FINE;
}
int nvrtcCreateProgram(Program **made, const char *source, const char *, int, const char **, const char **) {
  *made = new Program{source, "", "", {}};
  return FINE;
}
int nvrtcDestroyProgram(Program **program) { delete *program; *program = nullptr; return FINE; }
int nvrtcAddNameExpression(Program *program, const char *name) {  // of a template's kernel, as in "k<int>"
  program->names[name] = "named_" + std::to_string(std::hash<std::string>()(name));
  return FINE;
}
int nvrtcGetLoweredName(Program *program, const char *name, const char **lowered) {
  *lowered = program->names[name].c_str();
  return FINE;
}
int nvrtcCompileProgram(Program *program, int count, const char **options) {
  char folder[] = "/tmp/pretended-XXXXXX";
  if (!mkdtemp(folder)) return 6;
  const std::string source = std::string(folder) + "/program.cu", said = std::string(folder) + "/said";
  std::ofstream(source) << program->source;
  std::string command = std::string(getenv("PRETENDED_PYTHON")) + " -S -m tests.pretended.compile " + source;
  for (int i = 0; i < count; i++) command += std::string(" '") + options[i] + "'";
  for (const auto &[name, lowered] : program->names) command += " '--named=" + lowered + "=" + name + "'";
  const int status = system((command + " > " + said + " 2>&1").c_str());
  (status ? program->said : program->code) = (status ? "" : MARK) + text_of(said);
  unlink(source.c_str()), unlink(said.c_str()), rmdir(folder);
  return status ? 6 : FINE;
}
int nvrtcGetCUBINSize(Program *program, size_t *size) { *size = program->code.size() + 1; return FINE; }
int nvrtcGetCUBIN(Program *program, char *code) { strcpy(code, program->code.c_str()); return FINE; }
int nvrtcGetPTXSize(Program *program, size_t *size) { return nvrtcGetCUBINSize(program, size); }
int nvrtcGetPTX(Program *program, char *code) { return nvrtcGetCUBIN(program, code); }
int nvrtcGetProgramLogSize(Program *program, size_t *size) { *size = program->said.size() + 1; return FINE; }
int nvrtcGetProgramLog(Program *program, char *text) { strcpy(text, program->said.c_str()); return FINE; }
}
