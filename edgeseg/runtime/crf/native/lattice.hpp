// Turn an image into a permutohedral lattice, on which a Gaussian over position and colour is a short blur.
//
// After Adams, Baek and Davis, "Fast High-Dimensional Filtering Using the Permutohedral Lattice", 2010. A pixel is
// a point in 5 dimensions, (x, y, blue, green, red) over the kernel's widths. Scaled and turned into the
// hyperplane of R^6 whose coordinates sum to 0, it lies in a simplex of 6 lattice vertices, and belongs to each
// with its barycentric weight. Filtering is: add the pixels to their vertices (splat), blur along the lattice's 6
// axes, read the pixels off again (slice).
//
// A vertex is named by a 64-bit key that holds 5 of its 6 coordinates (they sum to 0). The way to a neighbour along an
// axis is a constant in such keys, so with vertices in the order of their keys all neighbours along an axis are in
// order too: they are found by one merge, and the blur reads memory from front to back.

#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "tiles.hpp"
#include "workers.hpp"

namespace edgeseg {

constexpr int kDimensions = 5;
constexpr int kCorners = kDimensions + 1;

// Where the pixels of a tile lie in the lattice. Vertex 0 does not exist, and stays 0.
struct Places {
  uint32_t vertex[kCorners][kPixels];
  float weight[kCorners][kPixels];  // all 0 outside the image
};

class Lattice {
 public:
  // Place all pixels of an image (height, width, 3); widths in pixels and in grey levels.
  // Returns false if the widths are so small that a key has too few bits.
  bool build(const uint8_t* image, const Tiling& tiling, float position_width, float colour_width, Workers& workers);

  size_t vertices() const { return keys_.size(); }  // with vertex 0
  const Places& places(size_t tile) const { return places_[tile]; }

  // Blur values (vertices, C) along all axes. `from` is left as it is; the result is in `to`.
  template <int C>
  void blur(const float* from, float* to, float* scratch, Workers& workers) const;

 private:
  static constexpr int kLanes = 8;
  typedef float Floats __attribute__((vector_size(4 * kLanes)));
  typedef int32_t Ints __attribute__((vector_size(4 * kLanes)));
  static constexpr uint64_t kEmpty = ~uint64_t{0};
  static constexpr uint64_t kGolden = 0x9E3779B97F4A7C15u;  // 2^64 over the golden ratio: Fibonacci hashing
  static constexpr int kRememberedBits = 14;
  static constexpr size_t kAhead = 24;  // prefetched

  // A simplex by its vertex of remainder 0 and the order of its point's residues.
  struct Simplex {
    uint64_t base = kEmpty;
    uint32_t order = 0;
    uint32_t index = 0;
  };

  // The keys met in a band of the image, each with a number from 0.
  class Names {
   public:
    std::vector<uint64_t> keys;

    void clear() {
      size_t size = std::max(slots_.size(), kLeast);
      while (size > kLeast && size > keys.size() * 8) size /= 2;  // clearing costs: follow what the last image needed
      keys.clear();
      resize(size);
    }
    void prefetch(uint64_t key) const { __builtin_prefetch(&slots_[home(key)]); }
    uint32_t number(uint64_t key) {
      size_t at = home(key);
      for (; slots_[at].key != kEmpty; at = (at + 1) & (slots_.size() - 1))
        if (slots_[at].key == key) return slots_[at].number;
      const uint32_t number = static_cast<uint32_t>(keys.size());
      slots_[at] = {key, number};
      keys.push_back(key);
      if (keys.size() * 2 > slots_.size()) {
        resize(slots_.size() * 2);
        for (uint32_t i = 0; i < keys.size(); ++i) {
          size_t free = home(keys[i]);
          while (slots_[free].key != kEmpty) free = (free + 1) & (slots_.size() - 1);
          slots_[free] = {keys[i], i};
        }
      }
      return number;
    }

   private:
    static constexpr size_t kLeast = 1 << 14;
    struct Slot {
      uint64_t key;
      uint32_t number;
    };
    std::vector<Slot> slots_;
    int shift_ = 0;

    size_t home(uint64_t key) const { return (key * kGolden) >> shift_; }
    void resize(size_t size) {
      slots_.assign(size, Slot{kEmpty, 0});
      shift_ = 64 - __builtin_ctzll(size);
    }
  };

  // What one thread needs to place its rows of tiles.
  struct Band {
    Names names;
    std::vector<Simplex> remembered;
    std::vector<uint32_t> corners;     // (simplices, 6) numbers, at the end vertices
    std::vector<uint32_t> simplex_of;  // (pixels,)
    std::vector<uint64_t> base, fresh;  // of a row of tiles
    std::vector<uint32_t> order;
    std::vector<uint32_t> vertex_of;  // by number
  };

  struct Named {
    uint64_t key;
    uint32_t band, number;
  };

  bool lay_out_keys(const Tiling& tiling, float position_width, float colour_width);
  void place_row(const uint8_t* image, const Tiling& tiling, int row, Band& band);
  void encode(const uint8_t* image, const Tiling& tiling, int row, Band& band);
  void encode_lanes(const float (&features)[kDimensions][kLanes], uint64_t* base, uint32_t* order, float* weight) const;
  void name_vertices();
  void sort_named();
  void find_neighbours(int axis);

  float scale_[kDimensions];
  int64_t lowest_[kCorners];
  int shift_[kCorners];       // of a coordinate within a key; -1 for the one left out
  uint64_t step_[kCorners];   // to the neighbour along an axis
  std::vector<Places> places_;
  std::vector<Band> bands_;
  std::vector<Named> named_, sorted_;
  std::vector<int64_t> keys_;                       // (vertices,) ascending from vertex 1
  std::vector<uint32_t> before_[kCorners], after_[kCorners];  // (vertices,) neighbours along each axis, or 0
};

inline bool Lattice::build(const uint8_t* image, const Tiling& tiling, float position_width, float colour_width,
                           Workers& workers) {
  if (!lay_out_keys(tiling, position_width, colour_width)) return false;
  places_.resize(tiling.tiles());
  bands_.resize(workers.count());
  const auto first_row = [&](int part) { return tiling.rows * part / workers.count(); };
  workers.run([&](int part) {
    Band& band = bands_[part];
    band.names.clear();
    band.remembered.assign(size_t{1} << kRememberedBits, Simplex());
    band.corners.clear();
    band.simplex_of.clear();
    for (int row = first_row(part); row < first_row(part + 1); ++row) place_row(image, tiling, row, band);
  });
  name_vertices();
  workers.run([&](int part) {
    for (int axis = part; axis < kCorners; axis += workers.count()) find_neighbours(axis);
  });
  workers.run([&](int part) {
    Band& band = bands_[part];
    for (uint32_t& corner : band.corners) corner = band.vertex_of[corner];
    const uint32_t* simplex = band.simplex_of.data();
    const size_t end = static_cast<size_t>(first_row(part + 1)) * tiling.columns;
    for (size_t tile = static_cast<size_t>(first_row(part)) * tiling.columns; tile < end; ++tile)
      for (int i = 0; i < kPixels; ++i, ++simplex)
        for (int k = 0; k < kCorners; ++k)
          places_[tile].vertex[k][i] = band.corners[size_t{*simplex} * kCorners + k];
  });
  return true;
}

// Choose the bits of each coordinate by the range it can take. The widest coordinate is left out.
inline bool Lattice::lay_out_keys(const Tiling& tiling, float position_width, float colour_width) {
  constexpr float kLevels = 255.0f;
  constexpr double kLargest = 1 << 18;  // coordinate of which a float still keeps six bits behind the point
  constexpr int kMargin = 3 * kCorners;  // rounding to a vertex, the simplex, and the neighbours
  const float inverse_deviation = kCorners * std::sqrt(2.0f / 3.0f);
  double largest[kDimensions];
  for (int i = 0; i < kDimensions; ++i) {
    const float width = i < 2 ? position_width : colour_width;
    scale_[i] = inverse_deviation / std::sqrt((i + 1.0f) * (i + 2.0f)) / width;
    largest[i] = scale_[i] * (i == 0 ? tiling.width : i == 1 ? tiling.height : kLevels);
  }
  int bits[kCorners];
  int widest = 0;
  for (int j = 0; j < kCorners; ++j) {
    double lowest = 0.0, highest = 0.0;
    for (int i = 0; i < kDimensions; ++i) {
      if (i == j - 1) lowest -= j * largest[i];
      if (i >= j) highest += largest[i];
    }
    if (!(highest - lowest < kLargest)) return false;
    lowest_[j] = static_cast<int64_t>(std::floor(lowest)) - kMargin;
    const int64_t range = static_cast<int64_t>(std::ceil(highest)) + kMargin - lowest_[j];
    bits[j] = 64 - __builtin_clzll(static_cast<uint64_t>(range));
    if (bits[j] > bits[widest]) widest = j;
  }
  int used = 0;
  uint64_t unit[kCorners], all = 0;
  for (int j = 0; j < kCorners; ++j) {
    shift_[j] = j == widest ? -1 : used;
    if (j != widest) used += bits[j];
    if (used > 62) return false;
    unit[j] = j == widest ? 0 : uint64_t{1} << shift_[j];
    all += unit[j];
  }
  for (int j = 0; j < kCorners; ++j) step_[j] = all - kCorners * unit[j];
  return true;
}

inline void Lattice::place_row(const uint8_t* image, const Tiling& tiling, int row, Band& band) {
  const size_t pixels = static_cast<size_t>(tiling.columns) * kPixels;
  band.base.resize(pixels);
  band.order.resize(pixels);
  encode(image, tiling, row, band);
  const size_t first = band.corners.size() / kCorners;
  const size_t offset = band.simplex_of.size();
  band.simplex_of.resize(offset + pixels);
  band.fresh.clear();
  Simplex last;
  for (size_t i = 0; i < pixels; ++i) {
    const uint64_t base = band.base[i];
    const uint32_t order = band.order[i];
    if (base != last.base || order != last.order) {
      Simplex& known = band.remembered[((base + order * (kGolden >> 24)) * kGolden) >> (64 - kRememberedBits)];
      if (known.base != base || known.order != order) {
        known = {base, order, static_cast<uint32_t>(first + band.fresh.size() / kCorners)};
        uint64_t key = base;
        band.fresh.push_back(key);
        for (int k = 1; k < kCorners; ++k) {
          key += step_[(order >> (3 * (kCorners - k))) & 7];
          band.fresh.push_back(key);
        }
      }
      last = known;
    }
    band.simplex_of[offset + i] = last.index;
  }
  const size_t fresh = band.fresh.size();
  const size_t end = band.corners.size();
  band.corners.resize(end + fresh);
  for (size_t i = 0; i < fresh; ++i) {
    if (i + kAhead < fresh) band.names.prefetch(band.fresh[i + kAhead]);
    band.corners[end + i] = band.names.number(band.fresh[i]);
  }
}

inline void Lattice::encode(const uint8_t* image, const Tiling& tiling, int row, Band& band) {
  for (int column = 0; column < tiling.columns; ++column) {
    Places& places = places_[static_cast<size_t>(row) * tiling.columns + column];
    for (int first = 0; first < kPixels; first += kLanes) {
      alignas(32) float features[kDimensions][kLanes];
      for (int lane = 0; lane < kLanes; ++lane) {
        const int y = row * kSide + (first + lane) / kSide, x = column * kSide + (first + lane) % kSide;
        const uint8_t* pixel = image + tiling.at(y, x) * 3;
        features[0][lane] = static_cast<float>(x);
        features[1][lane] = static_cast<float>(y);
        for (int c = 0; c < 3; ++c) features[2 + c][lane] = pixel[c];
      }
      const size_t at = static_cast<size_t>(column) * kPixels + first;
      encode_lanes(features, &band.base[at], &band.order[at], &places.weight[0][first]);
    }
    for (int i = 0; i < kPixels; ++i)
      if (!tiling.inside(row * kSide + i / kSide, column * kSide + i % kSide))
        for (auto& weight : places.weight) weight[i] = 0.0f;
  }
}

// Find the simplices of 8 points, and their barycentric weights (6 rows of 16).
inline void Lattice::encode_lanes(const float (&features)[kDimensions][kLanes], uint64_t* base, uint32_t* order,
                                  float* weight) const {
  constexpr float kUnit = 1.0f / kCorners;
  Floats elevated[kCorners], residue[kCorners];
  Ints multiple[kCorners], rank[kCorners];
  Floats sum = {};
  for (int j = kDimensions; j > 0; --j) {
    Floats point;
    std::memcpy(&point, features[j - 1], sizeof point);
    point *= scale_[j - 1];
    elevated[j] = sum - static_cast<float>(j) * point;
    sum += point;
  }
  elevated[0] = sum;
  Ints excess = {};  // of the nearest multiples of 6, whose sum must be 0
  for (int j = 0; j < kCorners; ++j) {
    const Floats wanted = elevated[j] * kUnit + 0.5f;
    multiple[j] = __builtin_convertvector(wanted, Ints);
    multiple[j] += __builtin_convertvector(multiple[j], Floats) > wanted;  // true is -1: floor
    excess += multiple[j];
    residue[j] = elevated[j] * kUnit - __builtin_convertvector(multiple[j], Floats);
  }
  for (int j = 0; j < kCorners; ++j) rank[j] = excess;
  for (int i = 0; i < kCorners; ++i)
    for (int j = i + 1; j < kCorners; ++j) {
      const Ints less = residue[i] < residue[j];
      rank[i] -= less;
      rank[j] += less + 1;
    }
  Ints packed_order = {};
  typedef int64_t Longs __attribute__((vector_size(8 * kLanes)));
  Longs packed = {};
  for (int j = 0; j < kCorners; ++j) {
    const Ints turn = (rank[j] > kDimensions) - (rank[j] < 0);  // -1 where too high, 1 where too low
    rank[j] += turn * kCorners;
    multiple[j] += turn;
    residue[j] -= __builtin_convertvector(turn, Floats);
    packed_order |= j << (rank[j] * 3);
    if (shift_[j] >= 0)
      packed += __builtin_convertvector(multiple[j] * kCorners - static_cast<int>(lowest_[j]), Longs) << shift_[j];
  }
  std::memcpy(base, &packed, sizeof packed);
  std::memcpy(order, &packed_order, sizeof packed_order);
  const auto sort = [&](int i, int j) {
    const Floats larger = residue[i] > residue[j] ? residue[i] : residue[j];
    residue[j] = residue[i] > residue[j] ? residue[j] : residue[i];
    residue[i] = larger;
  };
  sort(0, 5), sort(1, 3), sort(2, 4), sort(1, 2), sort(3, 4), sort(0, 3);
  sort(2, 5), sort(0, 1), sort(2, 3), sort(4, 5), sort(1, 2), sort(3, 4);
  Floats corner[kCorners];
  corner[0] = 1.0f + residue[5] - residue[0];
  for (int k = 1; k < kCorners; ++k) corner[k] = residue[5 - k] - residue[6 - k];
  for (int k = 0; k < kCorners; ++k) std::memcpy(weight + k * kPixels, &corner[k], sizeof corner[k]);
}

// Number the vertices of all bands in the order of their keys, from 1.
inline void Lattice::name_vertices() {
  named_.clear();
  for (uint32_t b = 0; b < bands_.size(); ++b) {
    const auto& keys = bands_[b].names.keys;
    bands_[b].vertex_of.resize(keys.size());
    for (uint32_t i = 0; i < keys.size(); ++i) named_.push_back({keys[i], b, i});
  }
  sort_named();
  keys_.assign(1, -1);
  for (const Named& name : named_) {
    if (static_cast<int64_t>(name.key) != keys_.back()) keys_.push_back(static_cast<int64_t>(name.key));
    bands_[name.band].vertex_of[name.number] = static_cast<uint32_t>(keys_.size() - 1);
  }
}

// Radix sort by the key, least significant digit first.
inline void Lattice::sort_named() {
  constexpr int kDigit = 11;
  constexpr size_t kValues = size_t{1} << kDigit;
  uint64_t differing = 0;
  for (const Named& name : named_) differing |= name.key ^ named_[0].key;
  sorted_.resize(named_.size());
  for (int shift = 0; shift < 64 && differing >> shift; shift += kDigit) {
    size_t start[kValues] = {};
    for (const Named& name : named_) ++start[(name.key >> shift) & (kValues - 1)];
    size_t total = 0;
    for (size_t& value : start) {
      const size_t count = value;
      value = total;
      total += count;
    }
    for (const Named& name : named_) sorted_[start[(name.key >> shift) & (kValues - 1)]++] = name;
    named_.swap(sorted_);
  }
}

inline void Lattice::find_neighbours(int axis) {
  const int64_t step = static_cast<int64_t>(step_[axis]);
  const uint32_t count = static_cast<uint32_t>(keys_.size());
  before_[axis].assign(count, 0);
  after_[axis].assign(count, 0);
  uint32_t other = 1;
  for (uint32_t vertex = 1; vertex < count; ++vertex) {
    const int64_t wanted = keys_[vertex] + step;
    while (other < count && keys_[other] < wanted) ++other;
    if (other < count && keys_[other] == wanted) {
      after_[axis][vertex] = other;
      before_[axis][other] = vertex;
    }
  }
}

template <int C>
void Lattice::blur(const float* from, float* to, float* scratch, Workers& workers) const {
  for (int axis = 0; axis < kCorners; ++axis) {
    float* target = axis % 2 ? to : scratch;
    const uint32_t* before = before_[axis].data();
    const uint32_t* after = after_[axis].data();
    workers.split(vertices(), [&](size_t begin, size_t end) {
      for (size_t v = begin; v < end; ++v) {
        const float* self = from + v * C;
        const float* left = from + size_t{before[v]} * C;
        const float* right = from + size_t{after[v]} * C;
        for (int c = 0; c < C; ++c) target[v * C + c] = self[c] + 0.5f * (left[c] + right[c]);
      }
    });
    from = target;
  }
}

}  // namespace edgeseg
