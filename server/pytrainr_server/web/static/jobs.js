// The list of jobs, which is as it is now.

import { duration, h, number, replace, state, table, time } from "./dom.js";
import { events, get, me } from "./server_calls.js";

const STATES = ["queued", "running", "paused", "succeeded", "failed", "cancelled"];
const MOST_COMPARED = 100;

export async function jobs() {
  const known = new Map(), chosen = new Set();
  let after = "", wanted = "", search = "", everyone = false;
  const list = h("div"), counts = h("p", { class: "soft" }), more = h("button", { onclick: () => load() }, "Older");
  const compare = h("button", { disabled: true, onclick: () => { location.hash = `#/compare/${[...chosen].join(",")}`; } }, "Compare");
  const all = h("button", { onclick: () => {
    visible().slice(0, MOST_COMPARED).forEach((job) => chosen.add(job.id));
    draw();
  } }, "Choose all shown");
  const states = h("select", { id: "state", onchange: (event) => { wanted = event.target.value; begin(); } },
    h("option", { value: "" }, "all"), STATES.map((each) => h("option", { value: each }, each)));
  let typed;
  const find = h("input", { type: "search", id: "search", size: 16, oninput: (event) => {
    clearTimeout(typed);
    typed = setTimeout(() => { search = event.target.value; begin(); }, 250);
  } });
  const whose = h("input", { type: "checkbox", id: "everyone", onchange: (event) => { everyone = event.target.checked; watch(); begin(); } });

  const mine = (job) => job.owner === me.owner;
  const choose = (job) => mine(job) && h("input", { type: "checkbox", "aria-label": `compare ${job.id}`, checked: chosen.has(job.id), onchange: (event) => {
    if (event.target.checked) chosen.add(job.id); else chosen.delete(job.id);
    draw();
  } });
  const columns = () => [
    ["", choose],
    ["Job", (job) => mine(job) ? h("a", { href: `#/jobs/${job.id}` }, job.id) : job.id, "wide"],
    everyone && ["Owner", (job) => job.owner, "wide"],
    ["State", state],
    visible().some((job) => job.priority) && ["Priority", (job) => job.priority, "number optional"],
    ["Network", (job) => job.network, "optional wide"],
    ["Epoch", (job) => [h("progress", { max: job.numepochs, value: job.epoch + job.progress, "aria-label": `${job.epoch} of ${job.numepochs} epochs` }),
      ` ${job.epoch} / ${job.numepochs}`], "number"],
    ["Error", (job) => number(job.error), "number"],
    ["Epochs/s", (job) => job.epochs_a_second == null ? "–" : number(+job.epochs_a_second.toPrecision(3)), "number optional"],
    ["Time left", (job) => duration(job.seconds_left), "number optional"],
    ["Learning rate", (job) => number(job.learningrate), "number optional"],
    ["Accepted", (job) => time(job.created), "optional"],
  ].filter(Boolean);
  const fits = (job) => (!wanted || job.state === wanted) && (!search || `${job.id} ${job.model}`.includes(search));
  const visible = () => [...known.values()].filter(fits).sort((one, other) => other.created - one.created || (one.id < other.id ? -1 : 1));
  const draw = () => {
    const rows = visible();
    replace(list, rows.length ? table(columns(), rows) : h("p", {}, "No jobs."));
    compare.disabled = chosen.size < 2 || chosen.size > MOST_COMPARED;
    compare.textContent = chosen.size ? `Compare ${chosen.size}` : "Compare";
    more.hidden = !after;
  };
  const count = (found) => {
    counts.textContent = STATES.map((each) => `${found[each] ?? 0} ${each}`).join(", ");
  };
  const know = (found) => found.forEach((job) => known.set(`${job.owner}/${job.id}`, job));
  let asked = 0;
  const load = async () => {
    const query = new URLSearchParams({ search, after }), number = ++asked;
    if (wanted) query.set("state", wanted);
    if (everyone) query.set("all", "1");
    const found = await get(`/api/jobs?${query}`);
    if (number !== asked) return;  // another list was asked for meanwhile
    know(found.jobs);
    after = found.after;
    count(found.counts);
    draw();
  };
  const begin = () => { known.clear(); after = ""; return load(); };
  let leave = () => {};
  const watch = () => {
    leave();
    leave = events(`/api/live${everyone ? "?all=1" : ""}`, (news) => {
      know(news.jobs);
      count(news.counts);
      draw();
    });
  };
  await begin();
  watch();
  return { title: "Jobs", leave: () => leave(), content: [
    h("div", { class: "bar" }, h("label", { for: "state" }, "State"), states, h("label", { for: "search" }, "Search"), find,
      me.operator && [whose, h("label", { for: "everyone" }, "everyone’s")], all, compare),
    counts, list, h("p", {}, more)] };
}
