// Graphs of the graph engine: recorded as their operators, and written as the same lines.
#include <cstdio>
#include <set>

#include "ge.h"
#include "recording.h"

namespace ge {

// ---- an operator as a line of JSON

namespace {

using Parts = std::shared_ptr<OperatorParts>;

std::string Inputs(const OperatorParts &parts) {
  std::string out;
  for (auto &[name, edge] : parts.inputs) {
    out += (out.empty() ? "" : ",") + ("{\"name\":" + recording::Quoted(name));
    if (edge.from) out += ",\"from\":" + recording::Quoted(edge.from->name + ":" + edge.output);
    auto found = parts.input_descs.find(name);
    if (found != parts.input_descs.end()) out += ",\"desc\":" + Json(found->second);
    out += "}";
  }
  return "[" + out + "]";
}

std::string Outputs(const OperatorParts &parts) {
  std::string out;
  for (auto &[name, desc] : parts.output_descs) {
    out += (out.empty() ? "" : ",") + ("{\"name\":" + recording::Quoted(name) + ",\"desc\":" + Json(desc) + "}");
  }
  return "[" + out + "]";
}

std::string Attributes(const OperatorParts &parts) {
  std::string out;
  for (auto &[name, attribute] : parts.attributes) {
    out += (out.empty() ? "" : ",") + recording::Quoted(name) + ":" + attribute->json;
  }
  return "{" + out + "}";
}

std::string Line(const OperatorParts &parts) {
  return "{\"kind\":\"ge\",\"op\":" + recording::Quoted(parts.type) + ",\"node\":" + recording::Quoted(parts.name) +
         ",\"in\":" + Inputs(parts) + ",\"out\":" + Outputs(parts) + ",\"attrs\":" + Attributes(parts) + "}";
}

// Visit every operator after those it depends on, then those of its subgraphs.
class Walk {
 public:
  explicit Walk(std::function<void(const OperatorParts &)> visit) : visit_(std::move(visit)) {}

  void From(const std::vector<Operator> &operators) {
    for (auto &one : operators) From(one.parts());
  }

 private:
  void From(const Parts &parts) {
    if (!parts || !seen_.insert(parts.get()).second) return;
    for (auto &input : parts->inputs) From(input.second.from);
    for (auto &before : parts->after) From(before);
    visit_(*parts);
    for (auto &subgraph : parts->subgraphs) {
      subgraphs_.push_back(subgraph.second());
      From(subgraphs_.back().outputs());
    }
  }

  std::function<void(const OperatorParts &)> visit_;
  std::set<const OperatorParts *> seen_;
  std::vector<Graph> subgraphs_;  // alive, so that no address is seen twice
};

}  // namespace

Graph::Graph(const char *name) : parts_(std::make_shared<GraphParts>()) { parts_->name = name; }
Graph::Graph(const std::string &name) : Graph(name.c_str()) {}
Graph &Graph::SetInputs(const std::vector<Operator> &inputs) {
  if (parts_) parts_->inputs = inputs;
  return *this;
}
Graph &Graph::SetOutputs(const std::vector<Operator> &outputs) {
  if (!parts_) return *this;
  parts_->outputs = outputs;
  parts_->ports.assign(outputs.size(), "");
  return *this;
}
Graph &Graph::SetOutputs(const std::vector<std::pair<Operator, std::string>> &outputs) {
  if (!parts_) return *this;
  parts_->outputs.clear();
  parts_->ports.clear();
  for (auto &[from, port] : outputs) {
    parts_->outputs.push_back(from);
    parts_->ports.push_back(port);
  }
  return *this;
}
std::string Graph::GetName() const { return parts_ ? parts_->name : ""; }

void Graph::Record() const {
  if (!parts_) return;
  Walk walk([](const OperatorParts &parts) { recording::Write(Line(parts)); });
  walk.From(parts_->outputs);
  walk.From(parts_->inputs);
}

graphStatus Graph::SaveToMem(GraphBuffer &buffer) const {
  buffer.content_ = std::make_shared<std::string>();
  if (!parts_) return kSuccess;
  Walk walk([&](const OperatorParts &parts) { *buffer.content_ += Line(parts) + "\n"; });
  walk.From(parts_->outputs);
  return kSuccess;
}
graphStatus Graph::SaveToFile(const std::string &path) const {
  Record();
  GraphBuffer buffer;
  SaveToMem(buffer);
  FILE *file = fopen(path.c_str(), "w");
  if (file == nullptr) return kFailure;
  bool whole = fwrite(buffer.GetData(), 1, buffer.GetSize(), file) == buffer.GetSize();
  return fclose(file) == 0 && whole ? kSuccess : kFailure;
}

GraphBuffer::GraphBuffer() = default;
GraphBuffer::~GraphBuffer() = default;
const uint8_t *GraphBuffer::GetData() const {
  return content_ ? reinterpret_cast<const uint8_t *>(content_->data()) : nullptr;
}
size_t GraphBuffer::GetSize() const { return content_ ? content_->size() : 0; }

// ---- changes of finished graphs, which find no node to change

void Graph::SetNeedIteration(bool) {}
std::vector<GNode> Graph::GetDirectNode() const { return {}; }
graphStatus Graph::RemoveNode(GNode &) { return kSuccess; }
graphStatus Graph::RemoveEdge(GNode &, const int32_t, GNode &, const int32_t) { return kSuccess; }
graphStatus Graph::AddDataEdge(GNode &, const int32_t, GNode &, const int32_t) { return kSuccess; }
graphStatus Graph::AddControlEdge(GNode &, GNode &) { return kSuccess; }
size_t GNode::GetInputsSize() const { return 0; }
size_t GNode::GetOutputsSize() const { return 0; }
std::vector<std::shared_ptr<GNode>> GNode::GetInControlNodes() const { return {}; }
std::vector<std::shared_ptr<GNode>> GNode::GetOutControlNodes() const { return {}; }
std::pair<std::shared_ptr<GNode>, int32_t> GNode::GetInDataNodesAndPortIndexs(int32_t) const { return {nullptr, 0}; }
std::vector<std::pair<std::shared_ptr<GNode>, int32_t>> GNode::GetOutDataNodesAndPortIndexs(int32_t) const {
  return {};
}
graphStatus GNode::GetName(AscendString &) const { return kSuccess; }
graphStatus GNode::GetType(AscendString &) const { return kSuccess; }

}  // namespace ge
