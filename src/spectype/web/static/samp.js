// SAMP: the selection goes to TOPCAT; a row highlighted there opens here, one opened here is highlighted there.
import { byId, get, post } from "./api.js";

export class SampLink {
  constructor(state, table) {
    this.state = state; this.table = table; this.on = false; this.sent = false; this.count = 0;
    byId("samp").addEventListener("click", () => this.toggle());
    byId("samp-send").addEventListener("click", () => this.send());
    get("/api/samp").then((found) => this.show(found)).catch(() => {});
  }
  show(found) {
    this.on = found.connected; this.count = found.count;
    byId("samp").setAttribute("aria-pressed", String(this.on)); byId("samp-send").hidden = !this.on;
    if (this.on && !this.timer) this.timer = setInterval(() => this.listen(), 1000);
    if (!this.on) { clearInterval(this.timer); this.timer = null; }
  }
  async toggle() {
    try { this.show(await post("/api/samp", { on: !this.on })); this.state.problem(""); } catch (error) { this.state.problem(error.message); }
  }
  async send() {
    try {
      const { sent } = await post(`/api/samp/table?${this.table.words()}`, {});
      this.sent = true; this.state.problem(sent ? "" : "no program at the hub takes tables");
    } catch (error) { this.state.problem(error.message); }
  }
  async listen() {
    try {
      const found = await get("/api/samp"), news = found.count > this.count;
      this.show(found);
      if (news) { this.elsewhere = true; await this.state.open(found.row); this.elsewhere = false; }
    } catch (error) { this.elsewhere = false; this.show({ connected: false, count: this.count }); this.state.problem(error.message); }
  }
  opened(row) {
    // What was highlighted there is not sent back.
    if (this.on && this.sent && !this.elsewhere) post("/api/samp/row", { row }).catch((error) => this.state.problem(error.message));
  }
}
