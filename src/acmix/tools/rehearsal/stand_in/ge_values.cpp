// Texts, shapes and tensors of the graph engine.
#include <algorithm>
#include <cstring>

#include "ge.h"
#include "recording.h"

namespace ge {

AscendString::AscendString(const char *text) : text_(text ? std::make_shared<std::string>(text) : nullptr) {}
const char *AscendString::GetString() const { return text_ ? text_->c_str() : ""; }
bool AscendString::operator<(const AscendString &other) const { return strcmp(GetString(), other.GetString()) < 0; }

Shape::Shape() : Shape(std::vector<int64_t>()) {}
Shape::Shape(const std::vector<int64_t> &dims) : dims_(std::make_shared<std::vector<int64_t>>(dims)) {}
size_t Shape::GetDimNum() const { return dims_->size(); }
int64_t Shape::GetDim(size_t index) const { return index < dims_->size() ? (*dims_)[index] : 0; }
graphStatus Shape::SetDim(size_t index, int64_t value) {
  if (index < dims_->size()) (*dims_)[index] = value;
  return kSuccess;
}
std::vector<int64_t> Shape::GetDims() const { return *dims_; }

struct TensorDescParts {
  Shape shape, origin_shape;
  int format = 2;  // ND
  int type = 0;
  int placement = 0;
};
TensorDesc::TensorDesc() : parts_(std::make_shared<TensorDescParts>()) {}
TensorDesc::TensorDesc(Shape shape, Format format, DataType type) : TensorDesc() {
  parts_->shape = shape;
  parts_->format = format;
  parts_->type = type;
}
// Copies are independent, and what was moved from can still be used.
TensorDesc::TensorDesc(const TensorDesc &other) : parts_(std::make_shared<TensorDescParts>(*other.parts_)) {}
TensorDesc::TensorDesc(TensorDesc &&other) : TensorDesc(static_cast<const TensorDesc &>(other)) {}
TensorDesc &TensorDesc::operator=(const TensorDesc &other) {
  parts_ = std::make_shared<TensorDescParts>(*other.parts_);
  return *this;
}
void TensorDesc::SetDataType(DataType type) { parts_->type = type; }
void TensorDesc::SetRealDimCnt(int64_t) {}
void TensorDesc::SetOriginShape(const Shape &shape) { parts_->origin_shape = shape; }
void TensorDesc::SetOriginFormat(Format) {}
void TensorDesc::SetShape(const Shape &shape) { parts_->shape = shape; }
void TensorDesc::SetFormat(Format format) { parts_->format = format; }
void TensorDesc::SetPlacement(Placement placement) { parts_->placement = placement; }
DataType TensorDesc::GetDataType() const { return static_cast<DataType>(parts_->type); }
Shape TensorDesc::GetShape() const { return parts_->shape; }
Shape TensorDesc::GetOriginShape() const { return parts_->origin_shape; }
Format TensorDesc::GetFormat() const { return static_cast<Format>(parts_->format); }
Placement TensorDesc::GetPlacement() const { return static_cast<Placement>(parts_->placement); }

std::string Json(const TensorDesc &desc) {
  auto dims = desc.GetShape().GetDims();
  // The upper bits of a format are sizes of its blocks.
  return "{\"dtype\":" + recording::Number(static_cast<int>(desc.GetDataType())) + ",\"format\":" +
         recording::Number(desc.GetFormat() & 0xff) + ",\"shape\":" + recording::List(dims.data(), dims.size()) + "}";
}

// Bytes of its own, or of somebody who is told when they are not needed any more.
struct TensorParts {
  TensorDesc desc;
  std::shared_ptr<uint8_t> data;
  size_t bytes = 0;
};
Tensor::Tensor() : parts_(std::make_shared<TensorParts>()) {}
Tensor::Tensor(const TensorDesc &desc) : Tensor() { parts_->desc = desc; }
Tensor::Tensor(const TensorDesc &desc, const uint8_t *data, size_t bytes) : Tensor(desc) { SetData(data, bytes); }
TensorDesc Tensor::GetTensorDesc() const { return parts_->desc; }
graphStatus Tensor::SetTensorDesc(const TensorDesc &desc) { parts_->desc = desc; return kSuccess; }
uint8_t *Tensor::GetData() { return parts_->data.get(); }
size_t Tensor::GetSize() const { return parts_->bytes; }
std::unique_ptr<uint8_t[], std::function<void(uint8_t *)>> Tensor::ResetData() {
  auto kept = parts_->data;  // until the new owner lets it go
  parts_->data.reset();
  parts_->bytes = 0;
  return {kept.get(), [kept](uint8_t *) mutable { kept.reset(); }};
}
graphStatus Tensor::SetData(const uint8_t *data, size_t bytes) {
  if (!data) return kSuccess;
  auto *copy = new uint8_t[bytes + 1];
  std::copy(data, data + bytes, copy);
  return SetData(copy, bytes, [](uint8_t *own) { delete[] own; });
}
graphStatus Tensor::SetData(uint8_t *data, size_t bytes, const std::function<void(uint8_t *)> &release) {
  parts_->data = std::shared_ptr<uint8_t>(data, release);
  parts_->bytes = bytes;
  return kSuccess;
}
graphStatus Tensor::SetData(const std::string &text) {
  return SetData(reinterpret_cast<const uint8_t *>(text.data()), text.size());
}
graphStatus Tensor::SetData(const std::vector<std::string> &) { return kSuccess; }

std::string Request(const Tensor &tensor) {
  auto desc = Json(tensor.GetTensorDesc());
  auto address = reinterpret_cast<uint64_t>(const_cast<Tensor &>(tensor).GetData());
  return desc.substr(0, desc.size() - 1) + ",\"address\":" + recording::Number(address) + "}";
}

TensorType::TensorType(const std::initializer_list<DataType> &) {}
Promote::Promote(const std::initializer_list<const char *> &) {}

}  // namespace ge
