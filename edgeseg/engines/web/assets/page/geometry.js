// Turns frame sizes into places: where a frame lies in the network's input. As edgeseg/frames/geometry.py.

// Give the place of a frame of `height` x `width` in the input that `input`, of the spec, describes.
export function place(height, width, input) {
  const [h, w] = resizedSize(height, width, input);
  const both = input.resize === "letterbox" && input.pad_side === "both"; // the odd pixel goes right and below
  return {
    frameHeight: height,
    frameWidth: width,
    inputHeight: input.height,
    inputWidth: input.width,
    top: both ? Math.floor((input.height - h) / 2) : 0,
    left: both ? Math.floor((input.width - w) / 2) : 0,
    height: h,
    width: w,
  };
}

function resizedSize(height, width, input) {
  if (input.resize === "stretch") return [input.height, input.width];
  const scales = [input.height / height, input.width / width];
  if (input.resize === "letterbox") {
    const scale = Math.min(...scales);
    return [height, width].map((side) => Math.max(1, Math.floor(side * scale + 0.5)));
  }
  return scales // shortest_edge: one side exactly, the other truncated
    .map((scale) => [height, width].map((side) => Math.max(1, Math.trunc(side * scale))))
    .filter(([h, w]) => h <= input.height && w <= input.width)
    .reduce((best, size) => (size[0] > best[0] || (size[0] === best[0] && size[1] > best[1]) ? size : best));
}

// How the frame's pixels along one axis fall into the cells between `count` samples spread over the input.
// Pixel i lies `weight[i]` of the way from sample `before[i]` to sample `after[i]`, in cell `cell[i]`.
export function samples(frameSide, start, content, inputSide, count) {
  const axis = {
    cell: new Int32Array(frameSide),
    weight: new Float32Array(frameSide),
    before: new Int32Array(frameSide),
    after: new Int32Array(frameSide),
    isGrid: frameSide === count, // every pixel lies exactly on the sample of its own number
  };
  for (let i = 0; i < frameSide; i++) {
    const position = (start + (i + 0.5) * (content / frameSide)) * (count / inputSide) - 0.5;
    const below = Math.floor(position);
    axis.cell[i] = below + 1;
    axis.weight[i] = position - below;
    axis.before[i] = Math.max(below, 0);
    axis.after[i] = Math.min(below + 1, count - 1);
    if (position !== i) axis.isGrid = false;
  }
  return axis;
}

export function rowSamples(place, count) {
  return samples(place.frameHeight, place.top, place.height, place.inputHeight, count);
}

export function columnSamples(place, count) {
  return samples(place.frameWidth, place.left, place.width, place.inputWidth, count);
}
