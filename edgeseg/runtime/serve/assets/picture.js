// Turns a result into pixels: the picture, the colours of what is where, boxes with names.
export const UNPAINTED = "#000000"; // the background's colour
const NONE = 255; // a pixel without a class, in label maps of semantic results

// Fetch a result's picture and label map; null where the server has gone on meanwhile.
export async function readShot(path, result) {
  const [picture, labels] = await Promise.all([
    readImage(`${path}/picture.jpg?number=${result.number}`),
    readLabels(`${path}/labels.zlib?number=${result.number}`),
  ]);
  return picture && labels ? { result, picture, labels } : null;
}

async function readImage(url) {
  const answer = await fetch(url);
  return answer.ok ? createImageBitmap(await answer.blob()) : null;
}

// Not as an image: browsers that add noise to what a page reads of a canvas would change classes.
async function readLabels(url) {
  const answer = await fetch(url);
  if (!answer.ok) return null;
  const plain = answer.body.pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(plain).arrayBuffer());
}

export function drawShot(canvas, { result, picture, labels }, shown) {
  canvas.width = picture.width;
  canvas.height = picture.height;
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  const overlay = new ImageData(picture.width, picture.height);
  const pixels = new Uint32Array(overlay.data.buffer);
  const table = colourTable(result, shown);
  for (let i = 0; i < pixels.length; i++) pixels[i] = table[labels[i]];
  const layer = new OffscreenCanvas(picture.width, picture.height);
  layer.getContext("2d").putImageData(overlay, 0, 0);
  context.drawImage(layer, 0, 0);
  if (result.instances) drawBoxes(context, result, picture.width / result.width, shown);
}

// Colours by value of the label map, as the bytes R, G, B, A of one little-endian number.
function colourTable(result, shown) {
  const table = new Uint32Array(256);
  const alpha = Math.round(255 * shown.opacity);
  const colour = (id) => {
    const { colour } = shown.classes[id];
    if (colour === UNPAINTED || shown.hidden.has(id)) return 0;
    const rgb = parseInt(colour.slice(1), 16);
    return ((alpha << 24) | ((rgb & 0xff) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
  };
  if (result.instances) result.instances.forEach(({ class_id }, i) => (table[i + 1] = colour(class_id)));
  else for (const { id } of shown.classes) if (id < NONE) table[id] = colour(id);
  return table;
}

function drawBoxes(context, result, scale, shown) {
  const size = Math.max(11, Math.round(context.canvas.width / 55));
  context.font = `${size}px system-ui, sans-serif`;
  context.lineWidth = Math.max(1, size / 7);
  context.textBaseline = "bottom";
  for (const { box, score, class_id, track_id } of result.instances.toReversed()) {
    if (shown.hidden.has(class_id)) continue;
    const { name, colour } = shown.classes[class_id];
    const [left, top, right, bottom] = box.map((side) => side * scale);
    context.strokeStyle = colour;
    context.strokeRect(left, top, right - left, bottom - top);
    const text = `${name}${track_id === null ? "" : ` ${track_id}`} ${score.toFixed(2)}`;
    const foot = Math.max(top, size + 4);
    const width = context.measureText(text).width + 8;
    const start = Math.max(0, Math.min(left, context.canvas.width - width));
    context.fillStyle = colour;
    context.fillRect(start, foot - size - 4, width, size + 4);
    context.fillStyle = isBright(colour) ? "#000" : "#fff";
    context.fillText(text, start + 4, foot - 2);
  }
}

function isBright(colour) {
  const rgb = parseInt(colour.slice(1), 16);
  return 0.299 * (rgb >> 16) + 0.587 * ((rgb >> 8) & 255) + 0.114 * (rgb & 255) > 140; // ITU-R BT.601
}
