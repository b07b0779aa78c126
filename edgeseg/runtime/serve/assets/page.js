// Shows every stream: its picture with the overlay, its state and figures.
import { drawShot, readShot, UNPAINTED } from "/assets/picture.js";

const STATUS_MS = 1000; // between two looks at the figures
const RETRY_MS = 2000; // after the server did not answer
const shown = { hidden: new Set(), opacity: 0.5, classes: [] };
const cards = new Map(); // by name of the stream
const $ = (selector, within = document) => within.querySelector(selector);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const path = (name) => `/api/streams/${encodeURIComponent(name)}`;

async function ask(url) {
  const answer = await fetch(url);
  if (answer.status === 401) throw new Error("token");
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.status === 204 ? null : answer.json();
}

async function start() {
  try {
    const site = await ask("/api/site");
    shown.classes = site.classes;
    makeLegend(site.classes);
  } catch (error) {
    if (error.message !== "token") {
      $("#summary").textContent = "no answer";
      await pause(RETRY_MS);
      return start();
    }
    $("#login").hidden = false;
    $("#wrong").hidden = location.search !== "?wrong";
    return;
  }
  $("#site").hidden = false;
  follow();
  for (;;) {
    try {
      const [streams, site] = await Promise.all([ask("/api/streams"), ask("/api/site")]);
      if (JSON.stringify(site.classes) !== JSON.stringify(shown.classes)) location.reload(); // another engine
      showStatus(streams);
    } catch {
      $("#summary").textContent = "no answer; trying again";
    }
    await pause(STATUS_MS);
  }
}

function makeLegend(classes) {
  for (const { id, name, colour } of classes) {
    if (colour === UNPAINTED) continue;
    const label = $("#class").content.cloneNode(true).firstElementChild;
    $("i", label).style.background = colour;
    $("span", label).textContent = name;
    const box = $("input", label);
    box.addEventListener("change", () => {
      box.checked ? shown.hidden.delete(id) : shown.hidden.add(id);
      redraw();
    });
    $("#classes").append(label);
  }
  $("#opacity").addEventListener("input", (event) => {
    shown.opacity = event.target.value / 100;
    redraw();
  });
}

function redraw() {
  for (const card of cards.values()) if (card.shot) drawShot($("canvas", card.element), card.shot, shown);
}

function showStatus(streams) {
  const live = streams.filter((stream) => stream.source.state === "live").length;
  $("#summary").textContent = `${live} of ${streams.length} live`;
  for (const stream of streams) {
    if (!cards.has(stream.name)) addCard(stream.name);
    showFigures(cards.get(stream.name), stream);
  }
  const names = new Set(streams.map((stream) => stream.name));
  for (const [name, card] of cards) {
    if (names.has(name)) continue;
    card.element.remove();
    cards.delete(name);
  }
}

function addCard(name) {
  const element = $("#stream").content.cloneNode(true).firstElementChild;
  element.dataset.stream = name;
  $("h2", element).textContent = name;
  $("canvas", element).setAttribute("role", "img");
  $("canvas", element).setAttribute("aria-label", `Live picture of ${name}`);
  $("#streams").append(element);
  cards.set(name, { element, shot: null, number: 0 });
}

// One request waits for all streams: a browser holds only six at once for all its windows.
async function follow() {
  for (;;) {
    if (document.hidden || !cards.size) {
      await pause(STATUS_MS);
      continue;
    }
    const known = new URLSearchParams([...cards].map(([name, card]) => [name, card.number]));
    try {
      const results = (await ask(`/api/results?${known}`)) ?? {};
      await Promise.all(Object.entries(results).map(([name, result]) => show(name, result)));
    } catch {
      await pause(RETRY_MS);
    }
  }
}

async function show(name, result) {
  const card = cards.get(name);
  if (!card) return pause(STATUS_MS); // it is new, and gets its card with the next status
  card.number = result.number;
  card.shot = (await readShot(path(name), result)) ?? card.shot;
  if (card.shot) drawShot($("canvas", card.element), card.shot, shown);
}

const ms = (value) => (value === undefined ? "–" : value < 10 ? value.toFixed(1) : value.toFixed(0));

function showFigures({ element }, stream) {
  const { source } = stream;
  const state = $(".state", element);
  state.dataset.state = source.state;
  state.textContent = `${source.state} for ${period(source.for_s)}`;
  $(".view", element).classList.toggle("old", source.state === "waiting" || source.state === "connecting");
  const next = source.next_attempt_in_s === null ? "" : ` · next attempt in ${Math.ceil(source.next_attempt_in_s)} s`;
  $(".detail", element).textContent = (source.detail || stream.error || "") + next;
  const dropped = Object.values(source.drops).reduce((sum, count) => sum + count, 0);
  const latency = stream.latency_ms ?? {};
  fill($(".figures", element), [
    ["a second", stream.fps.toFixed(1)],
    ["latency ms", `${ms(latency.p50)} / ${ms(latency.p99)}`],
    ["results", stream.results],
    ["dropped", dropped],
  ]);
  $(".stages tbody", element).replaceChildren(
    ...Object.entries({ ...stream.stages, "capture to result": stream.latency_ms })
      .filter(([, times]) => times)
      .map(([name, times]) => row(name, ms(times.p50), ms(times.p90), ms(times.p99))),
  );
  const facts = [source.address];
  for (const [cause, count] of Object.entries(source.drops)) if (count) facts.push(`${count} dropped: ${cause}`);
  if (source.outages) facts.push(`${source.outages} ${source.outages === 1 ? "outage" : "outages"}, the longest ${period(source.longest_outage_s)}`);
  for (const sink of stream.sinks) {
    const lost = sink.dropped ? `, ${sink.dropped} lost` : "";
    facts.push(`${sink.name}: ${sink.state}, ${sink.written} written${lost}${sink.error ? `; ${sink.error}` : ""}`);
  }
  facts.push(...stream.shed, ...source.notes);
  $(".facts", element).replaceChildren(...facts.map((text) => textOf("li", text)));
}

function fill(list, entries) {
  list.replaceChildren(
    ...entries.map(([term, value]) => {
      const entry = document.createElement("div");
      entry.append(textOf("dt", term), textOf("dd", value));
      return entry;
    }),
  );
}

function row(name, ...cells) {
  const line = document.createElement("tr");
  const head = textOf("th", name);
  head.scope = "row";
  line.append(head, ...cells.map((cell) => textOf("td", cell)));
  return line;
}

function textOf(kind, text) {
  const element = document.createElement(kind);
  element.textContent = text;
  return element;
}

function period(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  return seconds < 3600 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

start();
