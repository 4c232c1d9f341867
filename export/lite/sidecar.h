// The metadata file (side-car) that `acmix export` writes beside a network: net.mindir.json.
#pragma once

#include <algorithm>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "data.h"

struct SideCar {
  std::string task;
  std::vector<std::string> classes;
  int batch;  // images of a call; 0 for any number
  int channels, height, width;
  Json preprocess;               // the evaluation transform; each task reads its own keys
  std::vector<float> mean, std;  // per channel, of pixels scaled to 0..1
  std::string interpolation;     // nearest, bilinear, bicubic or lanczos
};

inline void Require(bool condition, const std::string &message) {
  if (!condition) throw std::runtime_error(message);
}

// A size in pixels among the keys of the transform.
inline int SizeAt(const Json &settings, const char *key) {
  const Json &value = settings.at(key);
  Require(value.is_number_integer() && value >= 1 && value <= 65536,
          std::string("'") + key + "' must be from 1 to 65536, not " + value.dump());
  return value;
}

inline SideCar FromJson(const Json &json) {
  SideCar about;
  about.task = json.at("task");
  about.classes = json.at("classes").get<std::vector<std::string>>();
  const Json &shape = json.at("input_shape");
  Require(shape.is_array() && shape.size() == 4, "'input_shape' must be four sizes");
  about.batch = shape[0].is_null() ? 0 : shape[0].get<int>();
  about.channels = shape[1];
  about.height = shape[2];
  about.width = shape[3];
  Require(about.batch >= 0 && about.batch <= 4096 && about.height >= 1 && about.height <= 65536 &&
              about.width >= 1 && about.width <= 65536,
          "'input_shape' holds a size out of range: " + shape.dump());
  Require(json.at("input_dtype") == "float32", "'input_dtype' must be 'float32'");
  about.preprocess = json.at("preprocess");
  about.mean = about.preprocess.at("mean").get<std::vector<float>>();
  about.std = about.preprocess.at("std").get<std::vector<float>>();
  about.interpolation = about.preprocess.at("interpolation");
  const size_t channels = SizeAt(about.preprocess, "channels");
  Require((channels == 1 || channels == 3) && about.channels == static_cast<int>(channels) &&
              about.mean.size() == channels && about.std.size() == channels,
          "'channels' must be 1 or 3, that of 'input_shape', 'mean' and 'std'");
  Require(std::all_of(about.std.begin(), about.std.end(), [](float value) { return value > 0; }),
          "'std' must be above 0");
  return about;
}

// Reads the side-car of a network. Throws std::runtime_error if there is none or a key is wrong.
inline SideCar ReadSideCar(const std::string &network) {
  const std::string path = network + ".json";
  std::ifstream file(path);
  Require(file.good(), path + " cannot be read: copy the side-car along with the network.");
  try {
    return FromJson(Json::parse(file));
  } catch (const std::exception &error) {
    throw std::runtime_error(path + ": " + error.what() + "; export again.");
  }
}

// A class name; a network may have more outputs than the data had classes.
inline std::string NameOf(const SideCar &about, size_t label) {
  return label < about.classes.size() ? about.classes[label] : "class " + std::to_string(label);
}
