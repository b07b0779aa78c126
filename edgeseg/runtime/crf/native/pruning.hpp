// Find the labels that are likely anywhere; the others take no part.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "upsampling.hpp"
#include "workers.hpp"

namespace edgeseg {

constexpr float kLargestLogit = 1e6f;
constexpr float kLeastLead = -6.9078f;  // log 0.001: of a logit that counts somewhere, below the best one

// Lists the labels that come within a factor of 1000 of the likeliest one anywhere, or `all` of them. Returns false if a
// logit is not finite.
inline bool find_likely(const Grid& grid, int labels, bool all, Workers& workers, std::vector<int>& likely) {
  constexpr size_t kBlock = 1024;
  std::vector<uint8_t> near(static_cast<size_t>(labels) * workers.count(), all), finite(workers.count(), 1);
  workers.each(workers.count(), [&](int part) {
    uint8_t* seen = near.data() + static_cast<size_t>(part) * labels;
    const size_t end = grid.samples() * (part + 1) / workers.count();
    for (size_t begin = grid.samples() * part / workers.count(); begin < end; begin += kBlock) {
      const size_t count = std::min(kBlock, end - begin);
      float peak[kBlock];
      std::fill_n(peak, count, -kLargestLogit);
      int wrong = 0;
      for (int c = 0; c < labels; ++c) {
        const float* logits = grid.logits + c * grid.samples() + begin;
        for (size_t i = 0; i < count; ++i) {
          wrong |= !(std::fabs(logits[i]) <= kLargestLogit);
          peak[i] = logits[i] > peak[i] ? logits[i] : peak[i];
        }
      }
      if (wrong) finite[part] = 0;
      for (int c = 0; c < labels; ++c) {
        if (seen[c]) continue;
        const float* logits = grid.logits + c * grid.samples() + begin;
        int comes = 0;
        for (size_t i = 0; i < count; ++i) comes |= logits[i] - peak[i] > kLeastLead;
        seen[c] = static_cast<uint8_t>(comes);
      }
    }
  });
  likely.clear();
  for (int c = 0; c < labels; ++c) {
    bool anywhere = false;
    for (int part = 0; part < workers.count(); ++part) anywhere |= near[static_cast<size_t>(part) * labels + c];
    if (anywhere) likely.push_back(c);
  }
  return std::all_of(finite.begin(), finite.end(), [](uint8_t each) { return each; });
}

}  // namespace edgeseg
