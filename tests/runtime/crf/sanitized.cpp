// Runs the kernel over many shapes, widths and numbers of labels, to be built with the compiler's sanitizers.

#include <cstdio>
#include <cstdlib>
#include <random>

#include "../../../edgeseg/runtime/crf/native/kernel.cpp"

// `sanitized 2` leaves out the rounds of one thread, in which there are no races to find.
int main(int count, char** arguments) {
  std::mt19937 random(0);
  const float widths[] = {1e-30f, 0.01f, 1.0f, 13.0f, 80.0f, 1e4f, 1e30f};
  const float weights[] = {0.0f, 1e-3f, 10.0f, 1e6f};
  int done = 0;
  for (int threads = count > 1 ? std::atoi(arguments[1]) : 1; threads <= 2; ++threads) {
    MeanField* field = edgeseg_crf_new(threads);
    for (int round = 0; round < 300; ++round) {
      const int height = 1 + random() % 40, width = 1 + random() % 40, labels = 1 + random() % 40;
      const bool coarse = random() % 2;
      const int grid_height = coarse ? 1 + random() % 12 : height, grid_width = coarse ? 1 + random() % 12 : width;
      std::vector<uint8_t> image(static_cast<size_t>(height) * width * 3), out(static_cast<size_t>(height) * width);
      for (auto& value : image) value = static_cast<uint8_t>(random());
      std::vector<float> logits(static_cast<size_t>(labels) * grid_height * grid_width), rows(height), columns(width);
      for (auto& value : logits) value = (static_cast<float>(random() % 2000) * 0.01f - 10.0f) * (round % 3 ? 1.0f : 1e4f);
      if (random() % 8 == 0) logits[random() % logits.size()] = 0.0f / 0.0f * (random() % 2 ? 1.0f : -1.0f);
      for (int y = 0; y < height; ++y) rows[y] = (y + 0.5f) * grid_height / height - 0.5f;
      for (int x = 0; x < width; ++x) columns[x] = (x + 0.5f) * grid_width / width - 0.5f;
      std::vector<float> matrix(static_cast<size_t>(labels) * labels, 1.0f);
      std::vector<float> marginals(static_cast<size_t>(labels) * height * width);
      const Parameters parameters{widths[random() % 7], widths[random() % 7], weights[random() % 4],
                                  widths[random() % 7], weights[random() % 4], static_cast<int32_t>(random() % 4),
                                  static_cast<int32_t>(random() % 4), 0.95f, 0.05f};
      std::vector<uint8_t> chosen((height + 3) / 4 * ((width + 3) / 4));
      for (auto& each : chosen) each = random() % 2;
      const int outcome = edgeseg_crf_infer(
          field, &parameters, random() % 4 ? nullptr : matrix.data(), image.data(), height, width,
          random() % 3 ? nullptr : chosen.data(), logits.data(), grid_height, grid_width, coarse ? rows.data() : nullptr,
          coarse ? columns.data() : nullptr, labels, out.data(), random() % 2 ? marginals.data() : nullptr);
      if (outcome == 0)
        for (uint8_t label : out)
          if (label >= labels) return 1;
      done += outcome == 0;
    }
    edgeseg_crf_free(field);
  }
  std::printf("%d\n", done);
  return done > 200 ? 0 : 2;
}
