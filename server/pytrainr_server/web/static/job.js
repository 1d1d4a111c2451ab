// One job: its curve as it grows, options, what happened to it.

import { lines, smoothed } from "./charts.js";
import { duration, facts, h, number, replace, say, shown, state, table, time } from "./dom.js";
import { events, get, post, remove } from "./server_calls.js";

const UNFINISHED = ["queued", "running", "paused"];

export async function job(id) {
  let found = await get(`/api/jobs/${id}`);
  const curve = await get(`/api/jobs/${id}/curve`);
  let last = curve.last, weight = 0, logarithmic = false;
  const about = h("div"), now = h("p", { class: "soft", role: "status" }), buttons = h("div", { class: "bar" });
  const drawing = h("div"), rates = lines([{ label: "learning rate" }], { height: 140 });
  let errors;

  const draw = () => {
    errors.set(curve.epoch, weight ? [curve.error, smoothed(curve.error, weight)] : [curve.error, curve.error.map(() => null)]);
    rates.set(curve.epoch, [curve.learningrate]);
  };
  const scale = () => {
    errors = lines([{ label: "mean error" }, { label: "smoothed" }], { logarithmic });
    replace(drawing, errors.element);
    draw();
  };
  const write = () => {
    replace(about, h("div", { class: "columns" }, h("section", {}, h("h2", {}, "Now"), facts({
      state: state(found), epoch: `${found.epoch} of ${found.numepochs}`, error: number(found.error),
      "time left": duration(found.seconds_left), network: found.network,
      X: found.x.dim.join(" × "), Y: found.y.dim.join(" × "),
      model: found.model ? h("a", { href: `#/models/${found.model.replace("@", "/")}` }, found.model) : "",
      message: found.message,
    })), h("section", {}, h("h2", {}, "Options"), facts(found.options)),
    h("section", {}, h("h2", {}, "What happened"), h("ul", {}, found.history.map((each) => h("li", {}, each.time ? [time(each.time), ": "] : "", each.what))))));
    const running = UNFINISHED.includes(found.state);
    replace(buttons,
      running && h("button", { onclick: () => post(`/api/jobs/${id}/cancel`).then(() => say("Cancelling.")).then(again) }, "Cancel"),
      !running && found.model && h("button", { onclick: async () => { location.hash = `#/jobs/${(await post(`/api/jobs/${id}/train-on`)).id}`; } }, "Train on"),
      !running && h("button", { onclick: () => confirm(`Forget the job ${id}? Its model stays.`) && remove(`/api/jobs/${id}`).then(() => { location.hash = "#/jobs"; }) }, "Delete"),
      h("button", { onclick: () => copy(found.python) }, "Copy as Python"), h("button", { onclick: () => copy(found.r) }, "Copy as R"));
  };
  const again = async () => { found = await get(`/api/jobs/${id}`); write(); };

  scale();
  write();
  let asked = 0;
  const leave = events(`/api/jobs/${id}/watch?after=${last}`, (news) => {
    for (const [epoch, error, rate] of (news.epochs ?? []).filter((each) => each[0] > last)) {
      curve.epoch.push(epoch);
      curve.error.push(error);
      curve.learningrate.push(rate);
      last = epoch;
    }
    if (news.epochs) draw();
    if (news.progress !== undefined) {
      now.textContent = news.compiling ? `compiling ${news.compiling}` : news.position ? `${news.position} jobs wait before this one` : "";
    }
    if (news.finished) {
      now.textContent = `Ended: ${news.finished}.`;
      leave();
    }
    if (news.finished || Date.now() - asked > 1000) {
      asked = Date.now();
      again();
    }
  });
  const smooth = h("input", { type: "range", id: "smooth", min: 0, max: 0.99, step: 0.01, value: 0, oninput: (event) => { weight = +event.target.value; draw(); } });
  const log = h("input", { type: "checkbox", id: "log", onchange: (event) => { logarithmic = event.target.checked; scale(); } });
  return { title: `Job ${id}`, leave, content: [buttons, now, about, h("h2", {}, "Error by epoch"),
    h("div", { class: "bar" }, log, h("label", { for: "log" }, "logarithmic"), h("label", { for: "smooth" }, "smoothing"), smooth),
    drawing, h("h2", {}, "Learning rate"), rates.element,
    h("details", {}, h("summary", {}, "As Python"), h("pre", {}, found.python)),
    h("details", {}, h("summary", {}, "As R"), h("pre", {}, found.r))] };
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied.");
  } catch {
    say("The browser does not let this page copy; the code is at the end of the page.");
  }
}
