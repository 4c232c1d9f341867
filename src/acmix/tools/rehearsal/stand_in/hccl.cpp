// Communication between devices, which are processes of this machine. The software NPU moves the bytes;
// with empty kernels none are moved.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "npu.h"
#include "recording.h"

using recording::Number;
using recording::Quoted;

namespace {

constexpr size_t kRootInfoBytes = 4108;  // of HcclRootInfo
constexpr int kFailure = 19;             // HCCL_E_INTERNAL

// Processes that communicate.
struct Group {
  std::string name;  // equal on all ranks
  uint32_t size, rank;
};

uint32_t FromEnvironment(const char *name, uint32_t otherwise) {
  const char *text = getenv(name);
  return text ? atoi(text) : otherwise;
}

uint64_t Address(const void *memory) { return reinterpret_cast<uint64_t>(memory); }

std::string Head(const char *op, const Group &group) {
  return std::string("{\"kind\":\"hccl\",\"op\":") + Quoted(op) + ",\"group\":" + Quoted(group.name) +
         ",\"size\":" + Number(group.size) + ",\"rank\":" + Number(group.rank);
}

// Record a call, and compute it: `counts` numbers of a type are sent and received.
int Run(const char *op, const void *comm, const void *send, const void *receive, uint64_t count, int dtype,
        const std::string &more = "") {
  auto &group = *static_cast<const Group *>(comm);
  std::string size = ",\"count\":" + Number(count) + ",\"dtype\":" + Number(dtype) + more;
  recording::Write(std::string("{\"kind\":\"hccl\",\"op\":") + Quoted(op) + size + "}");
  if (!rehearsal_computes()) return 0;
  auto addresses = ",\"send\":" + Number(Address(send)) + ",\"receive\":" + Number(Address(receive));
  return rehearsal_compute((Head(op, group) + size + addresses + "}").c_str()) ? kFailure : 0;
}

std::string Option(const char *name, uint32_t value) { return ",\"" + std::string(name) + "\":" + Number(value); }

// A communication that no network of acmix uses.
int Unknown(const char *op) {
  if (!rehearsal_computes()) return 0;
  return rehearsal_compute((std::string("{\"kind\":\"hccl\",\"op\":") + Quoted(op) + "}").c_str()) ? kFailure : 0;
}

int Join(uint32_t size, const void *root, uint32_t rank, void **comm) {
  auto *group = new Group{static_cast<const char *>(root), size, rank};
  *comm = group;
  if (!rehearsal_computes()) return 0;
  return rehearsal_compute((Head("Join", *group) + "}").c_str()) ? kFailure : 0;
}

}  // namespace

extern "C" {

// ---- groups: the first rank makes a folder for their meeting, whose path all others get from MindSpore
int HcclGetRootInfo(void *root) {
  char folder[] = "/tmp/acmix-rehearsal-XXXXXX";
  if (rehearsal_computes() && mkdtemp(folder) == nullptr) return kFailure;
  memset(root, 0, kRootInfoBytes);
  strcpy(static_cast<char *>(root), folder);
  return 0;
}
int HcclCommInitRootInfo(uint32_t size, const void *root, uint32_t rank, void **comm) {
  return Join(size, root, rank, comm);
}
int HcclCommInitRootInfoConfig(uint32_t size, const void *root, uint32_t rank, const void *, void **comm) {
  return Join(size, root, rank, comm);
}
int HcclCommInitClusterInfo(const char *, uint32_t, void **) { return Unknown("HcclCommInitClusterInfo"); }
int HcclCommInitClusterInfoConfig(const char *, uint32_t, void *, void **) {
  return Unknown("HcclCommInitClusterInfoConfig");
}
int HcclCreateSubCommConfig(void *, uint32_t, uint32_t *, uint64_t, uint32_t, void *, void **) {
  return Unknown("HcclCreateSubCommConfig");
}
int HcclGetRankSize(void *comm, uint32_t *size) {
  *size = comm ? static_cast<Group *>(comm)->size : FromEnvironment("RANK_SIZE", 1);
  return 0;
}
int HcclGetRankId(void *comm, uint32_t *rank) {
  *rank = comm ? static_cast<Group *>(comm)->rank : FromEnvironment("RANK_ID", 0);
  return 0;
}
int HcclGetCommName(void *comm, char *name) {
  strcpy(name, static_cast<Group *>(comm)->name.c_str());
  return 0;
}

// ---- what the plugin of MindSpore opens
int Initialize(const void *) { return 0; }
int Finalize() { return 0; }

// ---- exchanges
int HcclAllReduce(void *send, void *receive, uint64_t count, int dtype, int reduce, void *comm, void *) {
  return Run("HcclAllReduce", comm, send, receive, count, dtype, Option("reduce", reduce));
}
int HcclReduce(void *send, void *receive, uint64_t count, int dtype, int reduce, uint32_t root, void *comm, void *) {
  return Run("HcclReduce", comm, send, receive, count, dtype, Option("reduce", reduce) + Option("root", root));
}
int HcclReduceScatter(void *send, void *receive, uint64_t count, int dtype, int reduce, void *comm, void *) {
  return Run("HcclReduceScatter", comm, send, receive, count, dtype, Option("reduce", reduce));
}
int HcclAllGather(void *send, void *receive, uint64_t count, int dtype, void *comm, void *) {
  return Run("HcclAllGather", comm, send, receive, count, dtype);
}
int HcclBroadcast(void *buffer, uint64_t count, int dtype, uint32_t root, void *comm, void *) {
  return Run("HcclBroadcast", comm, buffer, buffer, count, dtype, Option("root", root));
}
int HcclScatter(void *send, void *receive, uint64_t count, int dtype, uint32_t root, void *comm, void *) {
  return Run("HcclScatter", comm, send, receive, count, dtype, Option("root", root));
}
int HcclBarrier(void *comm, void *) { return Run("HcclBarrier", comm, nullptr, nullptr, 0, 4); }
int HcclSend(void *, uint64_t, int, uint32_t, void *, void *) { return Unknown("HcclSend"); }
int HcclRecv(void *, uint64_t, int, uint32_t, void *, void *) { return Unknown("HcclRecv"); }
int HcclAlltoAll(const void *, uint64_t, int, const void *, uint64_t, int, void *, void *) {
  return Unknown("HcclAlltoAll");
}
int HcclAlltoAllV(const void *, const void *, const void *, int, const void *, const void *, const void *, int,
                  void *, void *) {
  return Unknown("HcclAlltoAllV");
}

}  // extern "C"
