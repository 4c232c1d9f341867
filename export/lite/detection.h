// Detection: the whole image, and the objects in it. The exported graph has suppressed boxes.
#pragma once

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include "preprocess.h"
#include "resample.h"

constexpr float kScore = 0.3f;  // of the least certain object that is shown

// Resizes without distortion and fills up at the right and at the bottom.
inline Prepared Fitted(const Image &image, const SideCar &about) {
  auto [width, height] = KeepRatio(image.width, image.height, about.preprocess);
  if (height > about.height || width > about.width) {
    std::tie(width, height) = Fitting(image, about);
  }
  return Normalised(Resized(image, width, height, about.interpolation), about);
}

// Pixels of the image below an object's mask (size, size), which is stretched over its box
// (x1, y1, x2, y2), read bilinearly, and zero outside.
inline int64_t MaskPixels(const float *mask, int size, const float *box, const Image &image) {
  const double left = box[0], top = box[1], width = box[2] - left, height = box[3] - top;
  if (!(width > 0 && height > 0)) return 0;
  // Weighs the values at `place`, counted from the middle of the first.
  const auto mix = [size](double place, auto value_at) {
    const int low = static_cast<int>(std::floor(place));
    const float share = static_cast<float>(place - low);
    float mixed = 0;
    if (low >= 0) mixed += (1 - share) * value_at(low);
    if (low + 1 < size) mixed += share * value_at(low + 1);
    return mixed;
  };
  int64_t count = 0;
  std::vector<float> row(size);
  for (int y = 0; y < image.height; y++) {
    const double down = (y + 0.5 - top) / height * size - 0.5;
    if (down <= -1 || down >= size) continue;
    for (int k = 0; k < size; k++) {
      row[k] = mix(down, [&](int line) { return mask[line * size + k]; });
    }
    for (int x = 0; x < image.width; x++) {
      const double across = (x + 0.5 - left) / width * size - 0.5;
      if (across <= -1 || across >= size) continue;
      count += mix(across, [&](int k) { return row[k]; }) >= 0.5f;
    }
  }
  return count;
}

// The objects above the score, with their boxes in the image, and pixels of masks.
inline Json Found(const std::vector<Array> &outputs, const Prepared &prepared, const Image &image,
                  const SideCar &about) {
  Require(outputs.size() >= 3, "this file ends at the anchors (--raw): export it without --raw.");
  const Array &boxes = outputs[0], &scores = outputs[1], &labels = outputs[2];
  const size_t count = scores.values.size();
  Require(boxes.values.size() == 4 * count && labels.values.size() == count,
          "the outputs are not boxes, scores and labels, in this order.");
  const Array *masks = outputs.size() > 3 ? &outputs[3] : nullptr;
  const int size = masks ? masks->shape.back() : 0;
  Require(!masks || masks->values.size() == count * size * size, "the masks are not square.");
  const float scale_x = static_cast<float>(static_cast<double>(prepared.width) / image.width);
  const float scale_y = static_cast<float>(static_cast<double>(prepared.height) / image.height);

  Json objects = Json::array();
  for (size_t i = 0; i < count; i++) {
    if (labels.values[i] < 0 || !(scores.values[i] >= kScore)) continue;  // filled up, or unsure
    const float *in_input = &boxes.values[4 * i];
    const float box[] = {in_input[0] / scale_x, in_input[1] / scale_y, in_input[2] / scale_x,
                         in_input[3] / scale_y};
    Json cut = Json::array();
    for (int side = 0; side < 4; side++) {
      const float limit = side % 2 ? image.height : image.width;
      cut.push_back(std::clamp(box[side], 0.0f, limit));
    }
    Json object{{"class", NameOf(about, static_cast<size_t>(labels.values[i]))},
                {"score", scores.values[i]},
                {"box", cut}};
    if (masks) object["pixels"] = MaskPixels(&masks->values[i * size * size], size, box, image);
    objects.push_back(object);
  }
  return {{"objects", objects}};
}
