// Turns boxes, scores, classes and small masks in network pixels into objects in a frame's pixels. As
// edgeseg/frames/instance.py, in the same float32 where whole pixels are decided.
const PADDING = 1; // samples of zeros around a mask, so that its edge falls off inside the pasted area
const f = Math.fround;

// Give the objects, best score first: { box, score, classId, left, top, height, width, mask } each, `mask` a byte a
// pixel of the window within the frame.
export function objectsIn(outputs, place, thresholds) {
  const [, count] = outputs.scores.dims;
  const scores = outputs.scores.data;
  const side = outputs.masks.dims[3];
  const found = [];
  for (let i = 0; i < count; i++) {
    const box = toFrame(outputs.boxes.data.subarray(4 * i, 4 * i + 4), place);
    if (scores[i] >= f(thresholds.score) && scores[i] > 0 && box[2] > box[0] && box[3] > box[1]) {
      found.push({ index: i, box, score: scores[i], classId: Number(outputs.class_ids.data[i]) });
    }
  }
  found.sort((one, other) => other.score - one.score); // stable
  return found.map(({ index, ...object }) => {
    const mask = outputs.masks.data.subarray(index * side * side, (index + 1) * side * side);
    return { ...object, ...paste(mask, side, object.box, place, thresholds) };
  });
}

function toFrame(box, { left, top, width, height, frameWidth, frameHeight }) {
  const offset = [left, top], limit = [frameWidth, frameHeight];
  const scale = [f(frameWidth / width), f(frameHeight / height)];
  return box.map((value, i) => Math.min(Math.max(f(f(value - offset[i % 2]) * scale[i % 2]), 0), limit[i % 2]));
}

function paste(mask, side, box, place, thresholds) {
  const [across, down] = [0, 1].map((axis) => {
    const length = axis ? place.frameHeight : place.frameWidth;
    const lookUp = thresholds.pasting === "pixel_centres" ? atCentres : inWholePixels;
    return lookUp(box[axis], box[axis + 2], length, side);
  });
  const [width, height] = [across.before.length, down.before.length];
  const inside = new Uint8Array(width * height);
  const value = (row, column) => (row < 0 || column < 0 || row >= side || column >= side ? 0 : mask[row * side + column]);
  const line = new Float32Array(side + 2 * PADDING); // of samples from -1 to `side`
  for (let y = 0, at = 0; y < height; y++) {
    for (let k = 0; k < line.length; k++) {
      const above = value(down.before[y], k - PADDING), below = value(down.before[y] + 1, k - PADDING);
      line[k] = above + (below - above) * down.weight[y];
    }
    for (let x = 0; x < width; x++) {
      const before = across.before[x] + PADDING, left = line[before], right = line[before + 1] ?? 0;
      inside[at++] = left + (right - left) * across.weight[x] >= thresholds.mask;
    }
  }
  return { left: across.start, top: down.start, height, width, mask: inside };
}

// The box grows with the mask's border and is truncated to whole pixels, both ends included (torchvision).
// Sample -1 and sample `side` are the border.
function inWholePixels(low, high, length, side) {
  const padded = side + 2 * PADDING;
  const centre = f(f(high + low) * 0.5), half = f(f(f(high - low) * 0.5) * f(padded / side));
  const first = Math.trunc(f(centre - half)), last = Math.trunc(f(centre + half));
  const size = last - first + 1;
  const start = Math.max(first, 0), end = Math.min(last + 1, length);
  return lookedUp(Math.min(start, length), end, (pixel) => {
    const position = (pixel - first + 0.5) * (padded / size) - 0.5;
    return Math.min(Math.max(position, 0), padded - 1) - PADDING;
  });
}

// Each pixel takes the probability at its centre (detectron2).
function atCentres(low, high, length, side) {
  const sample = (high - low) / side; // pixels
  const start = Math.min(Math.max(Math.floor(low - sample / 2), 0), length);
  const end = Math.min(Math.max(Math.ceil(high + sample / 2), start), length);
  return lookedUp(start, end, (pixel) => Math.min(Math.max((pixel + 0.5 - low) / sample - 0.5, -1), side));
}

// Give of each pixel from `start` to before `end` the sample before it, and its share of the one behind.
function lookedUp(start, end, position) {
  const count = Math.max(end - start, 0);
  const before = new Int32Array(count), weight = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const at = position(start + i);
    before[i] = Math.floor(at);
    weight[i] = at - before[i];
  }
  return { start, before, weight };
}
