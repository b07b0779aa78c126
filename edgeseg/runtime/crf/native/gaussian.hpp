// Turn values on a pixel grid into their Gaussian average, on a coarser grid where the Gaussian is wide.

#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "tiles.hpp"
#include "workers.hpp"

namespace edgeseg {

// How the pixels of one axis share the cells of the coarser grid.
struct Axis {
  int cells = 0;
  std::vector<int> first;         // (pixels,) of the two cells a pixel is interpolated from
  std::vector<float> second;      // (pixels,) weight of the next cell
  std::vector<float> norm;        // (pixels,) by what filtering ones gives; a pixel's is the product of both axes'
};

// A separable Gaussian that is splatted into cells of `factor` pixels, blurred, and read off by interpolation.
class Gaussian {
 public:
  // `width` is the standard deviation in pixels.
  template <typename Norm>
  void prepare(const Tiling& tiling, float width, const Norm& norm) {
    width = std::min(std::max(width, kNarrowest), kWidest * std::max(tiling.height, tiling.width));
    factor_ = 1;
    while (factor_ * 2 * kLeastCells <= width && factor_ < kLargestFactor) factor_ *= 2;
    const float f = static_cast<float>(factor_);
    float variance = width * width / (f * f);
    if (factor_ > 1) variance -= (1.0f - 1.0f / (f * f)) / 12.0f + 1.0f / 6.0f;  // the cells' box, and interpolation
    const int reach = std::min(static_cast<int>(std::ceil(3.0f * std::sqrt(variance))), std::max(tiling.height, tiling.width));
    taps_.resize(reach + 1);
    float sum = 0.0f;
    for (int i = 0; i <= reach; ++i) {
      taps_[i] = std::exp(-0.5f * i * i / variance);
      sum += (i ? 2.0f : 1.0f) * taps_[i];
    }
    for (float& tap : taps_) tap /= sum;
    area_ = sum * sum;
    rows = lay_out(tiling.height, tiling.rows * kSide, norm);
    columns = lay_out(tiling.width, tiling.columns * kSide, norm);
  }

  size_t cells() const { return static_cast<size_t>(rows.cells) * columns.cells; }
  size_t cell(int y, int x) const { return static_cast<size_t>(y / factor_) * columns.cells + x / factor_; }
  int factor() const { return factor_; }
  // What a pixel's value is multiplied with before the filter, and after it.
  template <typename Norm>
  float in(const Norm& norm, int y, int x) const {
    return norm.before ? rows.norm[y] * columns.norm[x] : 1.0f;
  }
  template <typename Norm>
  float out(const Norm& norm, int y, int x) const {
    return norm.after ? rows.norm[y] * columns.norm[x] : norm.before ? 1.0f : area();
  }
  // Of the Gaussian with peak 1: what the weights, which sum to 1 here, would sum to.
  float area() const { return area_ * factor_ * factor_; }

  // Blur (cells, C) values.
  template <int C>
  void blur(const float* from, float* to, Workers& workers) {
    const size_t length = static_cast<size_t>(columns.cells) * C;
    lines_.resize(length * workers.count());
    const int reach = static_cast<int>(taps_.size()) - 1;
    workers.run([&](int part) {
      float* line = lines_.data() + length * part;
      const int end = rows.cells * (part + 1) / workers.count();
      for (int y = rows.cells * part / workers.count(); y < end; ++y) {
        std::fill(line, line + length, 0.0f);
        for (int i = std::max(-reach, -y); i <= std::min(reach, rows.cells - 1 - y); ++i)
          add(line, from + (y + i) * length, taps_[std::abs(i)], length);
        float* out = to + y * length;
        std::fill(out, out + length, 0.0f);
        for (int i = std::max(-reach, 1 - columns.cells); i <= std::min(reach, columns.cells - 1); ++i) {
          const size_t shift = static_cast<size_t>(std::abs(i)) * C;
          add(out + (i < 0 ? shift : 0), line + (i < 0 ? 0 : shift), taps_[std::abs(i)], length - shift);
        }
      }
    });
  }

  Axis rows, columns;

 private:
  static constexpr float kLeastCells = 1.4f;  // standard deviation on the coarser grid
  static constexpr int kLargestFactor = 8;
  static constexpr float kNarrowest = 0.05f;  // pixels; the next pixel's weight is 0 from here on
  static constexpr float kWidest = 100.0f;    // sides of the image; all weights are 1 from here on

  static void add(float* __restrict__ to, const float* __restrict__ from, float weight, size_t count) {
    for (size_t i = 0; i < count; ++i) to[i] += weight * from[i];
  }

  template <typename Norm>
  Axis lay_out(int pixels, int padded, const Norm& norm) const {
    Axis axis;
    axis.cells = (pixels + factor_ - 1) / factor_;
    std::vector<float> held(axis.cells, 0.0f), blurred(axis.cells + 1, 0.0f);
    for (int i = 0; i < pixels; ++i) held[i / factor_] += 1.0f;
    const int reach = static_cast<int>(taps_.size()) - 1;
    for (int i = 0; i < axis.cells; ++i)
      for (int j = std::max(0, i - reach); j <= std::min(axis.cells - 1, i + reach); ++j)
        blurred[i] += taps_[std::abs(i - j)] * held[j];
    for (int i = 0; i < padded; ++i) {
      float at = (std::min(i, pixels - 1) + 0.5f) / factor_ - 0.5f;
      at = std::min(std::max(at, 0.0f), axis.cells - 1.0f);
      const int first = std::min(static_cast<int>(at), std::max(axis.cells - 2, 0));
      axis.first.push_back(first);
      axis.second.push_back(at - first);
      axis.norm.push_back(norm.of(blurred[first] + (blurred[first + 1] - blurred[first]) * (at - first)));
    }
    return axis;
  }

  int factor_ = 1;
  float area_ = 1.0f;
  std::vector<float> taps_;   // one side, the middle first
  std::vector<float> lines_;  // one row of cells a thread
};

}  // namespace edgeseg
