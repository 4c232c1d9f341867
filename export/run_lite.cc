// Runs an exported network in MindSpore Lite, in C++ and without this package.
//
//     run_lite [--ascend] net.mindir cat.jpg dog.jpg
//
// A sample to copy to a server, with the folder lite and CMakeLists.txt: MindSpore Lite, OpenCV for
// images and nlohmann/json. It is the twin of run_onnx.py: it reads the metadata file (side-car)
// net.mindir.json, prepares images as in the evaluation of the network, and prints one line of JSON
// for each. Classifiers, detectors and segmenters.
//
// Lines differ from run_onnx.py's in spaces. OpenCV reads the files here, so the pixels of a JPEG
// may differ by a step from Pillow's. All later steps are the same, antialiasing included but for
// what lite/resample.h says.
//
// Not run with MindSpore Lite, on no device, for want of its library. Compiled with GCC 12 against
// the headers of MindSpore 2.7.0 (include/api) and OpenCV 4.6; with a library of the same functions
// in place of MindSpore Lite's, which returns given outputs, it printed what run_onnx.py printed, up
// to rounding.
#include <cstring>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "include/api/context.h"
#include "include/api/model.h"
#include "include/api/status.h"
#include "include/api/types.h"
#include "lite/opencv_images.h"
#include "lite/sidecar.h"
#include "lite/tasks.h"

namespace {

constexpr char kUsage[] = "usage: run_lite [--ascend] net.mindir IMAGE...";

// A file that MindSpore Lite has loaded.
class Network {
 public:
  Network(const std::string &file, bool ascend, const SideCar &about);

  // The outputs for one image (channels, height, width).
  std::vector<Array> Predict(const std::vector<float> &image);

 private:
  void ChooseBatch(const SideCar &about);
  bool ChannelsAreLast(const SideCar &about);

  mindspore::Model model_;
  bool channels_last_ = false;
  int64_t channels_;
};

// What is in an image file, as one line.
std::string Line(const std::string &file, Network *network, const SideCar &about) {
  const Task task = TaskOf(about);
  const Image image = ReadImage(file, about.channels);
  const Prepared prepared = task.prepare(image, about);
  const std::vector<Array> outputs = network->Predict(prepared.values);
  Json line{{"image", file}};
  line.update(task.interpret(outputs, prepared, image, about));
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void Run(std::vector<std::string> arguments) {
  const bool ascend = !arguments.empty() && arguments[0] == "--ascend";
  if (ascend) arguments.erase(arguments.begin());
  Require(arguments.size() >= 2, kUsage);
  const SideCar about = ReadSideCar(arguments[0]);
  Network network(arguments[0], ascend, about);
  for (size_t i = 1; i < arguments.size(); i++) {
    std::cout << Line(arguments[i], &network, about) << std::endl;
  }
}

// --- MindSpore Lite ------------------------------------------------------------------------------

void Check(const mindspore::Status &status, const std::string &step) {
  if (status != mindspore::kSuccess) {
    throw std::runtime_error("MindSpore Lite fails to " + step + ": " + status.ToString());
  }
}

std::shared_ptr<mindspore::Context> ContextOn(bool ascend) {
  auto context = std::make_shared<mindspore::Context>();
  if (ascend) {
    auto device = std::make_shared<mindspore::AscendDeviceInfo>();
    device->SetDeviceID(0);
    context->MutableDeviceInfo().push_back(device);
  } else {
    context->MutableDeviceInfo().push_back(std::make_shared<mindspore::CPUDeviceInfo>());
  }
  return context;
}

bool EndsWith(const std::string &text, const std::string &end) {
  return text.size() >= end.size() &&
         text.compare(text.size() - end.size(), end.size(), end) == 0;
}

Network::Network(const std::string &file, bool ascend, const SideCar &about)
    : channels_(about.channels) {
  const auto type = EndsWith(file, ".ms") ? mindspore::kMindIR_Lite : mindspore::kMindIR;
  Check(model_.Build(file, type, ContextOn(ascend)), "load " + file);
  Require(model_.GetInputs().size() == 1, file + " does not have one input.");
  ChooseBatch(about);
  channels_last_ = ChannelsAreLast(about);
}

// Sets one image for each call if the file takes any number.
void Network::ChooseBatch(const SideCar &about) {
  auto inputs = model_.GetInputs();
  auto shape = inputs[0].Shape();
  if (about.batch != 0 || shape.empty() || shape[0] > 0) return;
  shape[0] = 1;
  Check(model_.Resize(inputs, {shape}), "set the batch size to 1");
}

// Whether channels follow the columns: the converter may write files of .ms so.
bool Network::ChannelsAreLast(const SideCar &about) {
  auto input = model_.GetInputs()[0];
  Require(input.DataType() == mindspore::DataType::kNumberTypeFloat32, "the input is no float32.");
  const auto shape = input.Shape();
  Require(shape.size() == 4, "the input does not have four dimensions.");
  const std::vector<int64_t> actual(shape.begin() + 1, shape.end());
  const std::vector<int64_t> first{about.channels, about.height, about.width};
  const std::vector<int64_t> last{about.height, about.width, about.channels};
  Require(actual == first || actual == last, "the file has another input than its side-car says.");
  return actual != first;
}

// Copies an image (channels, pixels) to (pixels, channels).
std::vector<float> Interleaved(const std::vector<float> &image, size_t channels) {
  const size_t pixels = image.size() / channels;
  std::vector<float> result(image.size());
  for (size_t c = 0; c < channels; c++) {
    for (size_t i = 0; i < pixels; i++) result[i * channels + c] = image[c * pixels + i];
  }
  return result;
}

template <typename T>
std::vector<float> Floats(const void *data, int64_t count) {
  const auto *values = static_cast<const T *>(data);
  return std::vector<float>(values, values + count);
}

// The part of an output that belongs to the first image.
Array First(const mindspore::MSTensor &output) {
  const auto shape = output.Shape();
  Require(shape.size() > 1, "an output has no row for each image.");
  Array array{{shape.begin() + 1, shape.end()}, {}};
  const int64_t count = CountOf(array.shape);
  const auto data = output.Data();
  Require(data != nullptr && count <= output.ElementNum(), "an output is empty.");
  switch (output.DataType()) {
    case mindspore::DataType::kNumberTypeFloat32:
      array.values = Floats<float>(data.get(), count);
      break;
    case mindspore::DataType::kNumberTypeInt32:
      array.values = Floats<int32_t>(data.get(), count);
      break;
    case mindspore::DataType::kNumberTypeInt64:
      array.values = Floats<int64_t>(data.get(), count);
      break;
    default:
      throw std::runtime_error("an output is neither float32 nor int32 nor int64.");
  }
  return array;
}

std::vector<Array> Network::Predict(const std::vector<float> &image) {
  const std::vector<float> ordered = channels_last_ ? Interleaved(image, channels_) : image;
  auto inputs = model_.GetInputs();
  const size_t bytes = ordered.size() * sizeof(float);
  auto *target = static_cast<char *>(inputs[0].MutableData());
  Require(target != nullptr && bytes > 0 && inputs[0].DataSize() % bytes == 0,
          "the input has no memory for an image.");
  // A file of a fixed batch computes copies of the image.
  for (size_t filled = 0; filled < inputs[0].DataSize(); filled += bytes) {
    std::memcpy(target + filled, ordered.data(), bytes);
  }
  std::vector<mindspore::MSTensor> outputs;
  Check(model_.Predict(inputs, &outputs), "compute");
  Require(!outputs.empty(), "the network has no outputs.");
  std::vector<Array> arrays;
  for (const auto &output : outputs) arrays.push_back(First(output));
  return arrays;
}

}  // namespace

int main(int argc, char **argv) {
  try {
    Run({argv + 1, argv + argc});
  } catch (const std::exception &error) {
    std::cerr << error.what() << std::endl;
    return 1;
  }
  return 0;
}
