// Says whether a network finds in this browser what its portable model finds in the golden frame.
import { bitmapOf, pixelsOf } from "./pictures.js";

// How far a GPU may be, which rounds otherwise: what ties falls either way, a wrong kernel is far off.
const LEAST_AGREEMENT = 0.99; // of labels
const MOST_UNMATCHED_SHARE = 0.1; // of objects; one always
const SAME_OBJECT_IOU = 0.5;
const NAME = "golden-0"; // of the input's size

// Give null where it is the same, else what differs, in a few words.
export async function differenceFromGolden(network, manifest) {
  const picture = await read(`${NAME}.png`);
  const result = await network.segment(...picture);
  if (manifest.spec.task === "instance") {
    const expected = await (await fetch(new URL(`${NAME}.objects.json`, import.meta.url))).json();
    return differenceOfObjects(expected, result.objects);
  }
  const [expected] = await read(`${NAME}.labels.png`); // grey: red is the label
  let equal = 0;
  for (let i = 0; i < result.labels.length; i++) equal += expected[4 * i] === result.labels[i];
  const agreement = equal / result.labels.length;
  return agreement >= LEAST_AGREEMENT ? null : `only ${(100 * agreement).toFixed(1)} % of the labels are right`;
}

async function read(name) {
  const answer = await fetch(new URL(name, import.meta.url));
  return pixelsOf(await bitmapOf(await answer.blob()));
}

function differenceOfObjects(expected, found) {
  const left = found.map(({ box, classId }) => ({ box, classId }));
  let missed = 0;
  for (const { bbox, category_id } of expected) {
    const box = [bbox[0], bbox[1], bbox[0] + bbox[2], bbox[1] + bbox[3]];
    const at = left.findIndex((one) => one.classId === category_id && overlap(one.box, box) >= SAME_OBJECT_IOU);
    at < 0 ? missed++ : left.splice(at, 1);
  }
  const most = Math.max(1, Math.floor(MOST_UNMATCHED_SHARE * expected.length));
  const ok = missed + left.length <= most;
  return ok ? null : `${missed} of ${expected.length} objects are missed and ${left.length} are extra`;
}

function overlap(one, other) {
  const width = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const height = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  if (width <= 0 || height <= 0) return 0;
  const area = ([left, top, right, bottom]) => (right - left) * (bottom - top);
  return (width * height) / (area(one) + area(other) - width * height);
}
