/* The three kinds of lane: a curve, columns about a line, a strip of shades. Numbers in, one SVG each out. */

import { draw } from "./ask.js";

const PAD = 3;

function canvas(width, height, told) {
  return draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": told, preserveAspectRatio: "none" });
}

/** A curve; where a value is null, the pen is lifted. `level` is a dashed line across. */
export function curve(width, height, seconds, times, values, { limits, level, told, strong }) {
  const span = limits[1] - limits[0] || 1;
  const x = (time) => (width * time) / seconds;
  const y = (value) => height - PAD - ((height - 2 * PAD) * (value - limits[0])) / span;
  const picture = canvas(width, height, told);
  if (level !== undefined) {
    picture.append(draw("line", { class: "zero", x1: 0, x2: width, y1: y(0), y2: y(0) }));
    picture.append(draw("line", { class: "level", x1: 0, x2: width, y1: y(level), y2: y(level) }));
  }
  let path = "";
  let down = false;
  values.forEach((value, i) => {
    if (value !== null) path += `${down ? "L" : "M"}${x(times[i]).toFixed(1)} ${y(value).toFixed(1)}`;
    down = value !== null;
  });
  picture.append(draw("path", { class: strong ? "curve strong" : "curve", d: path }));
  return picture;
}

/** Columns above and below a line: up is solid, down is hollow, so that they differ without colour too. */
export function columns(width, height, seconds, times, values, { most, told }) {
  const picture = canvas(width, height, told);
  const middle = height / 2;
  const step = times.length > 1 ? times[1] - times[0] : seconds;
  picture.append(draw("line", { class: "zero", x1: 0, x2: width, y1: middle, y2: middle }));
  values.forEach((value, i) => {
    const tall = Math.abs(value / most) * (middle - 1);
    const from = Math.max(0, (width * (times[i] - step / 2)) / seconds) + 1;
    const to = Math.min(width, (width * (times[i] + step / 2)) / seconds) - 1;
    const shape = { x: from, y: value > 0 ? middle - tall : middle, width: Math.max(0.5, to - from), height: tall };
    if (tall > 0.25) picture.append(draw("rect", { class: value > 0 ? "raises" : "lowers", ...shape }));
  });
  return picture;
}

/** Shades over time: the darker, the more. */
export function strip(width, height, seconds, times, values, told) {
  const picture = canvas(width, height, told);
  const most = Math.max(...values);
  const step = times.length > 1 ? times[1] - times[0] : seconds;
  values.forEach((value, i) => {
    const x = (width * times[i]) / seconds;
    picture.append(draw("rect", { class: "shade", x, y: 0, width: Math.max(1, (width * step) / seconds), height, "fill-opacity": (value / most).toFixed(3) }));
  });
  return picture;
}
