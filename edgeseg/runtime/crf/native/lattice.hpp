// Turn an image into a permutohedral lattice, on which a Gaussian over position and colour is a short blur.
//
// After Adams, Baek and Davis, "Fast High-Dimensional Filtering Using the Permutohedral Lattice", 2010. A pixel is
// a point in 5 dimensions, (x, y, blue, green, red) over the kernel's widths. It lies in a simplex of lattice vertices,
// and belongs to each with its barycentric weight; the lightest of six is left out. Filtering is: add the
// pixels to their vertices (splat), blur along the lattice's 6 axes, read the pixels off again (slice).

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "simplex.hpp"
#include "tiles.hpp"
#include "vertices.hpp"
#include "workers.hpp"

namespace edgeseg {

// Where the pixels of a tile lie in the lattice. Vertex 0 does not exist, and stays 0.
struct Places {
  uint32_t vertex[kKept][kPixels];
  float weight[kKept][kPixels];  // all 0 outside the image
};

class Lattice {
 public:
  // Place all pixels of an image (height, width, 3); widths in pixels and in grey levels.
  void build(const uint8_t* image, const Tiling& tiling, float position_width, float colour_width, Workers& workers);

  size_t vertices() const { return bands_[0].count() + 1; }  // with vertex 0
  const Places& places(size_t tile) const { return places_[tile]; }

  // Blur values (vertices, C) along all axes, in place.
  template <int C>
  void blur(float* values, Workers& workers) const;

 private:
  // Widths below tell apart what differs at all.
  static constexpr float kNarrowest = 0.25f, kMostWidths = 1 << 16;

  void place(const uint8_t* image, const Tiling& tiling, int row);
  void chain(int axis);

  Simplices simplices_;
  std::vector<Places> places_;
  std::vector<Vertices> bands_;                 // of each thread; the first has all in the end
  std::vector<uint32_t> chains_[kCorners];      // along each axis: neighbours in order, 0 between chains
  std::vector<uint32_t> after_[kCorners];       // (vertices,) the neighbour, or 0
  std::vector<uint8_t> follows_[kCorners];      // (vertices,)
};

inline void Lattice::build(const uint8_t* image, const Tiling& tiling, float position_width, float colour_width,
                           Workers& workers) {
  const float height = static_cast<float>(tiling.rows * kSide), width = static_cast<float>(tiling.columns * kSide);
  const float position = std::max({position_width, kNarrowest, std::max(height, width) / kMostWidths});
  const float colour = std::max(colour_width, kNarrowest);
  const float widths[kDimensions] = {position, position, colour, colour, colour};
  const float largest[kDimensions] = {width, height, 255.0f, 255.0f, 255.0f};
  simplices_.lay_out(widths, largest);
  places_.resize(tiling.tiles());
  bands_.resize(workers.count());
  workers.run([&](int part) {
    bands_[part].clear(simplices_.range());
    const size_t last = static_cast<size_t>(tiling.rows) * (part + 1) / workers.count();
    for (size_t row = static_cast<size_t>(tiling.rows) * part / workers.count(); row < last; ++row) {
      place(image, tiling, static_cast<int>(row));
      for (size_t tile = row * tiling.columns; tile < (row + 1) * tiling.columns; ++tile)
        for (const auto& keys : places_[tile].vertex)
          for (uint32_t key : keys) bands_[part].add(key);
    }
  });
  for (size_t part = 1; part < bands_.size(); ++part) bands_[0].add(bands_[part]);
  bands_[0].number_all();
  workers.run([&](int part) {
    for (int axis = part; axis < kCorners; axis += workers.count()) chain(axis);
  });
  workers.split(tiling.tiles(), [&](size_t begin, size_t end) {
    for (size_t tile = begin; tile < end; ++tile)
      for (auto& vertices : places_[tile].vertex)
        for (uint32_t& vertex : vertices) vertex = bands_[0].number(vertex);
  });
}

inline void Lattice::place(const uint8_t* image, const Tiling& tiling, int row) {
  for (int column = 0; column < tiling.columns; ++column) {
    Places& places = places_[static_cast<size_t>(row) * tiling.columns + column];
    for (int first = 0; first < kPixels; first += kLanes) {
      alignas(32) float point[kDimensions][kLanes];
      for (int lane = 0; lane < kLanes; ++lane) {
        const int y = row * kSide + (first + lane) / kSide, x = column * kSide + (first + lane) % kSide;
        const uint8_t* pixel = image + tiling.at(y, x) * 3;
        point[0][lane] = static_cast<float>(x);
        point[1][lane] = static_cast<float>(y);
        for (int c = 0; c < 3; ++c) point[2 + c][lane] = pixel[c];
      }
      Floats points[kDimensions];
      std::memcpy(points, point, sizeof points);
      const Corners corners = simplices_.find(points);
      for (int k = 0; k < kKept; ++k) {
        std::memcpy(&places.vertex[k][first], &corners.key[k], sizeof corners.key[k]);
        std::memcpy(&places.weight[k][first], &corners.weight[k], sizeof corners.weight[k]);
      }
    }
    for (int i = 0; i < kPixels; ++i)
      if (!tiling.inside(row * kSide + i / kSide, column * kSide + i % kSide))
        for (auto& weight : places.weight) weight[i] = 0.0f;
  }
}

// List the vertices that have a neighbour along an axis, each behind the one before it.
inline void Lattice::chain(int axis) {
  auto& after = after_[axis];
  auto& follows = follows_[axis];
  after.assign(vertices(), 0);
  follows.assign(vertices(), 0);
  bands_[0].pairs(simplices_.step(axis), [&](uint32_t vertex, uint32_t next) {
    after[vertex] = next;
    follows[next] = 1;
  });
  auto& chains = chains_[axis];
  chains.assign(1, 0);
  for (uint32_t vertex = 1; vertex < after.size(); ++vertex) {
    if (!after[vertex] || follows[vertex]) continue;
    for (uint32_t each = vertex; each; each = after[each]) chains.push_back(each);
    chains.push_back(0);
  }
}

template <int C>
void Lattice::blur(float* values, Workers& workers) const {
  for (const auto& chains : chains_)
    workers.split(chains.size() - 1, [&](size_t begin, size_t end) {
      while (begin < end && chains[begin]) ++begin;  // both ends lie between chains
      while (chains[end]) ++end;
      float dropped[C], before[C] = {}, self[C] = {};
      for (size_t i = begin; i < end; ++i) {
        float* to = chains[i] ? values + size_t{chains[i]} * C : dropped;
        const float* next = values + size_t{chains[i + 1]} * C;
        for (int c = 0; c < C; ++c) {
          const float after = next[c];
          to[c] = self[c] + 0.5f * (before[c] + after);
          before[c] = self[c];
          self[c] = after;
        }
      }
    });
}

}  // namespace edgeseg
