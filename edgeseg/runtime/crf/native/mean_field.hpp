// Turn logits and an image into labels: mean field in a fully connected CRF (Krähenbühl and Koltun, 2011).
//
// One iteration sends every pixel the labels of all others, weighed by how near and alike they are, and turns unary
// and messages into new probabilities. What makes it fast:
//
// - Filtering is linear. The sums that are filtered stay from one iteration to the next; a pixel adds the change of its
//   probabilities, and one whose probabilities hardly changed adds nothing. Tiles in which every pixel is sure of its
//   label and was so before are passed over.
// - A softmax sees the differences of its fields alone. With few labels the channels are Q_c - Q_last: one less than
//   labels. With many labels most are unlikely nearly everywhere: after the first iteration a tile reads and writes only
//   the labels that are likely in it, and a label that is likely nowhere in the image takes no part at all.
// - Reading a pixel's messages, its softmax and its share in the next sums are one visit.

#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "gaussian.hpp"
#include "lattice.hpp"
#include "softmax.hpp"
#include "tiles.hpp"
#include "upsampling.hpp"
#include "workers.hpp"

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

class MeanField {
 public:
  explicit MeanField(int threads) : workers_(threads) {}

  enum Outcome { kDone = 0, kNotFinite = 1 };

  // image (height, width, 3); `compatibility` (labels, labels) or null for Potts. Writes labels `out` (height, width),
  // and marginals (labels, height, width) unless null.
  Outcome infer(const Parameters& parameters, const float* compatibility, const uint8_t* image, int height, int width,
                const Grid& grid, int labels, uint8_t* out, float* marginals);

 private:
  static constexpr float kScale = 32767.0f;      // of a probability, or a difference of two, kept in 16 bits
  static constexpr int kSpoken = 32;             // change from which the others hear of it: 0.001
  static constexpr int kLikely = 328;            // belief from which a label is likely in a tile: 0.01
  static constexpr float kLeastLead = -6.9078f;  // log 0.001: of a logit that counts somewhere, below the best one
  static constexpr float kLargestLogit = 1e6f;
  static constexpr int kMostDifferences = 4;  // channels up to which differences pay
  static constexpr int kFew = 7;
  static constexpr float kLatticeGain = 1.0f / (1.0f + 1.0f / (1 << kDimensions));  // of weights that sum to 1

  struct Few {
    uint8_t count, label[kFew];  // count 0: more than fit
  };

  bool find_likely(const Grid& grid, int labels);
  template <int C>
  void iterate(const Grid& grid);
  void weigh_appearance();
  template <int C>
  void begin(const Grid& grid, int part);
  template <int C>
  void gather();
  template <int C>
  void visit(bool last, int part);
  template <int C>
  void listen(size_t tile, int row, int column, Row* field) const;
  template <int C>
  void listen_to_few(size_t tile, int row, int column, const Few& few, Row* field) const;
  void compare(int labels, Row* field) const;
  template <int C, bool kAll>
  void renew(size_t tile, int row, int column, Row* field, bool last, int part);
  template <int C, bool kAll>
  void speak(size_t tile, int y, int x, int i, const Few& few, const float* difference, int part);
  void finish(uint8_t* out, float* marginals, int part) const;
  int first_row(int part) const;
  template <int C>
  int channels() const { return C <= kMostDifferences ? C : channels_; }

  Workers workers_;
  Lattice lattice_;
  Gaussian gaussian_;
  Tiling tiling_;
  Parameters parameters_{};
  const float* compatibility_ = nullptr;
  int all_labels_ = 0;
  std::vector<int> labels_;  // the likely ones
  int channels_ = 0;         // as many, or one less
  bool has_last_ = false;    // one less: channels are differences to the last label
  bool has_appearance_ = false, has_smoothness_ = false;

  std::vector<float> unary_;        // (tiles, channels, 16)
  std::vector<int16_t> belief_;     // (tiles, channels, 16) what the sums hold of each pixel
  std::vector<float> norm_;         // (tiles, 16) of the appearance kernel
  std::vector<uint8_t> unsettled_;  // (tiles,)
  std::vector<Few> few_;            // (tiles,)
  std::vector<std::vector<float>> vertex_sums_, cell_sums_;  // of each thread
  std::vector<float> vertices_, cells_;
};

// Bands of whole tile rows and whole cells of the coarser grid.
inline int MeanField::first_row(int part) const {
  const int step = std::max(1, gaussian_.factor() / kSide);
  const int steps = (tiling_.rows + step - 1) / step;
  return std::min(tiling_.rows, steps * part / workers_.count() * step);
}

inline MeanField::Outcome MeanField::infer(const Parameters& parameters, const float* compatibility,
                                           const uint8_t* image, int height, int width, const Grid& grid, int labels,
                                           uint8_t* out, float* marginals) {
  parameters_ = parameters;
  compatibility_ = compatibility;
  all_labels_ = labels;
  tiling_ = Tiling(height, width);
  has_appearance_ = parameters.appearance_weight != 0.0f;
  has_smoothness_ = parameters.smoothness_weight != 0.0f;
  if (!find_likely(grid, labels)) return kNotFinite;
  const int likely = static_cast<int>(labels_.size());
  has_last_ = !compatibility && likely <= kMostDifferences + 1;
  channels_ = has_last_ ? likely - 1 : likely;
  gaussian_.prepare(tiling_, has_smoothness_ ? parameters.smoothness_position_px : 1.0f, Norm(parameters.normalisation));
  if (channels_ > 0) {
    if (has_appearance_) {
      lattice_.build(image, tiling_, parameters.appearance_position_px, parameters.appearance_colour, workers_);
      weigh_appearance();
    }
    if (channels_ == 1) iterate<1>(grid);
    else if (channels_ == 2) iterate<2>(grid);
    else if (channels_ == 3) iterate<3>(grid);
    else if (channels_ == 4) iterate<4>(grid);
    else if (channels_ <= 8) iterate<8>(grid);
    else if (channels_ <= 16) iterate<16>(grid);
    else if (channels_ <= 24) iterate<24>(grid);
    else if (channels_ <= 32) iterate<32>(grid);
    else if (channels_ <= 64) iterate<64>(grid);
    else if (channels_ <= 128) iterate<128>(grid);
    else iterate<256>(grid);
  }
  workers_.run([&](int part) { finish(out, marginals, part); });
  return kDone;
}

// Find the labels that come within a factor of 1000 of the likeliest one anywhere. Returns false if a logit is not finite.
inline bool MeanField::find_likely(const Grid& grid, int labels) {
  constexpr size_t kBlock = 1024;
  std::vector<float> lead(static_cast<size_t>(labels) * workers_.count(), -kLargestLogit);
  std::vector<uint8_t> finite(workers_.count(), 1);
  const size_t samples = grid.samples();
  workers_.run([&](int part) {
    const size_t end = samples * (part + 1) / workers_.count();
    for (size_t begin = samples * part / workers_.count(); begin < end; begin += kBlock) {
      const size_t count = std::min(kBlock, end - begin);
      float peak[kBlock];
      std::fill_n(peak, count, -kLargestLogit);
      int wrong = 0;
      for (int c = 0; c < labels; ++c) {
        const float* logits = grid.logits + c * samples + begin;
        for (size_t i = 0; i < count; ++i) {
          wrong |= !(std::fabs(logits[i]) <= kLargestLogit);
          peak[i] = logits[i] > peak[i] ? logits[i] : peak[i];
        }
      }
      if (wrong) finite[part] = 0;
      for (int c = 0; c < labels; ++c) {
        const float* logits = grid.logits + c * samples + begin;
        float& most = lead[part * labels + c];
        int near = 0;
        for (size_t i = 0; most <= kLeastLead && i < count; ++i) near |= logits[i] - peak[i] > kLeastLead;
        if (near) most = 0.0f;
      }
    }
  });
  for (uint8_t each : finite)
    if (!each) return false;
  labels_.clear();
  for (int c = 0; c < labels; ++c) {
    bool likely = compatibility_ != nullptr;
    for (int part = 0; part < workers_.count(); ++part) likely |= lead[part * labels + c] > kLeastLead;
    if (likely) labels_.push_back(c);
  }
  return true;
}

// Filter ones: what a pixel's weights sum to.
inline void MeanField::weigh_appearance() {
  norm_.resize(tiling_.pixels());
  const Norm norm(parameters_.normalisation);
  if (!norm.before && !norm.after) return;
  const size_t vertices = lattice_.vertices();
  vertex_sums_.resize(workers_.count());
  workers_.run([&](int part) {
    auto& sums = vertex_sums_[part];
    sums.assign(vertices, 0.0f);
    for (size_t tile = static_cast<size_t>(first_row(part)) * tiling_.columns;
         tile < static_cast<size_t>(first_row(part + 1)) * tiling_.columns; ++tile) {
      const Places& places = lattice_.places(tile);
      for (int k = 0; k < kKept; ++k)
        for (int i = 0; i < kPixels; ++i) sums[places.vertex[k][i]] += places.weight[k][i];
    }
  });
  for (size_t part = 1; part < vertex_sums_.size(); ++part)
    for (size_t v = 0; v < vertices; ++v) vertex_sums_[0][v] += vertex_sums_[part][v];
  vertex_sums_[0][0] = 0.0f;
  lattice_.blur<1>(vertex_sums_[0].data(), workers_);
  workers_.split(tiling_.tiles(), [&](size_t begin, size_t end) {
    for (size_t tile = begin; tile < end; ++tile) {
      const Places& places = lattice_.places(tile);
      alignas(64) Row total = {};
      for (int k = 0; k < kKept; ++k)
        for (int i = 0; i < kPixels; ++i) total[i] += places.weight[k][i] * vertex_sums_[0][places.vertex[k][i]];
      for (int i = 0; i < kPixels; ++i) norm_[tile * kPixels + i] = norm.of(total[i]);
    }
  });
}

template <int C>
void MeanField::iterate(const Grid& grid) {
  unary_.resize(tiling_.pixels() * channels_);
  belief_.assign(tiling_.pixels() * channels_, 0);
  unsettled_.assign(tiling_.tiles(), 1);
  few_.assign(tiling_.tiles(), Few{});
  const size_t vertices = has_appearance_ ? lattice_.vertices() : 0;
  vertices_.resize(vertices * C);
  cells_.resize(gaussian_.cells() * C);
  vertex_sums_.resize(workers_.count());
  cell_sums_.resize(workers_.count());
  for (auto& sums : vertex_sums_) sums.assign(vertices * C, 0.0f);
  for (auto& sums : cell_sums_) sums.assign(gaussian_.cells() * C, 0.0f);
  workers_.run([&](int part) { begin<C>(grid, part); });
  for (int iteration = 1; iteration <= parameters_.iterations; ++iteration) {
    gather<C>();
    workers_.run([&](int part) { visit<C>(iteration == parameters_.iterations, part); });
  }
}

template <int C>
void MeanField::begin(const Grid& grid, int part) {
  Upsampling upsampling(grid, tiling_, labels_);
  alignas(64) Row field[C], last;
  for (int row = first_row(part); row < first_row(part + 1); ++row) {
    upsampling.enter_row(row);
    for (int column = 0; column < tiling_.columns; ++column) {
      const size_t tile = static_cast<size_t>(row) * tiling_.columns + column;
      for (int c = 0; c < channels<C>(); ++c) upsampling.read(c, column, field[c]);
      if (has_last_) {
        upsampling.read(channels<C>(), column, last);
        for (int c = 0; c < channels<C>(); ++c)
          for (int i = 0; i < kPixels; ++i) field[c][i] -= last[i];
      }
      std::memcpy(&unary_[tile * channels<C>() * kPixels], field, sizeof(Row) * channels<C>());
      renew<C, true>(tile, row, column, field, false, part);
    }
  }
}

// Add up what the threads collected, and filter it.
template <int C>
void MeanField::gather() {
  for (auto* sums : {&vertex_sums_, &cell_sums_})
    for (size_t part = 1; part < sums->size(); ++part)
      workers_.split((*sums)[0].size(), [&](size_t begin, size_t end) {
        float* to = (*sums)[0].data();
        float* from = (*sums)[part].data();
        for (size_t i = begin; i < end; ++i) to[i] += from[i], from[i] = 0.0f;
      });
  if (has_appearance_) {
    std::fill_n(vertex_sums_[0].data(), C, 0.0f);  // what pixels outside the image were given
    vertices_ = vertex_sums_[0];
    lattice_.blur<C>(vertices_.data(), workers_);
  }
  if (has_smoothness_) gaussian_.blur<C>(cell_sums_[0].data(), cells_.data(), workers_);
}

// Read the messages of every unsettled tile, and renew its beliefs.
template <int C>
void MeanField::visit(bool last, int part) {
  alignas(64) Row field[C];
  for (int row = first_row(part); row < first_row(part + 1); ++row)
    for (int column = 0; column < tiling_.columns; ++column) {
      const size_t tile = static_cast<size_t>(row) * tiling_.columns + column;
      if (!unsettled_[tile]) continue;
      if (C > kMostDifferences && few_[tile].count) {
        listen_to_few<C>(tile, row, column, few_[tile], field);
        renew<C, false>(tile, row, column, field, last, part);
        continue;
      }
      listen<C>(tile, row, column, field);
      if (compatibility_) compare(channels<C>(), field);
      const float* unary = &unary_[tile * channels<C>() * kPixels];
      for (int c = 0; c < channels<C>(); ++c)
        for (int i = 0; i < kPixels; ++i) field[c][i] += unary[c * kPixels + i];
      renew<C, true>(tile, row, column, field, last, part);
    }
}

// Where the two cells of an axis lie that a pixel reads, and what each counts.
struct Reading {
  size_t first, next;
  float near, far;

  Reading(const Axis& axis, int pixel, size_t stride)
      : first(axis.first[pixel] * stride), next(axis.cells > 1 ? stride : 0), near(1.0f - axis.second[pixel]),
        far(axis.second[pixel]) {}
};

// Read a tile's messages of all channels.
template <int C>
void MeanField::listen(size_t tile, int row, int column, Row* field) const {
  const Norm norm(parameters_.normalisation);
  const Places* places = has_appearance_ ? &lattice_.places(tile) : nullptr;
  for (int i = 0; i < kPixels; ++i) {
    float message[C] = {};
    if (places) {
      for (int k = 0; k < kKept; ++k) {
        const float* value = &vertices_[size_t{places->vertex[k][i]} * C];
        const float weight = places->weight[k][i];
        for (int c = 0; c < C; ++c) message[c] += weight * value[c];
      }
      const float out = norm.after ? norm_[tile * kPixels + i] : norm.before ? 1.0f : kLatticeGain;
      for (int c = 0; c < C; ++c) message[c] *= out * parameters_.appearance_weight;
    }
    if (has_smoothness_) {
      const int y = row * kSide + i / kSide, x = column * kSide + i % kSide;
      const Reading down(gaussian_.rows, y, static_cast<size_t>(gaussian_.columns.cells) * C);
      const Reading right(gaussian_.columns, x, C);
      const float* value = &cells_[down.first + right.first];
      const float out = parameters_.smoothness_weight * gaussian_.out(norm, y, x);
      const float upper = out * down.near, lower = out * down.far;
      for (int c = 0; c < C; ++c)
        message[c] += upper * (right.near * value[c] + right.far * value[c + right.next]) +
                      lower * (right.near * value[c + down.next] + right.far * value[c + down.next + right.next]);
    }
    for (int c = 0; c < channels<C>(); ++c) field[c][i] = message[c];
  }
}

// Read the fields of the few labels that are likely in a tile.
template <int C>
void MeanField::listen_to_few(size_t tile, int row, int column, const Few& few, Row* field) const {
  const Norm norm(parameters_.normalisation);
  alignas(64) Row out, smooth;
  const float* unary = &unary_[tile * channels<C>() * kPixels];
  for (int i = 0; i < kPixels; ++i) {
    out[i] = has_appearance_ ? parameters_.appearance_weight *
                                   (norm.after ? norm_[tile * kPixels + i] : norm.before ? 1.0f : kLatticeGain)
                             : 0.0f;
    const int y = row * kSide + i / kSide, x = column * kSide + i % kSide;
    smooth[i] = has_smoothness_ ? parameters_.smoothness_weight * gaussian_.out(norm, y, x) : 0.0f;
  }
  const Places* places = has_appearance_ ? &lattice_.places(tile) : nullptr;
  for (int j = 0; j < few.count; ++j) {
    const int label = few.label[j];
    alignas(64) Row message = {};
    if (has_appearance_)
      for (int k = 0; k < kKept; ++k)
        for (int i = 0; i < kPixels; ++i)
          message[i] += places->weight[k][i] * vertices_[size_t{places->vertex[k][i]} * C + label];
    for (int i = 0; i < kPixels; ++i) field[j][i] = unary[label * kPixels + i] + message[i] * out[i];
    if (!has_smoothness_) continue;
    for (int i = 0; i < kPixels; ++i) {
      const Reading down(gaussian_.rows, row * kSide + i / kSide, static_cast<size_t>(gaussian_.columns.cells) * C);
      const Reading right(gaussian_.columns, column * kSide + i % kSide, C);
      const float* value = &cells_[down.first + right.first + label];
      field[j][i] += smooth[i] * (down.near * (right.near * value[0] + right.far * value[right.next]) +
                                  down.far * (right.near * value[down.next] + right.far * value[down.next + right.next]));
    }
  }
}

// Turn messages into the negative cost of each label, by the compatibility matrix.
inline void MeanField::compare(int labels, Row* field) const {
  for (int i = 0; i < kPixels; ++i) {
    float message[256];
    for (int m = 0; m < labels; ++m) message[m] = field[m][i];
    for (int c = 0; c < labels; ++c) {
      float cost = 0.0f;
      for (int m = 0; m < labels; ++m) cost += compatibility_[c * labels + m] * message[m];
      field[c][i] = -cost;
    }
  }
}

// Turn a tile's fields, of all labels or of its few, into beliefs, and tell the others what changed.
template <int C, bool kAll>
void MeanField::renew(size_t tile, int row, int column, Row* field, bool last, int part) {
  Few few = few_[tile];
  const int count = kAll ? channels<C>() : few.count;
  alignas(64) Row top, rest;
  softmax(field, count, has_last_, top, rest);
  alignas(64) int32_t change[kPixels] = {};
  alignas(64) int32_t fresh[kAll ? C : kFew][kPixels];
  int16_t* known = &belief_[tile * channels<C>() * kPixels];
  Few likely{};
  int many = 0;
  for (int j = 0; j < count; ++j) {
    const int label = kAll ? j : few.label[j];
    int16_t* old = known + label * kPixels;
    int32_t largest = 0;
    for (int i = 0; i < kPixels; ++i) {
      fresh[j][i] = static_cast<int32_t>((field[j][i] - rest[i]) * kScale + 32768.5f) - 32768;
      change[i] = std::max(change[i], std::abs(fresh[j][i] - old[i]));
      largest = std::max(largest, fresh[j][i]);
    }
    if (last)
      for (int i = 0; i < kPixels; ++i) old[i] = static_cast<int16_t>(fresh[j][i]);
    if (C > kMostDifferences && largest > kLikely) {
      if (many < kFew) likely.label[many] = static_cast<uint8_t>(label);
      ++many;
    }
  }
  if (last) return;
  int unsettled = 0;
  for (int i = 0; i < kPixels; ++i)
    unsettled |= (change[i] > parameters_.settled * kScale) | (top[i] < parameters_.sure);
  unsettled_[tile] = unsettled != 0;
  int spoken = 0;
  alignas(64) int32_t speaks[kPixels];  // -1 where the pixel's change is passed on
  for (int i = 0; i < kPixels; ++i) {
    const bool inside = tiling_.inside(row * kSide + i / kSide, column * kSide + i % kSide);
    speaks[i] = -static_cast<int32_t>(inside & (change[i] > kSpoken));
    spoken |= speaks[i];
  }
  if (spoken) {
    alignas(64) float moved[kPixels][kAll ? C : kFew] = {};
    for (int j = 0; j < count; ++j) {
      int16_t* old = known + (kAll ? j : few.label[j]) * kPixels;
      for (int i = 0; i < kPixels; ++i) {
        const int32_t step = (fresh[j][i] - old[i]) & speaks[i];
        old[i] = static_cast<int16_t>(old[i] + step);
        moved[i][j] = static_cast<float>(step) * (1.0f / kScale);
      }
    }
    for (int i = 0; i < kPixels; ++i)
      if (speaks[i]) speak<C, kAll>(tile, row * kSide + i / kSide, column * kSide + i % kSide, i, few, moved[i], part);
  }
  if (C > kMostDifferences && !compatibility_) {
    likely.count = many <= kFew ? static_cast<uint8_t>(many) : 0;
    few_[tile] = likely;
  }
}

// Add the change of one pixel's probabilities to the sums.
template <int C, bool kAll>
void MeanField::speak(size_t tile, int y, int x, int i, const Few& few, const float* difference, int part) {
  const Norm norm(parameters_.normalisation);
  const auto add = [&](float* sum, float weight) {
    if (kAll)
      for (int c = 0; c < C; ++c) sum[c] += weight * difference[c];
    else
      for (int j = 0; j < few.count; ++j) sum[few.label[j]] += weight * difference[j];
  };
  if (has_appearance_) {
    const Places& places = lattice_.places(tile);
    const float in = norm.before ? norm_[tile * kPixels + i] : 1.0f;
    for (int k = 0; k < kKept; ++k)
      add(&vertex_sums_[part][size_t{places.vertex[k][i]} * C], in * places.weight[k][i]);
  }
  if (has_smoothness_) add(&cell_sums_[part][gaussian_.cell(y, x) * C], gaussian_.in(norm, y, x));
}

inline void MeanField::finish(uint8_t* out, float* marginals, int part) const {
  const size_t plane = static_cast<size_t>(tiling_.height) * tiling_.width;
  const int labels = static_cast<int>(labels_.size());
  for (int row = first_row(part); row < first_row(part + 1); ++row)
    for (int column = 0; column < tiling_.columns; ++column) {
      const size_t tile = static_cast<size_t>(row) * tiling_.columns + column;
      const int16_t* belief = belief_.data() + tile * channels_ * kPixels;
      for (int i = 0; i < kPixels; ++i) {
        const int y = row * kSide + i / kSide, x = column * kSide + i % kSide;
        if (!tiling_.inside(y, x)) continue;
        int best = 0, most = channels_ ? belief[i] : 0, sum = 0;
        for (int c = 0; c < channels_; ++c) {
          sum += belief[c * kPixels + i];
          if (belief[c * kPixels + i] > most) best = c, most = belief[c * kPixels + i];
        }
        if (has_last_ && most < 0) best = channels_;
        if (!channels_) best = 0;
        const size_t at = static_cast<size_t>(y) * tiling_.width + x;
        out[at] = static_cast<uint8_t>(labels_[best]);
        if (!marginals) continue;
        for (int c = 0; c < all_labels_; ++c) marginals[c * plane + at] = 0.0f;
        const float last = has_last_ ? (kScale - sum) / static_cast<float>(labels) : 0.0f;
        const float total = has_last_ ? kScale : std::max(1.0f, static_cast<float>(sum));
        for (int c = 0; c < labels; ++c)
          marginals[labels_[c] * plane + at] = std::max(0.0f, last + (c < channels_ ? belief[c * kPixels + i] : 0)) / total;
      }
    }
}

}  // namespace edgeseg
