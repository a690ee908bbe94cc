/* One clip on the page: it is dropped or picked, sent, waited for, and shown. */

import { Problem, ask, make, query, send, wait } from "./ask.js";
import { caption, showScores } from "./scores.js";
import { Player } from "./player.js";
import { Timeline } from "./timeline.js";

const TOLD = {
  sending: "Sending the file",
  waiting: "Waiting",
  checking: "Looking at the file",
  reading: "Reading picture and sound",
  features: "Computing features",
  scoring: "Scoring",
  explaining: "Looking at it window by window",
  done: "Done",
};
const SHOWN = ["sending", "waiting", "checking", "reading", "scoring", "explaining"];
const POLL = 250;

export class View {
  constructor(place, run) {
    const copy = document.getElementById("view").content.cloneNode(true);
    this.root = copy.firstElementChild;
    this.run = run;
    this.interval = place.dataset.interval;
    this.turn = 0;
    place.append(copy);
    this.listen();
  }

  part(name) {
    return this.root.querySelector(`[data-part="${name}"]`);
  }

  listen() {
    const drop = this.part("drop");
    this.part("file").addEventListener("change", (event) => this.take(event.target.files[0]));
    this.part("again").addEventListener("click", () => this.empty());
    for (const name of ["dragover", "dragleave", "drop"]) {
      drop.addEventListener(name, (event) => {
        event.preventDefault();
        drop.classList.toggle("over", name === "dragover");
        if (name === "drop" && event.dataTransfer.files.length) this.take(event.dataTransfer.files[0]);
      });
    }
  }

  show(...names) {
    for (const name of ["drop", "progress", "problem", "result"]) this.part(name).hidden = !names.includes(name);
  }

  empty() {
    this.forget();
    this.part("file").value = "";
    this.show("drop");
    this.part("file").focus();
  }

  /** Let the server forget what it knows, too. */
  forget() {
    this.turn += 1;
    if (this.player) this.player.close();
    if (this.timeline) this.timeline.close();
    if (this.job) ask(`/api/jobs/${this.job}`, { method: "DELETE" }).catch(() => null);
    this.player = this.timeline = this.job = null;
  }

  /** Score a file from this computer: it plays from here, and the server's copy is deleted once it is read. */
  take(file) {
    if (!file) return;
    const words = this.part("words").value.trim();
    const path = `/api/jobs${query({ name: file.name, run: this.run, words })}`;
    const source = { url: URL.createObjectURL(file), kind: file.type };
    this.work(file.name, (tell) => send(path, file, tell), { source });
  }

  /** Score a clip of the data set. */
  async open(id) {
    const place = `/api/clip${query({ id, run: this.run })}`;
    const source = { url: `/api/clip/media${query({ id })}`, kind: "" };
    this.work(id, () => ask(`/api/clip/jobs${query({ id, run: this.run })}`, { method: "POST" }), { source, place });
  }

  async work(name, start, { source, place }) {
    this.forget();
    const turn = this.turn;
    this.part("name").textContent = name;
    this.show("progress");
    try {
      this.stage("sending");
      const known = place ? await ask(place) : null;
      let job = await start((share) => this.stage("sending", share));
      if (turn !== this.turn) return;
      this.job = job.id;
      job = await this.follow(job, turn);
      if (turn === this.turn && job) await this.finish(job, { source, truth: known && known.true });
    } catch (error) {
      if (turn === this.turn) this.fail(error);
    }
  }

  async follow(job, turn) {
    while (job.state === "waiting" || job.state === "working") {
      this.stage(job.stage, undefined, job.place);
      await wait(POLL);
      if (turn !== this.turn) return null;
      job = await ask(`/api/jobs/${job.id}`);
    }
    if (job.problem) throw new Problem(job.problem);
    return job;
  }

  stage(name, share, place) {
    const at = SHOWN.indexOf(name === "features" ? "reading" : name);
    const items = SHOWN.map((one, i) =>
      make("li", { class: i < at ? "past" : i === at ? "now" : "", "aria-current": i === at ? "step" : null }, TOLD[one]));
    if (this.at !== name || !this.part("stages").children.length) this.part("stages").replaceChildren(...items);
    this.at = name;
    const told = place ? `${place === 1 ? "Next in the queue" : `Waiting: ${place - 1} before this one`}` : TOLD[name];
    if (this.part("status").textContent !== told) this.part("status").textContent = told;
    this.part("bar").value = (at + (share || 0.5)) / SHOWN.length;
  }

  fail(error) {
    const box = this.part("problem");
    box.replaceChildren(make("p", {}, make("strong", {}, `${this.part("name").textContent}: `), error.message));
    if (error.remedy) box.append(make("p", {}, error.remedy));
    this.part("file").value = "";
    this.show("problem", "drop");
  }

  async finish(job, { source, truth }) {
    const { result } = job;
    if (result.error) throw new Problem({ detail: result.error, status: 422 });
    const facts = await ask(`/api/jobs/${job.id}/timeline`);
    this.part("title").textContent = job.clip;
    this.result = result;
    this.truth = truth || undefined;
    this.part("caption").textContent = caption(result, this.truth, this.interval);
    showScores(this.part("scores"), result, { truth: this.truth });
    this.modalities(job.id, result.modalities);
    this.show("result");
    this.player = new Player(this, source, facts, job.id);
    this.timeline = new Timeline(this.part("timeline"), facts, result, this.player);
    this.root.dataset.done = job.id;
  }

  /** A switch for each modality; one that the clip lacks says why. */
  modalities(job, told) {
    const boxes = Object.entries(told).map(([name, state]) => {
      const used = state === "used";
      const box = make("input", { type: "checkbox", value: name, checked: used, disabled: !used });
      const label = make("label", { class: "check" }, box, ` ${name}`);
      if (!used) label.append(make("span", { class: "soft" }, `, missing: ${state}`));
      box.addEventListener("change", () => this.rescore(job));
      return label;
    });
    this.part("modalities").replaceChildren(...boxes);
    this.part("off-note").textContent = "";
  }

  async rescore(job) {
    const boxes = [...this.part("modalities").querySelectorAll("input:not(:disabled)")];
    const off = boxes.filter((box) => !box.checked).map((box) => box.value);
    const path = `/api/jobs/${job}/scores?${off.map((name) => `without=${encodeURIComponent(name)}`).join("&")}`;
    try {
      const found = await ask(path);
      const none = found.scores === null;
      const before = off.length ? this.result.scores : undefined;
      showScores(this.part("scores"), none ? this.result : found, { before: none ? undefined : before, truth: this.truth });
      this.part("off-note").textContent = none
        ? "Nothing is left to score from: the scores are those of all."
        : off.length ? `Without ${off.join(" and ")}. The mark on each bar is the score with all.` : "";
    } catch (error) {
      this.part("off-note").textContent = `${error.message}. ${error.remedy || ""}`;
    }
  }
}
