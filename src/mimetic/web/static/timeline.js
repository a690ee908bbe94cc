/* What rises and falls under the player: lanes over time, one cursor through all of them, and a slider to move it. */

import { clock, figure, make } from "./ask.js";
import { columns, curve, strip } from "./lanes.js";

export class Timeline {
  constructor(place, facts, result, player) {
    this.place = place;
    this.facts = facts;
    this.result = result;
    this.player = player;
    this.lanes = [];
    this.build();
    this.watching = new ResizeObserver(() => this.paint());
    this.watching.observe(place);
    player.onMove((time) => this.move(time));
  }

  close() {
    this.watching.disconnect();
    this.place.replaceChildren();
  }

  build() {
    const { facts } = this;
    this.cursor = make("div", { class: "cursor", "aria-hidden": "true" });
    this.slider = make("input", { type: "range", min: 0, max: facts.seconds || 1, step: 0.05, value: 0, "aria-label": "Moment in the clip" });
    this.slider.addEventListener("input", () => this.player.seek(Number(this.slider.value)));
    this.now = make("output", { class: "soft" });
    this.body = make("div", { class: "lanes" }, this.cursor);
    this.place.replaceChildren(make("h3", {}, "Over time"));
    if (!facts.seconds) {
      this.place.append(make("p", { class: "soft" }, "The clip has no length: there is nothing to show over time."));
      return;
    }
    this.body.append(this.lane("", this.slider, this.now, "ruler"));
    this.place.append(this.body);
    this.intensities();
    this.carriers();
    this.signals();
    this.numbers();
    this.body.addEventListener("pointerdown", (event) => this.point(event));
  }

  lane(name, content, value = "", kind = "") {
    const row = make("div", { class: `lane ${kind}` }, make("span", { class: "name" }, name), make("div", { class: "course" }, content), make("span", { class: "at" }, value));
    return row;
  }

  heading(title, about) {
    this.body.append(make("div", { class: "about" }, make("h4", {}, title), make("p", { class: "soft" }, about)));
  }

  /** Add a lane that is painted by `paint(width)`; `read(time)` tells its value at a moment. */
  add(name, paint, read, parent = this.body) {
    const plot = make("div", { class: "picture" });
    const at = make("span", {});
    parent.append(this.lane(name, plot, at));
    this.lanes.push({ plot, at, paint, read });
  }

  intensities() {
    const { windows, timeless } = this.facts;
    if (!windows) {
      this.heading("Intensity", "The clip is too short for windows, or nothing in it has a time: there is only its score as a whole.");
      return;
    }
    const whole = timeless.length ? ` What has no time counts whole in each: ${timeless.join(", ")}.` : "";
    this.heading("Intensity", `Sliding windows of ${figure(windows.width, 1)} s, each scored as if it were a clip; the dashed line is the score of the whole clip.${whole}`);
    const all = Object.values(windows.scores).flat().concat(Object.values(this.result.scores));
    const limits = [Math.min(0, ...all), 1.08 * Math.max(0.1, ...all)];
    for (const target of this.facts.targets) {
      const values = windows.scores[target];
      const told = `${target} over time: ${figure(Math.min(...values))} to ${figure(Math.max(...values))}, whole clip ${figure(this.result.scores[target])}`;
      this.add(target,
        (width) => curve(width, 44, this.facts.seconds, windows.times, values, { limits, level: this.result.scores[target], told, strong: true }),
        (time) => figure(nearest(windows.times, values, time)));
    }
  }

  carriers() {
    const { windows, attention } = this.facts;
    const modalities = Object.keys(windows ? windows.contributions : {});
    if (!windows && !Object.keys(attention).length) return;
    this.heading("What carries it, by the model's own account", "Not the truth about the person: how the model's score changes when something is taken away.");
    const box = make("div", { class: "carriers" });
    if (windows) {
      const choice = make("select", {}, ...this.facts.targets.map((target) => make("option", {}, target)));
      choice.addEventListener("change", () => this.carry(box, choice.value, modalities));
      this.body.append(make("p", { class: "chooser" }, make("label", {}, "Emotion ", choice)));
    }
    this.body.append(box);
    this.carry(box, this.facts.targets[0], modalities);
  }

  carry(box, target, modalities) {
    const { windows, attention, seconds } = this.facts;
    this.lanes = this.lanes.filter((lane) => !box.contains(lane.plot));
    box.replaceChildren();
    if (windows) {
      const all = modalities.flatMap((name) => windows.contributions[name][target]).concat(windows.moments[target]);
      const most = Math.max(1e-3, ...all.map(Math.abs));
      for (const name of modalities) {
        this.add(name, (width) => columns(width, 34, seconds, windows.times, windows.contributions[name][target], { most, told: `${name}: what ${target} gains from it, window by window` }),
          (time) => signedAt(windows.times, windows.contributions[name][target], time), box);
      }
      this.add("this moment", (width) => columns(width, 34, seconds, windows.times, windows.moments[target], { most, told: `What the clip's ${target} gains from each moment` }),
        (time) => signedAt(windows.times, windows.moments[target], time), box);
    }
    for (const [name, weights] of Object.entries(attention)) {
      this.add(`attention, ${name}`, (width) => strip(width, 16, seconds, weights.times, weights.values, `Attention to ${name} over time`), () => "", box);
    }
    const mixed = this.facts.mixture ? " The run is a mixture of models, which has no attention of its own to show." : "";
    box.append(make("p", { class: "soft key" }, `Above the line: it raises the score. Below: it lowers it. “This moment”: the whole clip's score less its score with the window cut out.${mixed}`));
    this.paint();
  }

  signals() {
    const { curves, unmeasured, words, seconds, text } = this.facts;
    this.heading("Seen and heard", Object.keys(curves).length ? "Measured in the clip; the model has no part in it." : "There is neither sound nor movement to measure.");
    for (const [name, line] of Object.entries(curves)) {
      const known = line.values.filter((value) => value !== null);
      const limits = [Math.min(...known), Math.max(...known)];
      const digits = line.unit === "a second" ? 2 : 0;
      const told = `${name}: ${figure(limits[0], digits)} to ${figure(limits[1], digits)} ${line.unit}`;
      this.add(name, (width) => curve(width, 34, seconds, line.times, line.values, { limits, told }),
        (time) => { const value = nearest(line.times, line.values, time); return value === null ? "–" : `${figure(value, digits)} ${line.unit === "a second" ? "/s" : line.unit}`; });
    }
    if (words.length) {
      const lane = make("div", { class: "words" });
      this.body.append(this.lane("words", lane));
      for (const [start, end, said] of words) {
        const chip = make("button", { type: "button", title: `${clock(start)} to ${clock(end)}` }, said);
        chip.style.left = `${(100 * start) / seconds}%`;
        chip.style.width = `${(100 * Math.max(0.02 * seconds, end - start)) / seconds}%`;
        chip.addEventListener("click", () => this.player.seek(start));
        lane.append(chip);
      }
    } else if (text) this.body.append(make("p", { class: "soft" }, "The words came without times."));
    const missing = Object.entries(unmeasured).map(([name, why]) => `${name}: ${why}`);
    if (missing.length) this.body.append(make("p", { class: "soft" }, `Not measured: ${missing.join("; ")}.`));
  }

  numbers() {
    const { windows, targets } = this.facts;
    if (!windows) return;
    const head = make("tr", {}, make("th", { scope: "col" }, "Middle"), ...targets.map((target) => make("th", { scope: "col" }, target)));
    const rows = windows.times.map((time, i) => make("tr", {}, make("th", { scope: "row" }, clock(time)), ...targets.map((target) => make("td", {}, figure(windows.scores[target][i])))));
    const table = make("table", {}, make("caption", {}, `Scores of windows of ${figure(windows.width, 1)} s`), make("thead", {}, head), make("tbody", {}, ...rows));
    this.place.append(make("details", {}, make("summary", {}, "The windows as a table"), make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Windows" }, table)));
  }

  paint() {
    for (const lane of this.lanes) {
      const width = Math.floor(lane.plot.clientWidth);
      if (width > 0) lane.plot.replaceChildren(lane.paint(width));
    }
    this.move(this.player.at);
  }

  point(event) {
    const plot = event.target.closest(".picture");
    if (!plot) return;
    event.preventDefault();
    const box = plot.getBoundingClientRect();
    const go = (at) => this.player.seek(Math.max(0, Math.min(1, (at - box.left) / box.width)) * this.facts.seconds);
    const drag = (moved) => go(moved.clientX);
    go(event.clientX);
    window.addEventListener("pointermove", drag);
    window.addEventListener("pointerup", () => window.removeEventListener("pointermove", drag), { once: true });
  }

  move(time) {
    if (!this.facts.seconds) return;
    this.slider.value = time;
    this.slider.setAttribute("aria-valuetext", this.player.describe());
    this.now.textContent = clock(time);
    const plot = this.slider.closest(".course");
    this.cursor.style.transform = `translateX(${plot.offsetLeft + (plot.clientWidth * time) / this.facts.seconds}px)`;
    for (const lane of this.lanes) lane.at.textContent = lane.read(time);
    this.place.dataset.at = time.toFixed(2);
  }
}

function nearest(times, values, time) {
  let best = 0;
  for (let i = 1; i < times.length; i += 1) if (Math.abs(times[i] - time) < Math.abs(times[best] - time)) best = i;
  return values[best];
}

function signedAt(times, values, time) {
  const value = nearest(times, values, time);
  return (value > 0.0005 ? "+" : "") + figure(value);
}
