// A graph as one value of JSON: its operators, each after those it depends on, and its outputs. Operators
// have numbers, as their names are not unique; graphs of branches are values in their operators.
#include "ge.h"
#include "recording.h"

namespace ge {
namespace {

using Parts = std::shared_ptr<OperatorParts>;
using recording::Number;
using recording::Quoted;

template <typename Items, typename Function>
std::string Joined(const Items &items, Function text) {
  std::string out;
  for (auto &item : items) out += (out.empty() ? "" : ",") + text(item);
  return out;
}

class Nodes {
 public:
  // Return the number of an operator, which is told if it is new.
  size_t NumberOf(const Parts &parts) {
    auto known = numbers_.find(parts.get());
    if (known != numbers_.end()) return known->second;
    for (auto &[name, edge] : parts->inputs) {
      if (edge.from) NumberOf(edge.from);
    }
    for (auto &before : parts->after) {
      if (before) NumberOf(before);
    }
    size_t number = numbers_.size();
    numbers_[parts.get()] = number;
    text_ += (text_.empty() ? "" : ",") + Node(*parts);
    return number;
  }
  const std::string &text() const { return text_; }

 private:
  std::string Node(const OperatorParts &parts) {
    auto inputs = Joined(parts.inputs, [&](auto &input) {
      auto &[name, edge] = input;
      auto from = edge.from ? Number(numbers_.at(edge.from.get())) : "null";
      return "{\"name\":" + Quoted(name) + ",\"from\":" + from + ",\"port\":" + Quoted(edge.output) + "}";
    });
    auto outputs = Joined(parts.output_descs, [](auto &output) {
      auto desc = Json(output.second);
      return "{\"name\":" + Quoted(output.first) + "," + desc.substr(1);
    });
    auto attributes = Joined(parts.attributes, [](auto &attribute) {
      return Quoted(attribute.first) + ":" + attribute.second->Request();
    });
    auto graphs = Joined(parts.subgraphs, [](auto &graph) {
      return Quoted(graph.first) + ":" + Request(graph.second());
    });
    return "{\"op\":" + Quoted(parts.type) + ",\"node\":" + Quoted(parts.name) + ",\"in\":[" + inputs + "],\"out\":[" +
           outputs + "],\"attrs\":{" + attributes + "},\"graphs\":{" + graphs + "}}";
  }

  std::map<const OperatorParts *, size_t> numbers_;
  std::string text_;
};

}  // namespace

std::string Request(const Graph &graph) {
  if (!graph.parts()) return "null";
  auto &parts = *graph.parts();
  Nodes nodes;
  std::string outputs;
  for (size_t i = 0; i < parts.outputs.size(); i++) {
    auto number = Number(nodes.NumberOf(parts.outputs[i].parts()));
    outputs += (i ? ",[" : "[") + number + "," + Quoted(parts.ports[i]) + "]";
  }
  for (auto &input : parts.inputs) {
    if (input.parts()) nodes.NumberOf(input.parts());
  }
  return "{\"nodes\":[" + nodes.text() + "],\"outputs\":[" + outputs + "]}";
}

}  // namespace ge
