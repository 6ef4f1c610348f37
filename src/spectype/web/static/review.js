// Decisions: sent at once, and again until the server has them.
import { Refused, byId, get, make, post } from "./api.js";

export class Reviewing {
  constructor(facts, state, table, view) {
    this.state = state; this.table = table; this.view = view;
    byId("r-kind").append(...facts.kinds.map((k) => make("option", {}, k)));
    const on = (id, act) => byId(id).addEventListener("click", act);
    on("accept", () => this.decide({ verdict: "accept" }));
    on("reject", () => this.decide({ verdict: "reject" }));
    on("relabel", () => this.ask());
    on("undo", () => this.undo());
    on("undecided", () => this.undecided());
    on("r-keep", () => this.relabel());
    on("r-cancel", () => byId("relabel-box").close());
    byId("relabel-form").addEventListener("submit", (e) => { e.preventDefault(); this.relabel(); });
    on("agree", () => this.agreement());
    for (const id of ["a-one", "a-other"]) byId(id).addEventListener("change", () => this.compare());
  }
  ready() {
    if (!this.view.row || !this.state.reviewed) return false;
    if (this.view.row.row === undefined) { this.state.problem("a file that was sent is not of the table, so it is not reviewed"); return false; }
    if (this.state.reviewer) return true;
    this.state.problem("say who you are before you decide"); byId("reviewer").focus();
    return false;
  }
  async decide(what) {
    if (!this.ready()) return false;
    const row = this.view.row.row;
    const said = { kind: "star", label: "", note: "", ...what, row, reviewer: this.state.reviewer, blind: this.state.blind && this.view.hidden(), key: crypto.randomUUID() };
    let kept;
    for (let turn = 0; ; turn++) {
      try { kept = await post("/api/decisions", said); break; } catch (error) {
        // The key makes it safe to send again what may have arrived.
        if (!(error instanceof Refused) || error.status !== 0 || turn > 4) { this.state.problem(error.message); byId("r-problem").textContent = error.message; return false; }
        this.state.problem(`${error.message} Trying again.`);
        await new Promise((done) => setTimeout(done, 400 * 2 ** turn));
      }
    }
    this.state.problem("");
    this.note(kept);
    this.progress();
    if (this.state.queue) await this.undecided();
    return true;
  }
  note(kept) {
    const replace = (list) => [...list.filter((d) => d.reviewer !== kept.reviewer), kept];
    const line = this.table.rows.find((r) => r.path === kept.path);
    if (line) line.decisions = replace(line.decisions);
    if (this.view.row?.path === kept.path) {
      this.view.told.decisions = replace(this.view.told.decisions);
      this.view.describe();
      if (this.state.blind) { this.view.nearest(); this.view.sequence(this.view.row.row, this.view.turn); }
    }
    this.table.draw();
  }
  ask() {
    if (!this.ready()) return;
    const row = this.view.row, own = this.view.own(), hide = this.view.hidden();
    byId("r-label").value = own?.label || (hide ? "" : [row.subclass, row.luminosity].filter(Boolean).join(" "));
    byId("r-kind").value = own?.kind || "star"; byId("r-note").value = own?.note || ""; byId("r-problem").textContent = "";
    byId("relabel-box").showModal(); byId("r-label").select();
  }
  async relabel() {
    const kept = await this.decide({ verdict: "relabel", label: byId("r-label").value.trim(), kind: byId("r-kind").value, note: byId("r-note").value });
    if (kept && byId("relabel-box").open) byId("relabel-box").close();
  }
  async undo() {
    if (!this.ready()) return;
    try {
      const { undone } = await post("/api/undo", { reviewer: this.state.reviewer });
      if (!undone) { this.state.problem("there is nothing to undo"); return; }
      await this.table.load(); this.progress();
      const line = this.table.rows.find((r) => r.path === undone.path);
      await this.state.open(line ? line.row : this.view.row.row);
    } catch (error) { this.state.problem(error.message); }
  }
  async undecided() {
    const next = await this.table.neighbour(1, (row) => !row.decisions.some((d) => d.reviewer === this.state.reviewer));
    if (next === null) this.state.problem("nothing undecided follows in this selection"); else await this.state.open(next);
  }
  async progress() {
    if (!this.state.reviewed || !this.state.reviewer) { byId("progress").textContent = ""; return; }
    try { byId("progress").textContent = `you have decided ${(await get("/api/reviewers"))[this.state.reviewer] || 0} spectra`; } catch (error) { this.state.problem(error.message); }
  }
  async agreement() {
    const names = Object.keys(await get("/api/reviewers"));
    for (const [i, id] of ["a-one", "a-other"].entries()) {
      byId(id).replaceChildren(...names.map((n) => make("option", {}, n)));
      if (names[i]) byId(id).value = names[i];
    }
    byId("agreement").showModal(); this.compare();
  }
  async compare() {
    const one = byId("a-one").value, other = byId("a-other").value, box = byId("a-result");
    if (!one || !other || one === other) { box.textContent = "It takes decisions of two reviewers."; return; }
    const found = await get(`/api/agreement?${new URLSearchParams({ one, other })}`);
    const shown = (k) => (k === null ? "not defined" : k.toFixed(2));
    box.replaceChildren(make("p", {}, `${found.n} spectra decided by both, ${found.same} alike. Cohen's kappa ${shown(found.kappa)}.`),
      make("table", {}, ...Object.entries(found.by_type).map(([type, t]) => make("tr", {}, make("td", {}, type), make("td", { class: "n" }, String(t.n)), make("td", { class: "n" }, shown(t.kappa))))),
      ...found.conflicts.slice(0, 30).map((c) => make("p", {}, `${c.path.split("/").pop()}: ${one} ${c[one]}, ${other} ${c[other]}`)));
  }
}
