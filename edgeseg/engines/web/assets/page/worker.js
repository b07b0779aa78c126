// Computes beside the page, so that it stays at hand: opens the network and segments what it is sent.
import { openNetwork } from "./network.js";
import { pixelsOf } from "./pictures.js";

let network = null;
let before = Promise.resolve(); // what was asked last: one thing at a time, for all of it uses the same buffers

const ANSWERS = {
  async open({ manifest, ...choice }) {
    await network?.release();
    network = null;
    network = await openNetwork(manifest, choice);
    return network.state;
  },

  async segment({ bitmap, masks, withInput }) {
    const start = performance.now();
    const pixels = pixelsOf(bitmap);
    const read = performance.now() - start;
    const { input, times, ...result } = await network.segment(...pixels, { masks });
    const prepared = withInput ? { input: input.slice() } : {};
    return { ...result, ...prepared, times: { read, ...times } };
  },

  async infer({ image }) {
    return network.infer(image);
  },
};

async function answer({ id, kind, ...question }) {
  try {
    postMessage({ id, answer: await ANSWERS[kind](question) });
  } catch (error) {
    postMessage({ id, error: String(error?.message ?? error) });
  }
}

onmessage = ({ data }) => {
  before = before.then(() => answer(data));
};
