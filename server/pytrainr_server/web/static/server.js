// The server itself.

import { bytes, facts, h, table, time } from "./dom.js";
import { get } from "./server_calls.js";

const counted = (jobs) => Object.entries(jobs).map(([state, count]) => `${count} ${state}`).join(", ") || "none";

const WORKERS = [["Worker", (each) => each.worker, "wide"], ["Jobs", (each) => each.jobs, "number"], ["Shows life before", (each) => time(each.until)]];

export async function server() {
  const found = await get("/api/server");
  const columns = [["Token", (token) => token.id], ["Owner", (token) => token.owner, "wide"], ["Made", (token) => time(token.created)],
    ["Expires", (token) => token.expires ? time(token.expires) : "never"], ["Revoked", (token) => token.revoked ? time(token.revoked) : "no"]];
  return { title: "Server", content: [
    h("div", { class: "columns" },
      h("section", {}, h("h2", {}, "Yours"), facts({ owner: found.owner, jobs: counted(found.jobs), stored: `${bytes(found.stored)} of ${bytes(found.may_store)}` })),
      h("section", {}, h("h2", {}, "It"), facts({ version: found.version, Python: found.python, NumPy: found.numpy, addresses: found.addresses.join(", "),
        "trains at once": found.training_threads, "predicts at once": found.prediction_threads, memory: bytes(found.memory) })),
      found.all_jobs && h("section", {}, h("h2", {}, "For its operator"), facts({
        health: `serving since ${new Date(found.began * 1000).toLocaleString()}`, "jobs of all": counted(found.all_jobs),
        queue: found.queue.waiting ? `${found.queue.waiting} wait, the first since ${new Date(found.queue.since * 1000).toLocaleString()}` : "nobody waits",
        disk: `${bytes(found.disk.free)} of ${bytes(found.disk.total)} free` }))),
    found.workers && [h("h2", {}, "Workers"), found.workers.length ? table(WORKERS, found.workers) : h("p", {}, "None has a job.")],
    found.tokens && [h("h2", {}, "Tokens"), found.tokens.length ? table(columns, found.tokens) : h("p", {}, "None: every caller on this machine is let in.")]] };
}
