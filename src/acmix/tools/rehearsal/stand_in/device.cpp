// A device of host memory: CANN's runtime as far as MindSpore needs an answer other than 0. All other
// functions return 0, which is success (answers.h).
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

char context_[64];  // the one context, of which only the address counts

void *Handle() { return malloc(64); }  // of something that is never looked into

// Address space that takes memory where it is written. MindSpore reserves most of the device at once.
void *Pages(size_t bytes) {
  constexpr uintptr_t kAlign = 2u << 20;
  void *start = mmap(nullptr, bytes + kAlign, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (start == MAP_FAILED) return nullptr;
  return reinterpret_cast<void *>((reinterpret_cast<uintptr_t>(start) + kAlign - 1) / kAlign * kAlign);
}

}  // namespace

extern "C" {

// ---- the chip
const char *aclrtGetSocName() { return getenv("ACMIX_REHEARSAL_SOC"); }
int aclrtGetDeviceCount(uint32_t *count) { *count = 8; return 0; }
int aclrtGetDevice(int32_t *id) { *id = 0; return 0; }
int aclrtGetRunMode(int *mode) { *mode = 1; return 0; }  // the program runs on the host

// ---- memory
int aclrtGetMemInfo(int, size_t *unused, size_t *total) {
  *unused = 60ull << 30;
  *total = 64ull << 30;
  return 0;
}
int aclrtMalloc(void **memory, size_t bytes, int) {
  *memory = Pages(bytes);
  return *memory ? 0 : 507899;
}
int aclrtMallocAlign32(void **memory, size_t bytes, int policy) { return aclrtMalloc(memory, bytes, policy); }
int aclrtMallocHost(void **memory, size_t bytes) { return aclrtMalloc(memory, bytes, 0); }
int aclrtFree(void *) { return 0; }  // MindSpore allocates a few large blocks, once
int aclrtFreeHost(void *) { return 0; }
int aclrtReserveMemAddress(void **memory, size_t bytes, size_t, void *, uint64_t) {
  return aclrtMalloc(memory, bytes, 0);
}
int aclrtMallocPhysical(void **handle, size_t, const void *, uint64_t) { *handle = Handle(); return 0; }
int aclrtFreePhysical(void *handle) { free(handle); return 0; }
int aclrtMemcpy(void *to, size_t, const void *from, size_t bytes, int) {
  if (to && from) memcpy(to, from, bytes);
  return 0;
}
int aclrtMemcpyAsync(void *to, size_t room, const void *from, size_t bytes, int kind, void *) {
  return aclrtMemcpy(to, room, from, bytes, kind);
}
int aclrtMemset(void *to, size_t, int32_t value, size_t bytes) {
  if (to) memset(to, value, bytes);
  return 0;
}
int aclrtMemsetAsync(void *to, size_t room, int32_t value, size_t bytes, void *) {
  return aclrtMemset(to, room, value, bytes);
}

// ---- contexts, streams, events
int aclrtCreateContext(void **context, int32_t) { *context = context_; return 0; }
int aclrtGetCurrentContext(void **context) { *context = context_; return 0; }
int aclrtCreateStream(void **stream) { *stream = Handle(); return 0; }
int aclrtCreateStreamWithConfig(void **stream, uint32_t, uint32_t) { return aclrtCreateStream(stream); }
int aclrtCreateEvent(void **event) { *event = Handle(); return 0; }
int aclrtCreateEventWithFlag(void **event, uint32_t) { return aclrtCreateEvent(event); }
int aclrtCreateEventExWithFlag(void **event, uint32_t) { return aclrtCreateEvent(event); }
// A thread of MindSpore's calls this all the time. What it waits for does not come.
int aclrtProcessReport(int32_t) { usleep(20000); return 0; }
int aclrtEventElapsedTime(float *ms, void *, void *) { *ms = 1; return 0; }

// ---- descriptions that must not be null
void *aclrtAllocatorCreateDesc() { return Handle(); }
void *aclprofCreateConfig() { return Handle(); }
void *aclmdlCreateDesc() { return Handle(); }
void *aclmdlCreateDataset() { return Handle(); }
void *acltdtCreateDataset() { return Handle(); }

}  // extern "C"
