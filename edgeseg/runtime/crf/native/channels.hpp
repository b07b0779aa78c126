// Hold one value for each of C channels in registers.

#pragma once

#include <cstdint>
#include <cstring>

#if defined(__clang__)
#define EDGESEG_SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define EDGESEG_SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, (decltype(a < a)){i, j, k, l})
#endif

namespace edgeseg {

typedef float Quad __attribute__((vector_size(16)));
typedef Quad LooseQuad __attribute__((aligned(4), may_alias));

// Turn four rows into their four columns.
inline void transpose(Quad* row) {
  const Quad a = EDGESEG_SHUFFLE(row[0], row[1], 0, 4, 1, 5), b = EDGESEG_SHUFFLE(row[2], row[3], 0, 4, 1, 5);
  const Quad c = EDGESEG_SHUFFLE(row[0], row[1], 2, 6, 3, 7), d = EDGESEG_SHUFFLE(row[2], row[3], 2, 6, 3, 7);
  row[0] = EDGESEG_SHUFFLE(a, b, 0, 1, 4, 5);
  row[1] = EDGESEG_SHUFFLE(a, b, 2, 3, 6, 7);
  row[2] = EDGESEG_SHUFFLE(c, d, 0, 1, 4, 5);
  row[3] = EDGESEG_SHUFFLE(c, d, 2, 3, 6, 7);
}

inline float largest(Quad x) {
  const Quad other = EDGESEG_SHUFFLE(x, x, 2, 3, 0, 1);
  const Quad most = x > other ? x : other;
  return most[0] > most[1] ? most[0] : most[1];
}

inline float total(Quad x) {
  const Quad sum = x + EDGESEG_SHUFFLE(x, x, 2, 3, 0, 1);
  return sum[0] + sum[1];
}

// As many vectors as hold C values.
template <int C>
struct Channels {
  static constexpr int kLanes = C % 8 == 0 ? 8 : C % 4 == 0 ? 4 : C % 2 == 0 ? 2 : 1;
  static constexpr int kParts = C / kLanes;
  typedef float Part __attribute__((vector_size(4 * kLanes)));
  typedef int32_t Ints __attribute__((vector_size(4 * kLanes)));
  typedef int16_t Shorts __attribute__((vector_size(2 * kLanes)));
  typedef Part Loose __attribute__((aligned(4), may_alias));  // as it lies in memory, at any float
  typedef Shorts LooseShorts __attribute__((aligned(2), may_alias));

  Part part[kParts] = {};

  void set(int channel, float value) { part[channel / kLanes][channel % kLanes] = value; }
  void read(const float* from) {
    for (int p = 0; p < kParts; ++p) part[p] = reinterpret_cast<const Loose*>(from)[p];
  }
  void write(float* to) const {
    for (int p = 0; p < kParts; ++p) reinterpret_cast<Loose*>(to)[p] = part[p];
  }
  void add(float weight, const float* from) {
    for (int p = 0; p < kParts; ++p) part[p] += weight * reinterpret_cast<const Loose*>(from)[p];
  }
  void add(float weight, const Channels& other) {
    for (int p = 0; p < kParts; ++p) part[p] += weight * other.part[p];
  }
  void scale(float by) {
    for (int p = 0; p < kParts; ++p) part[p] *= by;
  }
  // Of all channels; at least four.
  float largest() const {
    Part most = part[0];
    for (int p = 1; p < kParts; ++p) most = part[p] > most ? part[p] : most;
    Quad half[kLanes / 4];
    std::memcpy(half, &most, sizeof most);
    for (int h = 1; h < kLanes / 4; ++h) half[0] = half[h] > half[0] ? half[h] : half[0];
    return edgeseg::largest(half[0]);
  }
  float total() const {
    Part sum = part[0];
    for (int p = 1; p < kParts; ++p) sum += part[p];
    Quad half[kLanes / 4];
    std::memcpy(half, &sum, sizeof sum);
    for (int h = 1; h < kLanes / 4; ++h) half[0] += half[h];
    return edgeseg::total(half[0]);
  }
};

}  // namespace edgeseg
