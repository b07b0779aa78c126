// The C interface of the kernel, as edgeseg/runtime/crf/kernel.py calls it.

#include "doubling.hpp"
#include "mean_field.hpp"

#define EXPORTED extern "C" __attribute__((visibility("default")))

using edgeseg::Grid;
using edgeseg::MeanField;
using edgeseg::Parameters;

constexpr int kOutOfMemory = 2;

EXPORTED int edgeseg_crf_has_avx2() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return 0;
#endif
}

EXPORTED MeanField* edgeseg_crf_new(int threads) {
  try {
    return new MeanField(threads);
  } catch (...) {
    return nullptr;
  }
}

EXPORTED void edgeseg_crf_free(MeanField* field) { delete field; }

EXPORTED int edgeseg_crf_infer(MeanField* field, const Parameters* parameters, const float* compatibility,
                               const uint8_t* image, int height, int width, const uint8_t* chosen,
                               const float* logits, int grid_height, int grid_width, const float* rows,
                               const float* columns, int labels, uint8_t* out, float* marginals) {
  try {
    const Grid grid{logits, grid_height, grid_width, rows, columns};
    return field->infer(*parameters, compatibility, image, height, width, chosen, grid, labels, out, marginals);
  } catch (...) {  // the standard library's own: there is not that much memory, or no vector of that length
    return kOutOfMemory;
  }
}

EXPORTED void edgeseg_crf_double_labels(const uint8_t* labels, const uint8_t* image, int height, int width,
                                        const uint8_t* frame, int frame_height, int frame_width, uint8_t* out) {
  edgeseg::double_labels(labels, image, height, width, frame, frame_height, frame_width, out);
}
