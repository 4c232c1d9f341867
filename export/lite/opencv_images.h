// What this program takes from OpenCV: reading image files, and resizing without antialiasing.
#pragma once

#include <map>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <string>

#include "data.h"
#include "sidecar.h"

// Reads an image file, upright by its EXIF mark, as grey (1 channel) or as red, green, blue (3).
inline Image ReadImage(const std::string &file, int channels) {
  const cv::Mat pixels = cv::imread(file, cv::IMREAD_COLOR);  // blue, green, red
  Require(!pixels.empty(), file + " is no image that OpenCV can read.");
  Image image(pixels.rows, pixels.cols, channels);
  for (int y = 0; y < image.height; y++) {
    const auto *source = pixels.ptr<cv::Vec3b>(y);
    uint8_t *target = image.Row(y);
    for (int x = 0; x < image.width; x++) {
      const int blue = source[x][0], green = source[x][1], red = source[x][2];
      if (channels == 1) {  // Rec. 601, in fixed point as in Pillow
        *target++ = (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16;
      } else {
        *target++ = red;
        *target++ = green;
        *target++ = blue;
      }
    }
  }
  return image;
}

// Resizes without antialiasing.
inline Image ResizedByOpenCv(const Image &image, int width, int height,
                             const std::string &interpolation) {
  static const std::map<std::string, int> filters{{"nearest", cv::INTER_NEAREST},
                                                  {"bilinear", cv::INTER_LINEAR},
                                                  {"bicubic", cv::INTER_CUBIC},
                                                  {"lanczos", cv::INTER_LANCZOS4}};
  const auto filter = filters.find(interpolation);
  Require(filter != filters.end(), "'interpolation' is unknown: '" + interpolation + "'");
  Image result(height, width, image.channels);
  const int type = CV_8UC(image.channels);
  const cv::Mat source(image.height, image.width, type, const_cast<uint8_t *>(image.Row(0)));
  cv::Mat target(height, width, type, result.Row(0));
  cv::resize(source, target, target.size(), 0, 0, filter->second);
  return result;
}
