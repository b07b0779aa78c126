// Find the simplex of the permutohedral lattice that a point lies in.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace edgeseg {

constexpr int kDimensions = 5;
constexpr int kCorners = kDimensions + 1;
constexpr int kKept = 5;  // corners of its simplex that a point counts at: the nearest ones

constexpr int kLanes = 8;
typedef float Floats __attribute__((vector_size(4 * kLanes)));
typedef int32_t Ints __attribute__((vector_size(4 * kLanes)));
typedef uint32_t Keys __attribute__((vector_size(4 * kLanes)));

// Where 8 points lie: the keys of the corners, and what each counts there; the weights of a point sum to 1.
struct Corners {
  Keys key[kKept];
  Floats weight[kKept];
};

// The permutohedral lattice of 5 dimensions, and names of its vertices.
//
// A point is turned into the hyperplane of R^6 whose coordinates sum to 0, where the lattice is Z^6 seen along (1, ..., 1).
// A vertex is a whole vector up to multiples of (1, ..., 1), so the differences of consecutive coordinates name it; a
// key is these 5 differences as digits of one number. To count a coordinate up, as from corner to corner and from
// neighbour to neighbour, adds a constant to the key. x alone sets the first difference, and y alone the sum of the first
// and twice the second, which takes the first one's place as the digit that counts most: rows of pixels that lie far apart
// have keys far apart. Where narrow kernels ask for more keys than 32 bits hold, keys wrap around, and a few vertices among
// millions share one with a vertex far away.
class Simplices {
 public:
  // `largest` (5,): the coordinates of points are 0 to these, in widths of the kernel.
  void lay_out(const float* width, const float* largest) {
    double extent[kDimensions];
    for (int i = 0; i < kDimensions; ++i) {
      scale_[i] = std::sqrt(2.0f / 3.0f) / std::sqrt((i + 1.0f) * (i + 2.0f)) / width[i];
      extent[i] = double{scale_[i]} * largest[i];
    }
    uint64_t unit[kCorners + 1] = {};  // what coordinate j less coordinate j - 1 counts
    range_ = 1;
    origin_ = 0;
    for (int j = kDimensions; j > 1; --j) unit[j] = add_digit(-(j + 1) * extent[j - 1], (j - 1) * extent[j - 2], kMargin);
    block_ = unit[kFirstInBlocks - 1];
    unit[1] = add_digit(-6 * extent[1], 0.0, 2 * kMargin);  // the first difference and twice the second: -6 y, scaled
    unit[2] += 2 * unit[1];
    for (int j = 0; j < kCorners; ++j) step_[j] = static_cast<uint32_t>(unit[j] - unit[j + 1]);
  }

  uint64_t range() const { return range_; }  // keys are below it, or anywhere if it is over 2^32
  uint32_t step(int axis) const { return step_[axis]; }  // from a vertex to its neighbour
  // Neighbours along this axis and all behind it have keys between the same multiples of block().
  static constexpr int kFirstInBlocks = 3;
  uint64_t block() const { return block_; }

  Corners find(const Floats* point) const {
    Floats height[kCorners], sum = {};
    for (int j = kDimensions; j > 0; --j) {
      const Floats scaled = point[j - 1] * scale_[j - 1];
      height[j] = sum - static_cast<float>(j) * scaled;
      sum += scaled;
    }
    height[0] = sum;
    Keys key = Keys{} + origin_;
    Floats rest[kCorners];
    Keys step[kCorners];
    for (int j = 0; j < kCorners; ++j) {
      Ints whole = __builtin_convertvector(height[j], Ints);
      whole += __builtin_convertvector(whole, Floats) > height[j];  // true is -1: floor
      rest[j] = height[j] - __builtin_convertvector(whole, Floats);
      step[j] = Keys{} + step_[j];
      key += reinterpret_cast<Keys>(whole) * step_[j];
    }
    // From the corner below, the path to the one above counts coordinates up in the order of what they have left.
    const auto order = [&](auto* value, auto* with, int i, int j) {
      const Ints right = value[i] >= value[j];
      const auto larger = right ? value[i] : value[j], smaller = right ? value[j] : value[i];
      const auto first = right ? with[i] : with[j], second = right ? with[j] : with[i];
      value[i] = larger, value[j] = smaller, with[i] = first, with[j] = second;
    };
    for (const auto& [i, j] : kSorting) order(rest, step, i, j);
    Floats weight[kCorners];
    Keys keys[kCorners];
    weight[0] = 1.0f - rest[0] + rest[kDimensions];
    keys[0] = key;
    for (int k = 1; k < kCorners; ++k) {
      weight[k] = rest[k - 1] - rest[k];
      keys[k] = keys[k - 1] + step[k - 1];
    }
    for (int last = kDimensions; last >= kKept; --last)
      for (int k = 0; k < last; ++k) order(weight, keys, k, k + 1);
    Floats total = {};
    for (int k = 0; k < kKept; ++k) total += weight[k];
    Corners corners;
    for (int k = 0; k < kKept; ++k) {
      corners.key[k] = keys[k];
      corners.weight[k] = weight[k] / total;
    }
    return corners;
  }

 private:
  // Puts a digit of lowest..highest before the others, and gives what it counts.
  uint64_t add_digit(double lowest, double highest, int margin) {
    const uint64_t unit = range_;
    origin_ += static_cast<uint32_t>(unit) * static_cast<uint32_t>(static_cast<int64_t>(margin - std::floor(lowest)));
    const uint64_t digits = static_cast<uint64_t>(highest - lowest) + 2 * margin;
    range_ = std::min(range_ * (digits | 1), kLargestRange | 1);  // odd: no unit is 0 among 32 bits
    return unit;
  }

  static constexpr int kMargin = 4;  // of a digit, on each side: rounding, the simplex, and neighbours
  static constexpr uint64_t kLargestRange = uint64_t{1} << 40;
  struct Exchange {
    int i, j;
  };
  static constexpr Exchange kSorting[] = {{0, 5}, {1, 3}, {2, 4}, {1, 2}, {3, 4}, {0, 3},
                                          {2, 5}, {0, 1}, {2, 3}, {4, 5}, {1, 2}, {3, 4}};

  float scale_[kDimensions];
  uint32_t step_[kCorners];  // of the key when a coordinate counts one up
  uint32_t origin_ = 0;
  uint64_t range_ = 1, block_ = 1;
};

}  // namespace edgeseg
