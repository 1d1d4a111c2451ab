// Requests to the server. What it refuses becomes an error with its words.

let secret = "";

// Who is signed in, and whether they may see what concerns all.
export const me = { owner: null, operator: false };

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(method, path, body) {
  const headers = { "X-Pytrainr-Secret": secret };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const found = await response.json();
  if (!response.ok) throw new Refused(response.status, found.message || response.statusText);
  return found;
}

export const get = (path) => ask("GET", path);
export const post = (path, body = {}) => ask("POST", path, body);
export const remove = (path) => ask("DELETE", path);

// Whose page it is. Where no token is needed a session begins by itself; null means that one is to be asked for.
export async function session() {
  const found = await get("/api/session");
  if (found.owner == null) return found.token_needed ? null : signIn("");
  return signedIn(found);
}

export async function signIn(token) {
  return signedIn(await post("/api/sign-in", { token }));
}

function signedIn(found) {
  secret = found.secret;
  Object.assign(me, { owner: found.owner, operator: found.operator });
  return found.owner;
}

// A file, to be kept where the browser keeps what it downloads; what cannot be had is an error, not a file that says so.
export async function keep(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Refused(response.status, (await response.json()).message);
  const name = /filename="([^"]*)"/.exec(response.headers.get("Content-Disposition"))[1];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// Events of a path until `end` is called; the browser connects again by itself.
export function events(path, heard) {
  const source = new EventSource(path);
  source.onmessage = (event) => heard(JSON.parse(event.data));
  source.addEventListener("failed", (event) => {
    const found = JSON.parse(event.data);
    if (!found.again) source.close();
  });
  return () => source.close();
}
