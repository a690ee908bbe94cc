/* The runs' page: intervals as they are computed, curves of what has been trained and, live, of what is training. */

import { ask, draw, figure, make, wait } from "./ask.js";

const POLL = 2000;
const WIDTH = 300;
const HEIGHT = 120;

function line(values, limits, count, kind) {
  const span = limits[1] - limits[0] || 1;
  const x = (i) => 4 + ((WIDTH - 8) * i) / Math.max(1, count - 1);
  const y = (value) => HEIGHT - 6 - ((HEIGHT - 12) * (value - limits[0])) / span;
  let path = "";
  values.forEach((value, i) => { if (value !== null) path += `${path ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`; });
  return draw("path", { class: `curve ${kind}`, d: path });
}

function curves(title, history, of, kept) {
  const scores = history.map((epoch) => epoch.mean_pearson);
  const losses = history.map((epoch) => epoch.loss);
  const known = scores.filter((score) => score !== null);
  const last = known.length ? figure(known[known.length - 1]) : "–";
  const best = known.length ? figure(Math.max(...known)) : "–";
  const count = Math.max(of || 0, history.length);
  const told = `${title}: validation mean Pearson, best ${best}, after ${history.length} epochs ${last}`;
  const picture = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: "100%", role: "img", "aria-label": told });
  picture.append(draw("line", { class: "zero", x1: 0, x2: WIDTH, y1: HEIGHT - 1, y2: HEIGHT - 1 }));
  const finite = losses.filter((loss) => loss !== null);
  if (finite.length) picture.append(line(losses, [Math.min(...finite), Math.max(...finite)], count, ""));
  if (known.length) picture.append(line(scores, [Math.min(0, ...known), Math.max(0.1, ...known)], count, "strong"));
  const about = kept ? `kept: epoch ${kept} of ${history.length}` : `epoch ${history.length} of ${of}, now ${last}`;
  return make("figure", {}, make("figcaption", {}, make("b", {}, title), ` – best ${best}; ${about}`), picture);
}

async function intervals() {
  for (const row of document.querySelectorAll("#systems tr[data-run]")) {
    const cells = [...row.querySelectorAll("[data-part]")];
    if (!cells.length) continue; // trained on all labels: nothing can say how good it is
    try {
      const { mean_pearson: score } = await ask(`/api/runs/${row.dataset.run}/evaluation`);
      cells[0].textContent = figure(score.value);
      cells[1].textContent = `${figure(score.low)} to ${figure(score.high)}`;
    } catch (error) {
      cells[0].textContent = "–";
      cells[1].textContent = error.message;
    }
  }
}

async function learned() {
  const place = document.getElementById("curves");
  for (const run of await ask("/api/runs")) {
    const history = await ask(`/api/runs/${run.run}/history`);
    if (history.length > 1) place.append(curves(`${run.recipe}, seed ${run.seed}`, history, history.length, run.best_epoch));
  }
}

async function training() {
  const place = document.getElementById("training");
  const state = document.getElementById("underway");
  for (;;) {
    const found = await ask("/api/training").catch(() => []);
    const fresh = found.filter((one) => one.age < 600);
    const stopped = found.length - fresh.length;
    const told = fresh.length ? `${fresh.length} in training.` : "Nothing is training in the runs' folder.";
    const text = stopped ? `${told} ${stopped} stopped before the end.` : told;
    if (state.textContent !== text) state.textContent = text;
    place.replaceChildren(...fresh.map((one) => curves(`${one.recipe}, seed ${one.seed}`, one.history, one.epochs)));
    await wait(POLL);
  }
}

training();
await Promise.all([intervals(), learned()]);
