/* Camera and microphone: after consent, a recording that is scored like any file, or live windows.

Live: every half second a recorder begins that runs for four seconds, so that each window is a whole file (how long and
how often, the page says). One window is under way at a time; those that come due meanwhile are left out, and counted. */

import { clock, figure, make, query, send } from "./ask.js";
import { showScores } from "./scores.js";

const LONGEST = 120_000;
const OPTIONS = { video: { width: 320, height: 240, frameRate: 15 }, audio: true };

const element = (id) => document.getElementById(id);

export class Camera {
  constructor(run, take) {
    this.run = run;
    this.take = take;
    this.recorders = new Set();
    this.window = Number(element("live").dataset.window);
    this.every = Number(element("live").dataset.every);
    if (!navigator.mediaDevices || !window.MediaRecorder) {
      element("record").disabled = element("watch").disabled = true;
      this.tell("This browser opens a camera only for this very machine, or over HTTPS.");
      return;
    }
    element("record").addEventListener("click", () => this.begin(() => this.record()));
    element("watch").addEventListener("click", () => this.begin(() => this.watch()));
    element("stop").addEventListener("click", () => this.stop());
    element("agreed").addEventListener("change", (event) => { element("open").disabled = !event.target.checked; });
    window.addEventListener("pagehide", () => this.close());
  }

  tell(text) {
    element("live-state").textContent = text;
  }

  /** Ask for consent, each time; then open the camera. */
  begin(go) {
    const dialog = element("consent");
    element("agreed").checked = false;
    element("open").disabled = true;
    dialog.returnValue = "";
    dialog.addEventListener("close", async () => {
      if (dialog.returnValue !== "open" || !element("agreed").checked) return;
      try {
        this.stream = await navigator.mediaDevices.getUserMedia(OPTIONS);
      } catch (error) {
        this.tell(`The camera could not be opened: ${error.message}`);
        return;
      }
      this.opened();
      go();
    }, { once: true });
    dialog.showModal();
  }

  opened() {
    for (const id of ["record", "watch", "save"]) element(id).hidden = true;
    element("stop").hidden = element("live-view").hidden = false;
    element("camera").srcObject = this.stream;
    element("camera").play();
    element("stop").focus();
  }

  record() {
    const started = performance.now();
    this.tell("Recording.");
    this.finish = this.recorder((blob) => this.recorded(blob));
    this.ticking = setInterval(() => {
      const past = performance.now() - started;
      this.tell(`Recording: ${clock(past / 1000)}`);
      if (past > LONGEST) this.stop();
    }, 1000);
  }

  recorded(blob) {
    const save = element("save");
    if (this.saved) URL.revokeObjectURL(this.saved);
    this.saved = URL.createObjectURL(blob);
    save.href = this.saved;
    save.download = "recording.webm";
    save.hidden = false;
    this.tell("Recorded. It is gone when you leave the page, unless you save it.");
    this.take(new File([blob], "recording.webm", { type: blob.type }));
  }

  /** Start a recorder; give what stops it. `done` is handed the whole file. */
  recorder(done) {
    const recorder = new MediaRecorder(this.stream);
    const chunks = [];
    recorder.ondataavailable = (event) => chunks.push(event.data);
    recorder.onstop = () => {
      this.recorders.delete(recorder);
      done(new Blob(chunks, { type: recorder.mimeType }));
    };
    this.recorders.add(recorder);
    recorder.start();
    return () => recorder.state === "recording" && recorder.stop();
  }

  watch() {
    this.scored = this.skipped = 0;
    this.busy = false;
    this.tell("Live: the first window takes four seconds.");
    this.finish = () => { this.dropped = true; };
    this.dropped = false;
    this.ticking = setInterval(() => this.start(), this.every);
  }

  /** Record a window from now on. */
  start() {
    const stop = this.recorder((blob) => this.score(blob));
    setTimeout(stop, this.window);
  }

  async score(blob) {
    if (this.dropped) return;
    if (this.busy) {
      this.skipped += 1;
      return;
    }
    this.busy = true;
    const started = performance.now();
    try {
      const found = await send(`/api/live${query({ run: this.run })}`, blob, () => null);
      if (this.dropped) return;
      this.scored += 1;
      this.show(found, performance.now() - started);
    } catch (error) {
      if (error.status === 429) this.skipped += 1;
      else if (!this.dropped) this.tell(`${error.message}. ${error.remedy || ""}`);
    } finally {
      this.busy = false;
    }
  }

  show(found, took) {
    const place = element("live-scores");
    if (!place.firstChild) place.append(make("table", { class: "scores" }, make("caption", {}, "The last four seconds"), make("tbody", {})));
    if (found.scores) showScores(place.querySelector("tbody"), found);
    const missing = Object.entries(found.modalities).filter(([, state]) => state !== "used").map(([name, state]) => `${name}: ${state}`);
    this.tell(`Live: ${this.scored} windows scored, ${this.skipped} left out; the last was shown ${figure(took / 1000, 1)} s after its end. ${missing.length ? `Missing: ${missing.join("; ")}.` : ""}`);
    element("live-view").dataset.scored = this.scored;
  }

  stop() {
    clearInterval(this.ticking);
    if (this.finish) this.finish();
    for (const recorder of this.recorders) if (recorder.state === "recording") recorder.stop();
    this.close();
    for (const id of ["record", "watch"]) element(id).hidden = false;
    element("stop").hidden = element("live-view").hidden = true;
    element("record").focus();
  }

  close() {
    if (this.stream) this.stream.getTracks().forEach((track) => track.stop());
    element("camera").srcObject = null;
  }
}
