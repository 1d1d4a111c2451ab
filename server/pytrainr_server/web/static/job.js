// One job: its curves as they grow, options, what happened to it.

import { lines, smoothed } from "./charts.js";
import { duration, facts, h, number, replace, say, shown, state, table, time } from "./dom.js";
import { events, get, post, remove } from "./server_calls.js";

const UNFINISHED = ["queued", "running", "paused"];
const MOST_POINTS = 4000;
const LINES = [["Time", (line) => time(line.time)], ["Level", (line) => h("span", { class: `level ${line.level}` }, line.level), "optional"], ["What", (line) => line.text, "wide"]];

export async function job(id) {
  let found = await get(`/api/jobs/${id}`);
  const curve = await get(`/api/jobs/${id}/curve`);
  let last = curve.epoch.at(-1) ?? 0, weight = 0, logarithmic = false;
  const about = h("div", { class: "columns" }), now = h("p", { class: "soft", role: "status" }), buttons = h("div", { class: "bar" });
  const log = h("div", { role: "log", tabindex: 0, "aria-label": "Log", class: "log" });
  const drawing = h("div"), rates = lines([{ label: "learning rate" }], { height: 140 });
  let errors;

  const draw = () => {
    const columns = curve.validation.length ? [curve.error, curve.validation] : [curve.error];
    errors.set(curve.epoch, weight ? [...columns, ...columns.map((each) => smoothed(each, weight))] : columns);
    rates.set(curve.epoch, [curve.learningrate]);
  };
  const scale = () => {
    const series = curve.validation.length ? ["mean error", "validation"] : ["mean error"];
    const smoothing = weight ? series.map((label, place) => ({ label: `${label}, smoothed`, colour: place + 2, dashed: true })) : [];
    errors = lines([...series.map((label) => ({ label })), ...smoothing], { logarithmic });
    replace(drawing, errors.element);
    draw();
  };
  let written = "", logged = "";
  const write = () => {
    replace(about, h("section", {}, h("h2", {}, "Now"), facts({
      state: state(found), epoch: `${found.epoch} of ${found.numepochs}`, error: number(found.error),
      ...(found.epochs_a_second != null && { "epochs a second": number(+found.epochs_a_second.toPrecision(3)), "time left": duration(found.seconds_left) }),
      network: found.network, owner: found.owner,
      X: found.x.dim.join(" × "), Y: found.y.dim.join(" × "),
      ...(found.model && { model: h("a", { href: `#/models/${found.model.replace("@", "/")}` }, found.model) }),
      ...(found.message && { message: found.message }),
    })), h("section", {}, h("h2", {}, "Options"), facts(found.options)));
    const said = JSON.stringify(found.log);
    if (said !== logged) {
      logged = said;
      replace(log, table(LINES, found.log));
      log.scrollTop = log.scrollHeight;
    }
    if (written === found.state + found.model) return;
    written = found.state + found.model;
    const running = UNFINISHED.includes(found.state);
    replace(buttons,
      running && h("button", { name: "cancel", onclick: () => post(`/api/jobs/${id}/cancel`).then(() => say("Cancelling.")).then(again) }, "Cancel"),
      !running && found.model && h("button", { name: "on", onclick: async () => { location.hash = `#/jobs/${(await post(`/api/jobs/${id}/train-on`)).id}`; } }, "Train on"),
      !running && h("button", { name: "delete", onclick: () => confirm(`Forget the job ${id}? Its model stays.`) && remove(`/api/jobs/${id}`).then(() => { location.hash = "#/jobs"; }) }, "Delete"),
      h("button", { name: "python", onclick: () => copy(found.python) }, "Copy as Python"), h("button", { name: "r", onclick: () => copy(found.r) }, "Copy as R"));
  };
  const again = async () => { found = await get(`/api/jobs/${id}`); write(); };

  const add = (epochs) => {
    const before = curve.validation.length;
    for (const [epoch, error, rate, validation] of epochs.filter((each) => each[0] > last)) {
      curve.epoch.push(epoch);
      curve.error.push(error);
      curve.learningrate.push(rate);
      if (validation != null || curve.validation.length) curve.validation.push(validation);
      last = epoch;
    }
    while (curve.epoch.length > MOST_POINTS) {  // a page may watch a million epochs
      for (const [name, column] of Object.entries(curve)) curve[name] = column.filter((_, place) => place % 2 === 0);
    }
    if (!before && curve.validation.length) {
      curve.validation.unshift(...Array(curve.epoch.length - curve.validation.length).fill(null));
      scale();
    } else draw();
  };

  scale();
  write();
  let asked = 0;
  const leave = events(`/api/jobs/${id}/watch?after=${last}`, (news) => {
    if (news.epochs) add(news.epochs);
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
  const smooth = h("input", { type: "range", id: "smooth", min: 0, max: 0.99, step: 0.01, value: 0, oninput: (event) => {
    const before = weight > 0;
    weight = +event.target.value;
    if (before !== weight > 0) scale(); else draw();
  } });
  const scaling = h("input", { type: "checkbox", id: "log", onchange: (event) => { logarithmic = event.target.checked; scale(); } });
  return { title: `Job ${id}`, leave, content: [buttons, now, about, h("h2", {}, "Error by epoch"),
    h("div", { class: "bar" }, scaling, h("label", { for: "log" }, "logarithmic"), h("label", { for: "smooth" }, "smoothing"), smooth),
    drawing, h("h2", {}, "Learning rate"), rates.element, h("h2", {}, "Log"), log,
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
