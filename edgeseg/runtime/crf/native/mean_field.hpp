// Turn logits and an image into labels: mean field in a fully connected CRF (Krähenbühl and Koltun, 2011).
//
// One iteration sends every pixel the labels of all others, weighed by how near and alike they are, and turns unary
// and messages into new probabilities. What makes it fast:
//
// - A pixel whose probabilities hardly changed says nothing new, and tiles of 4 x 4 in which every pixel is sure of its
//   label are passed over.
// - A softmax sees the differences of its fields alone. With few labels the channels are Q_c - Q_last: one less than
//   labels.
// - Reading a pixel's messages, its softmax and its share in the next sums are one visit, in registers: of 16 pixels side
//   by side where channels are few, and of a pixel's channels side by side where they are many.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "arrays.hpp"
#include "beliefs.hpp"
#include "messages.hpp"
#include "parameters.hpp"
#include "pruning.hpp"
#include "softmax.hpp"
#include "tiles.hpp"
#include "upsampling.hpp"
#include "workers.hpp"

namespace edgeseg {

class MeanField {
 public:
  explicit MeanField(int threads) : workers_(threads), messages_(workers_) {}

  enum Outcome { kDone = 0, kNotFinite = 1 };

  // image (height, width, 3); `compatibility` (labels, labels) or null for Potts. Writes labels `out` (height, width),
  // and marginals (labels, height, width) unless null. Tiles of which
  // `chosen` (tile rows, tile columns), unless it is null, is 0 get the likeliest labels of their logits.
  Outcome infer(const Parameters& parameters, const float* compatibility, const uint8_t* image, int height, int width,
                const uint8_t* chosen, const Grid& grid, int labels, uint8_t* out, float* marginals);

 private:
  static constexpr int kSpoken = 32;        // change from which the others hear of it: 0.001
  static constexpr float kCertain = 0.99f;  // belief that stays, however far it just moved
  static constexpr int kMostChannels = 256;

  struct alignas(64) Kept {  // threads write to theirs side by side: each has lines of the cache of its own
    Array<float> logits;
  };

  template <int C>
  void iterate(const Grid& grid);
  template <int C>
  void visit(const Grid& grid, int iteration, const Strips& strips, int strip);
  template <int C>
  void visit_few(const Upsampling& logits, const Tile& tile, int iteration, int strip);
  template <int C>
  void visit_many(const Upsampling& logits, const Tile& tile, int iteration, int strip);
  template <int C>
  void compare(float (*message)[C]) const;
  void keep(const Tile& tile, const float* logits, int channels, int strip);
  const float* logits_of(const Tile& tile) const {
    return &kept_[first_strips_.of(tile.row)].logits[where_[tile.number]];
  }
  bool is_last(const Tile& tile, int iteration) const {
    return iteration == parameters_.iterations || !tiling_.takes_part(tile.number);
  }
  bool is_unsettled(const int32_t* change, const Row& top) const;
  bool who_speaks(const Tile& tile, const int32_t* change, int32_t* speaks) const;

  Workers workers_;
  Messages messages_;
  Tiling tiling_;
  Parameters parameters_{};
  const float* compatibility_ = nullptr;
  std::vector<int> labels_;  // the likely ones
  Beliefs beliefs_;          // what the sums hold of each pixel
  std::vector<uint8_t> unsettled_;  // (tiles,)
  std::vector<uint32_t> work_;      // (rows of tiles,) unsettled ones
  Strips first_strips_;             // of iteration 0
  // The logits of tiles that are visited again, of each of the first strips, as visits read them; and where a tile's
  // begin.
  std::vector<Kept> kept_;
  std::vector<size_t> where_;  // (tiles,)
};

inline MeanField::Outcome MeanField::infer(const Parameters& parameters, const float* compatibility,
                                           const uint8_t* image, int height, int width, const uint8_t* chosen,
                                           const Grid& grid, int labels, uint8_t* out, float* marginals) {
  parameters_ = parameters;
  compatibility_ = compatibility;
  tiling_ = Tiling(height, width, chosen);
  if (!find_likely(grid, labels, compatibility != nullptr, workers_, labels_)) return kNotFinite;
  const int likely = static_cast<int>(labels_.size());
  const bool has_last = !compatibility && likely <= kFewChannels + 1;
  const int channels = has_last ? likely - 1 : likely;
  beliefs_.channels = channels, beliefs_.has_last = has_last, beliefs_.padded = 0;
  messages_.prepare(parameters, channels ? image : nullptr, tiling_, channels);
  if (channels == 1) iterate<1>(grid);
  else if (channels == 2) iterate<2>(grid);
  else if (channels == 3) iterate<3>(grid);
  else if (channels == 4) iterate<4>(grid);
  else if (channels > 128) iterate<kMostChannels>(grid);
  else if (channels > 64) iterate<128>(grid);
  else if (channels > 32) iterate<64>(grid);
  else if (channels > 24) iterate<32>(grid);
  else if (channels > 16) iterate<24>(grid);
  else if (channels > 8) iterate<16>(grid);
  else if (channels > 4) iterate<8>(grid);
  workers_.each(workers_.count(), [&](int part) {
    for (int row = tiling_.rows * part / workers_.count(); row < tiling_.rows * (part + 1) / workers_.count(); ++row)
      beliefs_.write(tiling_, row, labels_, labels, out, marginals);
  });
  return kDone;
}

template <int C>
void MeanField::iterate(const Grid& grid) {
  beliefs_.padded = C;
  beliefs_.values.resize(tiling_.pixels() * C);
  unsettled_.assign(tiling_.tiles(), 1);
  where_.resize(tiling_.tiles());
  work_.assign(tiling_.rows, 1);
  kept_.resize(workers_.count());
  messages_.clear<C>();
  for (int iteration = 0; iteration <= parameters_.iterations; ++iteration) {
    if (iteration) messages_.pass_on<C>();
    const Strips strips = messages_.strips(work_);
    if (!iteration) first_strips_ = strips;
    messages_.take_turns<C>(strips);
    workers_.each(strips.count(), [&](int strip) { visit<C>(grid, iteration, strips, strip); });
  }
}

// Renew the beliefs of every unsettled tile; iteration 0 knows the logits alone.
template <int C>
void MeanField::visit(const Grid& grid, int iteration, const Strips& strips, int strip) {
  const int begin = strips.edges[strip], end = strips.edges[strip + 1];
  Upsampling logits(grid, tiling_, labels_, C > kFewChannels ? C : C + beliefs_.has_last);
  if (!iteration) kept_[strip].logits.clear();
  std::fill(work_.begin() + begin, work_.begin() + end, 1 + tiling_.columns / 16);
  for (int row = begin; row < end; ++row) {
    bool entered = false;
    for (int column = 0; column < tiling_.columns; ++column) {
      const Tile tile{static_cast<size_t>(row) * tiling_.columns + column, row, column};
      if (!unsettled_[tile.number]) continue;
      if (!entered && !iteration) logits.enter_row(row);
      entered = true;
      if (!iteration) messages_.weigh(tile.number);
      if constexpr (C > kFewChannels) visit_many<C>(logits, tile, iteration, strip);
      else visit_few<C>(logits, tile, iteration, strip);
      work_[row] += unsettled_[tile.number];
    }
  }
}

// Visit a tile's 16 pixels side by side, one channel after another.
template <int C>
void MeanField::visit_few(const Upsampling& logits, const Tile& tile, int iteration, int strip) {
  alignas(64) Row unary[C], field[C], reference;
  if (iteration) {
    std::memcpy(unary, logits_of(tile), sizeof unary);
  } else {
    for (int c = 0; c < C; ++c) logits.read(c, tile.column, unary[c]);
    if (beliefs_.has_last) {
      logits.read(C, tile.column, reference);
      for (int c = 0; c < C; ++c)
        for (int i = 0; i < kPixels; ++i) unary[c][i] -= reference[i];
    }
  }
  std::memcpy(field, unary, sizeof field);
  if (iteration) {
    alignas(64) float message[kPixels][C];
    messages_.hear<C>(tile, message);
    if (compatibility_) compare<C>(message);
    for (int c = 0; c < C; ++c)
      for (int i = 0; i < kPixels; ++i) field[c][i] += message[i][c];
  }
  alignas(64) Row top, rest;
  softmax(field, C, beliefs_.has_last, top, rest);
  alignas(64) int32_t change[kPixels] = {}, fresh[C][kPixels];
  int16_t* known = beliefs_.of(tile.number);
  if (!iteration) std::memset(known, 0, sizeof(int16_t) * C * kPixels);
  for (int c = 0; c < C; ++c)
    for (int i = 0; i < kPixels; ++i) {
      fresh[c][i] = static_cast<int32_t>((field[c][i] - rest[i]) * Beliefs::kScale + 32768.5f) - 32768;
      change[i] = std::max(change[i], std::abs(fresh[c][i] - known[c * kPixels + i]));
    }
  if (is_last(tile, iteration)) {
    for (int c = 0; c < C; ++c)
      for (int i = 0; i < kPixels; ++i) known[c * kPixels + i] = static_cast<int16_t>(fresh[c][i]);
    unsettled_[tile.number] = 0;
    return;
  }
  unsettled_[tile.number] = is_unsettled(change, top);
  if (!iteration && unsettled_[tile.number]) keep(tile, unary[0], C, strip);
  alignas(64) int32_t speaks[kPixels];
  if (!who_speaks(tile, change, speaks)) return;
  alignas(64) Row moved[C];
  for (int c = 0; c < C; ++c)
    for (int i = 0; i < kPixels; ++i) {
      const int32_t old = known[c * kPixels + i], step = (fresh[c][i] - old) & speaks[i];
      known[c * kPixels + i] = static_cast<int16_t>(old + step);
      moved[c][i] = static_cast<float>(step) * (1.0f / Beliefs::kScale);
    }
  const Messages::Voice<C> voice(messages_, tile, strip);
  for (int i = 0; i < kPixels; ++i) {
    if (!speaks[i]) continue;
    Channels<C> difference;
    for (int c = 0; c < C; ++c) difference.set(c, moved[c][i]);
    voice.say(i, difference);
  }
}

// Visit a tile pixel by pixel, all channels of one side by side.
template <int C>
void MeanField::visit_many(const Upsampling& logits, const Tile& tile, int iteration, int strip) {
  typedef Channels<C> Values;
  const bool last = is_last(tile, iteration);
  alignas(64) float read[kPixels][C], message[kPixels][C];
  const float* unary = read[0];
  if (iteration) {
    unary = logits_of(tile);
    messages_.hear<C>(tile, message);
    if (compatibility_) compare<C>(message);
  } else {
    logits.read_all<C>(tile.column, read);
  }
  const Messages::Voice<C> voice(messages_, tile, strip);
  const bool whole = tiling_.inside(tile.y(kPixels - 1), tile.x(kPixels - 1));
  alignas(64) float probability[kPixels][C];
  alignas(64) Row top;
  alignas(64) int32_t change[kPixels];
  for (int i = 0; i < kPixels; ++i) {
    Values field;
    field.read(unary + i * C);
    if (iteration) field.add(1.0f, message[i]);
    const float peak = field.largest();
    for (auto& values : field.part) values = exponentials(values - peak);
    field.write(probability[i]);
    top[i] = field.total();
  }
  for (int i = 0; i < kPixels; ++i) top[i] = 1.0f / top[i];
  for (int i = 0; i < kPixels; ++i) {
    auto* belief = reinterpret_cast<typename Values::LooseShorts*>(beliefs_.of(tile.number) + i * C);
    Values field, difference, size;
    field.read(probability[i]);
    typename Values::Ints fresh[Values::kParts];
    for (int p = 0; p < Values::kParts; ++p) {
      fresh[p] = __builtin_convertvector(field.part[p] * (top[i] * Beliefs::kScale) + 0.5f, typename Values::Ints);
      const auto known = iteration ? __builtin_convertvector(belief[p], typename Values::Ints) : typename Values::Ints{};
      difference.part[p] = __builtin_convertvector(fresh[p] - known, typename Values::Part);
      size.part[p] = difference.part[p] > -difference.part[p] ? difference.part[p] : -difference.part[p];
    }
    change[i] = static_cast<int32_t>(size.largest());
    const bool speaks = change[i] > kSpoken && !last && (whole || tiling_.inside(tile.y(i), tile.x(i)));
    if (speaks || last || !iteration)
      for (int p = 0; p < Values::kParts; ++p) belief[p] = __builtin_convertvector(fresh[p], typename Values::Shorts);
    if (!speaks) continue;
    difference.scale(1.0f / Beliefs::kScale);
    voice.say(i, difference);
  }
  unsettled_[tile.number] = !last && is_unsettled(change, top);
  if (!iteration && unsettled_[tile.number]) keep(tile, unary, C, strip);
}

// Keep the logits of a tile that will be visited again.
inline void MeanField::keep(const Tile& tile, const float* logits, int channels, int strip) {
  Array<float>& kept = kept_[strip].logits;
  where_[tile.number] = kept.size();
  kept.insert(kept.end(), logits, logits + channels * kPixels);
}

// Turn messages into the negative cost of each label, by the compatibility matrix.
template <int C>
void MeanField::compare(float (*message)[C]) const {
  const int labels = beliefs_.channels;
  for (int i = 0; i < kPixels; ++i) {
    float heard[C];
    std::memcpy(heard, message[i], sizeof heard);
    for (int c = 0; c < labels; ++c) {
      float cost = 0.0f;
      for (int m = 0; m < labels; ++m) cost += compatibility_[c * labels + m] * heard[m];
      message[i][c] = -cost;
    }
  }
}

inline bool MeanField::is_unsettled(const int32_t* change, const Row& top) const {
  int unsettled = 0;
  for (int i = 0; i < kPixels; ++i)
    unsettled |= ((change[i] > parameters_.settled * Beliefs::kScale) & (top[i] < kCertain)) | (top[i] < parameters_.sure);
  return unsettled;
}

// Writes -1 for each pixel whose change is passed on, and 0 for the others.
inline bool MeanField::who_speaks(const Tile& tile, const int32_t* change, int32_t* speaks) const {
  int32_t any = 0;
  for (int i = 0; i < kPixels; ++i) {
    speaks[i] = -static_cast<int32_t>(tiling_.inside(tile.y(i), tile.x(i)) & (change[i] > kSpoken));
    any |= speaks[i];
  }
  return any;
}

}  // namespace edgeseg
