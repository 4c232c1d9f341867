// Operands and attributes of aclop, CANN's older operators, and their calls.
#include "npu.h"
#include "types.h"

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "recording.h"

using recording::List;
using recording::Number;
using recording::Quoted;

namespace {

struct Desc {
  int dtype, format, storage_format;  // of the operator, and in memory
  std::vector<int64_t> dims = {};
  std::string name = "";
  bool on_host = false, is_constant = false;
};
struct Buffer {
  void *data;
  size_t bytes;
};
using Attributes = std::map<std::string, std::string>;  // values as JSON

// As JSON; with the addresses of the data if it is asked for.
std::string Operands(int count, void *const descs[], void *const buffers[] = nullptr) {
  std::string out = "[";
  for (int i = 0; i < count; i++) {
    auto *desc = static_cast<const Desc *>(descs[i]);
    if (i) out += ",";
    if (desc == nullptr) {
      out += "null";
      continue;
    }
    out += "{\"name\":" + Quoted(desc->name) + ",\"dtype\":" + Number(desc->dtype) + ",\"format\":" +
           Number(desc->format) + ",\"storage_format\":" + Number(desc->storage_format) + ",\"shape\":" +
           List(desc->dims.data(), desc->dims.size()) + (desc->on_host ? ",\"host\":true" : "") +
           (desc->is_constant ? ",\"const\":true" : "");
    auto *buffer = buffers ? static_cast<const Buffer *>(buffers[i]) : nullptr;
    if (buffer) out += ",\"address\":" + Number(reinterpret_cast<uint64_t>(buffer->data));
    out += "}";
  }
  return out + "]";
}

std::string Text(const Attributes &attributes) {
  std::string out;
  for (auto &[name, value] : attributes) out += (out.empty() ? "" : ",") + Quoted(name) + ":" + value;
  return "{" + out + "}";
}

int Launch(const char *type, int inputs, void *const in[], void *const from[], int outputs, void *const out[],
           void *const to[], const void *attributes) {
  std::string head = "{\"kind\":\"aclop\",\"op\":" + Quoted(type);
  std::string tail = ",\"attrs\":" + (attributes ? Text(*static_cast<const Attributes *>(attributes)) : "{}") + "}";
  recording::Write(head + ",\"in\":" + Operands(inputs, in) + ",\"out\":" + Operands(outputs, out) + tail);
  if (rehearsal_computes()) {
    auto operands = ",\"in\":" + Operands(inputs, in, from) + ",\"out\":" + Operands(outputs, out, to);
    return rehearsal_compute((head + operands + tail).c_str());
  }
  // Outputs become zeros: what was there is a number of another operator, and may be chosen by.
  // Those of an update are its parameters, which are kept.
  if (strstr(type, "Assign") || strstr(type, "Apply")) return 0;
  for (int i = 0; i < outputs; i++) {
    auto *buffer = static_cast<const Buffer *>(to[i]);
    if (buffer && buffer->data) memset(buffer->data, 0, buffer->bytes);
  }
  return 0;
}

int Put(void *attributes, const char *name, const std::string &value) {
  (*static_cast<Attributes *>(attributes))[name] = value;
  return 0;
}

template <typename Function>
std::string Listed(int count, Function text) {
  std::string out = "[";
  for (int i = 0; i < count; i++) out += (i ? "," : "") + text(i);
  return out + "]";
}

}  // namespace

extern "C" {

// ---- descriptions
void *aclCreateTensorDesc(int dtype, int rank, const int64_t *dims, int format) {
  auto *desc = new Desc{dtype, format, format};
  if (dims != nullptr) desc->dims.assign(dims, dims + rank);
  return desc;
}
void aclDestroyTensorDesc(const void *desc) { delete static_cast<const Desc *>(desc); }
int aclSetTensorFormat(void *desc, int format) { static_cast<Desc *>(desc)->storage_format = format; return 0; }
int aclSetTensorShape(void *, int, const int64_t *) { return 0; }  // in memory
void aclSetTensorDescName(void *desc, const char *name) { static_cast<Desc *>(desc)->name = name ? name : ""; }
int aclSetTensorPlaceMent(void *desc, int place) { static_cast<Desc *>(desc)->on_host = place != 0; return 0; }
int aclSetTensorConst(void *desc, void *, size_t) { static_cast<Desc *>(desc)->is_constant = true; return 0; }
size_t aclGetTensorDescNumDims(const void *desc) { return static_cast<const Desc *>(desc)->dims.size(); }
int64_t aclGetTensorDescDim(const void *desc, size_t i) { return static_cast<const Desc *>(desc)->dims[i]; }
int aclGetTensorDescDimV2(const void *desc, size_t i, int64_t *dim) {
  *dim = aclGetTensorDescDim(desc, i);
  return 0;
}
size_t aclDataTypeSize(int dtype) { return SizeOf(dtype); }
size_t aclGetTensorDescSize(const void *desc) {
  size_t bytes = SizeOf(static_cast<const Desc *>(desc)->dtype);
  for (auto dim : static_cast<const Desc *>(desc)->dims) bytes *= dim;
  return bytes;
}

// ---- buffers
void *aclCreateDataBuffer(void *data, size_t bytes) { return new Buffer{data, bytes}; }
int aclDestroyDataBuffer(const void *buffer) { delete static_cast<const Buffer *>(buffer); return 0; }
int aclUpdateDataBuffer(void *buffer, void *data, size_t bytes) {
  *static_cast<Buffer *>(buffer) = {data, bytes};
  return 0;
}
void *aclGetDataBufferAddr(const void *buffer) { return static_cast<const Buffer *>(buffer)->data; }

// ---- attributes
void *aclopCreateAttr() { return new Attributes; }
void aclopDestroyAttr(const void *to) { delete static_cast<const Attributes *>(to); }
int aclopSetAttrBool(void *to, const char *key, uint8_t v) { return Put(to, key, v ? "true" : "false"); }
int aclopSetAttrInt(void *to, const char *key, int64_t v) { return Put(to, key, Number(v)); }
int aclopSetAttrFloat(void *to, const char *key, float v) { return Put(to, key, Number(v)); }
int aclopSetAttrString(void *to, const char *key, const char *v) { return Put(to, key, Quoted(v)); }
int aclopSetAttrDataType(void *to, const char *key, int v) { return Put(to, key, Number(v)); }
int aclopSetAttrListBool(void *to, const char *key, int n, const uint8_t *v) { return Put(to, key, List(v, n)); }
int aclopSetAttrListInt(void *to, const char *key, int n, const int64_t *v) { return Put(to, key, List(v, n)); }
int aclopSetAttrListFloat(void *to, const char *key, int n, const float *v) { return Put(to, key, List(v, n)); }
int aclopSetAttrListDataType(void *to, const char *key, int n, const int *v) { return Put(to, key, List(v, n)); }
int aclopSetAttrListString(void *to, const char *key, int n, const char **v) {
  return Put(to, key, Listed(n, [&](int i) { return Quoted(v[i]); }));
}
int aclopSetAttrListListInt(void *to, const char *key, int n, const int *sizes, const int64_t *const v[]) {
  return Put(to, key, Listed(n, [&](int i) { return List(v[i], sizes[i]); }));
}

// ---- calls
int aclopCompileAndExecute(const char *type, int inputs, void *const in[], void *const from[], int outputs,
                           void *const out[], void *const to[], const void *attributes, int, int, const char *,
                           void *) {
  return Launch(type, inputs, in, from, outputs, out, to, attributes);
}
int aclopCompileAndExecuteV2(const char *type, int inputs, void *in[], void *from[], int outputs, void *out[],
                             void *to[], void *attributes, int, int, const char *, void *) {
  return Launch(type, inputs, in, from, outputs, out, to, attributes);
}

}  // extern "C"
