// Resize pictures of many sizes, held in memory of exactly their size; the sanitizers say what is wrong.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "../../edgeseg/frames/native/resizing.cpp"

struct Weights {
  std::vector<int32_t> first;
  std::vector<float> weight;
  int taps;
};

// Means of `taps` samples; the last ones reach beyond the end.
Weights means(int size, int resized) {
  const int taps = std::max(2, 2 * size / resized + 1);
  Weights found{std::vector<int32_t>(resized), std::vector<float>(static_cast<size_t>(resized) * taps), taps};
  for (int i = 0; i < resized; ++i) {
    found.first[i] = static_cast<int32_t>(static_cast<int64_t>(i) * size / resized);
    const int count = std::min(taps, size - found.first[i]);
    for (int k = 0; k < count; ++k) found.weight[static_cast<size_t>(i) * taps + k] = 1.0f / count;
  }
  return found;
}

int main() {
  const int sides[] = {1, 2, 3, 7, 10, 11, 31, 97, 640};
  for (int height : sides) for (int width : sides) for (int resized : sides) {
    const int out_height = resized, out_width = 641 - resized;
    const std::vector<uint8_t> frame(static_cast<size_t>(height) * width * 3, 200);
    std::vector<uint8_t> out(static_cast<size_t>(out_height) * out_width * 3);
    const Weights rows = means(height, out_height), columns = means(width, out_width);
    std::vector<float> line((static_cast<size_t>(width) + columns.taps) * 3 + 1);
    edgeseg_resize(frame.data(), width * 3, height, width, out.data(), out_width * 3, out_height, out_width,
                   rows.first.data(), rows.weight.data(), rows.taps, columns.first.data(), columns.weight.data(),
                   columns.taps, line.data());
    if (std::any_of(out.begin(), out.end(), [](uint8_t value) { return value != 200; })) {
      std::printf("%dx%d became another colour at %dx%d\n", height, width, out_height, out_width);
      return EXIT_FAILURE;
    }
  }
  return EXIT_SUCCESS;
}
