// Turns files and bitmaps into pixels, as they are: without colour management or premultiplied alpha.
const MOST_PIXELS = 1 << 24; // of a canvas in the smallest of today's browsers

let canvas = null; // one for all, as large as the last picture

export async function bitmapOf(blob) {
  const whole = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const pixels = whole.width * whole.height;
  if (pixels <= MOST_PIXELS) return whole;
  const scale = Math.sqrt(MOST_PIXELS / pixels);
  const size = { resizeWidth: Math.floor(whole.width * scale), resizeHeight: Math.floor(whole.height * scale) };
  const smaller = await createImageBitmap(whole, { ...size, resizeQuality: "high" });
  whole.close();
  return smaller;
}

// Give [pixels, height, width] of a bitmap, which is closed: red, green, blue, alpha of each pixel.
export function pixelsOf(bitmap) {
  const { height, width } = bitmap;
  canvas ??= new OffscreenCanvas(width, height);
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.globalCompositeOperation = "copy";
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return [context.getImageData(0, 0, width, height).data, height, width];
}
