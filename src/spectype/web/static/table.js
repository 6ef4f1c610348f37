// The table: a page of rows, the filter in the address, histograms.
import { byId, get, make } from "./api.js";
import { drawBars } from "./plot.js";

const SHOWN = [["rank", "rank"], ["path", "name"], ["subclass", "type"], ["luminosity", "class"], ["type_probability", "P"], ["snr", "S/N"], ["purity", "purity"],
  ["label", "survey"], ["kind", "kind"], ["flag_names", "flags"]];
const SECRET = new Set(["subclass", "luminosity", "type_probability", "flag_names", "kind", "label", "type"]);
const RANGES = ["type_probability", "p_O", "p_B", "snr", "subclass_code", "subclass_error", "p_star", "ood_score", "redshift", "rv"];
const CONTROLS = ["f-text", "f-subclass", "f-review", "f-flags", "f-kind"];
export const PAGE = 50;

export class TableView {
  constructor(facts, state) {
    this.facts = facts; this.state = state; this.rows = []; this.total = 0; this.offset = 0;
    this.query = new URLSearchParams(location.search);
    this.query.delete("token");
    this.current = this.query.has("row") ? Number(this.query.get("row")) : null;
    this.offset = Number(this.query.get("offset") || 0);
    this.query.delete("row"); this.query.delete("offset");
    this.columns = SHOWN.filter(([c]) => c in facts.columns);
    this.setUp();
  }
  setUp() {
    byId("f-flags").append(...Object.keys(this.facts.flags).flatMap((f) => [make("option", { value: f }, f), make("option", { value: `-${f}` }, `not ${f}`)]));
    byId("f-kind").append(...this.facts.machine_kinds.map((k) => make("option", {}, k)));
    byId("f-kind").closest("label").hidden = !("kind" in this.facts.columns); byId("f-flags").closest("label").hidden = !("flags" in this.facts.columns);
    if (!this.facts.label) document.querySelector(".differs").hidden = true;
    const kinds = byId("types");
    for (const t of "OBAFGKM") kinds.append(make("button", { type: "button", "data-type": t, "aria-pressed": "false", onclick: () => this.toggle("type", t) }, t));
    for (const id of CONTROLS) {
      const input = byId(id);
      input.value = this.query.get(input.name) || "";
      input.addEventListener("change", () => this.set(input.name, input.value.trim()));
    }
    byId("f-differs").checked = this.query.has("differs");
    byId("f-differs").addEventListener("change", (e) => this.set("differs", e.target.checked ? "1" : ""));
    byId("filters").addEventListener("submit", (e) => e.preventDefault());
    byId("clear").addEventListener("click", () => { this.query = new URLSearchParams(); this.refresh(); });
    byId("page-before").addEventListener("click", () => this.go(this.offset - PAGE));
    byId("page-after").addEventListener("click", () => this.go(this.offset + PAGE));
    byId("histograms").addEventListener("toggle", () => this.histograms());
    byId("export-format").addEventListener("change", () => this.links());
    for (const name of RANGES.filter((c) => c in this.facts.columns)) byId("bars").append(this.bar(name));
  }
  bar(name) {
    const [low, high] = (this.query.get(name) || ":").split(":");
    const box = make("div", { class: "bar", "data-column": name });
    const change = () => { const [a, b] = [...box.querySelectorAll("input")].map((i) => i.value.trim()); this.set(name, a || b ? `${a}:${b}` : ""); };
    box.append(make("div", { class: "second" }, name), make("canvas", { role: "img", "aria-label": `Histogram of ${name}` }),
      make("input", { "aria-label": `${name} from`, placeholder: "from", value: low, onchange: change }), " ",
      make("input", { "aria-label": `${name} to`, placeholder: "to", value: high || "", onchange: change }));
    return box;
  }
  toggle(name, value) {
    const values = new Set((this.query.get(name) || "").split(",").filter(Boolean));
    if (!values.delete(value)) values.add(value);
    this.set(name, [...values].join(","));
  }
  set(name, value) { if (value) this.query.set(name, value); else this.query.delete(name); this.offset = 0; return this.refresh(); }
  words() {
    const words = new URLSearchParams(this.query);
    if (words.has("review") && this.state.reviewer) words.set("reviewer", this.state.reviewer);
    return words;
  }
  address() {
    const words = new URLSearchParams(this.query);
    if (this.offset) words.set("offset", this.offset);
    if (this.current !== null) words.set("row", this.current);
    history.replaceState(null, "", words.size ? `?${words}` : location.pathname);
  }
  async go(offset) { this.offset = Math.max(0, Math.min(offset, Math.floor(Math.max(this.total - 1, 0) / PAGE) * PAGE)); await this.load(); }
  async refresh() { this.offset = 0; await this.load(); this.histograms(); this.state.selected?.(); }
  async load() {
    if (!this.facts.name) return;
    const words = this.words(); words.set("offset", this.offset); words.set("n", PAGE);
    const turn = (this.turn = (this.turn || 0) + 1), begun = performance.now();
    try {
      const page = await get(`/api/rows?${words}`);
      if (turn !== this.turn) return;  // a later filter has been asked for meanwhile
      this.rows = page.rows; this.total = page.total;
      this.state.problem("");
    } catch (error) { this.state.problem(error.message); return; }
    this.address(); this.draw(); this.links(); this.counts(turn);
    byId("rows").dataset.milliseconds = (performance.now() - begun).toFixed(0); byId("rows").dataset.turn = turn;
  }
  async counts(turn) {
    // How many of each type the other filters leave, on the buttons of the types.
    if (!("type" in this.facts.columns) || this.state.blind) { for (const b of byId("types").children) b.textContent = b.dataset.type; return; }
    const words = this.words(); words.set("column", "type");
    try {
      const found = await get(`/api/histogram?${words}`);
      if (turn !== this.turn) return;
      const of = new Map(found.values.map((v, i) => [v, found.counts[i]]));
      for (const b of byId("types").children) b.replaceChildren(b.dataset.type, make("small", {}, ` ${(of.get(b.dataset.type) || 0).toLocaleString("en")}`));
    } catch (error) { this.state.problem(error.message); }
  }
  others() {
    // What the address asks for and no control shows, each to be taken back.
    const shown = new Set([...CONTROLS.map((id) => byId(id).name), "type", "differs", "sort", ...RANGES]);
    const words = [...this.query].filter(([name, value]) => value && !shown.has(name));
    byId("also").hidden = !words.length;
    byId("also").replaceChildren(...words.map(([name, value]) => make("button", { type: "button", "aria-pressed": "true", "aria-label": `${name} ${value}: take back`,
      onclick: () => this.set(name, "") }, `${name === "theirs" ? "label" : name} ${value} ×`)));
  }
  links() {
    const format = byId("export-format").value, words = this.words(); words.set("format", format);
    byId("export-rows").href = `/api/export?${words}`; byId("export-review").href = `/api/review?format=${format}`;
  }
  hidden(row) { return this.state.blind && !row.decisions.some((d) => d.reviewer === this.state.reviewer); }
  draw() {
    for (const b of byId("types").children) b.setAttribute("aria-pressed", String((this.query.get("type") || "").split(",").includes(b.dataset.type)));
    for (const id of CONTROLS) byId(id).value = this.query.get(byId(id).name) || "";
    byId("f-differs").checked = this.query.has("differs");
    this.others();
    byId("count").textContent = `${this.total.toLocaleString("en")} of ${this.facts.total.toLocaleString("en")} spectra`;
    byId("page-where").textContent = this.total ? `${(this.offset + 1).toLocaleString("en")}–${Math.min(this.offset + PAGE, this.total).toLocaleString("en")}` : "none";
    byId("page-before").disabled = this.offset <= 0; byId("page-after").disabled = this.offset + PAGE >= this.total;
    const sort = this.query.get("sort") || "";
    const head = this.columns.map(([column, title]) => {
      const now = sort.replace("-", "") === column ? (sort[0] === "-" ? "descending" : "ascending") : undefined;
      const mark = now ? (now === "ascending" ? " ▲" : " ▼") : "";
      return make("th", { scope: "col", "aria-sort": now, class: this.facts.columns[column] === "number" ? "n" : undefined },
        make("button", { type: "button", onclick: () => this.set("sort", now === "descending" ? column : `-${column}`) }, title + mark));
    });
    document.querySelector("#rows thead").replaceChildren(make("tr", {}, ...head, make("th", { scope: "col" }, "decided")));
    document.querySelector("#rows tbody").replaceChildren(...this.rows.map((row) => this.line(row)));
    if (!this.rows.length) document.querySelector("#rows tbody").append(make("tr", {}, make("td", { colspan: this.columns.length + 1 }, "No spectrum fits the filter.")));
  }
  line(row) {
    const hide = this.hidden(row);
    const cells = this.columns.map(([column]) => {
      let value = row[column];
      if (hide && SECRET.has(column)) value = "·";
      else if (column === "path") value = String(value).split("/").pop();
      else if (column === "snr" && value !== null) value = value.toFixed(0);
      else if (column === "type_probability" && value !== null) value = value.toFixed(2);
      else if (column === "subclass" && row.error) value = "error";
      return make("td", { class: column === "path" ? "name" : this.facts.columns[column] === "number" ? "n" : undefined, title: column === "path" ? row.path : undefined }, value ?? "");
    });
    const said = row.decisions.filter((d) => !hide || d.reviewer === this.state.reviewer).map((d) => `${d.reviewer}: ${d.verdict === "relabel" ? d.label || d.kind : d.verdict}`).join("; ");
    return make("tr", { "data-row": row.row, "aria-current": row.row === this.current ? "true" : undefined, tabindex: "0",
      onclick: () => this.state.open(row.row), onkeydown: (e) => { if (e.key === "Enter") this.state.open(row.row); } }, ...cells, make("td", {}, said));
  }
  select(row) {
    this.current = row; this.address();
    for (const line of document.querySelectorAll("#rows tbody tr")) { if (Number(line.dataset.row) === row) line.setAttribute("aria-current", "true"); else line.removeAttribute("aria-current"); }
    const line = document.querySelector('#rows tr[aria-current]'), box = line?.closest(".scroll");
    if (box) box.scrollTop = Math.min(Math.max(box.scrollTop, line.offsetTop + line.offsetHeight - box.clientHeight), line.offsetTop - 30);
  }
  async neighbour(step, wanted = () => true) {
    // The next row in this order that is wanted, over as many pages as it takes.
    let at = this.rows.findIndex((row) => row.row === this.current);
    if (at < 0) at = step > 0 ? -1 : this.rows.length;
    for (let pages = 0; pages < 400; pages++) {
      for (at += step; at >= 0 && at < this.rows.length; at += step) if (wanted(this.rows[at])) return this.rows[at].row;
      const offset = this.offset + step * PAGE;
      if (offset < 0 || offset >= this.total) return null;
      await this.go(offset);
      at = step > 0 ? -1 : this.rows.length;
    }
    return null;
  }
  async histograms() {
    if (!byId("histograms").open) return;
    for (const box of byId("bars").children) {
      const name = box.dataset.column, words = this.words(); words.set("column", name);
      try {
        const found = await get(`/api/histogram?${words}`);
        const [low, high] = (this.query.get(name) || ":").split(":").map((v, i) => (v === "" ? [-Infinity, Infinity][i] : Number(v)));
        drawBars(box.querySelector("canvas"), found.counts.map((c) => Math.log1p(c)), { marks: (i) => found.edges[i + 1] >= low && found.edges[i] <= high });
        box.querySelector("canvas").setAttribute("aria-label", `Histogram of ${name}, ${found.edges[0].toPrecision(3)} to ${found.edges.at(-1).toPrecision(3)}, ${found.counts.reduce((a, b) => a + b, 0)} spectra`);
      } catch (error) { this.state.problem(error.message); }
    }
  }
}
