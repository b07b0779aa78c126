// Turns labels or logits in the network's resolution into a class for every frame pixel. As
// edgeseg/frames/semantic.py and upsample.py, in the same float32.
import { columnSamples, rowSamples } from "./geometry.js";

const VOID_LABEL = 255; // a pixel without a class
const f = Math.fround;

// Give the frame's labels, and if `masks` is asked for, of classes that may overlap, the pixels of each.
export function semanticResult(outputs, place, spec, { masks = false } = {}) {
  if (outputs.labels) return { labels: nearest(outputs.labels.data, place) };
  const { data, dims } = outputs.logits;
  const [, classes, height, width] = dims;
  const grid = { data, classes, height, width };
  if (spec.head.kind === "multilabel") return overlapping(grid, place, masks);
  return { labels: upsampledLabels(grid, place) };
}

// Every frame pixel takes the label of the input pixel in which its centre lies.
function nearest(labels, place) {
  const columns = nearestOf(place.frameWidth, place.left, place.width);
  const rows = nearestOf(place.frameHeight, place.top, place.height);
  const found = new Uint8Array(place.frameHeight * place.frameWidth);
  for (let y = 0, at = 0; y < rows.length; y++) {
    const row = rows[y] * place.inputWidth;
    for (let x = 0; x < columns.length; x++) found[at++] = labels[row + columns[x]];
  }
  return found;
}

function nearestOf(frameSide, start, content) {
  return Int32Array.from({ length: frameSide }, (_, i) => start + Math.floor(((2 * i + 1) * content) / (2 * frameSide)));
}

// Label every frame pixel with the argmax of the bilinearly upsampled logits. Only where the four samples around
// a cell have several labels is anything interpolated, and there only classes that reach the mean of the best.
export function upsampledLabels(grid, place) {
  const best = argmax(grid);
  const rows = rowSamples(place, grid.height), columns = columnSamples(place, grid.width);
  if (rows.isGrid && columns.isGrid) return best;
  const found = new Uint8Array(place.frameHeight * place.frameWidth);
  const columnRuns = runs(columns.cell);
  for (const [top, bottom] of runs(rows.cell)) {
    const above = rows.before[top] * grid.width, below = rows.after[top] * grid.width;
    for (const [left, right] of columnRuns) {
      const before = columns.before[left], after = columns.after[left];
      const corners = [above + before, above + after, below + before, below + after];
      const label = best[corners[0]];
      if (corners.every((corner) => best[corner] === label)) {
        for (let y = top; y < bottom; y++) {
          found.fill(label, y * place.frameWidth + left, y * place.frameWidth + right);
        }
      } else {
        labelCell(found, place.frameWidth, grid, best, corners, rows, columns, [top, bottom, left, right]);
      }
    }
  }
  return found;
}

function argmax({ data, classes, height, width }) {
  const size = height * width;
  const labels = new Uint8Array(size);
  const best = data.slice(0, size);
  for (let id = 1, at = size; id < classes; id++) {
    for (let i = 0; i < size; i++, at++) {
      if (data[at] > best[i]) {
        best[i] = data[at];
        labels[i] = id;
      }
    }
  }
  return labels;
}

// Give [begin, end) of each run of equal numbers.
function runs(cells) {
  const found = [];
  for (let begin = 0, i = 1; i <= cells.length; i++) {
    if (i === cells.length || cells[i] !== cells[begin]) {
      found.push([begin, i]);
      begin = i;
    }
  }
  return found;
}

// Contenders are compared by their lead over the cell's first one, which then needs no interpolation.
function labelCell(found, frameWidth, grid, best, corners, rows, columns, [top, bottom, left, right]) {
  const ids = contenders(grid, best, corners);
  const size = grid.height * grid.width;
  const base = corners.map((corner) => grid.data[ids[0] * size + corner]);
  const leads = ids.slice(1).map((id) => corners.map((corner, i) => f(grid.data[id * size + corner] - base[i])));
  for (let y = top; y < bottom; y++) {
    const down = rows.weight[y];
    const sides = leads.map(([topLeft, topRight, bottomLeft, bottomRight]) => {
      const start = f(topLeft + f(f(bottomLeft - topLeft) * down));
      return [start, f(f(topRight + f(f(bottomRight - topRight) * down)) - start)];
    });
    for (let x = left; x < right; x++) {
      let label = ids[0], most = 0;
      for (let k = 0; k < sides.length; k++) {
        const lead = f(f(sides[k][1] * columns.weight[x]) + sides[k][0]);
        if (lead > most) {
          most = lead;
          label = ids[k + 1];
        }
      }
      found[y * frameWidth + x] = label;
    }
  }
}

// Give the classes, ascending, that can win somewhere in a cell.
function contenders({ data, classes, height, width }, best, corners) {
  const size = height * width;
  const own = corners.map((corner) => best[corner]);
  const mean = corners.map((corner) => f(own.reduce((sum, id) => f(sum + data[id * size + corner]), 0) / 4));
  const ids = [];
  for (let id = 0; id < classes; id++) {
    if (own.includes(id) || corners.some((corner, i) => data[id * size + corner] >= mean[i])) ids.push(id);
  }
  return ids;
}

// Each class is decided for itself: a pixel has those above 0, and shows the best of them.
function overlapping(grid, place, withMasks) {
  const rows = rowSamples(place, grid.height), columns = columnSamples(place, grid.width);
  const size = place.frameHeight * place.frameWidth;
  const labels = new Uint8Array(size).fill(VOID_LABEL);
  const best = new Float32Array(size);
  const masks = withMasks ? new Uint8Array(grid.classes * size) : null;
  for (let id = 0; id < grid.classes; id++) {
    const plane = upsampled(grid, id, rows, columns);
    for (let i = 0; i < size; i++) {
      if (masks) masks[id * size + i] = plane[i] > 0;
      if (plane[i] > best[i]) {
        best[i] = plane[i];
        labels[i] = id;
      }
    }
  }
  return masks ? { labels, masks } : { labels };
}

// Upsample one class's logits to the frame, columns first.
function upsampled({ data, height, width }, id, rows, columns) {
  const across = columns.cell.length, start = id * height * width;
  const wide = new Float32Array(height * across);
  for (let y = 0, at = 0; y < height; y++) {
    const row = start + y * width;
    for (let x = 0; x < across; x++) {
      const before = data[row + columns.before[x]];
      wide[at++] = before + f(f(data[row + columns.after[x]] - before) * columns.weight[x]);
    }
  }
  const plane = new Float32Array(rows.cell.length * across);
  for (let y = 0, at = 0; y < rows.cell.length; y++) {
    const above = rows.before[y] * across, below = rows.after[y] * across;
    for (let x = 0; x < across; x++) {
      plane[at++] = wide[above + x] + f(f(wide[below + x] - wide[above + x]) * rows.weight[y]);
    }
  }
  return plane;
}
