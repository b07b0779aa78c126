// Gives the weights by which the samples of an axis become those of a longer or shorter one. As
// edgeseg/frames/resize_weights.py: sample i is the sum of `weight[i * taps + k]` times sample `first[i] + k`.
const LEAST_OVERLAP = 1e-3; // of a pixel: OpenCV leaves out what covers less

function axis(count, taps) {
  return { first: new Int32Array(count), weight: new Float32Array(count * taps), taps };
}

// OpenCV's INTER_LINEAR: the two samples whose centres are next. Beyond the outermost centres these alone count
// if `within`; else they are weighed with samples beyond the ends, for which they stand as well.
export function linear(size, resized, within) {
  const made = axis(resized, 2);
  const scale = 1 / (resized / size); // rounded as OpenCV rounds
  for (let i = 0; i < resized; i++) {
    let position = Math.fround((i + 0.5) * scale - 0.5);
    if (within) position = Math.min(Math.max(position, 0), size - 1);
    between(made, i, Math.floor(position), Math.fround(position - Math.floor(position)));
  }
  return made;
}

// OpenCV's INTER_AREA of a picture of which a side grows.
export function grownArea(size, resized) {
  const made = axis(resized, 2);
  const growth = resized / size;
  for (let i = 0; i < resized; i++) {
    const first = Math.min(Math.floor(i * (1 / growth)), size - 1); // rounded as OpenCV rounds
    const beyond = Math.fround(i + 1 - (first + 1) * growth);
    between(made, i, first, beyond <= 0 || first === size - 1 ? 0 : Math.fround(beyond % 1));
  }
  return made;
}

function between(made, i, first, share) {
  made.first[i] = first;
  made.weight[2 * i] = Math.fround(1 - share);
  made.weight[2 * i + 1] = share;
}

// Bilinear over a triangle that is wider where the axis shrinks: Pillow's BILINEAR, PyTorch's antialias=True.
export function triangle(size, resized) {
  const scale = size / resized;
  const reach = Math.max(scale, 1);
  const centre = (i) => (i + 0.5) * scale;
  return weighed(
    resized,
    (i) => Math.max(Math.trunc(centre(i) - reach + 0.5), 0),
    (i) => Math.min(Math.trunc(centre(i) + reach + 0.5), size),
    (i, position) => Math.max(1 - Math.abs(position + 0.5 - centre(i)) / reach, 0),
  );
}

// OpenCV's INTER_AREA: how much of each sample the shorter axis's one covers.
export function box(size, resized) {
  const scale = size / resized;
  const covered = (i, position) => Math.min(position + 1, (i + 1) * scale) - Math.max(position, i * scale);
  return weighed(
    resized,
    (i) => Math.min(Math.floor(i * scale + LEAST_OVERLAP), size - 1),
    (i) => Math.min(Math.ceil((i + 1) * scale - LEAST_OVERLAP), size),
    (i, position) => Math.max(covered(i, position), 0),
  );
}

// Weigh the samples from `first(i)` to before `end(i)`, so that weights sum to 1; they are 0 behind the end.
function weighed(count, first, end, weigh) {
  let taps = 0;
  for (let i = 0; i < count; i++) taps = Math.max(taps, end(i) - first(i));
  const made = axis(count, taps);
  for (let i = 0; i < count; i++) {
    const start = first(i);
    const values = Array.from({ length: end(i) - start }, (_, k) => weigh(i, start + k));
    const sum = values.reduce((total, value) => total + value, 0);
    made.first[i] = start;
    values.forEach((value, k) => (made.weight[i * taps + k] = value / sum));
  }
  return made;
}
