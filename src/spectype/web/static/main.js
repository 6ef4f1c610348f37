// The page: state that its parts share, keys, dropped files.
import { byId, get, make, send } from "./api.js";
import { Reviewing } from "./review.js";
import { RunView } from "./run.js";
import { SampLink } from "./samp.js";
import { SideView } from "./side.js";
import { SpectrumView } from "./spectrum.js";
import { TableView } from "./table.js";

const KEYS = [["j or ↓ in the table", "next spectrum"], ["k or ↑ in the table", "previous spectrum"], ["n", "next undecided"], ["a", "accept"], ["x", "reject"],
  ["r", "relabel"], ["u", "undo"], ["b", "blind mode"], ["← →", "standard earlier or later in type"], ["↑ ↓", "standard of another luminosity class"],
  ["+ −", "zoom"], [", .", "pan"], ["0", "whole range"], ["[ ]", "less or more smoothing"], ["{ }", "velocity 10 km/s down or up"],
  ["l e m o c", "lines, errors, bad pixels, what moved the type, over the broad shape"], ["/", "text filter"], ["?", "this list"]];
const remembered = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
const remember = (name, value) => { try { localStorage.setItem(name, value); } catch { /* a browser that keeps nothing */ } };
const state = { reviewer: remembered("reviewer") || "", blind: false, reviewed: false, problem: (text) => { byId("problem").textContent = text; }, open: null };

function theme(name) {
  document.documentElement.dataset.theme = name; remember("theme", name);
  window.dispatchEvent(new Event("resize"));
}
async function start() {
  // The token has become a cookie: it need not stay in the address, the history, a screenshot.
  const words = new URLSearchParams(location.search); words.delete("token");
  history.replaceState(null, "", words.size ? `?${words}` : location.pathname);
  theme(remembered("theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
  const [facts, lines] = await Promise.all([get("/api/facts"), get("/api/lines")]);
  state.reviewed = Boolean(facts.review);
  byId("what").textContent = facts.name ? `${facts.name} · typed, model ${facts.model}` : `no table is open · model ${facts.model}`;
  state.blind = remembered("blind") === null ? facts.blind : remembered("blind") === "1";
  byId("blind").checked = state.blind; byId("reviewer").value = state.reviewer;
  const table = new TableView(facts, state), view = new SpectrumView(facts, state, lines), review = new Reviewing(facts, state, table, view);
  const run = new RunView(facts, state, table), side = new SideView(facts, state, lines), samp = new SampLink(state, table);
  state.open = async (row) => { table.select(row); samp.opened(row); await view.open(row); };
  state.selected = () => run.matrix();
  state.queue = facts.queue; byId("queue").checked = state.queue;
  byId("queue").addEventListener("change", (e) => { state.queue = e.target.checked; });
  const toggleBlind = async (on) => { state.blind = on; byId("blind").checked = on; remember("blind", on ? "1" : "0"); table.draw(); run.matrix(); if (view.row) await view.open(view.row.row); };
  byId("blind").addEventListener("change", (e) => toggleBlind(e.target.checked));
  byId("reviewer").addEventListener("change", async (e) => { state.reviewer = e.target.value.trim(); remember("reviewer", state.reviewer); await table.load(); if (view.row) view.describe(); review.progress(); });
  byId("theme").addEventListener("click", () => { theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"); view.plot.draw(); if (view.row) view.sequence(view.row.row, view.turn); table.histograms(); run.curves(); side.draw(); });
  byId("keys").append(...KEYS.flatMap(([key, does]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, does)]));
  byId("help-open").addEventListener("click", () => byId("help").showModal());
  const step = async (n) => { const row = await table.neighbour(n); if (row !== null) await state.open(row); };
  byId("before").addEventListener("click", () => step(-1)); byId("after").addEventListener("click", () => step(1));
  const click = (id) => byId(id).click();
  const nudge = (id, by) => { const input = byId(id); input.value = Number(input.value) + by; input.dispatchEvent(new Event("input")); };
  const acts = {
    j: () => step(1), k: () => step(-1), n: () => review.undecided(), a: () => review.decide({ verdict: "accept" }), x: () => review.decide({ verdict: "reject" }), r: () => review.ask(), u: () => review.undo(),
    b: () => toggleBlind(!state.blind), "+": () => view.plot.zoom(0.7), "=": () => view.plot.zoom(0.7), "-": () => view.plot.zoom(1.4), ",": () => view.plot.pan(-0.2), ".": () => view.plot.pan(0.2),
    0: () => view.plot.whole(), "[": () => nudge("smooth", -1), "]": () => nudge("smooth", 1), "{": () => nudge("velocity", -10), "}": () => nudge("velocity", 10),
    l: () => click("show-lines"), e: () => click("show-errors"), m: () => click("show-bad"), o: () => click("show-why"), c: () => click("show-flat"), "/": () => byId("f-text").focus(), "?": () => byId("help").showModal(),
    ArrowLeft: () => view.neighbour(-1, false), ArrowRight: () => view.neighbour(1, false), ArrowUp: () => view.neighbour(-1, true), ArrowDown: () => view.neighbour(1, true),
  };
  let last = Promise.resolve();
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || document.querySelector("dialog[open]") || e.target.matches("input:not([type=checkbox]), select, textarea, .scroll")) return;
    const down = e.target.closest("#rows") && { ArrowDown: 1, ArrowUp: -1 }[e.key];
    const act = down ? () => step(down) : acts[e.key];
    // One after another: a decision is about the spectrum that the keys before it have opened.
    if (act) { e.preventDefault(); last = last.then(act).catch((error) => state.problem(error.message)); }
  });
  dropping(view);
  await view.start();
  await table.load();
  if (table.current !== null) await state.open(table.current);
  else if (state.queue && state.reviewer) await review.undecided();
  else if (table.rows.length) await state.open(table.rows[0].row);
  review.progress();
  document.body.dataset.milliseconds = performance.now().toFixed(0);
  document.body.dataset.ready = "1";
}
function dropping(view) {
  const type = async (files) => {
    if (!files.length) return;
    const form = new FormData();
    for (const file of files) form.append("files", file);
    state.problem("typing…");
    try { const found = await send("/api/batch", form); typed(found.rows, files, view); state.problem(""); } catch (error) { state.problem(error.message); }
  };
  byId("files").addEventListener("change", (e) => type([...e.target.files]));
  window.addEventListener("dragover", (e) => { e.preventDefault(); byId("drop").hidden = false; });
  window.addEventListener("dragleave", (e) => { if (!e.relatedTarget) byId("drop").hidden = true; });
  window.addEventListener("drop", (e) => { e.preventDefault(); byId("drop").hidden = true; type([...e.dataTransfer.files]); });
}
function typed(rows, files, view) {
  const columns = ["path", "subclass", "luminosity", "type_probability", "type_set", "snr", "kind", "flag_names", "error"];
  const twice = new Set(files.map((f) => f.name)).size < files.length, named = new Map(files.map((f, i) => [twice ? `${i + 1}-${f.name}` : f.name, f]));
  const cell = (row, column) => {
    const [, name, index] = String(row.path).match(/^(.*?)(?:\[(\d+)\])?$/s), file = named.get(row.path) || named.get(name);
    if (column !== "path" || !file || row.error) return String(row[column] ?? "");
    return make("button", { type: "button", onclick: () => view.openSent(file, named.has(row.path) ? 0 : Number(index || 0), row) }, row.path);
  };
  byId("typed").hidden = false;
  document.querySelector("#typed-rows thead").replaceChildren(make("tr", {}, ...columns.map((c) => make("th", { scope: "col" }, c.replace("_", " ")))));
  document.querySelector("#typed-rows tbody").replaceChildren(...rows.map((row) => make("tr", {}, ...columns.map((c) => make("td", {}, cell(row, c))))));
  byId("typed").scrollIntoView();
}
start().catch((error) => state.problem(error.message));
