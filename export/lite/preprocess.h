// Steps of the evaluation transforms that tasks share.
#pragma once

#include <algorithm>
#include <string>
#include <utility>

#include "data.h"
#include "sidecar.h"

// Rounds to the nearest whole number, halves up, at least 1.
inline int Rounded(double side) { return std::max(1, static_cast<int>(side + 0.5)); }

// Width and height after resizing, the shorter `short_side` if the longer one allows it.
inline std::pair<int, int> KeepRatio(int width, int height, const Json &settings) {
  const double factor =
      std::min(static_cast<double>(SizeAt(settings, "long_side")) / std::max(width, height),
               static_cast<double>(SizeAt(settings, "short_side")) / std::min(width, height));
  return {Rounded(width * factor), Rounded(height * factor)};
}

// Width and height of the image, enlarged or reduced until it just fits into the input.
inline std::pair<int, int> Fitting(const Image &image, const SideCar &about) {
  const double factor = std::min(static_cast<double>(about.height) / image.height,
                                 static_cast<double>(about.width) / image.width);
  return {Rounded(image.width * factor), Rounded(image.height * factor)};
}

// Pixels in 0..1 less the mean, over the deviation; zeros right of and below the image.
inline Prepared Normalised(const Image &image, const SideCar &about) {
  Require(image.channels == about.channels && image.height <= about.height &&
              image.width <= about.width,
          "the image does not fit into the network's input; the side-car contradicts itself.");
  const size_t plane = static_cast<size_t>(about.height) * about.width;
  Prepared result{std::vector<float>(about.channels * plane), image.height, image.width};
  for (int c = 0; c < image.channels; c++) {
    const float mean = 255 * about.mean[c], std = 255 * about.std[c];
    for (int y = 0; y < image.height; y++) {
      float *row = result.values.data() + c * plane + static_cast<size_t>(y) * about.width;
      for (int x = 0; x < image.width; x++) {
        row[x] = (image.Row(y)[x * image.channels + c] - mean) / std;
      }
    }
  }
  return result;
}
