// Data sets: how large, by whom used, and how they look.

import { lines } from "./charts.js";
import { bytes, facts, h, number, replace, table, time } from "./dom.js";
import { get } from "./server_calls.js";

const uses = (users) => users.slice(0, 5).map((use) => [h("a", { href: `#/jobs/${use.job}` }, use.job), ` as ${use.as} `]);

export async function datasets() {
  let after = "";
  const found = [], place = h("div"), more = h("button", { onclick: () => load() }, "More");
  const columns = [
    ["Data set", (data) => h("a", { href: `#/datasets/${data.sha256}`, title: data.sha256 }, `${data.sha256.slice(0, 12)}…`)],
    ["Shape", (data) => data.users.length ? data.users[0].dim.join(" × ") : "not known"],
    ["Size", (data) => bytes(data.size), "number"],
    ["Sent", (data) => time(data.created), "optional"],
    ["Used by", (data) => data.users.length ? uses(data.users) : "no job", "wide"],
  ];
  const load = async () => {
    const page = await get(`/api/datasets?after=${encodeURIComponent(after)}`);
    found.push(...page.datasets);
    after = page.after;
    more.hidden = !after;
    replace(place, found.length ? table(columns, found) : h("p", {}, "No data sets: small data travel inside a job's request."));
  };
  await load();
  return { title: "Data sets", content: [place, more] };
}

export async function dataset(sha256) {
  const found = await get(`/api/datasets/${sha256}`);
  if (!found.users.length) {
    return { title: "Data set", content: h("p", {}, "No job uses it, and bytes alone have no shape.") };
  }
  const sequences = found.sequences.flatMap((sequence, sample) => sequence.map((values, variable) => ({ label: `sample ${sample + 1}, variable ${variable + 1}`, values })));
  const plot = lines(sequences, { label: "time step", height: 340 });
  plot.set(sequences[0].values.map((_, step) => step + 1), sequences.map((each) => each.values));
  return { title: `Data set ${sha256.slice(0, 12)}…`, content: [
    facts({ shape: `${found.dim.join(" × ")} (samples × time × variables)`, smallest: number(found.smallest), mean: number(found.mean),
      largest: number(found.largest), missing: found.missing, "looked at": `${found.samples_looked_at} samples` }),
    h("h2", {}, "Used by"), h("p", {}, uses(found.users)), h("h2", {}, "First sequences"), plot.element] };
}
