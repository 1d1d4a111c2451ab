// Which page is shown, and signing in.

import { h, replace, say } from "./dom.js";
import { Refused, post, session, signIn } from "./server_calls.js";
import { compare } from "./compare.js";
import { datasets, dataset } from "./datasets.js";
import { job } from "./job.js";
import { jobs } from "./jobs.js";
import { model, models, versions } from "./models.js";
import { server } from "./server.js";

const PAGES = { Jobs: "jobs", Models: "models", Data: "datasets", Server: "server" };
const ROUTES = [
  [/^jobs$/, jobs], [/^jobs\/([^/]+)$/, job], [/^compare\/(.+)$/, compare],
  [/^models$/, models], [/^models\/([^/]+)$/, versions], [/^models\/([^/]+)\/([^/]+)$/, model],
  [/^datasets$/, datasets], [/^datasets\/([^/]+)$/, dataset], [/^server$/, server],
];
const main = document.getElementById("main"), nav = document.querySelector("nav"), who = document.getElementById("who");
let leave = () => {};
let shown = 0;

async function show() {
  leave();
  leave = () => {};
  const number = ++shown, path = decodeURI(location.hash.slice(2)) || "jobs";
  const [pattern, page] = ROUTES.find(([each]) => each.test(path)) ?? ROUTES[0];
  for (const link of nav.children) {
    const here = path.split("/")[0] === link.dataset.page;
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  try {
    const found = await page(...(pattern.exec(path) ?? []).slice(1));
    if (number !== shown) return found.leave?.();  // another page was asked for meanwhile
    leave = found.leave ?? leave;
    document.title = `${found.title} – pytrainr`;
    replace(main, h("h1", {}, found.title), found.content);
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return ask(error.message);
    replace(main, h("h1", {}, "This did not work"), h("p", { class: "error", role: "alert" }, error.message));
  }
}

function ask(message = "") {
  const token = h("input", { type: "password", id: "token", autocomplete: "current-password", size: 50, required: true });
  const failed = h("p", { class: "error", role: "alert" }, message);
  const send = async (event) => {
    event.preventDefault();
    try {
      begin(await signIn(token.value));
    } catch (error) {
      failed.textContent = error.message;
    }
  };
  document.title = "Sign in – pytrainr";
  replace(who);
  replace(main, h("h1", {}, "Sign in"), h("form", { onsubmit: send },
    h("p", {}, h("label", { for: "token" }, "Your token (from “pytrainr-server token create”)")),
    h("p", { class: "bar" }, token, h("button", {}, "Sign in")), failed));
  token.focus();
}

function begin(owner) {
  const out = async () => { await post("/api/sign-out"); location.reload(); };
  replace(who, h("span", { class: "soft" }, owner, " "), h("button", { onclick: out }, "Sign out"));
  show();
}

replace(nav, Object.entries(PAGES).map(([title, page]) => h("a", { href: `#/${page}`, "data-page": page }, title)));
addEventListener("hashchange", () => { show().then(() => main.focus()); });
addEventListener("unhandledrejection", (event) => say(event.reason?.message ?? String(event.reason)));
session().then((owner) => (owner == null ? ask() : begin(owner)), (error) => ask(error.message));
