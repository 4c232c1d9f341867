// Operators of the graph engine: names, edges, descriptions and attributes are kept, nothing is checked.
#include "ge.h"
#include "recording.h"

namespace ge {
namespace {

std::string Json(const std::string &value) { return recording::Quoted(value); }
std::string Json(DataType value) { return recording::Number(static_cast<int>(value)); }
std::string Json(bool value) { return value ? "true" : "false"; }
std::string Json(float value) { return recording::Number(value); }
std::string Json(int32_t value) { return recording::Number(value); }
std::string Json(uint32_t value) { return recording::Number(value); }
std::string Json(int64_t value) { return recording::Number(value); }
std::string Json(const Tensor &value) { return ge::Json(value.GetTensorDesc()); }
template <typename T>
std::string Json(const std::vector<T> &values) {
  std::string out;
  for (const auto &value : values) out += (out.empty() ? "" : ",") + Json(static_cast<const T &>(value));
  return "[" + out + "]";
}

template <typename T>
struct AttributeOf : Attribute {
  explicit AttributeOf(const T &value) : value(value) { json = Json(value); }
  std::string Request() const override {
    if constexpr (std::is_same_v<T, Tensor>) return ge::Request(value);
    return json;
  }
  T value;
};

std::shared_ptr<OperatorParts> Make(const std::string &name, const std::string &type) {
  auto parts = std::make_shared<OperatorParts>();
  parts->name = name;
  parts->type = type;
  return parts;
}

}  // namespace

Operator::Operator(const std::string &type) : parts_(Make("", type)) {}
Operator::Operator(const std::string &name, const std::string &type) : parts_(Make(name, type)) {}
Operator::Operator(const char *type) : parts_(Make("", type ? type : "")) {}
Operator::Operator(const char *name, const char *type) : parts_(Make(name ? name : "", type ? type : "")) {}
Operator::Operator(const AscendString &name, const AscendString &type)
    : parts_(Make(name.GetString(), type.GetString())) {}

std::string Operator::GetName() const { return parts_ ? parts_->name : ""; }
graphStatus Operator::GetName(AscendString &name) const {
  name = AscendString(GetName().c_str());
  return kSuccess;
}
std::string Operator::GetOpType() const { return parts_ ? parts_->type : ""; }
graphStatus Operator::GetOpType(AscendString &type) const {
  type = AscendString(GetOpType().c_str());
  return kSuccess;
}

// ---- edges

void Operator::Connect(const std::string &input, const Operator &from, std::string output) {
  if (!parts_) return;
  if (output.empty() && from.parts_ && !from.parts_->output_names.empty()) output = from.parts_->output_names[0];
  OperatorParts::Edge edge{from.parts_, output};
  for (auto &known : parts_->inputs) {
    if (known.first == input) {
      known.second = edge;
      return;
    }
  }
  parts_->inputs.emplace_back(input, edge);
}
Operator &Operator::SetInput(const std::string &name, const Operator &from) {
  Connect(name, from, "");
  return *this;
}
Operator &Operator::SetInput(const std::string &name, const Operator &from, const std::string &output) {
  Connect(name, from, output);
  return *this;
}
Operator &Operator::SetInput(const char *name, const Operator &from) { return SetInput(std::string(name), from); }
Operator &Operator::SetInput(const char *name, uint32_t index, const Operator &from) {
  return SetInput(name + std::to_string(index), from);
}
Operator &Operator::SetInput(const char *name, uint32_t index, const Operator &from, const char *output) {
  return SetInput(name + std::to_string(index), from, std::string(output));
}
Operator &Operator::AddControlInput(const Operator &before) {
  if (parts_) parts_->after.push_back(before.parts_);
  return *this;
}

// ---- descriptions

graphStatus Operator::UpdateInputDesc(const std::string &name, const TensorDesc &desc) {
  if (parts_) parts_->input_descs[name] = desc;
  return kSuccess;
}
graphStatus Operator::UpdateInputDesc(const char *name, const TensorDesc &desc) {
  return UpdateInputDesc(std::string(name), desc);
}
graphStatus Operator::UpdateOutputDesc(const std::string &name, const TensorDesc &desc) {
  if (parts_) parts_->output_descs[name] = desc;
  return kSuccess;
}
graphStatus Operator::UpdateOutputDesc(const char *name, const TensorDesc &desc) {
  return UpdateOutputDesc(std::string(name), desc);
}
graphStatus Operator::UpdateDynamicOutputDesc(const char *name, uint32_t index, const TensorDesc &desc) {
  return UpdateOutputDesc(name + std::to_string(index), desc);
}
TensorDesc Operator::GetOutputDesc(const std::string &name) const {
  if (!parts_) return TensorDesc();
  auto found = parts_->output_descs.find(name);
  return found == parts_->output_descs.end() ? TensorDesc() : found->second;
}
TensorDesc Operator::GetOutputDesc(uint32_t index) const {
  bool known = parts_ && index < parts_->output_names.size();
  return known ? GetOutputDesc(parts_->output_names[index]) : TensorDesc();
}
int Operator::GetDynamicOutputNum(const std::string &name) const {
  if (!parts_) return 0;
  auto found = parts_->dynamic_outputs.find(name);
  return found == parts_->dynamic_outputs.end() ? 0 : found->second;
}
void Operator::SetSubgraphBuilder(const char *name, uint32_t, const std::function<Graph()> &build) {
  if (parts_) parts_->subgraphs.emplace_back(name, build);
}

// ---- attributes

template <typename T>
Operator &Operator::Put(const std::string &name, const T &value) {
  if (parts_) parts_->attributes[name] = std::make_shared<AttributeOf<T>>(value);
  return *this;
}
template <typename T>
graphStatus Operator::Get(const std::string &name, T *value) const {
  if (!parts_) return kFailure;
  auto found = parts_->attributes.find(name);
  if (found == parts_->attributes.end()) return kFailure;
  auto *attribute = dynamic_cast<const AttributeOf<T> *>(found->second.get());
  if (!attribute) return kFailure;
  *value = attribute->value;
  return kSuccess;
}

#define GE_SET(KEY, VALUE, STORED) \
  Operator &Operator::SetAttr(KEY name, VALUE value) { return Put<STORED>(name, value); }
#define GE_GET(KEY, VALUE) \
  graphStatus Operator::GetAttr(KEY name, VALUE &value) const { return Get<VALUE>(name, &value); }
using Types = std::vector<DataType>;
using Table = std::vector<std::vector<int64_t>>;
using Floats = std::vector<float>;
using Ints = std::vector<int32_t>;
using Longs = std::vector<int64_t>;
using Texts = std::vector<std::string>;
using Bools = std::vector<bool>;
GE_SET(const char *, const Tensor &, Tensor)
GE_SET(const char *, const DataType &, DataType)
GE_SET(const char *, const Types &, Types)
GE_SET(const char *, const Table &, Table)
GE_SET(const char *, const Floats &, Floats)
GE_SET(const char *, const Ints &, Ints)
GE_SET(const char *, const Longs &, Longs)
GE_SET(const char *, bool, bool)
GE_SET(const char *, float, float)
GE_SET(const char *, int32_t, int32_t)
GE_SET(const char *, int64_t, int64_t)
GE_SET(const char *, uint32_t, uint32_t)
GE_SET(const char *, const char *, std::string)
GE_SET(const std::string &, const Texts &, Texts)
GE_SET(const std::string &, const Bools &, Bools)
GE_SET(const std::string &, const Floats &, Floats)
GE_SET(const std::string &, const Ints &, Ints)
GE_SET(const std::string &, const Longs &, Longs)
GE_SET(const std::string &, const std::string &, std::string)
GE_SET(const std::string &, bool, bool)
GE_SET(const std::string &, float, float)
GE_SET(const std::string &, int32_t, int32_t)
GE_SET(const std::string &, int64_t, int64_t)
GE_GET(const char *, Tensor)
GE_GET(const char *, DataType)
GE_GET(const char *, Types)
GE_GET(const char *, Table)
GE_GET(const char *, Floats)
GE_GET(const char *, Ints)
GE_GET(const char *, Longs)
GE_GET(const char *, bool)
GE_GET(const char *, float)
GE_GET(const char *, int32_t)
GE_GET(const char *, int64_t)
GE_GET(const std::string &, std::string)
GE_GET(const std::string &, Texts)

// ---- declarations of a type: of all, only the names of outputs matter, which edges leave out

void Operator::OutputRegister(const std::string &name) {
  if (parts_) parts_->output_names.push_back(name);
}
void Operator::OutputRegister(const char *name, const char *) { OutputRegister(std::string(name)); }
void Operator::DynamicOutputRegister(const char *name, uint32_t count, bool) {
  if (!parts_) return;
  parts_->dynamic_outputs[name] = count;
  for (uint32_t i = 0; i < count; i++) parts_->output_names.push_back(name + std::to_string(i));
}
void Operator::DynamicOutputRegister(const char *name, uint32_t count, const char *, bool at_end) {
  DynamicOutputRegister(name, count, at_end);
}
void Operator::InputRegister(const std::string &) {}
void Operator::InputRegister(const char *, const char *) {}
void Operator::OptionalInputRegister(const std::string &) {}
void Operator::OptionalInputRegister(const char *, const char *) {}
void Operator::DynamicInputRegister(const char *, uint32_t, const char *, bool) {}
void Operator::DynamicInputRegister(const char *, uint32_t, bool) {}
void Operator::DynamicInputRegisterByIndex(const char *, uint32_t, size_t) {}
void Operator::InferFuncRegister(const std::function<graphStatus(Operator &)> &) {}
void Operator::RequiredAttrRegister(const std::string &) {}
void Operator::RequiredAttrWithTypeRegister(const char *, const char *) {}
void Operator::SubgraphCountRegister(const char *, uint32_t) {}
void Operator::DataTypeRegister(const char *, const TensorType &) {}
void Operator::DataTypeRegister(const char *, const Promote &) {}
void Operator::AttrRegister(const char *, const AscendString &) {}
void Operator::AttrRegister(const char *, const DataType &) {}
void Operator::AttrRegister(const char *, const Tensor &) {}
void Operator::AttrRegister(const char *, const std::vector<AscendString> &) {}
void Operator::AttrRegister(const char *, const Types &) {}
void Operator::AttrRegister(const char *, const Table &) {}
void Operator::AttrRegister(const char *, const Floats &) {}
void Operator::AttrRegister(const char *, const Longs &) {}
void Operator::AttrRegister(const char *, bool) {}
void Operator::AttrRegister(const char *, float) {}
void Operator::AttrRegister(const char *, int64_t) {}

// ---- making operators by type

namespace {
using Create = std::function<Operator(const AscendString &)>;
std::map<std::string, Create> &Registered() {
  static std::map<std::string, Create> registered;
  return registered;
}
}  // namespace

// CANN's declarations are not here, so that every type exists.
bool OperatorFactory::IsExistOp(const char *) { return true; }
bool OperatorFactory::IsExistOp(const std::string &) { return true; }
Operator OperatorFactory::CreateOperator(const char *name, const char *type) {
  auto found = Registered().find(type);
  return found == Registered().end() ? Operator(name, type) : found->second(AscendString(name));
}
Operator OperatorFactory::CreateOperator(const std::string &name, const std::string &type) {
  return CreateOperator(name.c_str(), type.c_str());
}
OperatorCreatorRegister::OperatorCreatorRegister(const char *type, const Create &create) {
  Registered()[type] = create;
}
OperatorCreatorRegister::OperatorCreatorRegister(const std::string &type,
                                                 const std::function<Operator(const std::string &)> &create) {
  Registered()[type] = [create](const AscendString &name) { return create(name.GetString()); };
}
InferShapeFuncRegister::InferShapeFuncRegister(const std::string &, const std::function<graphStatus(Operator &)> &) {}

}  // namespace ge
