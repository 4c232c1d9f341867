// What goes through the program: images, arrays, and JSON.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>
#include <vector>

using Json = nlohmann::ordered_json;  // prints keys in the order in which they were set

// Pixels (height, width, channels): grey or red, green, blue.
struct Image {
  int height, width, channels;
  std::vector<uint8_t> pixels;

  Image(int height, int width, int channels)
      : height(height), width(width), channels(channels),
        pixels(static_cast<size_t>(height) * width * channels) {}
  uint8_t *Row(int y) { return pixels.data() + static_cast<size_t>(y) * width * channels; }
  const uint8_t *Row(int y) const { return const_cast<Image *>(this)->Row(y); }
};

// One output of the network for one image. Labels are whole numbers below 2^24: exact as floats.
struct Array {
  std::vector<int64_t> shape;
  std::vector<float> values;
};

// The number of values of an array.
inline int64_t CountOf(const std::vector<int64_t> &shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

// An image as the network takes it.
struct Prepared {
  std::vector<float> values;  // (channels, height, width) of the input
  int height, width;          // of the image in the input, which is filled up at right and bottom
};
