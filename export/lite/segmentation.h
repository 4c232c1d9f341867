// Segmentation: the whole image, and the share of each class in its pixels.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "preprocess.h"

// Resizes without antialiasing, as OpenCV does; opencv_images.h has it.
Image ResizedByOpenCv(const Image &image, int width, int height, const std::string &interpolation);

// Resizes without antialiasing, as segmenters are trained, and fills up.
inline Prepared Stretched(const Image &image, const SideCar &about) {
  const auto up = [divisor = SizeAt(about.preprocess, "size_divisor")](int side) {
    return (side + divisor - 1) / divisor * divisor;
  };
  const auto [width, height] = KeepRatio(image.width, image.height, about.preprocess);
  if (up(height) > about.height || up(width) > about.width) {
    const auto [wide, high] = Fitting(image, about);
    return Normalised(ResizedByOpenCv(image, wide, high, about.interpolation), about);
  }
  const Image resized = ResizedByOpenCv(image, width, height, about.interpolation);
  return Normalised(ResizedByOpenCv(resized, up(width), up(height), about.interpolation), about);
}

// The share of each class in the pixels of the image.
inline Json LabelShares(const std::vector<Array> &outputs, const Prepared &prepared,
                        const Image &image, const SideCar &about) {
  const Array &labels = outputs[0];
  Require(labels.shape.size() == 2, "this file has logits as output; this sample reads labels.");
  Require(labels.shape[0] >= prepared.height && labels.shape[1] >= prepared.width,
          "the labels are smaller than the image in the input.");
  // The place in the labels of each row or column of the image.
  const auto places = [](int size, int side) {
    std::vector<int64_t> found;
    for (int i = 0; i < size; i++) {
      found.push_back(static_cast<int64_t>(std::min((i + 0.5) * side / size, side - 1.0)));
    }
    return found;
  };
  const auto columns = places(image.width, prepared.width);
  std::map<int64_t, int64_t> counts;
  for (int64_t row : places(image.height, prepared.height)) {
    for (int64_t column : columns) {
      counts[static_cast<int64_t>(labels.values[row * labels.shape[1] + column])]++;
    }
  }
  std::vector<std::pair<int64_t, int64_t>> order(counts.begin(), counts.end());
  std::stable_sort(order.begin(), order.end(),
                   [](const auto &a, const auto &b) { return a.second > b.second; });
  const double pixels = static_cast<double>(image.width) * image.height;
  Json classes = Json::array();
  for (const auto &[label, count] : order) {
    classes.push_back({{"class", NameOf(about, label)}, {"share", count / pixels}});
  }
  return {{"classes", classes}};
}
