/* The page of a clip: one view of it, two side by side if asked, and the camera. */

import { View } from "./view.js";
import { Camera } from "./camera.js";

const place = document.getElementById("views");
const another = document.getElementById("another");
const views = [new View(place, place.dataset.run)];

function beside() {
  views.push(new View(place, place.dataset.run));
  place.classList.add("two");
  another.hidden = true;
  return views[1];
}

another.addEventListener("click", () => beside().part("file").focus());
if (place.dataset.clip) views[0].open(place.dataset.clip);
if (place.dataset.beside) beside().open(place.dataset.beside);
new Camera(place.dataset.run, (file) => views[0].take(file));

// A file that misses the field must not take the page away.
for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
window.addEventListener("pagehide", () => views.forEach((view) => view.forget()));
