// Turn a picture of three channels into one of another size, each pixel a weighted sum over rows and columns.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__clang__)
#define EDGESEG_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define EDGESEG_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (Ints){__VA_ARGS__})
#endif

namespace edgeseg {

constexpr int kChannels = 3;
#if defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;  // of SSE and NEON
#endif
constexpr int kBytes = 4;  // of an int: a lane is read with as many samples of a row
constexpr int kBlock = kLanes * kBytes;

typedef int32_t Ints __attribute__((vector_size(4 * kLanes)));
typedef float Floats __attribute__((vector_size(4 * kLanes)));
typedef float Quad __attribute__((vector_size(16)));
typedef int32_t IntQuad __attribute__((vector_size(16)));

// Of which samples of an axis each one of the result is made: weight[i * taps + k] times sample first[i] + k.
// Weights beyond the last sample are 0.
struct Axis {
  const int32_t* first;
  const float* weight;
  int taps;
};

struct Picture {
  const uint8_t* pixels;
  ptrdiff_t stride;  // bytes from row to row
  int height, width;
};

template <typename Vector>
inline Vector load(const void* from) {
  Vector value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename Vector>
inline void store(void* to, Vector value) {
  std::memcpy(to, &value, sizeof value);
}

// Write four vectors of which lane j of number b is sample 4 j + b.
inline void store_in_order(const Floats* sum, float* to) {
#if defined(__AVX2__)
  const Floats a = EDGESEG_SHUFFLE(sum[0], sum[1], 0, 8, 1, 9, 4, 12, 5, 13);
  const Floats b = EDGESEG_SHUFFLE(sum[0], sum[1], 2, 10, 3, 11, 6, 14, 7, 15);
  const Floats c = EDGESEG_SHUFFLE(sum[2], sum[3], 0, 8, 1, 9, 4, 12, 5, 13);
  const Floats d = EDGESEG_SHUFFLE(sum[2], sum[3], 2, 10, 3, 11, 6, 14, 7, 15);
  const Floats p = EDGESEG_SHUFFLE(a, c, 0, 1, 8, 9, 4, 5, 12, 13);
  const Floats q = EDGESEG_SHUFFLE(a, c, 2, 3, 10, 11, 6, 7, 14, 15);
  const Floats r = EDGESEG_SHUFFLE(b, d, 0, 1, 8, 9, 4, 5, 12, 13);
  const Floats s = EDGESEG_SHUFFLE(b, d, 2, 3, 10, 11, 6, 7, 14, 15);
  store(to, EDGESEG_SHUFFLE(p, q, 0, 1, 2, 3, 8, 9, 10, 11));
  store(to + kLanes, EDGESEG_SHUFFLE(r, s, 0, 1, 2, 3, 8, 9, 10, 11));
  store(to + 2 * kLanes, EDGESEG_SHUFFLE(p, q, 4, 5, 6, 7, 12, 13, 14, 15));
  store(to + 3 * kLanes, EDGESEG_SHUFFLE(r, s, 4, 5, 6, 7, 12, 13, 14, 15));
#else
  const Floats a = EDGESEG_SHUFFLE(sum[0], sum[1], 0, 4, 1, 5), b = EDGESEG_SHUFFLE(sum[0], sum[1], 2, 6, 3, 7);
  const Floats c = EDGESEG_SHUFFLE(sum[2], sum[3], 0, 4, 1, 5), d = EDGESEG_SHUFFLE(sum[2], sum[3], 2, 6, 3, 7);
  store(to, EDGESEG_SHUFFLE(a, c, 0, 1, 4, 5));
  store(to + kLanes, EDGESEG_SHUFFLE(a, c, 2, 3, 6, 7));
  store(to + 2 * kLanes, EDGESEG_SHUFFLE(b, d, 0, 1, 4, 5));
  store(to + 3 * kLanes, EDGESEG_SHUFFLE(b, d, 2, 3, 6, 7));
#endif
}

// Weigh `count` rows of `samples` bytes into one of floats.
inline void weigh_rows(const uint8_t* row, ptrdiff_t stride, int count, const float* weight, int samples, float* line) {
  int i = 0;
  for (; i + kBlock <= samples; i += kBlock) {
    Floats sum[kBytes] = {};
    const uint8_t* at = row + i;
    for (int k = 0; k < count; ++k, at += stride) {
      const Ints packed = load<Ints>(at);
      for (int b = 0; b < kBytes; ++b) {
        sum[b] += __builtin_convertvector((packed >> (8 * b)) & 255, Floats) * weight[k];
      }
    }
    store_in_order(sum, line + i);
  }
  for (; i < samples; ++i) {
    float sum = 0.0f;
    for (int k = 0; k < count; ++k) sum += weight[k] * row[k * stride + i];
    line[i] = sum;
  }
}

// Rows first, then columns, in float32: rounded once. `line` holds `from.width` pixels, and behind them zeros:
// `columns.taps` pixels and one more float, as four are read at a time.
inline void resize(const Picture& from, uint8_t* to, ptrdiff_t stride, int height, int width, const Axis& rows,
                   const Axis& columns, float* line) {
  for (int y = 0; y < height; ++y) {
    const int first = rows.first[y], left = from.height - first;
    weigh_rows(from.pixels + first * from.stride, from.stride, rows.taps < left ? rows.taps : left,
               rows.weight + static_cast<size_t>(y) * rows.taps, from.width * kChannels, line);
    uint8_t* out = to + y * stride;
    const float* weight = columns.weight;
    for (int x = 0; x < width; ++x, weight += columns.taps) {
      const float* at = line + static_cast<size_t>(columns.first[x]) * kChannels;
      Quad even = {0.5f, 0.5f, 0.5f, 0.5f}, odd = {};  // two sums, which do not wait for each other
      int k = 0;
      for (; k + 2 <= columns.taps; k += 2, at += 2 * kChannels) {
        even += load<Quad>(at) * weight[k];
        odd += load<Quad>(at + kChannels) * weight[k + 1];
      }
      if (k < columns.taps) even += load<Quad>(at) * weight[k];
      const IntQuad rounded = __builtin_convertvector(even + odd, IntQuad);
      for (int c = 0; c < kChannels; ++c) *out++ = static_cast<uint8_t>(rounded[c]);
    }
  }
}

}  // namespace edgeseg
