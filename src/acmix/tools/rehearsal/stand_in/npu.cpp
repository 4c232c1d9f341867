#include "npu.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>

namespace {

constexpr int kFailure = 561000;  // within CANN's "inner error" of operators
constexpr const char *kModule = "acmix.tools.rehearsal.npu.device";

std::mutex mutex_;
std::string &LastError() {
  static auto &text = *new std::string;  // outlives all threads
  return text;
}

// Python's functions, which the process has if it is Python.
template <typename Function>
Function *Python(const char *name) {
  auto found = reinterpret_cast<Function *>(dlsym(RTLD_DEFAULT, name));
  if (found == nullptr) {
    fprintf(stderr, "the software NPU needs a process of Python: it has no %s\n", name);
    abort();
  }
  return found;
}

// Call compute(request) of the module; return its answer, which is empty if all went well.
std::string Answer(const char *request) {
  static auto *import = Python<void *(const char *)>("PyImport_ImportModule");
  static auto *call = Python<void *(void *, const char *, const char *, ...)>("PyObject_CallMethod");
  static auto *text = Python<const char *(void *)>("PyUnicode_AsUTF8");
  static auto *release = Python<void(void *)>("Py_DecRef");
  static auto *print = Python<void()>("PyErr_Print");
  void *module = import(kModule);
  void *answer = module ? call(module, "compute", "s", request) : nullptr;
  const char *said = answer ? text(answer) : nullptr;
  if (said == nullptr) print();
  std::string result = said ? said : "the software NPU failed; its log has the traceback";
  if (answer) release(answer);
  if (module) release(module);
  return result;
}

}  // namespace

extern "C" {

bool rehearsal_computes() {
  static const bool computes = getenv("ACMIX_REHEARSAL_COMPUTES") != nullptr;
  return computes;
}

int rehearsal_compute(const char *request) {
  static auto *ensure = Python<int()>("PyGILState_Ensure");
  static auto *leave = Python<void(int)>("PyGILState_Release");
  int state = ensure();  // MindSpore launches from threads of its own
  std::string answer = Answer(request);
  leave(state);
  if (answer.empty()) return 0;
  std::lock_guard<std::mutex> guard(mutex_);
  LastError() = answer;
  return kFailure;
}

const char *aclGetRecentErrMsg() {
  std::lock_guard<std::mutex> guard(mutex_);
  return (new std::string(LastError()))->c_str();  // the caller's, for as long as it wants
}

}  // extern "C"
