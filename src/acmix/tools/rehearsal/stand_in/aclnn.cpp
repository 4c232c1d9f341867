// Operands of aclnn operators, and their calls.
#include "answers.h"
#include "npu.h"
#include "types.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "recording.h"

using recording::List;
using recording::Number;
using recording::Quoted;

namespace {

// A tensor, a scalar, or a list of some.
struct Operand {
  std::string text;  // as JSON, without what follows
  std::vector<int64_t> dims = {};
  void *data = nullptr;
  size_t bytes = 0;  // of a contiguous tensor, else 0
  bool is_tensor = false, is_bool = false;
  std::string key = "";  // of a list
  std::vector<std::shared_ptr<Operand>> items = {};

  // Recorded are no addresses, so that a step's calls are those of the one before.
  std::string Json(bool with_address) const {
    if (!key.empty()) {
      std::string out = "{\"" + key + "\":[";
      for (auto &item : items) out += (out.back() == '[' ? "" : ",") + (item ? item->Json(with_address) : "null");
      return out + "]}";
    }
    if (!is_tensor || !with_address) return text;
    return text.substr(0, text.size() - 1) + ",\"address\":" + Number(reinterpret_cast<uint64_t>(data)) + "}";
  }
};
using Shared = std::shared_ptr<Operand>;

// An operator with its arguments, which MindSpore may launch again and again, with other addresses.
struct Executor {
  std::vector<long> words;  // arguments that are integers or addresses, in their order
  std::vector<uint64_t> reals;
  std::vector<Shared> operands;  // of each word, null where it is none
  bool repeatable = false;
};

std::mutex mutex_;
std::map<const void *, Shared> operands_;  // those that live
std::map<const void *, std::unique_ptr<Executor>> executors_;

void *Make(Operand operand) {
  auto made = std::make_shared<Operand>(std::move(operand));
  std::lock_guard<std::mutex> guard(mutex_);
  operands_[made.get()] = made;
  return made.get();
}

int Destroy(const void *pointer) {
  std::lock_guard<std::mutex> guard(mutex_);
  operands_.erase(pointer);
  return 0;
}

Shared Find(const void *pointer) {
  std::lock_guard<std::mutex> guard(mutex_);
  auto found = operands_.find(pointer);
  return found == operands_.end() ? nullptr : found->second;
}

void *MakeList(const char *key, void *const *items, size_t count) {
  Operand list;
  list.key = key;
  for (size_t i = 0; i < count; i++) list.items.push_back(Find(items[i]));
  return Make(list);
}

template <typename T>
std::string ValueAt(const void *address) {
  return Number(*static_cast<const T *>(address));
}

std::string Scalar(const void *value, int dtype) {
  if (value == nullptr) return "null";
  switch (dtype) {
    case kFloat: return ValueAt<float>(value);
    case kInt32: return ValueAt<int32_t>(value);
    case kInt64: return ValueAt<int64_t>(value);
    case kDouble: return ValueAt<double>(value);
    case kBool: return *static_cast<const bool *>(value) ? "true" : "false";
    default: return "null";
  }
}

std::string Recorded(const char *name, const Executor &executor) {
  std::string out;
  for (auto &operand : executor.operands) {
    if (operand) out += (out.empty() ? "" : ",") + operand->Json(false);
  }
  return "{\"kind\":\"aclnn\",\"op\":" + Quoted(name) + ",\"args\":[" + out + "]}";
}

// All arguments: operands as JSON, other words and reals as the bits they are. Who knows the operator
// knows their types.
std::string Request(const char *name, const Executor &executor) {
  std::string out;
  for (size_t i = 0; i < executor.words.size(); i++) {
    auto &operand = executor.operands[i];
    out += (i ? "," : "") + (operand ? operand->Json(true) : Number(static_cast<uint64_t>(executor.words[i])));
  }
  return "{\"kind\":\"aclnn\",\"op\":" + Quoted(name) + ",\"args\":[" + out + "],\"reals\":" +
         List(executor.reals.data(), executor.reals.size()) + "}";
}

// The output becomes zeros; truth values become true. Then branches are taken, indices are within
// bounds, and the check of gradients finds them finite. The last operand is the output, unless the
// first is, which then keeps its values.
void Clear(const char *name, const Executor &executor) {
  if (strstr(name, "Inplace")) return;
  for (auto i = executor.operands.rbegin(); i != executor.operands.rend(); ++i) {
    if (!*i) continue;
    if ((*i)->data) memset((*i)->data, (*i)->is_bool, (*i)->bytes);
    return;
  }
}

}  // namespace

extern "C" {

void *aclCreateTensor(const int64_t *dims, uint64_t rank, int dtype, const int64_t *strides, int64_t offset,
                      int format, const int64_t *, uint64_t, void *data) {
  Operand tensor{"{\"dtype\":" + Number(dtype) + ",\"format\":" + Number(format) + ",\"shape\":" + List(dims, rank) +
                 (strides ? ",\"strides\":" + List(strides, rank) : "") +
                 (offset ? ",\"offset\":" + Number(offset) : "") + "}"};
  tensor.dims.assign(dims, dims + rank);
  tensor.data = data;
  tensor.is_tensor = true;
  tensor.is_bool = dtype == kBool;
  int64_t size = 1;
  for (uint64_t i = rank; i-- > 0;) {
    if (strides && dims[i] > 1 && strides[i] != size) return Make(tensor);
    size *= dims[i];
  }
  tensor.bytes = size * SizeOf(dtype);
  return Make(tensor);
}
void *aclCreateScalar(const void *value, int dtype) {
  return Make({"{\"scalar\":" + Scalar(value, dtype) + ",\"dtype\":" + Number(dtype) + "}"});
}
void *aclCreateIntArray(const int64_t *v, uint64_t n) { return Make({"{\"ints\":" + List(v, n) + "}"}); }
void *aclCreateFloatArray(const float *v, uint64_t n) { return Make({"{\"floats\":" + List(v, n) + "}"}); }
void *aclCreateBoolArray(const bool *v, uint64_t n) { return Make({"{\"bools\":" + List(v, n) + "}"}); }
void *aclCreateTensorList(void *const *v, uint64_t n) { return MakeList("tensors", v, n); }
void *aclCreateScalarList(void *const *v, uint64_t n) { return MakeList("scalars", v, n); }
int aclDestroyTensor(const void *operand) { return Destroy(operand); }
int aclDestroyScalar(const void *operand) { return Destroy(operand); }
int aclDestroyIntArray(const void *operand) { return Destroy(operand); }
int aclDestroyFloatArray(const void *operand) { return Destroy(operand); }
int aclDestroyBoolArray(const void *operand) { return Destroy(operand); }
int aclDestroyTensorList(const void *operand) { return Destroy(operand); }
int aclDestroyScalarList(const void *operand) { return Destroy(operand); }

int aclGetViewShape(const void *tensor, int64_t **dims, uint64_t *rank) {
  auto &own = static_cast<const Operand *>(tensor)->dims;
  *rank = own.size();
  *dims = new int64_t[own.size() + 1];  // the caller's
  std::copy(own.begin(), own.end(), *dims);
  return 0;
}
int aclSetTensorAddr(void *, size_t, void *tensor, void *address) {
  if (auto found = Find(tensor)) found->data = address;
  return 0;
}
int aclSetDynamicTensorAddr(void *, size_t, size_t index, void *list, void *address) {
  auto found = Find(list);
  if (found && index < found->items.size() && found->items[index]) found->items[index]->data = address;
  return 0;
}
int aclSetAclOpExecutorRepeatable(void *executor) {
  std::lock_guard<std::mutex> guard(mutex_);
  auto found = executors_.find(executor);
  if (found != executors_.end()) found->second->repeatable = true;
  return 0;
}
int aclDestroyAclOpExecutor(void *executor) {
  std::lock_guard<std::mutex> guard(mutex_);
  executors_.erase(executor);
  return 0;
}

int InitHugeMemThreadLocal(void *, bool) { return 0; }
void UnInitHugeMemThreadLocal(void *, bool) {}
void ReleaseHugeMem(void *, bool) {}

// Called by every aclnnXxxGetWorkspaceSize. Its last two arguments are addresses of variables in the
// caller's frame, where no operand is: those end the list.
void rehearsal_prepare(const char *name, const long *registers, const double *reals, const long *memory) {
  constexpr int kMost = 30;
  constexpr ptrdiff_t kFrame = 1 << 20;
  auto argument = [&](int i) { return reinterpret_cast<char *>(i < 6 ? registers[i] : memory[i - 6]); };
  auto of_frame = [&](int i) {
    auto distance = argument(i) - reinterpret_cast<const char *>(memory);
    return distance > 0 && distance < kFrame && !Find(argument(i));
  };
  int end = 0;
  while (end + 1 < kMost && !(of_frame(end) && of_frame(end + 1))) end++;
  if (end + 1 == kMost) {
    fprintf(stderr, "the stand-in finds no end of the arguments of %s\n", name);
    abort();
  }
  auto executor = std::make_unique<Executor>();
  for (int i = 0; i < end; i++) {
    executor->words.push_back(reinterpret_cast<long>(argument(i)));
    executor->operands.push_back(Find(argument(i)));
  }
  executor->reals.resize(8);
  memcpy(executor->reals.data(), reals, 8 * sizeof(double));
  *reinterpret_cast<uint64_t *>(argument(end)) = 0;  // of workspace
  *reinterpret_cast<const void **>(argument(end + 1)) = executor.get();
  std::lock_guard<std::mutex> guard(mutex_);
  executors_[executor.get()] = std::move(executor);
}

// Recorded is the launch, not its preparation: MindSpore keeps executors and launches them again.
int rehearsal_launch(const char *name, const void *executor) {
  std::string recorded, request;
  {
    std::lock_guard<std::mutex> guard(mutex_);
    auto found = executors_.find(executor);
    if (found == executors_.end()) {
      fprintf(stderr, "the stand-in shall launch %s, which it did not prepare\n", name);
      abort();
    }
    recorded = Recorded(name, *found->second);
    if (rehearsal_computes()) {
      request = Request(name, *found->second);
    } else {
      Clear(name, *found->second);
    }
    if (!found->second->repeatable) executors_.erase(found);
  }
  recording::Write(recorded);
  return request.empty() ? 0 : rehearsal_compute(request.c_str());
}

}  // extern "C"
