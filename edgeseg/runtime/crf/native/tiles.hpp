// Say in which order pixels are kept: in tiles of 4 x 4, which share lattice vertices, and settle together.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace edgeseg {

constexpr int kSide = 4;
constexpr int kPixels = kSide * kSide;

// An image cut into tiles, row by row. Tiles may reach over the right and lower edge. Where `chosen` (rows, columns) is
// given, the tiles of which it is 0 take no part: nobody hears them, and they hear nobody.
struct Tiling {
  int height = 0, width = 0;
  int rows = 0, columns = 0;  // of tiles
  const uint8_t* chosen = nullptr;

  Tiling() = default;
  Tiling(int height, int width, const uint8_t* chosen)
      : height(height),
        width(width),
        rows((height + kSide - 1) / kSide),
        columns((width + kSide - 1) / kSide),
        chosen(chosen) {}

  size_t tiles() const { return static_cast<size_t>(rows) * columns; }
  size_t pixels() const { return tiles() * kPixels; }
  bool takes_part(size_t tile) const { return !chosen || chosen[tile]; }
  bool inside(int y, int x) const { return y < height && x < width; }
  // Where a pixel of the image lies in its planes; beyond an edge stands the edge's own pixel.
  size_t at(int y, int x) const {
    return static_cast<size_t>(std::min(y, height - 1)) * width + std::min(x, width - 1);
  }
};

// The tiles' rows cut into as many strips as there are threads: each works on one.
struct Strips {
  std::vector<int> edges;  // rows at which strips begin, and the end

  // Cuts rows at multiples of `step` into `count` strips of about the same sum of `work` (rows,).
  Strips(const std::vector<uint32_t>& work, int count, int step) : edges(1, 0) {
    uint64_t all = 0, before = 0;
    for (uint32_t each : work) all += each;
    const int rows = static_cast<int>(work.size());
    for (int row = 1; row < rows; ++row) {
      before += work[row - 1];
      if (row % step == 0 && static_cast<int>(edges.size()) < count && before * count >= all * edges.size())
        edges.push_back(row);
    }
    edges.push_back(rows);
  }
  Strips() : edges{0, 0} {}

  int count() const { return static_cast<int>(edges.size()) - 1; }
  int of(int row) const {
    return static_cast<int>(std::upper_bound(edges.begin() + 1, edges.end() - 1, row) - edges.begin()) - 1;
  }
};

// A tile of an image, by its number, row and column; its pixels are numbered line by line.
struct Tile {
  size_t number;
  int row, column;

  int y(int i) const { return row * kSide + i / kSide; }
  int x(int i) const { return column * kSide + i % kSide; }
};

}  // namespace edgeseg
