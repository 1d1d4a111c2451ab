// Elements made of what is given as text: nothing that is stored can become markup.

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

export function replace(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child != null && child !== false));
}

export function say(text) {
  document.getElementById("said").textContent = text;
  if (text) setTimeout(() => document.getElementById("said").textContent === text && say(""), 6000);
}

// A table; each column is [title, cell of a row, class]. Rows keep their elements as long as `key` finds them.
export function table(columns, rows, attributes = {}) {
  const cell = ([, show, kind], row) => h("td", { class: kind }, show(row));
  return h("div", { class: "scroll" }, h("table", attributes,
    h("thead", {}, h("tr", {}, columns.map(([title, , kind]) => h("th", { scope: "col", class: kind }, title)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, columns.map((column) => cell(column, row)))))));
}

export function facts(found) {
  return h("dl", {}, Object.entries(found).map(([name, value]) => [h("dt", {}, name), h("dd", {}, shown(value))]));
}

export function shown(value) {
  if (value == null || value === "") return "–";
  if (value instanceof Node) return value;
  if (typeof value === "number" && !Number.isInteger(value)) return number(value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export function number(value) {
  if (value == null) return "–";
  if (value === 0) return "0";
  return Math.abs(value) >= 1e-4 && Math.abs(value) < 1e6 ? String(+value.toPrecision(5)) : value.toExponential(3);
}

export function time(seconds) {
  return seconds ? h("time", { datetime: new Date(seconds * 1000).toISOString() },
    new Date(seconds * 1000).toLocaleString()) : "–";
}

export function duration(seconds) {
  if (seconds == null) return "–";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

export function bytes(size) {
  const power = Math.min(4, Math.floor(Math.log2(Math.max(size, 1)) / 10));
  return `${+(size / 1024 ** power).toPrecision(3)} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}`;
}

export function state(job) {
  return h("span", { class: `state ${job.state}` }, job.state);
}
