// Turn values on a pixel grid into their Gaussian average, on a coarser grid where the Gaussian is wide.

#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "arrays.hpp"
#include "channels.hpp"
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
    shift_ = 0;
    while (static_cast<float>(2 << shift_) * kLeastCells <= width && 1 << shift_ < kLargestFactor) ++shift_;
    factor_ = 1 << shift_;
    const float f = static_cast<float>(factor_), wanted = width * width / (f * f);
    float variance = wanted;
    if (factor_ > 1) variance -= (1.0f - 1.0f / (f * f)) / 12.0f + 1.0f / 6.0f;  // the cells' box, and interpolation
    const int reach = std::min(static_cast<int>(std::lround(3.0f * std::sqrt(variance))), std::max(tiling.height, tiling.width));
    taps_.resize(reach + 1);
    float sum = 0.0f;
    for (int i = 0; i <= reach; ++i) {
      taps_[i] = std::exp(-0.5f * i * i / variance);
      sum += (i ? 2.0f : 1.0f) * taps_[i];
    }
    for (float& tap : taps_) tap /= sum;
    gain_ = sum * sum * wanted / variance;
    rows = lay_out(tiling.height, tiling.rows * kSide, norm);
    columns = lay_out(tiling.width, tiling.columns * kSide, norm);
  }

  size_t cells() const { return static_cast<size_t>(rows.cells) * columns.cells; }
  size_t cell(int y, int x) const { return static_cast<size_t>(y >> shift_) * columns.cells + (x >> shift_); }
  int factor() const { return factor_; }
  float gain() const { return gain_; }

  // Blur (cells, C) values.
  template <int C>
  void blur(const float* from, float* to, Workers& workers) {
    const size_t length = static_cast<size_t>(columns.cells) * C;
    const int reach = static_cast<int>(taps_.size()) - 1;
    const int across = std::min(reach, columns.cells - 1);
    const size_t margin = static_cast<size_t>(across) * C;
    const float* taps = taps_.data();
    const size_t whole = length + 2 * margin;
    lines_.assign(whole * workers.count(), 0.0f);
    workers.each(workers.count(), [&](int part) {
      float* line = lines_.data() + whole * part + margin;
      const int end = rows.cells * (part + 1) / workers.count();
      for (int y = rows.cells * part / workers.count(); y < end; ++y) {
        const int first = std::max(0, y - reach), last = std::min(rows.cells - 1, y + reach);
        each_chunk(length, [&, taps](size_t at, auto& sum) {
          const float* value = from + first * length + at;
          for (int i = first; i <= last; ++i, value += length) sum.add(taps[std::abs(i - y)], value);
          sum.write(line + at);
        });
        each_chunk(length, [&, taps](size_t at, auto& sum) {
          sum.add(taps[0], line + at);
          const float *before = line + at - C, *after = line + at + C;
          for (int i = 1; i <= across; ++i, before -= C, after += C) sum.add(taps[i], before), sum.add(taps[i], after);
          sum.write(to + y * length + at);
        });
      }
    });
  }

  Axis rows, columns;

 private:
  static constexpr float kLeastCells = 1.4f;  // standard deviation on the coarser grid
  static constexpr int kLargestFactor = 8;
  static constexpr float kNarrowest = 0.05f;  // pixels; the next pixel's weight is 0 from here on
  static constexpr float kWidest = 100.0f;    // sides of the image; all weights are 1 from here on

  // Calls work(at, zeros) for consecutive pieces of a line, as many values as `zeros` has channels.
  template <typename Work>
  static void each_chunk(size_t length, const Work& work) {
    constexpr int kChunk = 64;
    size_t at = 0;
    for (; at + kChunk <= length; at += kChunk) {
      Channels<kChunk> zeros;
      work(at, zeros);
    }
    for (; at < length; ++at) {
      Channels<1> zeros;
      work(at, zeros);
    }
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

  int factor_ = 1, shift_ = 0;  // 2^shift_
  float gain_ = 1.0f;         // by which weights that sum to 1 over the cells fall short of the Gaussian with peak 1
  std::vector<float> taps_;   // one side, the middle first
  Array<float> lines_;       // one row of cells a thread
};

}  // namespace edgeseg
