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

#include "arrays.hpp"
#include "channels.hpp"
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
  // Place the pixels of an image (height, width, 3) that take part; widths in pixels and in grey levels.
  void build(const uint8_t* image, const Tiling& tiling, float position_width, float colour_width, bool chains,
             Workers& workers);

  size_t vertices() const { return known_[0].count() + 1; }  // with vertex 0
  const Places& places(size_t tile) const { return places_[tile]; }

  // Add up each thread's sums (vertices, C), and blur them along all axes. More than kMostStreamed channels take chains.
  template <int C>
  void blur(const std::vector<Array<float>>& sums, Array<float>& values, Workers& workers);

  static constexpr int kMostStreamed = 4;  // channels

 private:
  static constexpr size_t kWorthSharing = 1 << 16;  // values
  // Widths below tell apart what differs at all.
  static constexpr float kNarrowest = 0.25f, kMostWidths = 1 << 16;

  void place(const uint8_t* image, const Tiling& tiling, int row, int column, Places& places) const;
  void link(int axis);
  void chain(int axis);
  template <int C>
  static void blur_all(const Array<uint32_t>& before, const Array<uint32_t>& after, const float* from,
                       float* to, Workers& workers);
  template <int C>
  static void blur_chains(const Array<uint32_t>& chains, float* values, Workers& workers);

  Simplices simplices_;
  Array<Places> places_;
  std::vector<Vertices> known_;                 // of each thread; the first has all in the end
  // (vertices,) the neighbours along each axis, or 0
  Array<uint32_t> before_[kCorners], after_[kCorners];
  Array<uint32_t> chains_[kCorners];  // neighbours in order, 0 between chains
  Array<float> spare_;
};

inline void Lattice::build(const uint8_t* image, const Tiling& tiling, float position_width, float colour_width,
                           bool chains, Workers& workers) {
  const float height = static_cast<float>(tiling.rows * kSide), width = static_cast<float>(tiling.columns * kSide);
  const float position = std::max({position_width, kNarrowest, std::max(height, width) / kMostWidths});
  const float colour = std::max(colour_width, kNarrowest);
  const float widths[kDimensions] = {position, position, colour, colour, colour};
  const float largest[kDimensions] = {width, height, 255.0f, 255.0f, 255.0f};
  simplices_.lay_out(widths, largest);
  places_.resize(tiling.tiles());
  known_.resize(workers.count());
  workers.run([&](int part) {
    known_[part].clear(simplices_.range());
    for (int row = tiling.rows * part / workers.count(); row < tiling.rows * (part + 1) / workers.count(); ++row)
      for (int column = 0; column < tiling.columns; ++column) {
        const size_t tile = static_cast<size_t>(row) * tiling.columns + column;
        if (!tiling.takes_part(tile)) continue;
        Places& places = places_[tile];
        place(image, tiling, row, column, places);
        for (const auto& keys : places.vertex) known_[part].add(keys, kPixels);
      }
  });
  for (size_t part = 1; part < known_.size(); ++part) known_[0].add(known_[part]);
  known_[0].number_all();
  workers.run([&](int part) {
    for (int axis = part; axis < kCorners; axis += workers.count()) {
      link(axis);
      if (chains) chain(axis);
    }
  });
  workers.split(tiling.tiles(), [&](size_t begin, size_t end) {
    for (size_t tile = begin; tile < end; ++tile) {
      if (!tiling.takes_part(tile)) continue;
      for (auto& vertices : places_[tile].vertex)
        for (uint32_t& vertex : vertices) vertex = known_[0].number(vertex);
    }
  });
}

inline void Lattice::place(const uint8_t* image, const Tiling& tiling, int row, int column, Places& places) const {
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

// Find the neighbours of all vertices along an axis.
inline void Lattice::link(int axis) {
  auto &before = before_[axis], &after = after_[axis];
  before.assign(vertices(), 0);
  after.assign(vertices(), 0);
  known_[0].pairs(simplices_.step(axis), [&](uint32_t vertex, uint32_t next) {
    after[vertex] = next;
    before[next] = vertex;
  });
}

// List the vertices that have a neighbour along an axis, each behind the one before it.
inline void Lattice::chain(int axis) {
  const auto &before = before_[axis], &after = after_[axis];
  auto& chains = chains_[axis];
  chains.assign(1, 0);
  for (uint32_t vertex = 1; vertex < after.size(); ++vertex) {
    if (!after[vertex] || before[vertex]) continue;
    for (uint32_t each = vertex; each; each = after[each]) chains.push_back(each);
    chains.push_back(0);
  }
}

template <int C>
void Lattice::blur(const std::vector<Array<float>>& sums, Array<float>& values, Workers& workers) {
  values.resize(vertices() * C);
  spare_.resize(C > kMostStreamed ? 0 : vertices() * C);
  workers.split(vertices() * C, [&](size_t begin, size_t end) {
    std::memcpy(values.data() + begin, sums[0].data() + begin, sizeof(float) * (end - begin));
    for (size_t part = 1; part < sums.size(); ++part)
      for (size_t i = begin; i < end; ++i) values[i] += sums[part][i];
  }, kWorthSharing);
  std::memset(values.data(), 0, sizeof(float) * C);
  for (int axis = 0; axis < kCorners; ++axis) {
    if (C > kMostStreamed) {
      blur_chains<C>(chains_[axis], values.data(), workers);
    } else {
      blur_all<C>(before_[axis], after_[axis], values.data(), spare_.data(), workers);
      values.swap(spare_);
    }
  }
}

// Blur all vertices along an axis, from one array to another.
template <int C>
void Lattice::blur_all(const Array<uint32_t>& before, const Array<uint32_t>& after, const float* from,
                       float* to, Workers& workers) {
  workers.split(before.size(), [&, before = before.data(), after = after.data()](size_t begin, size_t end) {
    for (size_t v = begin; v < end; ++v) {
      Channels<C> self, next;
      self.read(from + v * C);
      next.read(from + size_t{before[v]} * C);
      next.add(1.0f, from + size_t{after[v]} * C);
      self.add(0.5f, next);
      self.write(to + v * C);
    }
  }, kWorthSharing / C);
}

// Blur in place, along chains: where values are many, memory is what takes the time.
template <int C>
void Lattice::blur_chains(const Array<uint32_t>& chains, float* values, Workers& workers) {
  workers.split(chains.size() - 1, [&](size_t begin, size_t end) {
    while (chains[begin]) ++begin;  // both ends lie between chains, where the part before ends and this one does
    while (chains[end]) ++end;
    float dropped[C];
    Channels<C> before, self, after;
    for (size_t i = begin; i < end; ++i) {
      after.read(values + size_t{chains[i + 1]} * C);
      for (int p = 0; p < Channels<C>::kParts; ++p)
        before.part[p] = self.part[p] + 0.5f * (before.part[p] + after.part[p]);
      before.write(chains[i] ? values + size_t{chains[i]} * C : dropped);
      before = self;
      self = after;
    }
  }, kWorthSharing / C);
}

}  // namespace edgeseg
