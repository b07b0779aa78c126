// Opens the network in ONNX Runtime, on the GPU where that computes the same, and turns pictures into results.
import { differenceFromGolden } from "./golden.js";
import { objectsIn } from "./instance.js";
import { Preprocessor } from "./resizing.js";
import { semanticResult } from "./semantic.js";

const RUNTIMES = {
  webgpu: { module: "./ort-webgpu.js", binary: "ort-webgpu.wasm" },
  wasm: { module: "./ort-wasm.js", binary: "ort-wasm.wasm" },
};
const MOST_THREADS = 4; // more wait for each other on phones, whose cores are of several kinds

// Open the network. `provider` is `auto`, `webgpu` or `wasm`; what is asked of the GPU falls back to WASM, with a note.
export async function openNetwork(manifest, { provider = "auto", threads = 0 } = {}) {
  const notes = [];
  if (provider !== "wasm") {
    const { network, reason } = await onGpu(manifest, provider === "webgpu");
    if (network) return network;
    notes.push(`WASM, not WebGPU: ${reason}`);
  }
  if (!self.crossOriginIsolated) notes.push("one thread: this server does not isolate the page (COOP, COEP)");
  return load(manifest, "wasm", threadsOf(threads), notes);
}

async function onGpu(manifest, anyAdapter) {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) return { reason: navigator.gpu ? "there is no GPU adapter" : "this browser has none" };
  const named = [adapter.info?.vendor, adapter.info?.architecture].filter(Boolean).join(" ") || "unnamed";
  const software = adapter.info?.isFallbackAdapter || named.includes("swiftshader");
  if (software && !anyAdapter) return { reason: `${named} computes on the processor` };
  let network = null;
  try {
    network = await load(manifest, "webgpu", 1, [`GPU: ${named}`]);
    const difference = await differenceFromGolden(network, manifest);
    if (difference === null) return { network };
    await network.release();
    return { reason: `on ${named} ${difference}` };
  } catch (error) {
    await network?.release();
    return { reason: `${named} refuses the network: ${firstLine(error)}` };
  }
}

async function load(manifest, provider, threads, notes) {
  const { module, binary } = RUNTIMES[provider];
  const ort = await import(module);
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmPaths = { wasm: new URL(binary, import.meta.url).href };
  ort.env.logLevel = "error";
  const session = await ort.InferenceSession.create(new URL(manifest.options.model_file, import.meta.url).href, {
    executionProviders: [provider],
    logSeverityLevel: 3, // errors
  });
  return new Network(ort, session, manifest.spec, { provider, threads, notes });
}

function threadsOf(asked) {
  if (!self.crossOriginIsolated) return 1;
  const cores = navigator.hardwareConcurrency || 1;
  return Math.min(asked || MOST_THREADS, cores);
}

function firstLine(error) {
  return String(error?.message ?? error).split("\n")[0];
}

class Network {
  constructor(ort, session, spec, state) {
    this.ort = ort;
    this.session = session;
    this.spec = spec;
    this.state = state;
    this.preprocessor = new Preprocessor(spec.input);
  }

  // Find what is in a picture of `height` x `width` pixels of red, green, blue, alpha.
  async segment(pixels, height, width, { masks = false } = {}) {
    const start = performance.now();
    const { image, place } = this.preprocessor.prepare(pixels, height, width);
    const prepared = performance.now();
    const outputs = await this.infer(image);
    const inferred = performance.now();
    const result =
      this.spec.task === "instance"
        ? { objects: objectsIn(outputs, place, this.spec.thresholds) }
        : semanticResult(outputs, place, this.spec, { masks });
    const finished = performance.now();
    const times = { preprocess: prepared - start, infer: inferred - prepared, postprocess: finished - inferred };
    return { ...result, height, width, times, input: image };
  }

  // Run the graph on an input's bytes; gives outputs by name, each with `data`, `dims` and `type`.
  async infer(image) {
    const { height, width } = this.spec.input;
    const { ort, session } = this;
    const outputs = await session.run({ image: new ort.Tensor("uint8", image, [1, height, width, 3]) });
    const kept = {};
    for (const name of session.outputNames) {
      const { data, dims, type } = outputs[name];
      kept[name] = { data, dims, type };
    }
    return kept;
  }

  release() {
    return this.session.release();
  }
}
