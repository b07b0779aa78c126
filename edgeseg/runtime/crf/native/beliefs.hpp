// Keep what every pixel believes, 16 bits a channel, and turn it into labels and marginals.

#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "arrays.hpp"
#include "tiles.hpp"

namespace edgeseg {

// Up to so many channels the 16 pixels of a tile lie side by side, (tiles, C, 16); from there on the channels of a pixel
// do, (tiles, 16, C).
constexpr int kFewChannels = 4;

// Channels are the probabilities of labels, or with `has_last` the differences of each to that of one label more. There is
// room for `padded` of them.
struct Beliefs {
  static constexpr float kScale = 32767.0f;  // of a probability, or a difference of two

  int channels = 0, padded = 0;
  bool has_last = false;
  Array<int16_t> values;

  int16_t* of(size_t tile) { return values.data() + tile * padded * kPixels; }

  // Writes one row of tiles of the labels `out` (height, width), and of the marginals (all, height, width) unless null.
  // `labels` are those that the channels stand for, the last one included.
  void write(const Tiling& tiling, int row, const std::vector<int>& labels, int all, uint8_t* out, float* marginals) const {
    const size_t plane = static_cast<size_t>(tiling.height) * tiling.width;
    for (int column = 0; column < tiling.columns; ++column) {
      const Tile tile{static_cast<size_t>(row) * tiling.columns + column, row, column};
      int32_t best[kPixels];
      find_best(tile, best);
      for (int i = 0; i < kPixels; ++i) {
        if (!tiling.inside(tile.y(i), tile.x(i))) continue;
        const size_t at = static_cast<size_t>(tile.y(i)) * tiling.width + tile.x(i);
        out[at] = static_cast<uint8_t>(labels[best[i]]);
        if (!marginals) continue;
        for (int c = 0; c < all; ++c) marginals[c * plane + at] = 0.0f;
        write_marginals(tile, i, labels, marginals + at, plane);
      }
    }
  }

 private:
  int16_t value(const Tile& tile, int i, int c) const {
    const int16_t* first = values.data() + tile.number * padded * kPixels;
    return padded > kFewChannels ? first[i * padded + c] : first[c * kPixels + i];
  }

  // Writes the best label's place among the labels for each pixel; ties go to the lower one.
  void find_best(const Tile& tile, int32_t* best) const {
    const int16_t* value = values.data() + tile.number * padded * kPixels;
    alignas(64) int32_t most[kPixels];  // a belief, and in the last 8 bits what is larger for lower labels
    std::fill_n(most, kPixels, -1);
    if (padded > kFewChannels) {
      for (int i = 0; i < kPixels; ++i, value += padded) {
        int32_t largest = -1;
        for (int c = 0; c < padded; ++c) largest = std::max(largest, value[c] * 256 + (255 - c));
        most[i] = largest;
      }
    } else {
      for (int c = 0; c < channels; ++c, value += kPixels)
        for (int i = 0; i < kPixels; ++i) most[i] = std::max(most[i], value[i] * 256 + (255 - c));
    }
    for (int i = 0; i < kPixels; ++i) best[i] = most[i] < 0 ? channels : 255 - (most[i] & 255);
  }

  void write_marginals(const Tile& tile, int i, const std::vector<int>& labels, float* marginals, size_t plane) const {
    float sum = 0.0f;
    for (int c = 0; c < channels; ++c) sum += value(tile, i, c);
    const float last = has_last ? (kScale - sum) / static_cast<float>(labels.size()) : 0.0f;
    const float total = has_last ? kScale : std::max(1.0f, sum);
    for (int c = 0; c < channels; ++c) marginals[labels[c] * plane] = std::max(0.0f, last + value(tile, i, c)) / total;
    if (has_last) marginals[labels[channels] * plane] = std::max(0.0f, last) / total;
  }
};

}  // namespace edgeseg
