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
  // Place the pixels of an image (height, width, 3) that take part; widths in pixels and in grey levels. Writes `sums`
  // (vertices,) of what pixels count there.
  void build(const uint8_t* image, const Tiling& tiling, const Strips& strips, float position_width, float colour_width,
             bool chains, Array<float>& sums, Workers& workers);

  size_t vertices() const { return known_[0].count() + 1; }  // with vertex 0
  const Places& places(size_t tile) const { return places_[tile]; }

  // The numbers of the vertices at which a row of tiles lies, (rows,).
  const std::vector<uint32_t>& lowest() const { return lowest_; }
  const std::vector<uint32_t>& highest() const { return highest_; }

  // Blur sums (vertices, C) along all axes. More than kMostStreamed channels take chains.
  template <int C>
  void blur(const Array<float>& sums, Array<float>& values, Workers& workers);

  static constexpr int kMostStreamed = 4;  // channels

 private:
  static constexpr size_t kWorthSharing = 1 << 16;  // values
  static constexpr uint32_t kLeastBlock = 512;      // vertices
  // Widths below tell apart what differs at all.
  static constexpr float kNarrowest = 0.25f, kMostWidths = 1 << 16;

  void number(const Tiling& tiling, const Strips& strips, Array<float>& sums, Workers& workers);
  void place(const uint8_t* image, const Tiling& tiling, int row, int column, Places& places) const;
  void link(int axis);
  void chain(int axis);
  size_t block(size_t vertex) const {  // the first that begins at or behind it
    return static_cast<size_t>(std::lower_bound(blocks_.begin(), blocks_.end(), vertex) - blocks_.begin());
  }
  template <int C, typename Read>
  void blur_all(int axis, const Read& read, float* to, size_t begin, size_t end) const;
  template <int C>
  static void blur_chains(const uint32_t* chains, size_t begin, size_t end, float* values);

  Simplices simplices_;
  Array<Places> places_;
  std::vector<Vertices> known_;                 // of each strip; the first has all in the end
  std::vector<uint32_t> lowest_, highest_;      // of the vertices of a row of tiles
  std::vector<Array<float>> counted_;           // of each strip but the first
  // (vertices,) the neighbours along each axis, or 0
  Array<uint32_t> before_[kCorners], after_[kCorners];
  // Along the axes from kFirstInBlocks on, vertices are blurred in blocks that fit a cache: where each begins, and the
  // end.
  std::vector<uint32_t> blocks_;
  Array<uint32_t> chains_[kCorners];            // of all axes but the first: neighbours in order, 0 between chains
  std::vector<size_t> first_chains_[kCorners];  // of each block, and the end
  Array<float> spare_;
};

inline void Lattice::build(const uint8_t* image, const Tiling& tiling, const Strips& strips, float position_width,
                           float colour_width, bool chains, Array<float>& sums, Workers& workers) {
  const float height = static_cast<float>(tiling.rows * kSide), width = static_cast<float>(tiling.columns * kSide);
  const float position = std::max({position_width, kNarrowest, std::max(height, width) / kMostWidths});
  const float colour = std::max(colour_width, kNarrowest);
  const float widths[kDimensions] = {position, position, colour, colour, colour};
  const float largest[kDimensions] = {width, height, 255.0f, 255.0f, 255.0f};
  simplices_.lay_out(widths, largest);
  places_.resize(tiling.tiles());
  known_.resize(strips.count());
  workers.each(strips.count(), [&](int strip) {
    known_[strip].clear(simplices_.range());
    for (int row = strips.edges[strip]; row < strips.edges[strip + 1]; ++row)
      for (int column = 0; column < tiling.columns; ++column) {
        const size_t tile = static_cast<size_t>(row) * tiling.columns + column;
        if (!tiling.takes_part(tile)) continue;
        Places& places = places_[tile];
        place(image, tiling, row, column, places);
        for (const auto& keys : places.vertex) known_[strip].add(keys, kPixels);
      }
  });
  for (size_t strip = 1; strip < known_.size(); ++strip) known_[0].add(known_[strip]);
  known_[0].number_all();
  const bool wraps = simplices_.range() > uint64_t{1} << 32;
  blocks_ = known_[0].blocks(wraps ? simplices_.range() : simplices_.block(), kLeastBlock);
  workers.share(kCorners, [&](int axis) {
    link(axis);
    if (chains && axis) chain(axis);
  });
  number(tiling, strips, sums, workers);
}

// Put vertices' numbers in place of their keys, and add up what pixels count at each.
inline void Lattice::number(const Tiling& tiling, const Strips& strips, Array<float>& sums, Workers& workers) {
  lowest_.assign(tiling.rows, ~0u), highest_.assign(tiling.rows, 0);
  counted_.resize(strips.count() - 1);
  workers.each(strips.count(), [&](int strip) {
    Array<float>& counted = strip ? counted_[strip - 1] : sums;
    counted.assign(vertices(), 0.0f);
    for (int row = strips.edges[strip]; row < strips.edges[strip + 1]; ++row)
      for (int column = 0; column < tiling.columns; ++column) {
        const size_t tile = static_cast<size_t>(row) * tiling.columns + column;
        if (!tiling.takes_part(tile)) continue;
        Places& places = places_[tile];
        for (int k = 0; k < kKept; ++k)
          for (int i = 0; i < kPixels; ++i) {
            const uint32_t vertex = known_[0].number(places.vertex[k][i]);
            places.vertex[k][i] = vertex;
            counted[vertex] += places.weight[k][i];
          }
        if (strips.count() == 1) continue;  // who is alone shares nothing
        uint32_t least = lowest_[row], most = highest_[row];
        for (const auto& vertices : places.vertex)
          for (const uint32_t vertex : vertices) least = std::min(least, vertex), most = std::max(most, vertex);
        lowest_[row] = least, highest_[row] = most;
      }
  });
  if (counted_.empty()) return;
  workers.split(vertices(), [&](size_t begin, size_t end) {
    for (const Array<float>& counted : counted_)
      for (size_t v = begin; v < end; ++v) sums[v] += counted[v];
  }, kWorthSharing);
}

inline void Lattice::place(const uint8_t* image, const Tiling& tiling, int row, int column, Places& places) const {
  const int top = row * kSide, left = column * kSide;
  alignas(64) float point[kDimensions][kPixels];
  for (int dy = 0; dy < kSide; ++dy)
    for (int dx = 0; dx < kSide; ++dx) {
      const uint8_t* pixel = image + tiling.at(top + dy, left + dx) * 3;
      const int i = dy * kSide + dx;
      point[0][i] = static_cast<float>(left + dx);
      point[1][i] = static_cast<float>(top + dy);
      for (int c = 0; c < 3; ++c) point[2 + c][i] = pixel[c];
    }
  for (int first = 0; first < kPixels; first += kLanes) {
    Floats points[kDimensions];
    for (int d = 0; d < kDimensions; ++d) std::memcpy(&points[d], &point[d][first], sizeof points[d]);
    const Corners corners = simplices_.find(points);
    for (int k = 0; k < kKept; ++k) {
      std::memcpy(&places.vertex[k][first], &corners.key[k], sizeof corners.key[k]);
      std::memcpy(&places.weight[k][first], &corners.weight[k], sizeof corners.weight[k]);
    }
  }
  if (tiling.inside(top + kSide - 1, left + kSide - 1)) return;
  for (int i = 0; i < kPixels; ++i)
    if (!tiling.inside(top + i / kSide, left + i % kSide))
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
  auto& first = first_chains_[axis];
  chains.assign(1, 0);
  first.clear();
  for (size_t block = 0; block + 1 < blocks_.size(); ++block) {
    first.push_back(chains.size() - 1);
    for (uint32_t vertex = blocks_[block]; vertex < blocks_[block + 1]; ++vertex) {
      if (!after[vertex] || before[vertex]) continue;
      for (uint32_t each = vertex; each; each = after[each]) chains.push_back(each);
      chains.push_back(0);
    }
  }
  first.push_back(chains.size() - 1);
}

template <int C>
void Lattice::blur(const Array<float>& sums, Array<float>& values, Workers& workers) {
  const auto in = [](const Array<float>& array) {
    return [from = array.data()](size_t vertex) {
      Channels<C> value;
      value.read(from + vertex * C);
      return value;
    };
  };
  values.resize(vertices() * C);
  spare_.resize(C > kMostStreamed ? 0 : vertices() * C);
  const size_t least = kWorthSharing / C;
  workers.split(vertices(), [&](size_t begin, size_t end) {
    blur_all<C>(0, in(sums), C > kMostStreamed ? values.data() : spare_.data(), begin, end);
  }, least);
  for (int axis = 1; axis < Simplices::kFirstInBlocks; ++axis) {
    if constexpr (C > kMostStreamed) {
      const uint32_t* chains = chains_[axis].data();
      workers.split(chains_[axis].size() - 1, [&](size_t begin, size_t end) {
        while (chains[begin]) ++begin;  // both ends lie between chains, where the part before ends and this one does
        while (chains[end]) ++end;
        blur_chains<C>(chains, begin, end, values.data());
      }, least);
    } else {
      workers.split(vertices(), [&](size_t begin, size_t end) {
        blur_all<C>(axis, in(spare_), values.data(), begin, end);
      }, least);
      values.swap(spare_);
    }
  }
  workers.split(vertices(), [&](size_t begin, size_t end) {
    for (size_t each = block(begin); each < block(end); ++each) {
      if constexpr (C > kMostStreamed) {
        for (int axis = Simplices::kFirstInBlocks; axis < kCorners; ++axis)
          blur_chains<C>(chains_[axis].data(), first_chains_[axis][each], first_chains_[axis][each + 1], values.data());
      } else {
        const size_t first = blocks_[each], last = blocks_[each + 1];
        blur_all<C>(3, in(spare_), values.data(), first, last);
        blur_all<C>(4, in(values), spare_.data(), first, last);
        blur_all<C>(5, in(spare_), values.data(), first, last);
      }
    }
  }, least);
}

// Blur vertices along an axis, from what `read` gives for each.
template <int C, typename Read>
void Lattice::blur_all(int axis, const Read& read, float* to, size_t begin, size_t end) const {
  const uint32_t *before = before_[axis].data(), *after = after_[axis].data();
  for (size_t v = begin; v < end; ++v) {
    Channels<C> self = read(v), beside = read(before[v]);
    beside.add(1.0f, read(after[v]));
    self.add(0.5f, beside);
    self.write(to + v * C);
  }
}

// Blur in place, along chains: where values are many, memory is what takes the time.
template <int C>
void Lattice::blur_chains(const uint32_t* chains, size_t begin, size_t end, float* values) {
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
}

}  // namespace edgeseg
