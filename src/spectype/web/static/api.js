// Requests to the server: JSON, arrays of float32, and errors in words.
export class Refused extends Error {
  constructor(status, body) { super(body.error || `the server answered ${status}`); this.status = status; this.body = body; }
}
async function ask(path, options) {
  let answer;
  try { answer = await fetch(path, options); } catch { throw new Refused(0, { error: "the server does not answer: is spectype serve still running?" }); }
  if (!answer.ok) {
    let body = {};
    try { body = await answer.json(); } catch { /* no JSON: the status says it */ }
    if (Array.isArray(body.detail)) body.error = body.detail.map((d) => `${d.loc.at(-1)}: ${d.msg}`).join("; ");
    throw new Refused(answer.status, body);
  }
  return answer;
}
export const get = async (path, signal) => (await ask(path, { signal })).json();
export const floats = async (path, n, options) => {
  const all = new Float32Array(await (await ask(path, options)).arrayBuffer());
  const size = all.length / n;
  return Array.from({ length: n }, (_, i) => all.subarray(i * size, (i + 1) * size));
};
export const post = async (path, body) => (await ask(path, {
  method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) })).json();
export const send = async (path, form) => (await ask(path, { method: "POST", body: form })).json();
export const byId = (id) => document.getElementById(id);
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}
