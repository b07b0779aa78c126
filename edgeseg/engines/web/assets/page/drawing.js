// Turns a result into pixels: the picture, the colours of what is where, boxes with names.
const NONE = 255; // a pixel without a class
const UNPAINTED = "#000000"; // the background's colour

// Give the classes as the page shows them: id, name, colour, and whether it is painted.
export function classesOf(spec) {
  return spec.class_names.map((name, id) => {
    const colour = `#${spec.palette_rgb[id].map((part) => part.toString(16).padStart(2, "0")).join("")}`;
    return { id, name, colour, painted: colour !== UNPAINTED };
  });
}

// Draw a picture of the result's size, an ImageBitmap or a canvas, and the result over it.
export function draw(canvas, picture, result, { classes, hidden, opacity }) {
  const { width, height } = result;
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  const alpha = Math.round(255 * opacity);
  const table = new Uint32Array(256); // by class: R, G, B, A, the bytes of a little-endian number
  for (const { id, colour, painted } of classes) {
    if (painted && !hidden.has(id) && id !== NONE) table[id] = bytesOf(colour, alpha);
  }
  const layer = new OffscreenCanvas(width, height);
  layer.getContext("2d").putImageData(overlayOf(result, table), 0, 0);
  context.drawImage(layer, 0, 0);
  if (result.objects) drawBoxes(context, result.objects, classes, hidden);
}

function overlayOf({ width, height, labels, objects }, table) {
  const overlay = new ImageData(width, height);
  const pixels = new Uint32Array(overlay.data.buffer);
  if (labels) for (let i = 0; i < pixels.length; i++) pixels[i] = table[labels[i]];
  for (const { left, top, width: w, height: h, mask, classId } of (objects ?? []).toReversed()) { // the best on top
    if (!table[classId]) continue;
    for (let y = 0, at = 0; y < h; y++) {
      for (let x = 0, to = (top + y) * width + left; x < w; x++, to++) if (mask[at++]) pixels[to] = table[classId];
    }
  }
  return overlay;
}

function drawBoxes(context, objects, classes, hidden) {
  const size = Math.max(11, Math.round(context.canvas.width / 55));
  context.font = `${size}px system-ui, sans-serif`;
  context.lineWidth = Math.max(1, size / 7);
  context.textBaseline = "bottom";
  for (const { box, score, classId } of objects.toReversed()) {
    if (hidden.has(classId)) continue;
    const { name, colour } = classes[classId];
    const [left, top, right, bottom] = box;
    context.strokeStyle = colour;
    context.strokeRect(left, top, right - left, bottom - top);
    const text = `${name} ${score.toFixed(2)}`;
    const foot = Math.max(top, size + 4);
    const width = context.measureText(text).width + 8;
    const start = Math.max(0, Math.min(left, context.canvas.width - width));
    context.fillStyle = colour;
    context.fillRect(start, foot - size - 4, width, size + 4);
    context.fillStyle = isBright(colour) ? "#000" : "#fff";
    context.fillText(text, start + 4, foot - 2);
  }
}

// Say how much there is of each class, by id: a share of the picture, or a number of objects.
export function amounts({ labels, objects }) {
  const counts = new Map();
  if (objects) for (const { classId } of objects) counts.set(classId, (counts.get(classId) ?? 0) + 1);
  else {
    const histogram = new Uint32Array(256);
    for (let i = 0; i < labels.length; i++) histogram[labels[i]]++;
    histogram.forEach((count, id) => count && counts.set(id, `${((100 * count) / labels.length).toFixed(1)} %`));
  }
  return counts;
}

function bytesOf(colour, alpha) {
  const rgb = parseInt(colour.slice(1), 16);
  return ((alpha << 24) | ((rgb & 0xff) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
}

function isBright(colour) {
  const rgb = parseInt(colour.slice(1), 16);
  return 0.299 * (rgb >> 16) + 0.587 * ((rgb >> 8) & 255) + 0.114 * (rgb & 255) > 140; // ITU-R BT.601
}
