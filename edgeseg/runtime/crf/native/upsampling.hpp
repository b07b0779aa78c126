// Turn logits on a network's coarse grid into logits of the frame's pixels, a row of tiles at a time.

#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

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

// One thread's view of a grid: the rows of samples that a row of tiles lies between, already interpolated.
class Upsampling {
 public:
  Upsampling(const Grid& grid, const Tiling& tiling, const std::vector<int>& labels)
      : grid_(grid), tiling_(tiling), labels_(labels) {
    if (!grid.rows) return;
    lines_.resize(labels.size() * kSide * grid.width);
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
        float* line = &lines_[(c * kSide + dy) * grid_.width];
        for (int x = 0; x < grid_.width; ++x) line[x] = upper[x] + (lower[x] - upper[x]) * at.weight;
      }
  }

  // Writes the logits of labels[channel] for a tile's 16 pixels.
  void read(size_t channel, int column, float* logits) const {
    if (!grid_.rows) {
      const float* plane = grid_.logits + labels_[channel] * grid_.samples();
      for (int i = 0; i < kPixels; ++i)
        logits[i] = plane[tiling_.at(row_ * kSide + i / kSide, column * kSide + i % kSide)];
      return;
    }
    for (int dy = 0; dy < kSide; ++dy)
      for (int dx = 0; dx < kSide; ++dx) {
        const Point& at = columns_[column * kSide + dx];
        const float* value = &lines_[(channel * kSide + dy) * grid_.width + at.first];
        logits[dy * kSide + dx] = value[0] + (value[at.next] - value[0]) * at.weight;
      }
  }

 private:
  // A sample and the next one, which counts with `weight`; `next` is 0 at the end of the grid.
  struct Point {
    int first, next;
    float weight;
  };
  static Point between(float position, int count) {
    const float inside = std::min(std::max(position, 0.0f), count - 1.0f);
    const int first = static_cast<int>(inside);
    return {first, first + 1 < count ? 1 : 0, inside - first};
  }

  const Grid& grid_;
  const Tiling& tiling_;
  const std::vector<int>& labels_;
  std::vector<float> lines_;  // (labels, 4, grid width)
  std::vector<Point> columns_;
  int row_ = 0;
};

}  // namespace edgeseg
