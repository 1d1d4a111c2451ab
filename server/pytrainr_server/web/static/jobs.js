// The list of jobs, which is as it is now.

import { duration, h, number, replace, state, table, time } from "./dom.js";
import { events, get } from "./server_calls.js";

const STATES = ["queued", "running", "paused", "succeeded", "failed", "cancelled"];

export async function jobs() {
  const known = new Map(), chosen = new Set();
  let after = "", wanted = "", search = "";
  const list = h("div"), counts = h("p", { class: "soft" }), more = h("button", { onclick: () => load() }, "Older");
  const compare = h("button", { disabled: true, onclick: () => { location.hash = `#/compare/${[...chosen].join(",")}`; } }, "Compare");
  const states = h("select", { id: "state", onchange: (event) => { wanted = event.target.value; begin(); } },
    h("option", { value: "" }, "all"), STATES.map((each) => h("option", { value: each }, each)));
  let typed;
  const find = h("input", { type: "search", id: "search", size: 16, oninput: (event) => {
    clearTimeout(typed);
    typed = setTimeout(() => { search = event.target.value; begin(); }, 250);
  } });

  const choose = (job) => h("input", { type: "checkbox", "aria-label": `compare ${job.id}`, checked: chosen.has(job.id), onchange: (event) => {
    if (event.target.checked) chosen.add(job.id); else chosen.delete(job.id);
    compare.disabled = chosen.size < 2;
  } });
  const columns = [
    ["", choose],
    ["Job", (job) => h("a", { href: `#/jobs/${job.id}` }, job.id), "wide"],
    ["State", state],
    ["Network", (job) => job.network, "optional wide"],
    ["Epoch", (job) => [h("progress", { max: job.numepochs, value: job.epoch + job.progress, "aria-label": `${job.epoch} of ${job.numepochs} epochs` }),
      ` ${job.epoch} / ${job.numepochs}`], "number"],
    ["Error", (job) => number(job.error), "number"],
    ["Rate", (job) => number(job.learningrate), "number optional"],
    ["Time left", (job) => duration(job.seconds_left), "number optional"],
    ["Accepted", (job) => time(job.created), "optional"],
  ];
  const fits = (job) => (!wanted || job.state === wanted) && (!search || `${job.id} ${job.model}`.includes(search));
  const draw = () => {
    const focused = document.activeElement?.getAttribute("aria-label");
    const rows = [...known.values()].filter(fits).sort((one, other) => other.created - one.created || (one.id < other.id ? -1 : 1));
    replace(list, rows.length ? table(columns, rows) : h("p", {}, "No jobs."));
    if (focused?.startsWith("compare ")) list.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
    more.hidden = !after;
  };
  const count = (found) => {
    counts.textContent = STATES.map((each) => `${found[each] ?? 0} ${each}`).join(", ");
  };
  const load = async () => {
    const query = new URLSearchParams({ search, after });
    if (wanted) query.set("state", wanted);
    const found = await get(`/api/jobs?${query}`);
    found.jobs.forEach((job) => known.set(job.id, job));
    after = found.after;
    count(found.counts);
    draw();
  };
  const begin = () => { known.clear(); after = ""; return load(); };
  await begin();
  const leave = events("/api/live", (news) => {
    news.jobs.forEach((job) => known.set(job.id, job));
    count(news.counts);
    draw();
  });
  return { title: "Jobs", leave, content: [
    h("div", { class: "bar" }, h("label", { for: "state" }, "State"), states, h("label", { for: "search" }, "Search"), find, compare),
    counts, list, h("p", {}, more)] };
}
