// Turn the fields of a tile's pixels into probabilities, 16 pixels side by side.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "tiles.hpp"

namespace edgeseg {

typedef float Row[kPixels];  // one value of each of a tile's pixels

// 2^x for 0 <= x <= 1, within 2e-7 of it and exact at both ends, of a float or a vector of them.
template <typename Floats>
inline Floats power_of_two(Floats x) {
  return 1.0f + x * (0.69315174f + x * (0.24015927f + x * (0.05581868f + x * (0.00899100f + x * 0.00187932f))));
}

// e^x for x <= 0, within 3e-7 of it.
inline float exponential(float x) {
  const float power = std::max(x, -80.0f) * 1.44269504f;
  const float whole = std::floor(power);
  const float rest = power - whole;
  const int32_t bits = (static_cast<int32_t>(whole) + 127) * (1 << 23);
  float scale;
  std::memcpy(&scale, &bits, sizeof scale);
  return power_of_two(rest) * scale;
}

// The same, of a vector's lanes.
template <typename Floats>
inline Floats exponentials(Floats x) {
  typedef int32_t Ints __attribute__((vector_size(sizeof(Floats))));
  const Floats least = Floats{} - 80.0f;
  const Floats power = (x > least ? x : least) * 1.44269504f;
  Ints whole = __builtin_convertvector(power, Ints);
  whole += __builtin_convertvector(whole, Floats) > power;  // true is -1: floor
  const Floats rest = power - __builtin_convertvector(whole, Floats);
  return power_of_two(rest) * reinterpret_cast<Floats>((whole + 127) << 23);
}

// Writes the probabilities of `count` labels over their fields. With `has_last` there is one more label, of field 0.
// `top` is the probability of the likeliest label, `last` that of the additional one (or 0).
inline void softmax(Row* field, int count, bool has_last, Row& top, Row& last) {
  alignas(64) Row peak, sum;
  const float floor = has_last ? 0.0f : -1e30f;
  for (int i = 0; i < kPixels; ++i) peak[i] = floor;
  for (int c = 0; c < count; ++c)
    for (int i = 0; i < kPixels; ++i) peak[i] = field[c][i] > peak[i] ? field[c][i] : peak[i];
  for (int i = 0; i < kPixels; ++i) sum[i] = last[i] = has_last ? exponential(-peak[i]) : 0.0f;
  for (int c = 0; c < count; ++c)
    for (int i = 0; i < kPixels; ++i) {
      field[c][i] = exponential(field[c][i] - peak[i]);
      sum[i] += field[c][i];
    }
  for (int i = 0; i < kPixels; ++i) top[i] = 1.0f / sum[i];
  for (int i = 0; i < kPixels; ++i) last[i] *= top[i];
  for (int c = 0; c < count; ++c)
    for (int i = 0; i < kPixels; ++i) field[c][i] *= top[i];
}

}  // namespace edgeseg
