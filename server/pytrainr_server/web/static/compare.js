// Several jobs side by side.

import { joined, lines, parallel, smoothed } from "./charts.js";
import { h, number, replace, shown, state, table } from "./dom.js";
import { get } from "./server_calls.js";

const CURVES = { error: "mean error", validation: "validation", learningrate: "learning rate" };

export async function compare(ids) {
  const found = (await get(`/api/compare?jobs=${ids}`)).jobs;
  const names = [...new Set(found.flatMap((job) => Object.keys(job.options)))];
  const differing = names.filter((name) => new Set(found.map((job) => JSON.stringify(job.options[name]))).size > 1);
  const ordered = [...found].sort((one, other) => (one.error ?? Infinity) - (other.error ?? Infinity));
  const best = ordered[0].error == null ? undefined : ordered[0];
  const drawing = h("div");
  let curve = "error", logarithmic = false, weight = 0;
  const draw = () => {
    const drawn = found.filter((job) => job.curve[curve].length);
    const plot = lines(drawn.map((job) => ({ label: job.id, colour: found.indexOf(job) })), { logarithmic, height: 340 });
    const [epochs, columns] = joined(drawn.map((job) => job.curve), curve);
    replace(drawing, plot.element);
    plot.set(epochs, weight ? columns.map((column) => smoothed(column, weight)) : columns);
  };
  draw();
  const curves = h("select", { id: "curve", onchange: (event) => { curve = event.target.value; draw(); } },
    Object.entries(CURVES).filter(([name]) => found.some((job) => job.curve[name].length)).map(([value, title]) => h("option", { value }, title)));
  const log = h("input", { type: "checkbox", id: "log", onchange: (event) => { logarithmic = event.target.checked; draw(); } });
  const smooth = h("input", { type: "range", id: "smooth", min: 0, max: 0.99, step: 0.01, value: 0, oninput: (event) => { weight = +event.target.value; draw(); } });
  const plain = (value) => Array.isArray(value) ? (value.length === 1 ? value[0] : value.join(", ")) : value;
  const axes = [...differing.map((name) => ({ name, of: (job) => plain(job.options[name] ?? "–") })), { name: "error", of: (job) => job.error ?? "–" }];
  const columns = [
    ["Job", (job) => [h("a", { href: `#/jobs/${job.id}` }, job.id), job === best && h("strong", {}, " best")], "wide"],
    ["State", state], ["Error", (job) => number(job.error), "number"], ["Epochs", (job) => job.epoch, "number"],
    ...differing.map((name) => [name, (job) => shown(job.options[name]), "wide"]),
  ];
  return { title: `${found.length} job${found.length === 1 ? "" : "s"} compared`, content: [
    h("div", { class: "bar" }, h("label", { for: "curve" }, "Curve"), curves, log, h("label", { for: "log" }, "logarithmic"),
      h("label", { for: "smooth" }, "smoothing"), smooth),
    drawing, h("h2", {}, "What differs"), table(columns, ordered),
    axes.length > 1 && [h("h2", {}, "Options and error"), h("div", { class: "scroll" }, parallel(axes, found, best))]] };
}
