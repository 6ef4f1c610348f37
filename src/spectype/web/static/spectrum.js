// The spectrum: curves, standards, what is known about it.
import { byId, floats, get, make, post } from "./api.js";
import { Plot, drawBars } from "./plot.js";

const HEIGHTS = ["I", "II", "III", "IV", "V"];

export class SpectrumView {
  constructor(facts, state, lines) {
    this.facts = facts; this.state = state; this.row = null; this.standards = []; this.chosen = null;
    this.plot = new Plot(byId("plot"));
    this.plot.lines = lines.lines; this.plot.telluric = lines.telluric;
    this.elements(lines.lines);
    const on = (id, event, act) => byId(id).addEventListener(event, act);
    on("smooth", "input", (e) => { byId("smooth-out").textContent = e.target.value; this.plot.set({ smooth: Number(e.target.value) }); });
    on("velocity", "input", (e) => this.plot.set({ velocity: Number(e.target.value) || 0 }));
    for (const name of ["lines", "errors", "bad", "ratio", "flat"]) on(`show-${name}`, "change", (e) => this.plot.set({ [name]: e.target.checked }));
    on("show-why", "change", () => this.why());
    on("whole", "click", () => this.plot.whole());
    on("standard", "change", (e) => this.lay(e.target.value === "" ? null : Number(e.target.value)));
    on("moved-keep", "click", () => this.moved());
    on("moved-cancel", "click", () => byId("moved").close());
  }
  async start() {
    const found = await get("/api/standards");
    this.standards = found.standards; this.relative = found.relative;
    byId("standard").append(...this.standards.map((s) => make("option", { value: s.number }, `${s.label} ${s.name}`)));
    if (!this.standards.length) byId("standard").closest("label").hidden = true;
  }
  elements(lines) {
    const names = [...new Set(lines.map((l) => l.element))];
    const buttons = names.map((name) => make("button", { type: "button", "aria-pressed": "true", "data-element": name }, name));
    const apply = () => this.plot.set({ elements: new Set(buttons.filter((b) => b.getAttribute("aria-pressed") === "true").map((b) => b.dataset.element)) });
    for (const b of buttons) b.addEventListener("click", () => { b.setAttribute("aria-pressed", String(b.getAttribute("aria-pressed") !== "true")); apply(); });
    const all = make("button", { type: "button", onclick: () => {
      const value = String(buttons.some((b) => b.getAttribute("aria-pressed") !== "true"));
      for (const b of buttons) b.setAttribute("aria-pressed", value); apply(); } }, "all or none");
    byId("elements").append(all, ...buttons);
  }
  async open(number) {
    const turn = (this.turn = (this.turn || 0) + 1), begun = performance.now();
    const facts = get(`/api/spectra/${number}`), arrays = floats(`/api/spectra/${number}/arrays`, 4).catch((error) => error);
    let told, curves;
    try { [told, curves] = await Promise.all([facts, arrays]); } catch (error) { this.state.problem(error.message); return; }
    if (turn !== this.turn) return;
    this.row = told.row; this.told = told;
    if (told.row.rv !== undefined && told.row.rv !== null) this.velocity(told.row.rv);
    else this.velocity(told.header?.redshift ? told.header.redshift * 299792.458 : 0);
    this.plot.standard = null; this.chosen = null; this.plot.options.type = this.hidden() ? null : this.row.type;
    if (curves instanceof Error) { this.plot.clear(); this.describe(); this.missing(told.problem || curves.message); return; }
    const [wave, flux, error, bad] = curves, drawn = this.plot.show({ wave, flux, error, bad }, true);
    this.describe(); this.state.problem("");
    await drawn;
    if (turn !== this.turn) return;
    byId("plot").dataset.milliseconds = (performance.now() - begun).toFixed(0);
    this.complete(number, turn).catch((problem) => this.state.problem(problem.message));
  }
  async complete(number, turn) {
    // What may come after the curve; a spectrum opened meanwhile ends it.
    for (const step of [() => this.nearest(), () => this.sequence(number, turn), () => this.why()]) { if (turn !== this.turn) return; await step(); }
  }
  async openSent(file, index, row) {
    // A file that was dropped: drawn like a row, though it is of no table.
    const turn = (this.turn = (this.turn || 0) + 1), words = new URLSearchParams({ name: file.name, index });
    let curves;
    try { curves = await floats(`/api/arrays?${words}`, 4, { method: "POST", headers: { "content-type": "application/octet-stream" }, body: file }); } catch (error) { this.state.problem(error.message); return; }
    if (turn !== this.turn) return;
    this.row = { ...row, row: undefined }; this.told = { row: this.row, header: {}, links: {}, decisions: [] };
    const [wave, flux, error, bad] = curves;
    this.velocity(row.redshift ? row.redshift * 299792.458 : 0); this.plot.standard = null; this.chosen = null; this.plot.show({ wave, flux, error, bad });
    this.describe(); await this.nearest();
    drawBars(byId("sequence"), [..."OBAFGKM"].map((t) => row[`p_${t}`] || 0), { labels: [..."OBAFGKM"] });
    byId("sequence").setAttribute("aria-label", `Probability of ${row.type} ${Number(row.type_probability).toFixed(2)}`);
    byId("spectrum").scrollIntoView();
  }
  velocity(value) { const v = Math.abs(value) < 3000 ? Math.round(value) : 0; byId("velocity").value = v; this.plot.options.velocity = v; }
  hidden() { return this.state.blind && !this.own(); }
  own() { return this.told?.decisions.find((d) => d.reviewer === this.state.reviewer); }
  describe() {
    const row = this.row, hide = this.hidden(), told = this.told;
    byId("name").textContent = row.object || String(row.path).split("/").pop();
    const type = byId("type");
    if (hide) type.replaceChildren("The machine's type is hidden until you decide.");
    else if (!row.type) type.replaceChildren(row.error || "No type.");
    else type.replaceChildren(make("b", {}, (row.type_probability === undefined ? [row.subclass] : [row.subclass, row.luminosity]).filter(Boolean).join(" ")),
      row.type_probability === undefined ? "" : ` ± ${row.subclass_error ?? "?"} subclasses · P(${row.type}) ${Number(row.type_probability).toFixed(3)} · 90 % set ${row.type_set || row.type}`,
      row.label ? make("span", { class: "second" }, ` · ${this.facts.epochs.length ? "label" : "survey"}: ${row.label}`) : "");
    const range = this.plot.data ? `${this.plot.full[0].toFixed(0)} to ${this.plot.full[1].toFixed(0)} Angstrom` : "no curve";
    byId("plot").setAttribute("aria-label", `Spectrum of ${row.object || row.path}, ${range}${hide || !row.type ? "" : `, typed ${row.subclass} ${row.luminosity || ""}`}. Plus and minus zoom, comma and full stop pan.`);
    const flags = (row.flag_names || "").split(" ").filter(Boolean);
    const facts = [];
    if (!hide) {
      facts.push(...flags.map((f) => make("p", {}, make("b", {}, f), ` ${this.facts.flags[f] || ""}`)));
      if (!flags.length) facts.push(make("p", { class: "second" }, "no flags"));
      if (row.kind && row.kind !== "star" && row.kind_probability) facts.push(make("p", {}, `kind: ${row.kind} (${Number(row.kind_probability).toFixed(2)})`));
    }
    if (row.rv !== undefined && row.rv !== null) facts.push(make("p", {}, `velocity ${row.rv} ± ${row.rv_error} km/s`));
    facts.push(make("p", {}, `S/N ${row.snr ?? "?"}`, row.ra !== null && row.ra !== undefined ? ` · RA ${row.ra} Dec ${row.dec}` : ""));
    const links = Object.entries(told.links).flatMap(([name, href]) => [make("a", { href, target: "_blank", rel: "noreferrer noopener" }, name), " "]);
    if (links.length) facts.push(make("p", {}, ...links));
    if (!hide && row.purity !== undefined) facts.push(make("p", {}, `rank ${row.rank}: of the list down to here ${(100 * row.purity).toFixed(0)} % (${(100 * row.purity_low).toFixed(0)}–${(100 * row.purity_high).toFixed(0)} %) are expected to be true`, row.check ? `; ${row.check}` : ""));
    if (row.notes) facts.push(make("p", { class: "second" }, row.notes));
    byId("facts").replaceChildren(...facts);
    const secret = new Set(["type", "subclass", "luminosity", "label", "kind", "class", "flag_names", "flags", "type_set", "ood_score"]);
    const lines = Object.entries({ ...told.header, ...row }).filter(([k, v]) => v !== null && v !== "" && !(hide && (secret.has(k) || /^p_|probability|subclass/.test(k))));
    byId("header").replaceChildren(...lines.map(([k, v]) => make("tr", {}, make("td", {}, k), make("td", {}, String(v)))));
    this.said();
  }
  said() {
    const own = this.own(), others = this.hidden() ? [] : this.told.decisions.filter((d) => d !== own);
    const words = (d) => `${d.verdict}${d.label ? ` ${d.label}` : ""}${d.kind !== "star" ? ` ${d.kind}` : ""}${d.note ? ` (${d.note})` : ""}`;
    const conflict = own && others.some((d) => d.verdict !== own.verdict || d.label !== own.label || d.kind !== own.kind);
    byId("said").className = own ? own.verdict : "";
    byId("said").textContent = [own ? `You: ${words(own)}` : "", ...others.map((d) => `${d.reviewer}: ${words(d)}`), conflict ? "you differ" : ""].filter(Boolean).join(" · ");
  }
  async sequence(number, turn) {
    const canvas = byId("sequence");
    if (this.hidden()) { drawBars(canvas, new Array(140).fill(0), { labels: [..."OBAFGKM"] }); canvas.setAttribute("aria-label", "Hidden until you decide"); return; }
    try {
      const found = await get(`/api/spectra/${number}/sequence`);
      if (turn !== this.turn) return;
      drawBars(canvas, found.probability, { labels: [..."OBAFGKM"] });
      const best = found.probability.indexOf(Math.max(...found.probability));
      canvas.setAttribute("aria-label", `Probability along the sequence; largest at ${"OBAFGKM"[Math.floor(found.codes[best] / 10)]}${(found.codes[best] % 10).toFixed(1)}`);
    } catch { canvas.setAttribute("aria-label", "No distribution"); }
  }
  async why() {
    if (!byId("show-why").checked || !this.row || this.row.row === undefined || this.hidden()) { this.plot.why = null; this.plot.draw(); return; }
    const turn = this.turn;
    try {
      const [wave, weight] = await floats(`/api/spectra/${this.row.row}/occlusion`, 2);
      if (turn === this.turn) { this.plot.why = { wave, weight }; this.plot.draw(); }
    } catch (error) { this.state.problem(error.message); }
  }
  async nearest() {
    if (this.hidden() || !this.row.type || !this.standards.length) { byId("standard").value = ""; this.plot.draw(); return; }
    const far = (s) => Math.abs(s.code - this.row.subclass_code) + 0.8 * Math.abs(HEIGHTS.indexOf(s.luminosity || "V") - HEIGHTS.indexOf(this.row.luminosity || "V"));
    const best = this.standards.reduce((p, q) => (far(q) < far(p) ? q : p));
    await this.lay(best.number);
  }
  async lay(number) {
    byId("standard").value = number ?? "";
    this.chosen = number;
    if (number === null) { this.plot.standard = null; this.plot.draw(); return; }
    const turn = this.turn;
    const [wave, flux] = await floats(`/api/standards/${number}`, 2);
    if (turn !== this.turn || this.chosen !== number) return;
    this.plot.standard = { wave, flux, label: this.standards[number].label, relative: this.relative };
    this.plot.draw();
  }
  async neighbour(step, height) {
    // Along the sequence within a class, or to the next class at the nearest type.
    if (!this.standards.length) return;
    const now = this.standards[this.chosen ?? 0];
    let among;
    if (height) {
      const classes = [...new Set(this.standards.map((s) => s.luminosity))].sort((p, q) => HEIGHTS.indexOf(p) - HEIGHTS.indexOf(q));
      const next = classes[classes.indexOf(now.luminosity) + step];
      among = this.standards.filter((s) => s.luminosity === next).sort((p, q) => Math.abs(p.code - now.code) - Math.abs(q.code - now.code))[0];
    } else {
      const same = this.standards.filter((s) => s.luminosity === now.luminosity);
      among = same[same.indexOf(now) + step];
    }
    if (among) await this.lay(among.number);
  }
  missing(problem) {
    this.state.problem(problem);
    if (!/is not where the results say/.test(problem)) return;
    byId("moved-text").textContent = problem;
    byId("moved-problem").textContent = "";
    if (!this.asked) { this.asked = true; byId("moved").showModal(); }
  }
  async moved() {
    try { await post("/api/moved", { folder: byId("moved-folder").value }); byId("moved").close(); await this.open(this.row.row); }
    catch (error) { byId("moved-problem").textContent = error.message; }
  }
}
