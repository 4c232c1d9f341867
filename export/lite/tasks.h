// The tasks: how each prepares an image, and what it reads in the outputs.
#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "classification.h"
#include "detection.h"
#include "segmentation.h"

struct Task {
  Prepared (*prepare)(const Image &, const SideCar &);
  Json (*interpret)(const std::vector<Array> &, const Prepared &, const Image &, const SideCar &);
};

inline Task TaskOf(const SideCar &about) {
  static const std::map<std::string, Task> tasks{
      {"classification", {CentreCrop, Ranked}},
      {"detection", {Fitted, Found}},
      {"segmentation", {Stretched, LabelShares}},
  };
  const auto found = tasks.find(about.task);
  Require(found != tasks.end(), "this sample does not know the task '" + about.task + "'.");
  return found->second;
}
