// run_lite.cc without MindSpore Lite and OpenCV: what remains between a pixel and a line of JSON.
//
//     run_lite_parts NETWORK IMAGE.ppm INPUT [OUTPUT...]
//
// Writes the network's input, float32, to INPUT. Reads the outputs from files, each a line with the
// shape and then float32, and prints what is in the image.
#include <fstream>
#include <iostream>
#include <sstream>

#include "lite/tasks.h"

// Of OpenCV's filters the one whose definition is a line.
Image ResizedByOpenCv(const Image &image, int width, int height, const std::string &name) {
  Require(name == "nearest", "only nearest here");
  const double across = 1 / (static_cast<double>(width) / image.width);
  const double down = 1 / (static_cast<double>(height) / image.height);
  Image result(height, width, image.channels);
  for (int y = 0; y < height; y++) {
    for (int x = 0; x < width; x++) {
      const int row = std::min(static_cast<int>(y * down), image.height - 1);
      const int column = std::min(static_cast<int>(x * across), image.width - 1);
      std::copy_n(image.Row(row) + column * image.channels, image.channels,
                  result.Row(y) + x * image.channels);
    }
  }
  return result;
}

Image ReadPpm(const char *path) {
  std::ifstream file(path, std::ios::binary);
  std::string magic;
  int width, height, highest;
  file >> magic >> width >> height >> highest;
  file.get();
  Image image(height, width, magic == "P5" ? 1 : 3);
  file.read(reinterpret_cast<char *>(image.pixels.data()), image.pixels.size());
  Require(file.good(), "no image");
  return image;
}

Array ReadArray(const char *path) {
  std::ifstream file(path, std::ios::binary);
  std::string line;
  std::getline(file, line);
  std::istringstream sizes(line);
  Array array;
  for (int64_t size; sizes >> size;) array.shape.push_back(size);
  array.values.resize(CountOf(array.shape));
  file.read(reinterpret_cast<char *>(array.values.data()), array.values.size() * sizeof(float));
  Require(file.good(), "no array");
  return array;
}

int main(int argc, char **argv) {
  try {
    const SideCar about = ReadSideCar(argv[1]);
    const Task task = TaskOf(about);
    const Image image = ReadPpm(argv[2]);
    const Prepared prepared = task.prepare(image, about);
    std::ofstream file(argv[3], std::ios::binary);
    file.write(reinterpret_cast<const char *>(prepared.values.data()),
               prepared.values.size() * sizeof(float));
    std::vector<Array> outputs;
    for (int i = 4; i < argc; i++) outputs.push_back(ReadArray(argv[i]));
    if (!outputs.empty()) std::cout << task.interpret(outputs, prepared, image, about).dump();
  } catch (const std::exception &error) {
    std::cerr << error.what() << std::endl;
    return 1;
  }
  return 0;
}
