// The graph engine: it takes every graph. The software NPU runs it, if there is one; else nothing does, and
// outputs have the described types and shapes.
#include "ge.h"
#include "npu.h"
#include "recording.h"

namespace ge {
namespace {

constexpr size_t kBytes = 512;  // of memory that a graph asks for; nothing uses it

std::map<uint32_t, Graph> &Graphs() {
  static std::map<uint32_t, Graph> graphs;
  return graphs;
}

TensorDesc FirstOutput(const Operator &from) {
  bool known = from.parts() && !from.parts()->output_descs.empty();
  return known ? from.parts()->output_descs.begin()->second : TensorDesc();
}

std::string Tensors(const std::vector<Tensor> &tensors) {
  std::string out;
  for (auto &tensor : tensors) out += (out.empty() ? "" : ",") + Request(tensor);
  return "[" + out + "]";
}

Status Compute(const std::string &op, uint32_t id, const std::string &rest) {
  auto request = "{\"kind\":\"ge\",\"op\":\"" + op + "\",\"id\":" + recording::Number(id) + rest + "}";
  return rehearsal_compute(request.c_str());
}

}  // namespace

Status GEInitialize(const std::map<std::string, std::string> &) { return kSuccess; }
Status GEFinalize() { return kSuccess; }

Session::Session(const std::map<std::string, std::string> &) {}
Session::~Session() = default;
Status Session::AddGraph(uint32_t id, const Graph &graph, const std::map<std::string, std::string> &) {
  Graphs()[id] = graph;
  graph.Record();
  return rehearsal_computes() ? Compute("AddGraph", id, ",\"graph\":" + Request(graph)) : kSuccess;
}
std::shared_ptr<CompiledGraphSummary> Session::GetCompiledGraphSummary(uint32_t id) {
  auto summary = std::make_shared<CompiledGraphSummary>();
  summary->graph = Graphs()[id];
  return summary;
}
Status Session::RemoveGraph(uint32_t) { return kSuccess; }
Status Session::CompileGraph(uint32_t) { return kSuccess; }
Status Session::RunGraph(uint32_t id, const std::vector<Tensor> &inputs, std::vector<Tensor> &outputs) {
  if (!rehearsal_computes()) return kSuccess;
  return Compute("RunGraph", id, ",\"in\":" + Tensors(inputs) + ",\"out\":" + Tensors(outputs));
}
Status Session::RunGraphWithStreamAsync(uint32_t id, void *, const std::vector<Tensor> &inputs,
                                        std::vector<Tensor> &outputs) {
  return RunGraph(id, inputs, outputs);
}
Status Session::RunGraphAsync(uint32_t, const std::vector<Tensor> &,
                              std::function<void(uint32_t, std::vector<Tensor> &)>) {
  return rehearsal_computes() ? kFailure : kSuccess;  // MindSpore gives no memory for outputs here
}
Status Session::RegisterCallBackFunc(const std::string &, const Callback &) { return kSuccess; }
Status Session::SetGraphConstMemoryBase(uint32_t, const void *, size_t) { return kSuccess; }
Status Session::UpdateGraphFeatureMemoryBase(uint32_t, const void *, size_t) { return kSuccess; }
Status Session::SetGraphFixedFeatureMemoryBase(uint32_t, const void *, size_t) { return kSuccess; }
Status Session::UpdateGraphRefreshableFeatureMemoryBase(uint32_t, const void *, size_t) { return kSuccess; }
Status Session::RegisterExternalAllocator(const void *, std::shared_ptr<Allocator>) const { return kSuccess; }
Status Session::UnregisterExternalAllocator(const void *) const { return kSuccess; }

bool CompiledGraphSummary::IsStatic() const { return true; }
graphStatus CompiledGraphSummary::GetEventNum(size_t &count) const { count = 0; return kSuccess; }
graphStatus CompiledGraphSummary::GetStreamNum(size_t &count) const { count = 1; return kSuccess; }
graphStatus CompiledGraphSummary::GetOutputDtypes(std::vector<DataType> &types) const {
  for (auto &output : graph.outputs()) types.push_back(FirstOutput(output).GetDataType());
  return kSuccess;
}
graphStatus CompiledGraphSummary::GetOutputShapes(std::vector<Shape> &shapes) const {
  for (auto &output : graph.outputs()) shapes.push_back(FirstOutput(output).GetShape());
  return kSuccess;
}
graphStatus CompiledGraphSummary::GetConstMemorySize(size_t &bytes) const { bytes = kBytes; return kSuccess; }
graphStatus CompiledGraphSummary::GetFeatureMemorySize(size_t &bytes) const { bytes = kBytes; return kSuccess; }
graphStatus CompiledGraphSummary::GetFixedFeatureMemorySize(size_t &bytes) const { bytes = kBytes; return kSuccess; }
graphStatus CompiledGraphSummary::GetRefreshableFeatureMemorySize(size_t &bytes) const {
  bytes = kBytes;
  return kSuccess;
}
graphStatus CompiledGraphSummary::GetFeatureMemoryBaseRefreshable(bool &can) const { can = false; return kSuccess; }
graphStatus CompiledGraphSummary::GetIOIndexesWithSameAddr(std::vector<std::pair<uint32_t, uint32_t>> &) const {
  return kSuccess;
}

}  // namespace ge
