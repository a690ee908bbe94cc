/* The player, the face crop and the time: whatever moves one of them moves the others. */

import { clock, make } from "./ask.js";

const SIDE = 72;

export class Player {
  constructor(view, source, facts, job) {
    this.seconds = facts.seconds;
    this.faces = facts.faces;
    this.filmed = "picture movement" in facts.curves;
    this.url = source.url;
    this.listeners = [];
    this.at = 0;
    this.place = view.part("player");
    this.face = view.part("face");
    this.told = view.part("face-told");
    this.said(view.part("said"), facts);
    this.build(source.kind);
    this.strip(job);
  }

  build(kind) {
    if (kind.startsWith("image/")) {
      this.place.replaceChildren(make("img", { src: this.url, alt: "The picture that was scored" }));
      return;
    }
    this.media = make("video", { src: this.url, controls: true, playsinline: true, preload: "auto", "aria-label": "The clip" });
    this.media.addEventListener("error", () => this.unplayable());
    this.media.addEventListener("loadedmetadata", () => this.media.videoWidth || this.unseen());
    for (const name of ["timeupdate", "seeked", "seeking"]) {
      this.media.addEventListener(name, () => this.moved(this.media.currentTime));
    }
    this.media.addEventListener("play", () => this.run());
    this.place.replaceChildren(this.media);
  }

  unseen() {
    this.place.classList.add("sound");
    if (this.filmed) this.place.append(make("p", { class: "soft" }, "This browser plays its sound, and cannot show its picture."));
  }

  unplayable() {
    this.media = null;
    this.place.replaceChildren(make("p", { class: "soft" }, "This browser cannot play the file. It was read all the same: move along the timeline below."));
  }

  /** While it plays, follow it frame by frame. */
  run() {
    const step = () => {
      if (!this.media) return;
      this.moved(this.media.currentTime);
      if (!this.media.paused && !this.media.ended) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  strip(job) {
    this.face.hidden = !this.faces;
    if (!this.faces) return;
    this.crops = new Image();
    this.crops.onload = () => this.crop();
    this.crops.src = `/api/jobs/${job}/faces`;
  }

  /** Show the crop of this moment. */
  crop() {
    const canvas = this.face.querySelector("canvas");
    const row = Math.min(this.faces.valid.length - 1, Math.floor(this.at * this.faces.rate));
    const there = this.faces.valid[row];
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, SIDE, SIDE);
    if (there && this.crops.complete) pen.drawImage(this.crops, row * SIDE, 0, SIDE, SIDE, 0, 0, SIDE, SIDE);
    this.told.textContent = there ? "The face as the model sees it" : "No face found at this moment";
  }

  said(place, facts) {
    this.words = facts.words;
    place.hidden = facts.text === null;
    place.textContent = facts.text === "" ? "The transcript is empty: nothing is said." : `“${facts.text}”`;
    if (!facts.words.length) return;
    this.spans = facts.words.map(([, , text]) => make("span", {}, `${text} `));
    place.replaceChildren(...this.spans);
  }

  onMove(listener) {
    this.listeners.push(listener);
    listener(this.at);
  }

  seek(time) {
    if (this.media && Number.isFinite(this.media.duration)) this.media.currentTime = Math.min(time, this.media.duration);
    this.moved(time);
  }

  moved(time) {
    this.at = Math.max(0, Math.min(time, this.seconds || time));
    if (this.faces) this.crop();
    if (this.spans) this.words.forEach(([start, end], i) => this.spans[i].classList.toggle("now", start <= this.at && this.at < end));
    for (const listener of this.listeners) listener(this.at);
  }

  describe() {
    return `${clock(this.at)} of ${clock(this.seconds)}`;
  }

  close() {
    this.listeners = [];
    if (this.media) {
      this.media.pause();
      this.media.removeAttribute("src");
    }
    if (this.url.startsWith("blob:")) URL.revokeObjectURL(this.url);
    this.media = null;
    this.place.replaceChildren();
  }
}
