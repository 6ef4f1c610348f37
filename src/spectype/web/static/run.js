// What a run came to: its curves, and a confusion matrix whose cells open the spectra behind them.
import { byId, get, make } from "./api.js";
import { drawCurves } from "./plot.js";

export class RunView {
  constructor(facts, state, table) {
    this.facts = facts; this.state = state; this.table = table;
    byId("confusion").hidden = !facts.label || !("type" in facts.columns);
    byId("confusion").addEventListener("toggle", () => this.matrix());
    byId("curves").hidden = !facts.epochs.length;
    byId("curves").addEventListener("toggle", () => this.curves());
    if (facts.epochs.length) {
      byId("confusion").querySelector("summary").textContent = "Label against prediction";
      byId("confusion").open = byId("curves").open = true;
    }
  }
  async matrix() {
    if (!byId("confusion").open || byId("confusion").hidden || this.state.blind) { byId("cells").replaceChildren(); return; }
    let found;
    try { found = await get(`/api/confusion?${this.table.words()}`); } catch (error) { this.state.problem(error.message); return; }
    const whose = this.facts.epochs.length ? "label" : "survey", chosen = [this.table.query.get("theirs"), this.table.query.get("type")];
    const head = make("tr", {}, make("th", { scope: "col" }, `${whose} \\ ours`), ...found.types.map((t) => make("th", { scope: "col", class: "n" }, t)));
    const lines = found.types.map((theirs, i) => {
      const sum = found.counts[i].reduce((a, b) => a + b, 0);
      return make("tr", {}, make("th", { scope: "row" }, theirs), ...found.types.map((ours, j) => {
        const n = found.counts[i][j], pressed = chosen[0] === theirs && chosen[1] === ours;
        const button = make("button", { type: "button", "aria-pressed": String(pressed), disabled: n ? false : "", "aria-label": `${whose} ${theirs}, ours ${ours}: ${n} spectra`,
          onclick: () => this.open(pressed ? "" : theirs, pressed ? "" : ours) }, n ? n.toLocaleString("en") : "·");
        button.style.setProperty("--share", sum ? `${Math.round(60 * Math.sqrt(n / sum))}%` : "0%");
        return make("td", {}, button);
      }));
    });
    byId("cells").replaceChildren(make("thead", {}, head), make("tbody", {}, ...lines));
  }
  async open(theirs, ours) {
    for (const [name, value] of [["theirs", theirs], ["type", ours]]) { if (value) this.table.query.set(name, value); else this.table.query.delete(name); }
    await this.table.refresh();
    if (theirs && this.table.rows.length) await this.state.open(this.table.rows[0].row);
  }
  curves() {
    const lines = this.facts.epochs;
    if (!byId("curves").open || !lines.length) return;
    const x = lines.map((line) => line.epoch), of = (name) => lines.map((line) => line[name] ?? NaN);
    for (const what of ["loss", "accuracy"]) {
      drawCurves(byId(what), x, [{ name: "training", values: of(`train_${what}`), colour: "--second" }, { name: "validation", values: of(`validation_${what}`), colour: "--accent" }]);
      byId(what).setAttribute("aria-label", `${what} of ${x.length} epochs; validation ends at ${(lines.at(-1)[`validation_${what}`] ?? NaN).toPrecision(3)}`);
    }
  }
}
