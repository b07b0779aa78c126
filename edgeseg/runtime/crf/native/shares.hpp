// Let every strip's thread add to the same sums at the same time: where two strips add, one has memory of its own.
//
// Vertices are numbered by their keys, in which the row that a pixel lies in counts most (see simplex.hpp): a strip of
// rows adds to a range of numbers, and shares only the ends of it with the strips beside it.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "arrays.hpp"
#include "tiles.hpp"
#include "workers.hpp"

namespace edgeseg {

class Shares {
  // Vertices from `first` up to `limit` have their sums in spare_, at their number less `skipped`, those behind them in
  // the common ones.
  struct Share {
    uint32_t first = 0, limit = 0;
    uintptr_t skipped = 0;  // modulo its range
  };

 public:
  // Forget what was said; `strips` share nothing.
  void clear(int strips) {
    shares_.assign(strips, Share{});
    spare_.clear();
  }

  // `lowest` and `highest` (rows of tiles,) are the numbers of the vertices that pixels there lie at.
  template <int C>
  void lay_out(const Strips& strips, const std::vector<uint32_t>& lowest, const std::vector<uint32_t>& highest) {
    shares_.assign(strips.count(), Share{});
    if (strips.count() == 1) return;
    uint32_t taken = 0;  // below it an earlier strip may add
    size_t spare = 0;
    for (int strip = strips.count() - 1; strip >= 0; --strip) {  // numbers fall from row to row
      const int begin = strips.edges[strip], end = strips.edges[strip + 1];
      const uint32_t first = *std::min_element(lowest.begin() + begin, lowest.begin() + end);
      const uint32_t last = *std::max_element(highest.begin() + begin, highest.begin() + end);
      if (first > last) continue;  // none of its tiles takes part
      const uint32_t limit = std::max(first, std::min(taken, last + 1));
      shares_[strip] = {first, limit, first - spare};
      spare += limit - first;
      taken = std::max(taken, last + 1);
    }
    spare_.resize(std::max(spare_.size(), spare * C), 0.0f);
  }

  // Where a strip adds to the C sums of a vertex.
  template <int C>
  class Place {
   public:
    Place(Shares& shares, int strip, float* sums)
        : limit_(shares.shares_[strip].limit),
          vertex_0_{reinterpret_cast<uintptr_t>(sums),
                    reinterpret_cast<uintptr_t>(shares.spare_.data()) - shares.shares_[strip].skipped * kBytes} {}
    float* of(uint32_t vertex) const {  // an index in place of a branch, which nobody could predict
      return reinterpret_cast<float*>(vertex_0_[vertex < limit_] + vertex * kBytes);
    }

   private:
    static constexpr uintptr_t kBytes = sizeof(float) * C;

    uint32_t limit_;
    uintptr_t vertex_0_[2];  // addresses: where vertex 0 would lie
  };

  // Add to `sums` (vertices, C) what strips have in their own memory, which is 0 from then on.
  template <int C>
  void collect(float* sums, size_t vertices, Workers& workers) {
    if (std::all_of(shares_.begin(), shares_.end(), [](const Share& each) { return each.limit == each.first; })) return;
    workers.split(vertices, [&](size_t begin, size_t end) {
      for (const Share& share : shares_)
        for (size_t v = std::max<size_t>(begin, share.first); v < std::min<size_t>(end, share.limit); ++v) {
          float *own = &spare_[(v - share.skipped) * C], *sum = sums + v * C;
          for (int c = 0; c < C; ++c) sum[c] += own[c], own[c] = 0.0f;
        }
    });
  }

 private:
  std::vector<Share> shares_;  // of each strip
  Array<float> spare_;         // (shared vertices, C), 0 but between saying and collecting
};

}  // namespace edgeseg
