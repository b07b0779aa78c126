// The page: takes a picture, a video or the camera to the network, and shows what is found and how long it took.
import { Asking } from "./asking.js";
import { amounts, classesOf, draw } from "./drawing.js";
import { bitmapOf } from "./pictures.js";
import { nextFrame, playCamera, playFile, stop } from "./sources.js";
import { Times } from "./times.js";

const EXAMPLE = "golden-1.png"; // drawn, of another size than the input
const PROVIDERS = { webgpu: "WebGPU", wasm: "WASM" };
const $ = (selector, within = document) => within.querySelector(selector);
const shown = { classes: [], hidden: new Set(), opacity: 0.5 };
const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
let asking = null;
let manifest = null;
let run = 0; // of what is shown; an earlier one ends when it sees a later
let last = null; // what is on the canvas: { picture, result }
let times = new Times();

async function start() {
  try {
    manifest = await (await fetch("manifest.json")).json();
  } catch (error) {
    return problem(new Error(`manifest.json cannot be read: ${error.message}`));
  }
  const { source, input, task } = manifest.spec;
  $("#network").textContent = `${source.network}, ${task}, ${input.height} × ${input.width}, ${manifest.precision}`;
  shown.classes = classesOf(manifest.spec);
  makeLegend();
  $("#example").hidden = !(EXAMPLE in manifest.files);
  const asked = new URLSearchParams(location.search).get("provider");
  if (asked in PROVIDERS) $("#provider").value = asked;
  await open();
}

// Open the network on what is chosen, in a worker of its own.
async function open() {
  busy(true);
  $("#state").textContent = "loading the network …";
  $("#notes").replaceChildren();
  asking?.worker.terminate(); // the runtime keeps the threads that it was started with
  asking = new Asking();
  try {
    const { provider, threads, notes } = await asking.ask("open", {
      manifest,
      provider: $("#provider").value,
      threads: manifest.options.threads,
    });
    const on = provider === "wasm" ? `${PROVIDERS[provider]}, ${threads} ${threads === 1 ? "thread" : "threads"}` : PROVIDERS[provider];
    $("#state").textContent = `ready on ${on}`;
    $("#notes").replaceChildren(...notes.map((note) => textOf("li", note)));
    busy(false);
  } catch (error) {
    $("#state").textContent = "not ready";
    problem(error);
  }
}

function busy(yes) {
  for (const control of document.querySelectorAll("button, #file, #provider")) control.disabled = yes;
}

function problem(error) {
  $("#problem").hidden = !error;
  $("#problem").textContent = error ? String(error.message ?? error) : "";
}

// Begin with another source: give a function that says whether it is still the one that is shown.
function begin() {
  const own = ++run;
  problem(null);
  stop(video);
  times = new Times();
  $("#pause").hidden = true;
  return () => own === run;
}

async function showPicture(blob) {
  const isCurrent = begin();
  let bitmap;
  try {
    bitmap = await bitmapOf(blob);
  } catch {
    return isCurrent() && problem(new Error("this browser cannot read the file as a picture"));
  }
  try {
    await segment(bitmap, performance.now(), isCurrent, false);
  } catch (error) {
    problem(error);
  }
}

async function showVideo(play) {
  const isCurrent = begin();
  try {
    await play();
    if (!isCurrent()) return;
    $("#pause").hidden = false;
    $("#pause").textContent = "Pause";
    for (let before = 0; ; ) {
      const presented = await nextFrame(video);
      if (!isCurrent()) return;
      if (before && presented > before) times.skipped += presented - before - 1;
      before = presented;
      const taken = performance.now();
      await segment(await createImageBitmap(video), taken, isCurrent, true);
    }
  } catch (error) {
    if (isCurrent()) problem(error);
  }
}

// Segment a bitmap and show it. Shown is the very frame that was segmented, so that nothing lags behind.
async function segment(bitmap, taken, isCurrent, moving) {
  const picture = new OffscreenCanvas(bitmap.width, bitmap.height);
  picture.getContext("2d").drawImage(bitmap, 0, 0);
  const { times: stages, ...result } = await asking.ask("segment", { bitmap }, [bitmap]);
  if (!isCurrent()) return;
  const start = performance.now();
  last = { picture, result };
  redraw();
  const end = performance.now();
  times.add({ ...stages, draw: end - start, whole: end - taken }, end);
  showFigures(result, moving);
}

function redraw() {
  if (!last) return;
  $("#canvas").hidden = false;
  draw($("#canvas"), last.picture, last.result, shown);
}

function showFigures(result, moving) {
  const found = amounts(result);
  for (const label of $("#classes").children) $("b", label).textContent = found.get(Number(label.dataset.id)) ?? "";
  $("#figures").hidden = false;
  $("#times").replaceChildren(
    ...times.rows().map(([name, ...values]) => {
      const row = document.createElement("tr");
      const head = textOf("th", name);
      head.scope = "row";
      row.append(head, ...values.map((value) => textOf("td", value)));
      return row;
    }),
  );
  $("#counts").textContent = times.sentence(moving);
}

function makeLegend() {
  for (const { id, name, colour, painted } of shown.classes) {
    const label = $("#class").content.cloneNode(true).firstElementChild;
    label.dataset.id = id;
    $("i", label).style.background = colour;
    $("span", label).textContent = name;
    const box = $("input", label);
    box.disabled = !painted && manifest.spec.task === "semantic"; // there is nothing to hide
    box.addEventListener("change", () => {
      box.checked ? shown.hidden.delete(id) : shown.hidden.add(id);
      redraw();
    });
    $("#classes").append(label);
  }
}

function textOf(kind, text) {
  return Object.assign(document.createElement(kind), { textContent: text });
}

function take(file) {
  if (!file) return;
  if (file.type.startsWith("video/")) showVideo(() => playFile(video, file));
  else showPicture(file);
}

$("#file").addEventListener("change", (event) => {
  take(event.target.files[0]);
  event.target.value = ""; // the same file may be chosen again
});
$("#camera").addEventListener("click", () => showVideo(() => playCamera(video)));
$("#example").addEventListener("click", async () => {
  const answer = await fetch(EXAMPLE);
  answer.ok ? showPicture(await answer.blob()) : problem(new Error(`${EXAMPLE} is missing`));
});
$("#pause").addEventListener("click", () => {
  video.paused ? video.play() : video.pause();
  $("#pause").textContent = video.paused ? "Continue" : "Pause";
});
$("#opacity").addEventListener("input", (event) => {
  shown.opacity = event.target.value / 100;
  redraw();
});
$("#provider").addEventListener("change", () => {
  begin();
  open();
});
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  $("#view").addEventListener(kind, (event) => {
    event.preventDefault();
    $("#view").classList.toggle("dropping", kind === "dragenter" || kind === "dragover");
    if (kind === "drop" && !$("#file").disabled) take(event.dataTransfer.files[0]);
  });
}

start();
