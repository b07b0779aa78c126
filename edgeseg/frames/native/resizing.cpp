// The C interface of the kernel, as edgeseg/frames/resize_kernel.py calls it.

#include "weighing.hpp"

extern "C" __attribute__((visibility("default"))) void edgeseg_resize(
    const uint8_t* pixels, ptrdiff_t stride, int height, int width, uint8_t* out, ptrdiff_t out_stride, int out_height,
    int out_width, const int32_t* first_row, const float* row_weight, int row_taps, const int32_t* first_column,
    const float* column_weight, int column_taps, float* line) {
  edgeseg::resize({pixels, stride, height, width}, out, out_stride, out_height, out_width,
                  {first_row, row_weight, row_taps}, {first_column, column_weight, column_taps}, line);
}
