// Resizing with antialiasing, as Pillow does, with which the networks are trained and evaluated.
//
// A pixel of the result is a weighted mean of the pixels below the filter, which is stretched by
// the factor of the reduction. OpenCV's bilinear and bicubic filters are not stretched, and skip
// pixels. Rows are filtered and then columns, rounded to 8 bits in between, with weights in fixed
// point: the result has the bits of Pillow's. Where a version of Pillow filters columns first, a
// pixel may differ by a step of 255, and more at edges that bicubic and lanczos overshoot.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "data.h"

struct Box {
  float left, top, right, bottom;  // single precision, as in Pillow
};

struct Filter {
  double support;  // distance from which on it is zero
  double (*weight)(double distance);
};

inline double Sinc(double x) { return x == 0 ? 1 : std::sin(M_PI * x) / (M_PI * x); }

inline Filter FilterNamed(const std::string &name) {
  if (name == "bilinear") {
    return {1, [](double x) { return std::max(0.0, 1 - std::abs(x)); }};
  }
  if (name == "bicubic") {  // of Keys, with a = -1/2
    return {2, [](double x) {
              x = std::abs(x);
              if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
              return x < 2 ? -0.5 * (((x - 5) * x + 8) * x - 4) : 0;
            }};
  }
  if (name == "lanczos") {
    return {3, [](double x) { return std::abs(x) < 3 ? Sinc(x) * Sinc(x / 3) : 0; }};
  }
  throw std::runtime_error("'interpolation' must be nearest, bilinear, bicubic or lanczos, not '" +
                           name + "'");
}

// The pixels in a line that make one pixel of the result, with the weight of each.
struct Window {
  int first;
  std::vector<int32_t> weights;
};

constexpr int kBits = 22;  // of the fraction of a weight

// Windows of `size` pixels that are made from begin to end of a line of `length` pixels.
inline std::vector<Window> Windows(int length, float begin, float end, int size,
                                   const Filter &filter) {
  const double scale = static_cast<double>(end - begin) / size;
  const double stretch = std::max(scale, 1.0);
  const double support = filter.support * stretch, shrink = 1 / stretch;
  std::vector<Window> windows;
  for (int i = 0; i < size; i++) {
    const double centre = begin + (i + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(centre - support + 0.5));
    const int last = std::min(length, static_cast<int>(centre + support + 0.5));
    std::vector<double> shares;
    double sum = 0;
    for (int k = first; k < last; k++) {
      shares.push_back(filter.weight((k - centre + 0.5) * shrink));
      sum += shares.back();
    }
    Window window{first, {}};
    for (double share : shares) {
      window.weights.push_back(static_cast<int32_t>(std::round(share / sum * (1 << kBits))));
    }
    windows.push_back(std::move(window));
  }
  return windows;
}

// Filters along a line; `step` values lie between neighbours.
inline uint8_t Filtered(const uint8_t *line, size_t step, const Window &window) {
  int32_t sum = 1 << (kBits - 1);
  const uint8_t *value = line + window.first * step;
  for (int32_t weight : window.weights) {
    sum += weight * *value;
    value += step;
  }
  return static_cast<uint8_t>(std::clamp(sum >> kBits, 0, 255));
}

// The pixel of the image for each of `size` pixels, without a filter.
inline std::vector<int> NearestPlaces(int length, float begin, float end, int size) {
  const double scale = static_cast<double>(end - begin) / size;
  double place = begin + scale * 0.5;
  std::vector<int> places;
  for (int i = 0; i < size; i++, place += scale) {
    places.push_back(std::clamp(static_cast<int>(place), 0, length - 1));
  }
  return places;
}

inline Image NearestResized(const Image &image, const Box &box, int width, int height) {
  const auto across = NearestPlaces(image.width, box.left, box.right, width);
  const auto down = NearestPlaces(image.height, box.top, box.bottom, height);
  Image result(height, width, image.channels);
  for (int y = 0; y < height; y++) {
    for (int x = 0; x < width; x++) {
      std::copy_n(image.Row(down[y]) + across[x] * image.channels, image.channels,
                  result.Row(y) + x * image.channels);
    }
  }
  return result;
}

// Resizes a box of the image.
inline Image Resized(const Image &image, const Box &box, int width, int height,
                     const std::string &interpolation) {
  if (interpolation == "nearest") return NearestResized(image, box, width, height);
  const Filter filter = FilterNamed(interpolation);
  const int channels = image.channels;
  const auto across = Windows(image.width, box.left, box.right, width, filter);
  Image narrow(image.height, width, channels);
  for (int y = 0; y < image.height; y++) {
    for (int x = 0; x < width; x++) {
      for (int c = 0; c < channels; c++) {
        narrow.Row(y)[x * channels + c] = Filtered(image.Row(y) + c, channels, across[x]);
      }
    }
  }
  const auto down = Windows(image.height, box.top, box.bottom, height, filter);
  const size_t row = static_cast<size_t>(width) * channels;
  Image result(height, width, channels);
  for (int y = 0; y < height; y++) {
    for (size_t i = 0; i < row; i++) {
      result.Row(y)[i] = Filtered(narrow.Row(0) + i, row, down[y]);
    }
  }
  return result;
}

// Resizes the whole image.
inline Image Resized(const Image &image, int width, int height, const std::string &interpolation) {
  const Box whole{0, 0, static_cast<float>(image.width), static_cast<float>(image.height)};
  return Resized(image, whole, width, height, interpolation);
}
