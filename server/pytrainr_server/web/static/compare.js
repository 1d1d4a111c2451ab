// Several jobs side by side.

import { joined, lines, parallel } from "./charts.js";
import { h, number, replace, shown, state, table } from "./dom.js";
import { get } from "./server_calls.js";

export async function compare(ids) {
  const found = await Promise.all(ids.split(",").map((id) => get(`/api/jobs/${id}`)));
  const points = Math.max(50, Math.floor(20000 / found.length));
  const curves = await Promise.all(found.map((job) => get(`/api/jobs/${job.id}/curve?points=${points}`)));
  const names = [...new Set(found.flatMap((job) => Object.keys(job.options)))];
  const differing = names.filter((name) => new Set(found.map((job) => JSON.stringify(job.options[name]))).size > 1);
  const best = found.filter((job) => job.error != null).sort((one, other) => one.error - other.error)[0];
  const drawing = h("div");
  const draw = (logarithmic) => {
    const plot = lines(found.map((job) => ({ label: job.id })), { logarithmic, height: 340 });
    replace(drawing, plot.element);
    plot.set(...joined(curves));
  };
  draw(false);
  const plain = (value) => Array.isArray(value) ? value.join(", ") : value;
  const axes = [...differing.map((name) => ({ name, of: (job) => plain(job.options[name] ?? "–") })), { name: "error", of: (job) => job.error ?? "–" }];
  const columns = [
    ["Job", (job) => [h("a", { href: `#/jobs/${job.id}` }, job.id), job === best && h("strong", {}, " best")], "wide"],
    ["State", state], ["Error", (job) => number(job.error), "number"], ["Epochs", (job) => job.epoch, "number"],
    ...differing.map((name) => [name, (job) => shown(job.options[name]), "wide"]),
  ];
  return { title: `${found.length} jobs compared`, content: [
    h("div", { class: "bar" }, h("input", { type: "checkbox", id: "log", onchange: (event) => draw(event.target.checked) }), h("label", { for: "log" }, "logarithmic")),
    drawing, h("h2", {}, "What differs"), table(columns, found),
    axes.length > 1 && [h("h2", {}, "Options and error"), h("div", { class: "scroll" }, parallel(axes, found, best))]] };
}
