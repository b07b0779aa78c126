// Turns a picture as a canvas gives it into the network's input: blue, green, red, resized, padded.
// As edgeseg/frames/preprocess.py and resize.py: `linear` gives OpenCV's very bytes, what weighs more samples is
// within one grey level of the filter's own library.
import { place } from "./geometry.js";
import { box, grownArea, linear, triangle } from "./weights.js";

const CHANNELS = 3;
const RGBA = 4; // bytes of a canvas's pixel
const ONE = 1 << 11; // a weight of 1 in OpenCV's fixed point; a byte times two of them has 22 bits more
const FIRST_DROP = 4, SECOND_DROP = 16, LAST_DROP = 2, HALF = 2; // bits, and what rounds the last ones

// Prepare frames for `input`, of the spec; keeps what frames of one size share.
export class Preprocessor {
  constructor(input) {
    this.input = input;
    this.image = new Uint8Array(input.height * input.width * CHANNELS);
    this.place = null;
  }

  // Give the input's bytes, which the next frame overwrites, and where the frame lies in it.
  // `pixels` has `height` x `width` pixels of red, green, blue, alpha.
  prepare(pixels, height, width) {
    const known = this.place;
    if (known === null || known.frameHeight !== height || known.frameWidth !== width) {
      this.place = place(height, width, this.input);
      this.resize = resizer(this.place, this.input.resize_filter);
      for (let i = 0; i < this.image.length; i++) this.image[i] = this.input.pad_bgr[i % CHANNELS];
    }
    const { top, left, inputWidth } = this.place;
    this.resize(pixels, this.image, (top * inputWidth + left) * CHANNELS, inputWidth * CHANNELS);
    return { image: this.image, place: this.place };
  }
}

// Give what writes a frame into its window: (pixels, to, start, stride), in bytes.
function resizer(place, filter) {
  const { frameHeight, frameWidth, height, width } = place;
  if (frameHeight === height && frameWidth === width) {
    return (pixels, to, start, stride) => copy(pixels, to, start, stride, height, width);
  }
  const grows = frameHeight < height || frameWidth < width;
  if (filter === "linear" || (filter === "area" && grows)) {
    const isLinear = filter === "linear";
    const rows = isLinear ? linear(frameHeight, height, false) : grownArea(frameHeight, height);
    const columns = isLinear ? linear(frameWidth, width, true) : grownArea(frameWidth, width);
    const [down, across] = [fixed(rows), fixed(columns)];
    const line = new Int32Array(2 * width * CHANNELS);
    return (pixels, to, start, stride) =>
      inFixedPoint(pixels, frameHeight, frameWidth, down, across, line, to, start, stride);
  }
  const weigh = filter === "area" ? box : triangle;
  const [rows, columns] = [weigh(frameHeight, height), weigh(frameWidth, width)];
  const line = new Float32Array(frameWidth * CHANNELS);
  return (pixels, to, start, stride) =>
    weighing(pixels, frameHeight, frameWidth, rows, columns, line, to, start, stride);
}

function copy(pixels, to, start, stride, height, width) {
  for (let y = 0, from = 0; y < height; y++) {
    for (let x = 0, at = start + y * stride; x < width; x++, from += RGBA) {
      to[at++] = pixels[from + 2];
      to[at++] = pixels[from + 1];
      to[at++] = pixels[from];
    }
  }
}

function fixed({ first, weight }) {
  return { first, weight: Int32Array.from(weight, (value) => roundHalfToEven(value * ONE)) };
}

function roundHalfToEven(value) {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}

// Weigh two samples an axis, columns first, and drop the bits that OpenCV drops.
function inFixedPoint(pixels, height, width, rows, columns, line, to, start, stride) {
  const samples = line.length / 2;
  const taken = [-1, -1]; // the rows of the frame that the two halves of `line` hold
  for (let y = 0; y < rows.first.length; y++) {
    const first = clamp(rows.first[y], height), second = clamp(rows.first[y] + 1, height);
    if (taken[1] === first) {
      line.copyWithin(0, samples);
      taken[0] = first;
    }
    if (taken[0] !== first) weighRow(pixels, first, width, columns, line, 0);
    if (taken[1] !== second) weighRow(pixels, second, width, columns, line, samples);
    [taken[0], taken[1]] = [first, second];
    const above = rows.weight[2 * y], below = rows.weight[2 * y + 1];
    for (let i = 0, at = start + y * stride; i < samples; i++) {
      const sum = HALF + ((line[i] * above) >> SECOND_DROP) + ((line[samples + i] * below) >> SECOND_DROP);
      to[at++] = sum >> LAST_DROP;
    }
  }
}

function weighRow(pixels, row, width, columns, line, start) {
  const begin = row * width * RGBA;
  for (let x = 0, at = start; x < columns.first.length; x++) {
    const left = begin + Math.min(columns.first[x], width - 1) * RGBA;
    const right = begin + Math.min(columns.first[x] + 1, width - 1) * RGBA;
    const before = columns.weight[2 * x], after = columns.weight[2 * x + 1];
    for (let channel = 2; channel >= 0; channel--) {
      line[at++] = (pixels[left + channel] * before + pixels[right + channel] * after) >> FIRST_DROP;
    }
  }
}

function clamp(index, count) {
  return index < 0 ? 0 : index >= count ? count - 1 : index;
}

// Weigh any number of samples, rows first, then columns, and round once.
function weighing(pixels, height, width, rows, columns, line, to, start, stride) {
  for (let y = 0; y < rows.first.length; y++) {
    weighRows(pixels, height, width, rows, y, line);
    for (let x = 0, at = start + y * stride; x < columns.first.length; x++) {
      let blue = 0.5, green = 0.5, red = 0.5;
      const count = Math.min(columns.taps, width - columns.first[x]);
      for (let k = 0, from = columns.first[x] * CHANNELS; k < count; k++) {
        const weight = columns.weight[x * columns.taps + k];
        blue += weight * line[from++];
        green += weight * line[from++];
        red += weight * line[from++];
      }
      to[at++] = blue;
      to[at++] = green;
      to[at++] = red;
    }
  }
}

// Weigh rows of the frame into one of floats, blue first.
function weighRows(pixels, height, width, rows, y, line) {
  const count = Math.min(rows.taps, height - rows.first[y]);
  line.fill(0);
  for (let k = 0; k < count; k++) {
    const weight = rows.weight[y * rows.taps + k];
    if (weight === 0) continue;
    for (let x = 0, from = (rows.first[y] + k) * width * RGBA, at = 0; x < width; x++, from += RGBA) {
      line[at++] += weight * pixels[from + 2];
      line[at++] += weight * pixels[from + 1];
      line[at++] += weight * pixels[from];
    }
  }
}
