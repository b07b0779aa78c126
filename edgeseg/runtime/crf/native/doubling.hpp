// Bring labels of an image at half size to the frame, along the frame's edges.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace edgeseg {

// A pixel of the frame lies between four pixels of the image. Where they differ it takes the label of the one that is
// nearest in colour, and of those as near the first: its own, the one above or below, beside, and across.
//
// labels (height, width) of image (height, width, 3), which is half of frame (frame_height, frame_width, 3), rounded up.
// Writes `out` (frame_height, frame_width).
inline void double_labels(const uint8_t* labels, const uint8_t* image, int height, int width, const uint8_t* frame,
                          int frame_height, int frame_width, uint8_t* out) {
  for (int y = 0; y < frame_height; ++y) {
    const size_t near = static_cast<size_t>(y / 2) * width;
    const size_t far = static_cast<size_t>(std::clamp(y / 2 + y % 2 * 2 - 1, 0, height - 1)) * width;
    for (int x = 0; x < frame_width; ++x) {
      const int near_x = x / 2, far_x = std::clamp(x / 2 + x % 2 * 2 - 1, 0, width - 1);
      const size_t source[4] = {near + near_x, far + near_x, near + far_x, far + far_x};
      const size_t pixel = static_cast<size_t>(y) * frame_width + x;
      uint8_t label = labels[source[0]];
      if (labels[source[1]] != label || labels[source[2]] != label || labels[source[3]] != label) {
        int least = 4 * 255 * 255;
        for (const size_t each : source) {
          int distance = 0;
          for (int c = 0; c < 3; ++c) {
            const int step = image[each * 3 + c] - frame[pixel * 3 + c];
            distance += step * step;
          }
          if (distance < least) least = distance, label = labels[each];
        }
      }
      out[pixel] = label;
    }
  }
}

}  // namespace edgeseg
