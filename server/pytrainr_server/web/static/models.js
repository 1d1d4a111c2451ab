// Models, their versions, and one of them from within.

import { heatMap, lines, overTime } from "./charts.js";
import { bytes, facts, h, number, replace, say, table, time } from "./dom.js";
import { get, keep, post } from "./server_calls.js";

const FILES = [["trainr", "Model file"], ["rds", "R (.rds)"], ["c", "C"], ["onnx", "ONNX"]];
const COLUMNS = [
  ["Model", (model) => h("a", { href: `#/models/${model.id}/${model.version}` }, `${model.id}@${model.version}`), "wide"],
  ["Aliases", (model) => model.aliases.map((alias) => h("span", {}, alias, " "))],
  ["Network", (model) => `${model.network} ${model.dims.join("–")}`, "wide optional"],
  ["Epochs", (model) => model.numepochs, "number"],
  ["Error", (model) => number(model.error), "number"],
  ["Size", (model) => bytes(model.size), "number optional"],
  ["Stored", (model) => time(model.created), "optional"],
];

async function list(path, title) {
  let after = "";
  const found = [], place = h("div"), more = h("button", { onclick: () => load() }, "More");
  const load = async () => {
    const page = await get(`${path}?after=${encodeURIComponent(after)}`);
    found.push(...page.models);
    after = page.after;
    more.hidden = !after;
    replace(place, found.length ? table(COLUMNS, found) : h("p", {}, "No models."));
  };
  await load();
  return { title, content: [place, more] };
}

export const models = () => list("/api/models", "Models");
export const versions = (id) => list(`/api/models/${id}`, `Versions of ${id}`);

export async function model(id, version) {
  const path = `/api/models/${id}/${version}`;
  const found = await get(path);
  const curve = found.job && await get(`/api/jobs/${found.job}/curve`).catch(() => null);  // the job may be deleted
  const columns = curve?.validation.length ? { "mean error": curve.error, validation: curve.validation } : { "mean error": curve?.error };
  const errors = lines(Object.keys(columns).map((label) => ({ label })));
  if (curve) errors.set(curve.epoch, Object.values(columns));
  const map = h("div"), aliases = h("div", { class: "bar" });
  const show = async (name) => replace(map, heatMap(await get(`${path}/weights?name=${encodeURIComponent(name)}`)));
  const names = h("select", { id: "weights", onchange: (event) => show(event.target.value) }, found.weights.map((each) => h("option", { value: each.name }, `${each.name} (${each.dim.join(" × ")})`)));
  if (found.weights.length) await show(found.weights[0].name);

  const named = h("input", { id: "alias", size: 14, pattern: "[a-z]([a-z0-9\\-]*[a-z0-9])?" });
  const change = async (alias, remove) => {
    const stored = await post(`${path}/alias`, { alias, remove });
    say(remove ? `${alias} is no longer this version.` : `${alias} is this version now.`);
    write(stored.aliases);
  };
  const write = (now) => replace(aliases, h("span", {}, "Aliases:"), now.map((alias) => h("span", {}, alias, " ",
    h("button", { "aria-label": `remove the alias ${alias}`, onclick: () => change(alias, true) }, "×"))),
  h("label", { for: "alias" }, "Name it"), named, h("button", { onclick: () => change(named.value, false) }, "Set"));
  write(found.aliases);

  return { title: `Model ${found.id}@${found.version}`, content: [
    h("div", { class: "bar" }, h("a", { href: `#/models/${found.id}` }, "All versions"),
      found.job && h("a", { href: `#/jobs/${found.job}` }, `Job ${found.job}`),
      "Download:", FILES.map(([format, title]) => h("button", { onclick: () => keep(`${path}/file?format=${format}`) }, title))),
    aliases,
    h("div", { class: "columns" },
      h("section", {}, h("h2", {}, "Network"), found.summary ? h("pre", {}, found.summary) : facts({ network: found.network, units: found.dims.join(" – "), parameters: found.parameters })),
      h("section", {}, h("h2", {}, "Options"), h("details", {}, h("summary", {}, `${Object.keys(found.options).length} fields`), facts(found.options)))),
    curve && [h("h2", {}, "Error by epoch"), errors.element],
    h("h2", {}, "Weights"), h("div", { class: "bar" }, h("label", { for: "weights" }, "Array"), names), map,
    h("h2", {}, "Try it"), await trial(path, found)] };
}

// The stored data sets that were some job's X with as many variables as the model takes.
async function fitting(variables) {
  const { datasets } = await get("/api/datasets");
  const found = datasets.map((data) => [data, data.users.find((use) => use.as === "X" && use.dim.at(-1) === variables)]);
  return found.filter(([, use]) => use).map(([data, use]) => h("option", { value: use.job }, `data set ${data.sha256.slice(0, 8)}… (${use.dim.join(" × ")})`));
}

async function trial(path, found) {
  const rows = h("textarea", { id: "rows", placeholder: Array.from({ length: 3 }, () => Array(found.input_dim || 1).fill("0.5").join(", ")).join("\n") });
  const data = h("select", { id: "data" }, h("option", { value: "" }, "the rows below"), found.job && h("option", { value: found.job }, `X of ${found.job}`),
    found.input_dim ? await fitting(found.input_dim) : []);
  const result = h("div", { role: "status" });
  const predict = async () => {
    replace(result, "…");
    try {
      const answer = await post(`${path}/predict`, { rows: rows.value, job: data.value, states: true });
      const { sequences, dim } = answer.prediction;
      const plot = lines(sequences.flatMap((sequence, sample) => sequence.map((_, output) => ({ label: `sample ${sample + 1}${sequence.length > 1 ? `, output ${output + 1}` : ""}` }))), { label: "time step" });
      replace(result, h("p", {}, `Prediction ${dim.join(" × ")} (samples × time × outputs)`), plot.element,
        h("pre", {}, sequences[0].map((output) => output.map(number).join(", ")).join("\n")),
        answer.gates.length > 0 && [h("h2", {}, "Gates over the first sequence (units × time)"), overTime(answer.gates)],
        h("h2", {}, "States over the first sequence (units × time)"), overTime(answer.states));
      plot.set(sequences[0][0].map((_, step) => step + 1), sequences.flat());
    } catch (error) {
      replace(result, h("p", { class: "error", role: "alert" }, error.message));
    }
  };
  return [h("p", {}, h("label", { for: "data" }, "Predict for "), data),
    h("label", { for: "rows" }, `Rows as CSV: a line a time step with ${found.input_dim || "its"} numbers, a blank line between two sequences`), rows,
    h("p", {}, h("button", { onclick: predict }, "Predict")), result];
}
