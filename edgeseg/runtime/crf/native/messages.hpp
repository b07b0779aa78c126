// Carry what every pixel says to all the others, through both kernels.
//
// Filtering is linear: what was said stays in sums at the lattice's vertices and the coarse grid's cells, a pixel adds
// the change of its probabilities, and passing on filters the sums anew.

#pragma once

#include <cstdint>
#include <vector>

#include "arrays.hpp"
#include "channels.hpp"
#include "gaussian.hpp"
#include "lattice.hpp"
#include "parameters.hpp"
#include "shares.hpp"
#include "tiles.hpp"
#include "workers.hpp"

namespace edgeseg {

class Messages {
 public:
  explicit Messages(Workers& workers) : workers_(workers) {}

  // To be ready for `channels` values of each pixel of an image; it may be null where nothing will be said.
  void prepare(const Parameters& parameters, const uint8_t* image, const Tiling& tiling, int channels);

  // Strips that begin with a cell of the coarse grid; each thread's has its part of the `work` (rows of tiles,).
  Strips strips(const std::vector<uint32_t>& work) const {
    return Strips(work, workers_.count(), std::max(1, gaussian_.factor() / kSide));
  }

  // Find what the weights of a tile's pixels sum to; once, before they say or hear anything.
  void weigh(size_t tile);

  // Forget what was said, and make room for C channels.
  template <int C>
  void clear();

  // Say which strips speak next.
  template <int C>
  void take_turns(const Strips& strips) {
    if (has_appearance_) shares_.lay_out<C>(strips, lattice_.lowest(), lattice_.highest());
    else shares_.clear(strips.count());
  }

  // Through which the pixels of one tile speak.
  template <int C>
  class Voice {
   public:
    Voice(Messages& messages, const Tile& tile, int strip)
        : places_(messages.has_appearance_ ? &messages.lattice_.places(tile.number) : nullptr),
          norms_(messages.norm_.before ? messages.norms_.data() + tile.number * kPixels : nullptr),
          vertices_(messages.shares_, strip, messages.vertex_sums_.data()),
          cells_(messages.has_smoothness_ ? messages.cell_sums_.data() : nullptr) {
      const Gaussian& gaussian = messages.gaussian_;
      for (int d = 0; d < kSide; ++d) {
        const int y = tile.row * kSide + d, x = tile.column * kSide + d;
        down_[d] = gaussian.cell(y, 0) * C, right_[d] = gaussian.cell(0, x) * C;
        row_in_[d] = messages.norm_.before ? gaussian.rows.norm[y] : 1.0f;
        column_in_[d] = messages.norm_.before ? gaussian.columns.norm[x] : 1.0f;
      }
    }

    // Add `difference` to what pixel i says.
    void say(int i, const Channels<C>& difference) const {
      if (places_) {
        const float in = norms_ ? norms_[i] : 1.0f;
        for (int k = 0; k < kKept; ++k)
          add(in * places_->weight[k][i], difference, vertices_.of(places_->vertex[k][i]));
      }
      const int dy = i / kSide, dx = i % kSide;
      if (cells_) add(row_in_[dy] * column_in_[dx], difference, cells_ + down_[dy] + right_[dx]);
    }

   private:
    static void add(float weight, const Channels<C>& difference, float* sum) {
      Channels<C> value;
      value.read(sum);
      value.add(weight, difference);
      value.write(sum);
    }

    const Places* places_;
    const float* norms_;
    const Shares::Place<C> vertices_;
    float* cells_;
    size_t down_[kSide], right_[kSide];          // of a pixel's cell, by its row and by its column
    float row_in_[kSide], column_in_[kSide];
  };

  // Filter what was said until now.
  template <int C>
  void pass_on();

  // Write what a tile's pixels hear, (16, C), kernel weights included.
  template <int C>
  void hear(const Tile& tile, float (*message)[C]) const;

 private:
  static constexpr float kLatticeGain = 1.0f / (1.0f + 1.0f / (1 << kDimensions));  // of weights that sum to 1

  Workers& workers_;
  Parameters parameters_{};
  Norm norm_{0};
  Tiling tiling_;
  Lattice lattice_;
  Gaussian gaussian_;
  bool has_appearance_ = false, has_smoothness_ = false;
  Array<float> norms_;                    // (tiles, 16) of the appearance kernel
  Array<float> vertex_sums_, cell_sums_;  // (vertices, C), (cells, C)
  Array<float> ones_, vertices_, cells_;  // filtered; the first for the norms
  Shares shares_;
};

inline void Messages::prepare(const Parameters& parameters, const uint8_t* image, const Tiling& tiling, int channels) {
  parameters_ = parameters;
  norm_ = Norm(parameters.normalisation);
  tiling_ = tiling;
  has_appearance_ = image && parameters.appearance_weight != 0.0f;
  has_smoothness_ = image && parameters.smoothness_weight != 0.0f;
  gaussian_.prepare(tiling, has_smoothness_ ? parameters.smoothness_position_px : 1.0f, norm_);
  if (!has_appearance_) return;
  lattice_.build(image, tiling, strips(std::vector<uint32_t>(tiling.rows, 1)), parameters.appearance_position_px,
                 parameters.appearance_colour, channels > Lattice::kMostStreamed, vertex_sums_, workers_);
  if (!norm_.before && !norm_.after) return;
  norms_.resize(tiling.pixels());
  lattice_.blur<1>(vertex_sums_, ones_, workers_);
}

inline void Messages::weigh(size_t tile) {
  if (!has_appearance_ || !(norm_.before || norm_.after) || !tiling_.takes_part(tile)) return;
  const Places& places = lattice_.places(tile);
  alignas(64) float total[kPixels] = {};
  for (int k = 0; k < kKept; ++k)
    for (int i = 0; i < kPixels; ++i) total[i] += places.weight[k][i] * ones_[places.vertex[k][i]];
  for (int i = 0; i < kPixels; ++i) norms_[tile * kPixels + i] = norm_.of(total[i]);
}

template <int C>
void Messages::clear() {
  shares_.clear(0);
  const size_t vertices = has_appearance_ ? lattice_.vertices() : 0, cells = has_smoothness_ ? gaussian_.cells() : 0;
  cells_.resize(cells * C);
  for (Array<float>* sums : {&vertex_sums_, &cell_sums_}) {
    sums->resize(sums == &vertex_sums_ ? vertices * C : cells * C);
    workers_.split(sums->size(), [&](size_t begin, size_t end) {
      std::fill_n(sums->data() + begin, end - begin, 0.0f);
    });
  }
}

template <int C>
void Messages::pass_on() {
  if (has_appearance_) {
    shares_.collect<C>(vertex_sums_.data(), lattice_.vertices(), workers_);
    lattice_.blur<C>(vertex_sums_, vertices_, workers_);
  }
  if (has_smoothness_) gaussian_.blur<C>(cell_sums_.data(), cells_.data(), workers_);
}

template <int C>
void Messages::hear(const Tile& tile, float (*message)[C]) const {
  const Places* places = has_appearance_ ? &lattice_.places(tile.number) : nullptr;
  const float *vertices = vertices_.data(), *cells = cells_.data();
  alignas(64) float out[kPixels];  // of the appearance kernel
  for (int i = 0; i < kPixels; ++i) {
    const float norm = norm_.after && places ? norms_[tile.number * kPixels + i] : norm_.before ? 1.0f : kLatticeGain;
    out[i] = parameters_.appearance_weight * norm;
  }
  const Axis &rows = gaussian_.rows, &columns = gaussian_.columns;
  size_t across[kSide];  // to a pixel's cell and the next one, and what they count, by the pixel's column
  float near[kSide], far[kSide];
  const float all = parameters_.smoothness_weight * (norm_.before ? 1.0f : gaussian_.gain());
  for (int dx = 0; dx < kSide; ++dx) {
    const int x = tile.column * kSide + dx;
    const float column = norm_.after ? parameters_.smoothness_weight * columns.norm[x] : all;
    across[dx] = static_cast<size_t>(columns.first[x]) * C;
    far[dx] = column * columns.second[x];
    near[dx] = column - far[dx];
  }
  const size_t down = rows.cells > 1 ? static_cast<size_t>(columns.cells) * C : 0, right = columns.cells > 1 ? C : 0;
  for (int dy = 0; dy < kSide; ++dy) {
    const int y = tile.row * kSide + dy;
    const size_t line = static_cast<size_t>(rows.first[y]) * columns.cells * C;
    const float row = norm_.after ? rows.norm[y] : 1.0f, lower = row * rows.second[y], upper = row - lower;
    for (int dx = 0; dx < kSide; ++dx, ++message) {
      const int i = dy * kSide + dx;
      Channels<C> sum;
      for (int k = 0; places && k < kKept; ++k)
        sum.add(places->weight[k][i] * out[i], vertices + size_t{places->vertex[k][i]} * C);
      if (has_smoothness_) {
        const float* cell = cells + line + across[dx];
        sum.add(upper * near[dx], cell);
        sum.add(upper * far[dx], cell + right);
        sum.add(lower * near[dx], cell + down);
        sum.add(lower * far[dx], cell + down + right);
      }
      sum.write(*message);
    }
  }
}

}  // namespace edgeseg
