// Classification: the middle of the image, and its most probable classes.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "preprocess.h"
#include "resample.h"

constexpr size_t kTop = 5;  // classes that are shown

// Resamples the middle of the image to the network's size.
inline Prepared CentreCrop(const Image &image, const SideCar &about) {
  const double share = about.preprocess.at("crop_pct");
  Require(share > 0 && share <= 1, "'crop_pct' must be above 0 and at most 1");
  const int size = SizeAt(about.preprocess, "image_size");
  Require(size == about.height && size == about.width,
          "'image_size' and 'input_shape' differ; export again.");
  const double side = std::min(image.width, image.height) * share;
  const double left = (image.width - side) / 2, top = (image.height - side) / 2;
  const Box box{static_cast<float>(left), static_cast<float>(top),
                static_cast<float>(left + side), static_cast<float>(top + side)};
  return Normalised(Resized(image, box, size, size, about.interpolation), about);
}

// The most probable classes.
inline Json Ranked(const std::vector<Array> &outputs, const Prepared &, const Image &,
                   const SideCar &about) {
  const std::vector<float> &logits = outputs[0].values;
  Require(!logits.empty(), "the network has no logits.");
  const double highest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> probability;
  for (float logit : logits) probability.push_back(std::exp(logit - highest));
  const double sum = std::accumulate(probability.begin(), probability.end(), 0.0);

  std::vector<size_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return probability[a] > probability[b]; });
  order.resize(std::min(kTop, order.size()));

  Json found{{"classes", Json::array()}, {"probabilities", Json::array()}};
  for (size_t k : order) {
    found["classes"].push_back(NameOf(about, k));
    found["probabilities"].push_back(probability[k] / sum);
  }
  return found;
}
