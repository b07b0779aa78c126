// Keeps what the last frames took, stage by stage, and says it as rows of a table.
const KEPT = 60; // frames
const STAGES = [
  ["read", "pixels read"],
  ["preprocess", "preprocess"],
  ["infer", "infer"],
  ["postprocess", "postprocess"],
  ["draw", "draw"],
  ["whole", "taken to shown"],
];

export class Times {
  constructor() {
    this.frames = [];
    this.count = 0;
    this.skipped = 0;
  }

  add(times, shownAt) {
    this.count++;
    this.frames.push({ times, shownAt });
    if (this.frames.length > KEPT) this.frames.shift();
  }

  // Give [name, last, p50, p90] of each stage.
  rows() {
    return STAGES.map(([stage, name]) => {
      const values = this.frames.map(({ times }) => times[stage]);
      const sorted = values.toSorted((one, other) => one - other);
      const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
      const spread = values.length > 1 ? [at(0.5), at(0.9)].map(shown) : ["", ""]; // of a picture there is one
      return [name, shown(values.at(-1)), ...spread];
    });
  }

  // Say how many frames were shown, and of a video how many a second, and how many went by meanwhile.
  sentence(moving) {
    if (!moving || this.frames.length < 2) return "";
    const spent = (this.frames.at(-1).shownAt - this.frames[0].shownAt) / 1000;
    const rate = ((this.frames.length - 1) / spent).toFixed(1);
    return `${rate} frames a second; ${this.count} shown, ${this.skipped} skipped. p50 and p90 of the last ${this.frames.length}.`;
  }
}

function shown(milliseconds) {
  return milliseconds < 10 ? milliseconds.toFixed(1) : milliseconds.toFixed(0);
}
