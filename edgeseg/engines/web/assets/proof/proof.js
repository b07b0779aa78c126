// Runs what edgeseg asks for in the page's own code, and answers. A message is the length of a header of JSON, the
// header, and the bytes of the arrays that it names.
import { Asking } from "/asking.js";
import { bitmapOf } from "/pictures.js";

const ALIVE_MS = 1000; // between two signs of life
const LENGTH_BYTES = 4;
const channel = `/-/${location.hash.slice(1)}`;
const asking = new Asking();

const DO = {
  async open(question) {
    const manifest = await (await fetch("/manifest.json")).json();
    const state = await asking.ask("open", { manifest, ...question });
    return [{ ...state, browser: navigator.userAgent }, []];
  },

  async infer(_, payload) {
    const image = new Uint8Array(payload);
    const outputs = await asking.ask("infer", { image }, [image.buffer]);
    return [{}, Object.entries(outputs).map(([name, { data, dims, type }]) => [name, data, dims, type])];
  },

  async segment({ masks }, payload) {
    const bitmap = await bitmapOf(new Blob([payload], { type: "image/png" }));
    const result = await asking.ask("segment", { bitmap, masks, withInput: true }, [bitmap]);
    const { objects, labels, input, height, width, times } = result;
    const arrays = [["input", input, [input.length], "uint8"]];
    if (labels) arrays.push(["labels", labels, [height, width], "uint8"]);
    if (result.masks) arrays.push(["masks", result.masks, [result.masks.length / (height * width), height, width], "uint8"]);
    for (const [i, { mask, ...object }] of (objects ?? []).entries()) {
      arrays.push([`mask ${i}`, mask, [object.height, object.width], "uint8"]);
    }
    const told = objects?.map(({ mask, box, ...object }) => ({ ...object, box: Array.from(box) }));
    return [{ objects: told, times }, arrays];
  },
};

async function answer(header, arrays = []) {
  const named = arrays.map(([name, , shape, dtype]) => ({ name, shape, dtype }));
  const text = new TextEncoder().encode(JSON.stringify({ ...header, arrays: named }));
  const length = new DataView(new ArrayBuffer(LENGTH_BYTES));
  length.setUint32(0, text.length);
  await fetch(`${channel}/answer`, { method: "POST", body: new Blob([length, text, ...arrays.map(([, data]) => data)]) });
}

async function question() {
  let answered;
  do answered = await fetch(`${channel}/next`);
  while (answered.status === 204); // nothing to do yet
  const said = await answered.arrayBuffer();
  const length = new DataView(said).getUint32(0);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(said, LENGTH_BYTES, length)));
  return [header, said.slice(LENGTH_BYTES + length)];
}

setInterval(() => fetch(`${channel}/alive`, { method: "POST" }).catch(() => {}), ALIVE_MS);
for (;;) {
  const [{ kind, ...asked }, payload] = await question();
  try {
    await answer(...(await DO[kind](asked, payload)));
  } catch (error) {
    await answer({ error: String(error?.message ?? error) });
  }
}
