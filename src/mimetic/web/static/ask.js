/* Requests to the server this page came from, and how numbers are written. */

export class Problem extends Error {
  constructor(problem) {
    super(problem.detail || problem.title);
    this.status = problem.status;
    this.remedy = problem.remedy || "";
  }
}

const AWAY = { status: 0, title: "The server does not answer", remedy: "Is mimetic serve still running?" };

async function read(response) {
  if (response.status === 204) return null;
  const kind = response.headers.get("content-type") || "";
  if (!kind.includes("json")) throw new Problem({ status: response.status, title: response.statusText });
  const content = await response.json();
  if (!response.ok) throw new Problem(content);
  return content;
}

/** Ask for JSON; a problem is thrown. */
export async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(AWAY);
  }
  return read(response);
}

/** Send a file as the body of a request; `tell` is given the share that has been sent. */
export function send(path, body, tell) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && tell(event.loaded / event.total);
    request.onerror = () => reject(new Problem(AWAY));
    request.onload = () => {
      if (request.status < 300) resolve(request.response);
      else reject(new Problem(request.response || { status: request.status, title: request.statusText }));
    };
    request.send(body);
  });
}

export const query = (values) => {
  const pairs = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return pairs.length ? `?${new URLSearchParams(pairs)}` : "";
};

/** Write a number as the field does: no zero before the point, a true minus sign. */
export function figure(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const text = Math.abs(value).toFixed(digits).replace(/^0\./, ".");
  return value < 0 && Number(text) ? `−${text}` : text;
}

export const signed = (value) => (value > 0 && figure(value) !== ".000" ? "+" : "") + figure(value);

export const clock = (seconds) => `${seconds.toFixed(1)} s`;

/** Make an element: attributes, then children; text is text, never markup. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  fill(element, attributes, children);
  return element;
}

export function draw(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  fill(element, attributes, children);
  return element;
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children);
}

export const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
