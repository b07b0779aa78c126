// Turn logits on a network's coarse grid into logits of the frame's pixels, a row of tiles at a time.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "arrays.hpp"
#include "channels.hpp"
#include "tiles.hpp"

namespace edgeseg {

// Logits (labels, height, width), and where the frame's pixels lie on that grid: centres at whole numbers, the edge's
// own value beyond it. Without positions the grid is the frame's.
struct Grid {
  const float* logits;
  int height, width;
  const float* rows;     // (frame height,) or null
  const float* columns;  // (frame width,)

  size_t samples() const { return static_cast<size_t>(height) * width; }
};

// One thread's view of a grid: the samples that a row of tiles lies between, already interpolated from above to below,
// `stride` values for each: of every label, and kNowhere for the others.
class Upsampling {
 public:
  static constexpr float kNowhere = -1e30f;  // below every logit

  Upsampling(const Grid& grid, const Tiling& tiling, const std::vector<int>& labels, int stride)
      : grid_(grid), tiling_(tiling), labels_(labels), stride_(stride) {
    if (!grid.rows) return;
    lines_.assign(static_cast<size_t>(kSide) * grid.width * stride, kNowhere);
    for (int x = 0; x < tiling.columns * kSide; ++x)
      columns_.push_back(between(grid.columns[std::min(x, tiling.width - 1)], grid.width));
  }

  void enter_row(int row) {
    row_ = row;
    if (!grid_.rows) return;
    for (size_t c = 0; c < labels_.size(); ++c)
      for (int dy = 0; dy < kSide; ++dy) {
        const Point at = between(grid_.rows[std::min(row * kSide + dy, tiling_.height - 1)], grid_.height);
        const float* upper = grid_.logits + labels_[c] * grid_.samples() + static_cast<size_t>(at.first) * grid_.width;
        const float* lower = upper + at.next * grid_.width;
        float* line = &lines_[static_cast<size_t>(dy) * grid_.width * stride_ + c];
        for (int x = 0; x < grid_.width; ++x) line[x * stride_] = upper[x] + (lower[x] - upper[x]) * at.weight;
      }
  }

  // Writes the logits of labels[channel] for a tile's 16 pixels.
  void read(size_t channel, int column, float* logits) const {
    const int y = row_ * kSide, x = column * kSide;
    if (grid_.rows) {
      for (int i = 0; i < kPixels; ++i) {
        const Point& at = columns_[x + i % kSide];
        const float* value = sample(i / kSide, at) + channel;
        logits[i] = value[0] + (value[at.next * stride_] - value[0]) * at.weight;
      }
      return;
    }
    const float* plane = grid_.logits + labels_[channel] * grid_.samples();
    if (tiling_.inside(y + kSide - 1, x + kSide - 1))
      for (int dy = 0; dy < kSide; ++dy)
        std::memcpy(logits + dy * kSide, plane + static_cast<size_t>(y + dy) * tiling_.width + x, sizeof(float) * kSide);
    else
      for (int i = 0; i < kPixels; ++i) logits[i] = plane[tiling_.at(y + i / kSide, x + i % kSide)];
  }

  // Writes the logits of all labels for a tile's 16 pixels, (16, C); C is the stride.
  template <int C>
  void read_all(int column, float (*logits)[C]) const {
    static_assert(C % 4 == 0 && kSide == 4, "channels and pixels are turned four by four");
    const int y = row_ * kSide, x = column * kSide, channels = static_cast<int>(labels_.size());
    if (grid_.rows) {
      for (int i = 0; i < kPixels; ++i) {
        const Point& at = columns_[x + i % kSide];
        const float* value = sample(i / kSide, at);
        Channels<C> logit;
        logit.add(1.0f - at.weight, value);
        logit.add(at.weight, value + at.next * C);
        logit.write(logits[i]);
      }
      return;
    }
    int c = 0;
    if (tiling_.inside(y + kSide - 1, x + kSide - 1))
      for (; c + 4 <= channels; c += 4) {
        const float* plane[4];
        for (int k = 0; k < 4; ++k)
          plane[k] = grid_.logits + labels_[c + k] * grid_.samples() + static_cast<size_t>(y) * tiling_.width + x;
        for (int dy = 0; dy < kSide; ++dy) {
          Quad values[4];
          for (int k = 0; k < 4; ++k)
            values[k] = *reinterpret_cast<const LooseQuad*>(plane[k] + static_cast<size_t>(dy) * tiling_.width);
          transpose(values);
          for (int dx = 0; dx < kSide; ++dx) *reinterpret_cast<LooseQuad*>(logits[dy * kSide + dx] + c) = values[dx];
        }
      }
    for (; c < C; ++c) {
      alignas(64) float one[kPixels];
      if (c < channels) read(c, column, one);
      else std::fill_n(one, kPixels, kNowhere);
      for (int i = 0; i < kPixels; ++i) logits[i][c] = one[i];
    }
  }

 private:
  // A sample and the next one, which counts with `weight`; `next` is 0 at the end of the grid.
  struct Point {
    int first, next;
    float weight;
  };
  const float* sample(int dy, const Point& at) const {
    return &lines_[(static_cast<size_t>(dy) * grid_.width + at.first) * stride_];
  }
  static Point between(float position, int count) {
    const float inside = std::min(std::max(position, 0.0f), count - 1.0f);
    const int first = static_cast<int>(inside);
    return {first, first + 1 < count ? 1 : 0, inside - first};
  }

  const Grid& grid_;
  const Tiling& tiling_;
  const std::vector<int>& labels_;
  const int stride_;
  Array<float> lines_;  // (4, grid width, stride)
  std::vector<Point> columns_;
  int row_ = 0;
};

}  // namespace edgeseg
