// The classes of namespace ge, with the methods that MindSpore 2.8.0's libraries link against: their
// names and types are those of the wheel's undefined symbols, without a word of CANN's headers. Every
// value is one shared pointer; Operator has a table of virtual functions before it.
//
// Compile with -D_GLIBCXX_USE_CXX11_ABI=0, the string ABI of these symbols.
#pragma once
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace ge {

using graphStatus = uint32_t;
using Status = uint32_t;
constexpr uint32_t kSuccess = 0, kFailure = 1;
enum DataType : int {};
enum Format : int {};
enum Placement : int {};

// ---- values: ge_values.cpp

class AscendString {
 public:
  AscendString() = default;
  ~AscendString() = default;
  AscendString(const char *text);
  const char *GetString() const;
  bool operator<(const AscendString &other) const;

 private:
  std::shared_ptr<std::string> text_;
};

class Shape {
 public:
  Shape();
  explicit Shape(const std::vector<int64_t> &dims);
  ~Shape() = default;
  size_t GetDimNum() const;
  int64_t GetDim(size_t index) const;
  graphStatus SetDim(size_t index, int64_t value);
  std::vector<int64_t> GetDims() const;

 private:
  std::shared_ptr<std::vector<int64_t>> dims_;
};

struct TensorDescParts;
class TensorDesc {
 public:
  TensorDesc();
  ~TensorDesc() = default;
  explicit TensorDesc(Shape shape, Format format, DataType type);
  TensorDesc(const TensorDesc &other);
  TensorDesc(TensorDesc &&other);
  TensorDesc &operator=(const TensorDesc &other);
  void SetDataType(DataType);
  void SetRealDimCnt(int64_t);
  void SetOriginShape(const Shape &);
  void SetOriginFormat(Format);
  void SetShape(const Shape &);
  void SetFormat(Format);
  void SetPlacement(Placement);
  DataType GetDataType() const;
  Shape GetShape() const;
  Shape GetOriginShape() const;
  Format GetFormat() const;
  Placement GetPlacement() const;

 private:
  std::shared_ptr<TensorDescParts> parts_;
};

struct TensorParts;
class Tensor {
 public:
  Tensor();
  ~Tensor() = default;
  explicit Tensor(const TensorDesc &);
  Tensor(const TensorDesc &, const uint8_t *data, size_t bytes);
  TensorDesc GetTensorDesc() const;
  uint8_t *GetData();
  size_t GetSize() const;
  graphStatus SetTensorDesc(const TensorDesc &);
  std::unique_ptr<uint8_t[], std::function<void(uint8_t *)>> ResetData();
  graphStatus SetData(const uint8_t *, size_t);
  graphStatus SetData(uint8_t *, size_t, const std::function<void(uint8_t *)> &release);
  graphStatus SetData(const std::string &);
  graphStatus SetData(const std::vector<std::string> &);

 private:
  std::shared_ptr<TensorParts> parts_;
};

struct TensorType {
  TensorType(const std::initializer_list<DataType> &);
  std::shared_ptr<void> parts_;
};
struct Promote {
  explicit Promote(const std::initializer_list<const char *> &);
  std::shared_ptr<void> parts_;
};

// A value as JSON, a tensor also with the address of its data.
std::string Json(const TensorDesc &);
std::string Request(const Tensor &);

// ---- operators: ge_operator.cpp

class Graph;
class Operator;

// An attribute's value, how it is recorded, and how it is told to who computes: with addresses.
struct Attribute {
  virtual ~Attribute() = default;
  virtual std::string Request() const { return json; }
  std::string json;
};

struct OperatorParts {
  struct Edge {
    std::shared_ptr<OperatorParts> from;
    std::string output;
  };
  std::string name, type;
  std::vector<std::string> output_names;
  std::vector<std::pair<std::string, Edge>> inputs;
  std::vector<std::shared_ptr<OperatorParts>> after;  // control edges
  std::map<std::string, std::shared_ptr<Attribute>> attributes;
  std::map<std::string, TensorDesc> input_descs, output_descs;
  std::map<std::string, uint32_t> dynamic_outputs;
  std::vector<std::pair<std::string, std::function<Graph()>>> subgraphs;
};

#define GE_SET(KEY, VALUE) Operator &SetAttr(KEY, VALUE)
#define GE_GET(KEY, VALUE) graphStatus GetAttr(KEY, VALUE &) const
class Operator {
 public:
  Operator() = default;
  explicit Operator(const std::string &type);
  Operator(const std::string &name, const std::string &type);
  explicit Operator(const char *type);
  Operator(const char *name, const char *type);
  Operator(const AscendString &name, const AscendString &type);
  virtual ~Operator() = default;

  std::string GetName() const;
  graphStatus GetName(AscendString &) const;
  std::string GetOpType() const;
  graphStatus GetOpType(AscendString &) const;

  Operator &SetInput(const std::string &, const Operator &);
  Operator &SetInput(const std::string &, const Operator &, const std::string &output);
  Operator &SetInput(const char *, const Operator &);
  Operator &SetInput(const char *, uint32_t index, const Operator &);
  Operator &SetInput(const char *, uint32_t index, const Operator &, const char *output);
  Operator &AddControlInput(const Operator &);

  graphStatus UpdateInputDesc(const std::string &, const TensorDesc &);
  graphStatus UpdateInputDesc(const char *, const TensorDesc &);
  graphStatus UpdateOutputDesc(const std::string &, const TensorDesc &);
  graphStatus UpdateOutputDesc(const char *, const TensorDesc &);
  graphStatus UpdateDynamicOutputDesc(const char *, uint32_t index, const TensorDesc &);
  TensorDesc GetOutputDesc(const std::string &) const;
  TensorDesc GetOutputDesc(uint32_t) const;
  int GetDynamicOutputNum(const std::string &) const;
  void SetSubgraphBuilder(const char *, uint32_t, const std::function<Graph()> &);

  GE_SET(const char *, const Tensor &);
  GE_SET(const char *, const DataType &);
  GE_SET(const char *, const std::vector<DataType> &);
  GE_SET(const char *, const std::vector<std::vector<int64_t>> &);
  GE_SET(const char *, const std::vector<float> &);
  GE_SET(const char *, const std::vector<int32_t> &);
  GE_SET(const char *, const std::vector<int64_t> &);
  GE_SET(const char *, bool);
  GE_SET(const char *, float);
  GE_SET(const char *, int32_t);
  GE_SET(const char *, int64_t);
  GE_SET(const char *, uint32_t);
  GE_SET(const char *, const char *);
  GE_SET(const std::string &, const std::vector<std::string> &);
  GE_SET(const std::string &, const std::vector<bool> &);
  GE_SET(const std::string &, const std::vector<float> &);
  GE_SET(const std::string &, const std::vector<int32_t> &);
  GE_SET(const std::string &, const std::vector<int64_t> &);
  GE_SET(const std::string &, const std::string &);
  GE_SET(const std::string &, bool);
  GE_SET(const std::string &, float);
  GE_SET(const std::string &, int32_t);
  GE_SET(const std::string &, int64_t);
  GE_GET(const char *, Tensor);
  GE_GET(const char *, DataType);
  GE_GET(const char *, std::vector<DataType>);
  GE_GET(const char *, std::vector<std::vector<int64_t>>);
  GE_GET(const char *, std::vector<float>);
  GE_GET(const char *, std::vector<int32_t>);
  GE_GET(const char *, std::vector<int64_t>);
  GE_GET(const char *, bool);
  GE_GET(const char *, float);
  GE_GET(const char *, int32_t);
  GE_GET(const char *, int64_t);
  GE_GET(const std::string &, std::string);
  GE_GET(const std::string &, std::vector<std::string>);

  void InputRegister(const std::string &);
  void InputRegister(const char *, const char *);
  void OptionalInputRegister(const std::string &);
  void OptionalInputRegister(const char *, const char *);
  void OutputRegister(const std::string &);
  void OutputRegister(const char *, const char *);
  void DynamicInputRegister(const char *, uint32_t, const char *, bool);
  void DynamicInputRegister(const char *, uint32_t, bool);
  void DynamicInputRegisterByIndex(const char *, uint32_t, size_t);
  void DynamicOutputRegister(const char *, uint32_t, const char *, bool);
  void DynamicOutputRegister(const char *, uint32_t, bool);
  void InferFuncRegister(const std::function<graphStatus(Operator &)> &);
  void RequiredAttrRegister(const std::string &);
  void RequiredAttrWithTypeRegister(const char *, const char *);
  void SubgraphCountRegister(const char *, uint32_t);
  void DataTypeRegister(const char *, const TensorType &);
  void DataTypeRegister(const char *, const Promote &);
  void AttrRegister(const char *, const AscendString &);
  void AttrRegister(const char *, const DataType &);
  void AttrRegister(const char *, const Tensor &);
  void AttrRegister(const char *, const std::vector<AscendString> &);
  void AttrRegister(const char *, const std::vector<DataType> &);
  void AttrRegister(const char *, const std::vector<std::vector<int64_t>> &);
  void AttrRegister(const char *, const std::vector<float> &);
  void AttrRegister(const char *, const std::vector<int64_t> &);
  void AttrRegister(const char *, bool);
  void AttrRegister(const char *, float);
  void AttrRegister(const char *, int64_t);

  // Ours; null in an operator that was made without a type.
  const std::shared_ptr<OperatorParts> &parts() const { return parts_; }

 private:
  template <typename T>
  Operator &Put(const std::string &name, const T &value);
  template <typename T>
  graphStatus Get(const std::string &name, T *value) const;
  void Connect(const std::string &input, const Operator &from, std::string output);

  std::shared_ptr<OperatorParts> parts_;
};
#undef GE_SET
#undef GE_GET

class OperatorFactory {
 public:
  static Operator CreateOperator(const std::string &name, const std::string &type);
  static Operator CreateOperator(const char *name, const char *type);
  static bool IsExistOp(const std::string &type);
  static bool IsExistOp(const char *type);
};
class OperatorCreatorRegister {
 public:
  OperatorCreatorRegister(const std::string &type, const std::function<Operator(const std::string &)> &create);
  OperatorCreatorRegister(const char *type, const std::function<Operator(const AscendString &)> &create);
};
class InferShapeFuncRegister {
 public:
  InferShapeFuncRegister(const std::string &, const std::function<graphStatus(Operator &)> &);
};

// ---- graphs: ge_graph.cpp

class GNode {
 public:
  size_t GetInputsSize() const;
  size_t GetOutputsSize() const;
  std::vector<std::shared_ptr<GNode>> GetInControlNodes() const;
  std::vector<std::shared_ptr<GNode>> GetOutControlNodes() const;
  std::pair<std::shared_ptr<GNode>, int32_t> GetInDataNodesAndPortIndexs(int32_t) const;
  std::vector<std::pair<std::shared_ptr<GNode>, int32_t>> GetOutDataNodesAndPortIndexs(int32_t) const;
  graphStatus GetName(AscendString &) const;
  graphStatus GetType(AscendString &) const;

 private:
  std::shared_ptr<void> parts_;
};

class GraphBuffer {
 public:
  GraphBuffer();
  ~GraphBuffer();
  const uint8_t *GetData() const;
  size_t GetSize() const;

 private:
  friend class Graph;
  std::shared_ptr<std::string> content_;
};

struct GraphParts {
  std::string name;
  std::vector<Operator> inputs, outputs;
  std::vector<std::string> ports;  // of outputs: which of the operator's; empty for its first
};
class Graph {
 public:
  Graph() = default;
  ~Graph() = default;
  explicit Graph(const std::string &name);
  explicit Graph(const char *name);
  Graph &SetInputs(const std::vector<Operator> &);
  Graph &SetOutputs(const std::vector<Operator> &);
  Graph &SetOutputs(const std::vector<std::pair<Operator, std::string>> &);
  std::string GetName() const;
  std::vector<GNode> GetDirectNode() const;
  graphStatus RemoveNode(GNode &);
  graphStatus RemoveEdge(GNode &, const int32_t, GNode &, const int32_t);
  graphStatus AddDataEdge(GNode &, const int32_t, GNode &, const int32_t);
  graphStatus AddControlEdge(GNode &, GNode &);
  void SetNeedIteration(bool);
  graphStatus SaveToFile(const std::string &) const;
  graphStatus SaveToMem(GraphBuffer &) const;

  // Ours.
  const std::shared_ptr<GraphParts> &parts() const { return parts_; }
  const std::vector<Operator> &outputs() const { return parts_->outputs; }
  void Record() const;  // every operator, with those of subgraphs

 private:
  std::shared_ptr<GraphParts> parts_;
};

// All of a graph as JSON, for who computes: ge_request.cpp
std::string Request(const Graph &);

// ---- the engine: ge_session.cpp

class Allocator;

class CompiledGraphSummary {
 public:
  bool IsStatic() const;
  graphStatus GetEventNum(size_t &) const;
  graphStatus GetStreamNum(size_t &) const;
  graphStatus GetOutputDtypes(std::vector<DataType> &) const;
  graphStatus GetOutputShapes(std::vector<Shape> &) const;
  graphStatus GetConstMemorySize(size_t &) const;
  graphStatus GetFeatureMemorySize(size_t &) const;
  graphStatus GetFixedFeatureMemorySize(size_t &) const;
  graphStatus GetRefreshableFeatureMemorySize(size_t &) const;
  graphStatus GetFeatureMemoryBaseRefreshable(bool &) const;
  graphStatus GetIOIndexesWithSameAddr(std::vector<std::pair<uint32_t, uint32_t>> &) const;

  Graph graph;  // ours
};

Status GEInitialize(const std::map<std::string, std::string> &);
Status GEFinalize();

class Session {
 public:
  using Callback = uint32_t (*)(uint32_t, const std::map<std::string, Tensor> &);
  explicit Session(const std::map<std::string, std::string> &);
  ~Session();
  Status AddGraph(uint32_t, const Graph &, const std::map<std::string, std::string> &);
  Status RemoveGraph(uint32_t);
  Status CompileGraph(uint32_t);
  Status RunGraph(uint32_t, const std::vector<Tensor> &, std::vector<Tensor> &);
  Status RunGraphAsync(uint32_t, const std::vector<Tensor> &, std::function<void(uint32_t, std::vector<Tensor> &)>);
  Status RunGraphWithStreamAsync(uint32_t, void *, const std::vector<Tensor> &, std::vector<Tensor> &);
  Status RegisterCallBackFunc(const std::string &, const Callback &);
  std::shared_ptr<CompiledGraphSummary> GetCompiledGraphSummary(uint32_t);
  Status SetGraphConstMemoryBase(uint32_t, const void *, size_t);
  Status UpdateGraphFeatureMemoryBase(uint32_t, const void *, size_t);
  Status SetGraphFixedFeatureMemoryBase(uint32_t, const void *, size_t);
  Status UpdateGraphRefreshableFeatureMemoryBase(uint32_t, const void *, size_t);
  Status RegisterExternalAllocator(const void *, std::shared_ptr<Allocator>) const;
  Status UnregisterExternalAllocator(const void *) const;
};

}  // namespace ge
