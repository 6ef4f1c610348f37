// Real and synthetic spectra of one type side by side, some at a time, drawn at random.
import { byId, floats, get, make } from "./api.js";
import { Plot } from "./plot.js";

const SHOWN = 4;

export class SideView {
  constructor(facts, state, lines) {
    this.state = state; this.lines = lines;
    byId("side").hidden = !facts.synthetic;
    byId("side-type").append(..."OBAFGKM".split("").map((t) => make("option", {}, t)));
    byId("side").addEventListener("toggle", () => this.first());
    byId("side-type").addEventListener("change", () => this.draw());
    byId("side-other").addEventListener("click", () => this.draw());
  }
  async first() {
    // Begin with the type of which there is most to compare.
    if (!this.begun && byId("side").open) {
      this.begun = true;
      const { values } = await get("/api/histogram?column=type&synthetic=true");
      byId("side-type").value = values.find((t) => t && "OBAFGKM".includes(t)) || "O";
    }
    await this.draw();
  }
  async draw() {
    if (!byId("side").open || byId("side").hidden) return;
    const turn = (this.turn = (this.turn || 0) + 1);
    for (const [id, synthetic] of [["side-real", "false"], ["side-synthetic", "true"]]) {
      const words = new URLSearchParams({ type: byId("side-type").value, synthetic });
      try {
        const { total } = await get(`/api/rows?${words}&n=1`), offset = Math.floor(Math.random() * Math.max(1, total - SHOWN + 1));
        const { rows } = await get(`/api/rows?${words}&n=${SHOWN}&offset=${offset}`);
        if (turn !== this.turn) return;
        byId(id).replaceChildren(...(rows.length ? [] : [make("p", { class: "second" }, "none of this type")]));
        for (const row of rows) await this.add(byId(id), row);
      } catch (error) { this.state.problem(error.message); return; }
    }
  }
  async add(box, row) {
    const name = row.object || String(row.path).split("/").pop(), title = [row.subclass, name].filter(Boolean).join(" · ");
    const canvas = make("canvas", { role: "img", "aria-label": `Spectrum of ${title}` });
    box.append(make("figure", {}, make("figcaption", {}, make("button", { type: "button", onclick: () => this.state.open(row.row) }, title)), canvas));
    const [wave, flux, error, bad] = await floats(`/api/spectra/${row.row}/arrays`, 4), plot = new Plot(canvas);
    plot.lines = this.lines.lines.filter((l) => l.main); plot.telluric = this.lines.telluric; Object.assign(plot.options, { flat: true, type: row.type });
    plot.show({ wave, flux, error, bad }); plot.setRange(3700, 9100);
  }
}
