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

// What has the focus keeps it where its like is there afterwards.
export function replace(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  element.replaceChildren(...children.flat(Infinity).filter((child) => child != null && child !== false));
  const name = focused && ["aria-label", "href", "id", "name"].find((each) => focused.hasAttribute(each));
  if (name) element.querySelector(`[${name}="${CSS.escape(focused.getAttribute(name))}"]`)?.focus();
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

// A moment: of today the time alone.
export function time(seconds) {
  if (!seconds) return "–";
  const moment = new Date(seconds * 1000), today = moment.toDateString() === new Date().toDateString();
  return h("time", { datetime: moment.toISOString(), title: moment.toLocaleString() },
    today ? moment.toLocaleTimeString() : moment.toLocaleString([], { dateStyle: "short", timeStyle: "short" }));
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
