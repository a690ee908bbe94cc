/* A table of intensities: a bar and a number a target; and, where some is switched off, what it was before. */

import { draw, figure, make, signed } from "./ask.js";

const WIDTH = 200;

/** Give the end of the bars' axis: 1, or the next half above the largest. */
const reach = (values) => Math.max(1, Math.ceil(2 * Math.max(...values)) / 2);

/** A bar; over it a thin line from one end of the interval to the other. */
function bar(value, ends, before, truth, most) {
  const at = (score) => Math.max(0, Math.min(WIDTH, (WIDTH * score) / most));
  const picture = draw("svg", { viewBox: `0 0 ${WIDTH} 18`, width: WIDTH, height: 18, "aria-hidden": "true", preserveAspectRatio: "none" });
  picture.append(draw("rect", { class: "ground", x: 0, y: 5, width: WIDTH, height: 8 }));
  picture.append(draw("rect", { class: "value", x: 0, y: 5, width: at(value), height: 8 }));
  if (ends) {
    const [low, high] = ends.map((end, i) => at(end === null ? i * most : end));
    picture.append(draw("path", { class: "interval", d: `M${low} 6 v6 M${low} 9 H${high} M${high} 6 v6` }));
  }
  if (before !== undefined) picture.append(draw("rect", { class: "before", x: at(before) - 1, y: 1, width: 2, height: 16 }));
  if (truth !== undefined) picture.append(draw("path", { class: "truth", d: `M${at(truth)} 13 l4 5 h-8 z` }));
  return picture;
}

/** Fill a table's body. `before` and `truth` are by target, or absent; `intervals` null where the run has none. */
export function showScores(table, prediction, { before, truth } = {}) {
  const scores = prediction.scores || {};
  const values = [...Object.values(scores), ...Object.values(before || {}), ...Object.values(truth || {})];
  const most = reach(values.length ? values : [1]);
  const rows = Object.entries(scores).map(([target, value]) => {
    const number = make("td", { class: "number" }, figure(value));
    const ends = prediction.intervals && prediction.intervals[target];
    if (ends) number.append(make("small", {}, `${figure(ends[0])} to ${figure(ends[1])}`));
    if (before) number.append(make("small", {}, value === before[target] ? "as before" : signed(value - before[target])));
    if (truth && truth[target] !== undefined) number.append(make("small", {}, `label ${figure(truth[target])}`));
    const cell = make("td", { class: "bar" }, bar(value, ends, before && before[target], truth && truth[target], most));
    return make("tr", {}, make("th", { scope: "row" }, target), cell, number);
  });
  table.replaceChildren(...rows);
}

/** Say what the table shows; `interval` tells of which kind the intervals are. */
export function caption(prediction, truth, interval) {
  const told = prediction.intervals
    ? `Intensity; the line over a bar is its ${interval}.`
    : "Intensity. There are no intervals: this run gives one number a clip.";
  return truth ? `${told} A triangle marks the label.` : told;
}
