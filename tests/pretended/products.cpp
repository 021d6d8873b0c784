// cuBLASLt, as far as autograd asks for it, and of cuBLAS what CuPy does.
//
// One idea: a product is three loops in double precision, with what its epilogue says around them. What it asks for is
// checked as the library does: addresses, alignments, room to work in, which epilogue takes which address. Read
// build.py next.
//
// Source: NVIDIA, cuBLAS documentation, and the numbers in its headers.
#include "memory.h"
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>

enum { DONE = 0, NOT_STARTED = 1, INVALID = 7, FAILED = 13, UNSUPPORTED = 15 };  // cublasStatus_t
enum Type { F32 = 0, F64 = 1, F16 = 2, BF16 = 14 };                              // cudaDataType_t
enum Compute { COMPUTE_64F = 70, COMPUTE_64F_PEDANTIC = 71, COMPUTE_TF32 = 77 }; // cublasComputeType_t
enum Of { TURN_A = 3, TURN_B = 4, EPILOGUE = 7, BIAS = 8, AUX = 11, AUX_LD = 12, AUX_STRIDE = 13 };
enum OfLayout { COUNT = 5, STRIDE = 6 };
enum OfPreference { WORKSPACE = 1, ALIGNMENTS = 5 };  // the latter of a, b, c and d

static int refuse(int status, const char *why) { refused(INVALID_VALUE, why); return status; }

// Numbers in memory

static double get(int type, const void *at, long i) {
  if (type == F64) return ((double *)at)[i];
  if (type == F32) return ((float *)at)[i];
  if (type == F16) return ((_Float16 *)at)[i];
  const uint32_t bits = (uint32_t)((uint16_t *)at)[i] << 16;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static void set(int type, void *at, long i, double x) {
  if (type == F64) ((double *)at)[i] = x;
  else if (type == F32) ((float *)at)[i] = x;
  else if (type == F16) ((_Float16 *)at)[i] = x;
  else {
    const float y = x;
    uint32_t bits;
    memcpy(&bits, &y, sizeof y);
    ((uint16_t *)at)[i] = y != y ? bits >> 16 | 64 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  }
}

static double as_tf32(double x) {
  float y = x;
  uint32_t bits;
  memcpy(&bits, &y, sizeof y);
  bits &= 0xFFFFE000;
  memcpy(&y, &bits, sizeof y);
  return y;
}

__attribute__((optimize("O3", "associative-math", "no-signed-zeros", "no-trapping-math")))
static double dot(const double *a, const double *b, long n) {
  double sum = 0;
  for (long i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

// Matrices, by columns

struct Matrix {
  int type;
  long rows, columns, distance, stride;
  char *at;
  bool turned;
  double operator()(long k, long i, long j) const {  // of the k-th of a stack
    return get(type, at, k * stride + (turned ? j + i * distance : i + j * distance));
  }
};

struct Epilogue {
  int number = 1;
  char *bias = nullptr, *aux = nullptr;
  long distance = 0, stride = 0;  // of aux
  bool is(std::initializer_list<int> some) const {
    for (int x : some) if (x == number) return true;
    return false;
  }
  bool relu() const { return is({2, 6, 130, 134}); }
  bool gelu() const { return is({32, 36, 160, 164}); }
  bool adds() const { return is({4, 6, 36, 134, 164}); }
  bool keeps() const { return is({130, 134, 160, 164}); }
  bool slope_of_relu() const { return is({136, 152}); }
  bool slope_of_gelu() const { return is({192, 208}); }
  bool adds_up() const { return is({152, 208}); }
  bool has_bias() const { return adds() || adds_up() || is({256, 512}); }
  bool has_aux() const { return keeps() || slope_of_relu() || slope_of_gelu(); }
};

static const double ROOT = 0.7978845608028654;  // of 2 / pi
static double inner(double x) { return tanh(ROOT * (x + 0.044715 * x * x * x)); }
static double gelu(double x) { return 0.5 * x * (1 + inner(x)); }
static double slope_of_gelu(double x) {
  const double t = inner(x);
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * ROOT * (1 + 3 * 0.044715 * x * x);
}

// c = alpha a b + beta c, and the epilogue
static void multiply(const Matrix &a, const Matrix &b, const Matrix &c, long count, double alpha, double beta,
                     bool tf32, const Epilogue &e) {
  const long m = c.rows, n = c.columns, k = a.turned ? a.rows : a.columns;
  std::vector<double> left(m * k), right(n * k), sums(m);
  for (long t = 0; t < count; t++) {
    for (long i = 0; i < m; i++) for (long q = 0; q < k; q++) left[i * k + q] = tf32 ? as_tf32(a(t, i, q)) : a(t, i, q);
    for (long j = 0; j < n; j++)
      for (long q = 0; q < k; q++) right[j * k + q] = tf32 ? as_tf32(b(t, q, j)) : b(t, q, j);
    for (long j = 0; j < n; j++)
      for (long i = 0; i < m; i++) {
        char *bits = e.aux + t * e.stride / 8 + j * (e.distance / 8) + i / 8;
        const long number = t * e.stride + i + j * e.distance;
        double x = alpha * dot(&left[i * k], &right[j * k], k);
        if (beta) x += beta * c(t, i, j);
        if (e.adds()) x += get(c.type, e.bias, i);
        if (e.keeps() && e.relu()) *bits = (*bits & ~(1 << i % 8)) | (x > 0) << i % 8;
        if (e.keeps() && e.gelu()) set(c.type, e.aux, number, x);
        if (e.relu()) x = x <= 0 ? 0 : x;  // NaN stays
        if (e.gelu()) x = gelu(x);
        if (e.slope_of_relu()) x = *bits >> i % 8 & 1 ? x : 0;
        if (e.slope_of_gelu()) x *= slope_of_gelu(get(c.type, e.aux, number));
        sums[i] = x + (j ? sums[i] : 0);
        set(c.type, c.at, t * c.stride + i + j * c.distance, x);
      }
  }
  const std::vector<double> ones(k, 1);
  if (e.adds_up()) for (long i = 0; i < m; i++) set(c.type, e.bias, i, sums[i]);
  if (e.is({256})) for (long i = 0; i < m; i++) set(c.type, e.bias, i, dot(&left[i * k], &ones[0], k));
  if (e.is({512})) for (long j = 0; j < n; j++) set(c.type, e.bias, j, dot(&right[j * k], &ones[0], k));
}

static double number_at(int compute, const void *at) {
  return compute == COMPUTE_64F || compute == COMPUTE_64F_PEDANTIC ? *(double *)at : *(float *)at;
}

// Descriptions: what they were made with, and their attributes

struct Thing { long made[4]; std::map<int, long> set; };
static long of(const Thing *thing, int name, long otherwise = 0) {
  const auto found = thing->set.find(name);
  return found == thing->set.end() ? otherwise : found->second;
}
static int put(Thing *thing, int name, const void *value, size_t size, bool wide) {
  if (size != (wide ? 8 : 4)) return refuse(INVALID, "an attribute of cuBLASLt has another size");
  thing->set[name] = wide ? *(long *)value : *(int *)value;
  return DONE;
}
struct Choice { long number, alignment; };  // the algorithm: products that it may do, and how much room it needs
static const long ROOM = 4096, OFFERED = 3;

extern "C" {

size_t cublasLtGetVersion() { return 130000; }
int cublasLtCreate(void **made) {
  *made = (void *)"cuBLASLt";
  return has_context ? DONE : refuse(NOT_STARTED, "cuBLASLt begins without a context");
}
int cublasLtMatmulDescCreate(Thing **made, int compute, int scale) { *made = new Thing{{compute, scale}}; return DONE; }
int cublasLtMatrixLayoutCreate(Thing **made, int type, uint64_t rows, uint64_t columns, int64_t distance) {
  *made = new Thing{{type, (long)rows, (long)columns, distance}};
  return DONE;
}
int cublasLtMatmulPreferenceCreate(Thing **made) { *made = new Thing{}; return DONE; }
int cublasLtMatmulDescDestroy(Thing *thing) { delete thing; return DONE; }
int cublasLtMatrixLayoutDestroy(Thing *thing) { delete thing; return DONE; }
int cublasLtMatmulPreferenceDestroy(Thing *thing) { delete thing; return DONE; }
int cublasLtMatmulDescSetAttribute(Thing *thing, int name, const void *value, size_t size) {
  return put(thing, name, value, size, name == BIAS || name == AUX || name == AUX_LD || name == AUX_STRIDE);
}
int cublasLtMatrixLayoutSetAttribute(Thing *thing, int name, const void *value, size_t size) {
  return put(thing, name, value, size, name != COUNT);
}
int cublasLtMatmulPreferenceSetAttribute(Thing *thing, int name, const void *value, size_t size) {
  return put(thing, name, value, size, name == WORKSPACE);
}

struct Found { Choice algorithm; long rest[6]; size_t workspace; int state; float waves; int reserved[4]; };
int cublasLtMatmulAlgoGetHeuristic(void *, Thing *, Thing *, Thing *, Thing *, Thing *, Thing *wanted, int asked,
                                   Found *found, int *count) {
  if (!has_context) return refuse(NOT_STARTED, "cuBLASLt is asked by a thread without a context");
  long alignment = 256;
  for (int i = ALIGNMENTS; i < ALIGNMENTS + 4; i++) alignment = std::min(alignment, of(wanted, i, 256));
  *count = std::min<long>(asked, OFFERED);
  for (int i = 0; i < *count; i++) found[i] = {{i, alignment}, {}, (size_t)(ROOM * i), DONE};
  return DONE;
}

int cublasLtMatmul(void *, const Thing *what, const void *alpha, char *a, const Thing *of_a, char *b, const Thing *of_b,
                   const void *beta, char *c, const Thing *of_c, char *d, const Thing *of_d, const Choice *chosen,
                   char *workspace, size_t size, void *stream) {
  Hold hold;
  if (!has_context) return refuse(NOT_STARTED, "a product is started by a thread without a context");
  if (c != d || of_c != of_d) return refuse(INVALID, "c and d are not the same");
  for (const char *at : {a, b, c}) {
    if ((long)at % chosen->alignment) return refuse(INVALID, "a product has an address that it was not planned for");
    if (kind_of(at) != OF_DEVICE) return refuse(FAILED, "a product reads what is no memory of the GPU");
  }
  if ((long)size < ROOM * chosen->number || (size && (long)workspace % 256))
    return refuse(INVALID, "a product has too little room to work in");
  Epilogue e;
  e.number = of(what, EPILOGUE, 1), e.distance = of(what, AUX_LD), e.stride = of(what, AUX_STRIDE);
  e.bias = (char *)of(what, BIAS), e.aux = (char *)of(what, AUX);
  if (e.has_bias() != (e.bias != nullptr)) return refuse(INVALID, "an epilogue has a bias too many or too few");
  if (e.has_aux() != (e.aux != nullptr)) return refuse(UNSUPPORTED, "an epilogue has an aux too many or too few");
  const auto matrix = [](char *at, const Thing *of_it, bool turned) {
    return Matrix{(int)of_it->made[0], of_it->made[1], of_it->made[2], of_it->made[3], of(of_it, STRIDE), at, turned};
  };
  const Matrix x = matrix(a, of_a, of(what, TURN_A)), y = matrix(b, of_b, of(what, TURN_B)), z = matrix(c, of_c, false);
  if ((x.turned ? x.columns : x.rows) != z.rows || (y.turned ? y.rows : y.columns) != z.columns ||
      (x.turned ? x.rows : x.columns) != (y.turned ? y.columns : y.rows))
    return refuse(INVALID, "the shapes of a product do not fit");
  const long count = of(of_c, COUNT, 1);
  const double first = number_at(what->made[0], alpha), second = number_at(what->made[0], beta);
  const bool tf32 = what->made[0] == COMPUTE_TF32;
  const Status status = start(stream_of(stream), [=] {
    memset(workspace, 0xA5, size);  // whatever else lies there is lost
    multiply(x, y, z, count, first, second, tf32, e);
  });
  return status ? FAILED : DONE;
}

// cuBLAS, with the numbers alpha and beta on the host

struct Handle { void *stream; int pointers, math; };
int cublasCreate_v2(Handle **made) { *made = new Handle{}; return has_context ? DONE : NOT_STARTED; }
int cublasDestroy_v2(Handle *handle) { delete handle; return DONE; }
int cublasSetStream_v2(Handle *handle, void *stream) { handle->stream = stream; return DONE; }
int cublasGetStream_v2(Handle *handle, void **stream) { *stream = handle->stream; return DONE; }
int cublasSetWorkspace_v2(Handle *, void *, size_t) { return DONE; }
int cublasGetPointerMode_v2(Handle *handle, int *mode) { *mode = handle->pointers; return DONE; }
int cublasSetPointerMode_v2(Handle *handle, int mode) { handle->pointers = mode; return DONE; }
int cublasGetMathMode(Handle *handle, int *mode) { *mode = handle->math; return DONE; }
int cublasSetMathMode(Handle *handle, int mode) { handle->math = mode; return DONE; }

static int gemm(Handle *handle, Matrix a, Matrix b, int m, int n, int k, Matrix c, long count, double alpha,
                double beta) {
  Hold hold;
  if (handle->pointers) return refuse(UNSUPPORTED, "alpha and beta of cuBLAS lie on the GPU");
  c.rows = m, c.columns = n, (a.turned ? a.rows : a.columns) = k;
  return start(stream_of(handle->stream), [=] { multiply(a, b, c, count, alpha, beta, false, {}); }) ? FAILED : DONE;
}
int cublasGemmEx(Handle *handle, int ta, int tb, int m, int n, int k, const void *alpha, char *a, int ka, int lda,
                 char *b, int kb, int ldb, const void *beta, char *c, int kc, int ldc, int compute, int) {
  return gemm(handle, {ka, 0, 0, lda, 0, a, !!ta}, {kb, 0, 0, ldb, 0, b, !!tb}, m, n, k, {kc, 0, 0, ldc, 0, c}, 1,
              number_at(compute, alpha), number_at(compute, beta));
}
int cublasSgemmEx(Handle *handle, int ta, int tb, int m, int n, int k, const float *alpha, char *a, int ka, int lda,
                  char *b, int kb, int ldb, const float *beta, char *c, int kc, int ldc) {
  return cublasGemmEx(handle, ta, tb, m, n, k, alpha, a, ka, lda, b, kb, ldb, beta, c, kc, ldc, 0, 0);
}
int cublasDgemm_v2(Handle *handle, int ta, int tb, int m, int n, int k, const double *alpha, char *a, int lda, char *b,
                   int ldb, const double *beta, char *c, int ldc) {
  return cublasGemmEx(handle, ta, tb, m, n, k, alpha, a, F64, lda, b, F64, ldb, beta, c, F64, ldc, COMPUTE_64F, 0);
}
int cublasGemmStridedBatchedEx(Handle *handle, int ta, int tb, int m, int n, int k, const void *alpha, char *a, int ka,
                               int lda, long sa, char *b, int kb, int ldb, long sb, const void *beta, char *c, int kc,
                               int ldc, long sc, int count, int compute, int) {
  return gemm(handle, {ka, 0, 0, lda, sa, a, !!ta}, {kb, 0, 0, ldb, sb, b, !!tb}, m, n, k, {kc, 0, 0, ldc, sc, c},
              count, number_at(compute, alpha), number_at(compute, beta));
}
}
