// Say what is computed, as edgeseg/runtime/crf/kernel.py passes it.

#pragma once

#include <cmath>
#include <cstdint>

namespace edgeseg {

struct Parameters {
  float appearance_position_px, appearance_colour, appearance_weight;
  float smoothness_position_px, smoothness_weight;
  int32_t iterations;
  int32_t normalisation;  // bit 0: before the filter, bit 1: after it; both: by the square root each time
  float sure;             // probability from which a pixel may settle
  float settled;          // change of a probability up to which it does
};

// What a pixel's value is multiplied with before and after a filter whose weights sum to `total` there.
struct Norm {
  bool before, after;

  explicit Norm(int32_t mode) : before(mode & 1), after(mode & 2) {}
  float of(float total) const { return before && after ? 1.0f / std::sqrt(total + kLeast) : 1.0f / (total + kLeast); }
  static constexpr float kLeast = 1e-20f;
};

}  // namespace edgeseg
