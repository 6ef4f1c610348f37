// A spectrum on a canvas: zoom with the wheel or by dragging, pan with shift, all of it by keys too.
const MARGIN = { left: 52, right: 12, top: 74, bottom: 34 };
const C = 299792.458;
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function runningMean(values, half) {
  // Mean of the finite values within `half` pixels, by running sums.
  if (half < 1) return values;
  const n = values.length, out = new Float32Array(n), sum = new Float64Array(n + 1), count = new Float64Array(n + 1);
  for (let i = 0; i < n; i++) {
    const good = Number.isFinite(values[i]);
    sum[i + 1] = sum[i] + (good ? values[i] : 0); count[i + 1] = count[i] + (good ? 1 : 0);
  }
  for (let i = 0; i < n; i++) {
    const a = Math.max(0, i - half), b = Math.min(n, i + half + 1), k = count[b] - count[a];
    out[i] = k ? (sum[b] - sum[a]) / k : NaN;
  }
  return out;
}
export function broadShape(values, half = 60) { return runningMean(runningMean(runningMean(values, half), half), half); }
export function interpolate(x, y, at) {
  // Linear; NaN outside. `x` and `at` increase.
  const out = new Float32Array(at.length).fill(NaN);
  for (let i = 0, j = 0; i < at.length; i++) {
    while (j < x.length - 2 && x[j + 1] < at[i]) j++;
    if (at[i] < x[0] || at[i] > x[x.length - 1]) continue;
    const t = (at[i] - x[j]) / (x[j + 1] - x[j]);
    out[i] = y[j] + t * (y[j + 1] - y[j]);
  }
  return out;
}
function quantile(sorted, q) { return sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(q * (sorted.length - 1))))]; }
function ticks(low, high, about) {
  const raw = (high - low) / about, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const found = [];
  for (let v = Math.ceil(low / step) * step; v <= high + 1e-9 * step; v += step) found.push(Math.abs(v) < 1e-9 * step ? 0 : v);
  return [found, step];
}

export class Plot {
  constructor(canvas) {
    this.canvas = canvas;
    this.data = null; this.standard = null; this.why = null; this.lines = []; this.telluric = [];
    this.options = { smooth: 0, velocity: 0, lines: true, errors: true, bad: true, ratio: true, flat: false, elements: null, type: null };
    this.range = null; this.drag = null; this.cursor = null; this.waiting = null;
    new ResizeObserver(() => this.draw()).observe(canvas);
    canvas.addEventListener("wheel", (e) => {
      if (!this.data) return;
      e.preventDefault();
      if (e.shiftKey) this.pan(Math.sign(e.deltaY || e.deltaX) * 0.1); else this.zoom(e.deltaY > 0 ? 1.25 : 0.8, this.wave(e.offsetX));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (e) => {
      if (!this.data) return;
      canvas.setPointerCapture(e.pointerId);
      this.drag = { x: e.offsetX, range: [...this.range], pan: e.shiftKey || e.button === 1 || e.pointerType === "touch" };
    });
    canvas.addEventListener("pointermove", (e) => {
      this.cursor = e.offsetX;
      if (this.drag?.pan) {
        const [a, b] = this.drag.range, d = (this.drag.x - e.offsetX) / this.width() * (b - a);
        this.setRange(a + d, b + d);
      } else if (this.data) this.draw();
    });
    canvas.addEventListener("pointerup", (e) => {
      const drag = this.drag; this.drag = null;
      if (drag && !drag.pan && Math.abs(e.offsetX - drag.x) > 6) {
        const ends = [this.wave(drag.x), this.wave(e.offsetX)].sort((p, q) => p - q);
        this.setRange(...ends);
      } else this.draw();
    });
    canvas.addEventListener("pointerleave", () => { this.cursor = null; this.draw(); });
    canvas.addEventListener("dblclick", () => this.whole());
  }
  width() { return Math.max(50, this.canvas.clientWidth - MARGIN.left - MARGIN.right); }
  wave(x) { return this.range[0] + (x - MARGIN.left) / this.width() * (this.range[1] - this.range[0]); }
  x(wave) { return MARGIN.left + (wave - this.range[0]) / (this.range[1] - this.range[0]) * this.width(); }
  show(data, keepRange) {
    // data: wave, flux, error, bad (float32 arrays)
    const good = Float32Array.from(data.flux, (f, i) => (data.bad[i] ? NaN : f));
    const finite = good.filter(Number.isFinite).sort();
    const scale = finite.length ? (Math.abs(quantile(finite, 0.5)) || 1) : 1;
    this.data = { wave: data.wave, flux: good.map((v) => v / scale), raw: Float32Array.from(data.flux, (v) => v / scale),
      error: data.error.map((v) => v / scale), bad: data.bad };
    let a = 0, b = good.length - 1;
    while (a < b && !Number.isFinite(good[a])) a++;
    while (b > a && !Number.isFinite(good[b])) b--;
    const zoomed = this.full && this.range && (this.range[0] !== this.full[0] || this.range[1] !== this.full[1]);
    this.full = a < b ? [data.wave[a], data.wave[b]] : [data.wave[0], data.wave[data.wave.length - 1]];
    if (!keepRange || !zoomed || this.range[1] < this.full[0] || this.range[0] > this.full[1]) this.range = [...this.full];
    this.shape = broadShape(this.data.flux, 40); this.continuum = broadShape(this.data.flux, 120);
    this.why = null;
    return this.draw();
  }
  clear() { this.data = null; this.draw(); }
  setRange(a, b) {
    const least = 20, most = (this.full[1] - this.full[0]) * 1.1;
    let width = Math.min(Math.max(b - a, least), most), middle = (a + b) / 2;
    middle = Math.min(Math.max(middle, this.full[0]), this.full[1]);
    this.range = [middle - width / 2, middle + width / 2];
    this.draw();
  }
  zoom(factor, about) {
    if (!this.data) return;
    const [a, b] = this.range, at = about ?? (a + b) / 2;
    this.setRange(at - (at - a) * factor, at + (b - at) * factor);
  }
  pan(share) { if (this.data) { const [a, b] = this.range, d = (b - a) * share; this.setRange(a + d, b + d); } }
  whole() { if (this.data) { this.range = [...this.full]; this.draw(); } }
  set(options) { Object.assign(this.options, options); this.draw(); }

  placeStandard() {
    // The standard moved to the star's velocity, on its pixels, with the star's broad shape.
    if (!this.standard) return null;
    const z = 1 + this.options.velocity / C, s = this.standard;
    const on = interpolate(s.wave.map((w) => w * z), s.flux, this.data.wave);
    const shape = s.relative ? null : broadShape(on, 40);
    return on.map((v, i) => (shape ? v / shape[i] : v) * this.shape[i]);
  }
  draw() {
    // Once a frame, however many changes ask for it; the promise is kept when it is drawn.
    this.waiting ??= new Promise((done) => requestAnimationFrame(() => { this.waiting = null; this.paint(); done(); }));
    return this.waiting;
  }
  paint() {
    const ratio = window.devicePixelRatio || 1, { clientWidth: w, clientHeight: h } = this.canvas;
    if (!w || !h) return;
    const size = [Math.round(w * ratio), Math.round(h * ratio)];
    if (this.canvas.width !== size[0] || this.canvas.height !== size[1]) [this.canvas.width, this.canvas.height] = size;
    const g = this.canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.fillStyle = css("--paper"); g.fillRect(0, 0, w, h);
    g.font = "11px system-ui, sans-serif";
    if (!this.data) { g.fillStyle = css("--second"); g.fillText("Choose a spectrum in the table, or drop a file.", MARGIN.left, h / 2); return; }
    const standard = this.placeStandard(), below = standard && this.options.ratio ? Math.round((h - MARGIN.top) * 0.24) : 0;
    const top = MARGIN.top, bottom = h - MARGIN.bottom - below;
    const flat = (values) => (this.options.flat && values ? values.map((v, i) => v / this.continuum[i]) : values);
    const raw = flat(this.data.flux), flux = runningMean(raw, this.options.smooth), laid = flat(standard);
    this.drawTelluric(g, top, h - MARGIN.bottom);
    const [low, high] = this.limits([flux, laid]);
    const y = (v) => bottom - (v - low) / (high - low) * (bottom - top);
    this.drawAxes(g, low, high, y, h - MARGIN.bottom, this.options.flat ? "flux / broad shape" : "flux / median");
    g.save(); g.beginPath(); g.rect(MARGIN.left, top, this.width(), bottom - top); g.clip();
    if (this.options.errors) this.drawErrors(g, flux, flat(this.data.error), y);
    if (this.options.smooth) this.curve(g, raw, y, css("--line"), 0.7);
    this.curve(g, flux, y, css("--curve"), 1);
    if (standard) { g.globalAlpha = 0.8; this.curve(g, laid, y, css("--standard"), 1); g.globalAlpha = 1; }
    if (this.options.bad) this.drawBad(g, bottom);
    if (this.why) this.drawWhy(g, bottom, top);
    g.restore();
    if (this.options.lines) this.drawLines(g, top, bottom);
    if (below) this.drawRatio(g, flux, laid, bottom + 6, h - MARGIN.bottom);
    if (standard) { g.fillStyle = css("--standard"); g.textAlign = "right"; g.fillText(`standard ${this.standard.label}`, w - MARGIN.right - 4, bottom - 6); g.textAlign = "left"; }
    this.drawCursor(g, top, h - MARGIN.bottom, flux);
  }
  limits(curves) {
    const values = [], { wave } = this.data;
    for (const curve of curves) if (curve) for (let i = 0; i < wave.length; i++)
      if (wave[i] >= this.range[0] && wave[i] <= this.range[1] && Number.isFinite(curve[i])) values.push(curve[i]);
    if (!values.length) return [0, 1];
    const sorted = Float32Array.from(values).sort();
    const a = quantile(sorted, 0.003), b = quantile(sorted, 0.997), pad = (b - a) * 0.1 || 0.1;
    return [a - pad, b + pad];
  }
  curve(g, values, y, colour, width) {
    const { wave } = this.data, pixels = this.width();
    g.strokeStyle = colour; g.lineWidth = width; g.beginPath();
    let pen = false, shown = 0;
    for (let i = 0; i < wave.length; i++) if (wave[i] >= this.range[0] && wave[i] <= this.range[1]) shown++;
    if (shown > 3 * pixels) { this.envelope(g, values, y); g.stroke(); return; }
    for (let i = 0; i < wave.length; i++) {
      if (wave[i] < this.range[0] - 5 || wave[i] > this.range[1] + 5) continue;
      if (!Number.isFinite(values[i])) { pen = false; continue; }
      const px = this.x(wave[i]), py = y(values[i]);
      if (pen) g.lineTo(px, py); else g.moveTo(px, py);
      pen = true;
    }
    g.stroke();
  }
  envelope(g, values, y) {
    // Smallest and largest value of each column of pixels: no line is lost.
    const { wave } = this.data; let column = -1, low = Infinity, high = -Infinity;
    for (let i = 0; i < wave.length; i++) {
      if (wave[i] < this.range[0] || wave[i] > this.range[1] || !Number.isFinite(values[i])) continue;
      const at = Math.round(this.x(wave[i]));
      if (at !== column) { if (column >= 0) { g.moveTo(column, y(low)); g.lineTo(column, y(high) - 0.5); } column = at; low = Infinity; high = -Infinity; }
      low = Math.min(low, values[i]); high = Math.max(high, values[i]);
    }
  }
  drawErrors(g, flux, error, y) {
    // From the lowest to the highest end of the bars in each column of pixels.
    const { wave } = this.data, shrink = Math.sqrt(2 * this.options.smooth + 1);
    g.fillStyle = css("--pale");
    let column = -1, low = Infinity, high = -Infinity, last = 0;
    const fill = () => { if (column >= 0) g.fillRect(column, y(high), Math.max(1, last - column), y(low) - y(high)); };
    for (let i = 0; i < wave.length - 1; i++) {
      if (wave[i] < this.range[0] || wave[i] > this.range[1] || !Number.isFinite(error[i]) || !Number.isFinite(flux[i])) continue;
      const at = Math.floor(this.x(wave[i])), e = error[i] / shrink;
      if (at !== column) { fill(); column = at; low = Infinity; high = -Infinity; }
      low = Math.min(low, flux[i] - e); high = Math.max(high, flux[i] + e); last = this.x(wave[i + 1]);
    }
    fill();
  }
  drawBad(g, bottom) {
    const { wave, bad } = this.data; g.fillStyle = css("--standard");
    for (let i = 0; i < wave.length - 1; i++) if (bad[i] && wave[i] >= this.range[0] && wave[i] <= this.range[1]) {
      const x = this.x(wave[i]); g.fillRect(x, bottom - 5, Math.max(1, this.x(wave[i + 1]) - x), 5);
    }
  }
  drawWhy(g, bottom, top) {
    const { wave, weight } = this.why, most = Math.max(...weight, 1e-9), height = (bottom - top) * 0.25;
    g.strokeStyle = css("--why"); g.lineWidth = 1.3; g.beginPath();
    for (let i = 0; i < wave.length; i++) { const x = this.x(wave[i]), py = bottom - weight[i] / most * height; if (i) g.lineTo(x, py); else g.moveTo(x, py); }
    g.stroke(); g.fillStyle = css("--why"); g.fillText("what moved the type", MARGIN.left + 6, bottom - height - 4);
  }
  drawTelluric(g, top, bottom) {
    for (const band of this.telluric) {
      const a = Math.max(this.x(band.first), MARGIN.left), b = Math.min(this.x(band.last), MARGIN.left + this.width());
      if (b <= a) continue;
      g.fillStyle = css("--sky"); g.fillRect(a, top, b - a, bottom - top);
      g.fillStyle = css("--second"); g.textAlign = "center"; if (b - a > 18) g.fillText(band.name.replace("2", "₂"), (a + b) / 2, bottom - 8); g.textAlign = "left";
    }
  }
  drawAxes(g, low, high, y, bottom, name) {
    g.strokeStyle = css("--line"); g.fillStyle = css("--second"); g.lineWidth = 1;
    const [xs, step] = ticks(...this.range, Math.max(3, this.width() / 90));
    g.textAlign = "center";
    for (const v of xs) { const x = this.x(v); g.beginPath(); g.moveTo(x, bottom); g.lineTo(x, bottom + 4); g.stroke(); g.fillText(v.toFixed(step < 1 ? 1 : 0), x, bottom + 15); }
    g.fillText(`vacuum wavelength [Å]${this.options.velocity ? `, lines at ${this.options.velocity} km/s` : ""}`, MARGIN.left + this.width() / 2, bottom + 29);
    g.textAlign = "right";
    const [ys, dy] = ticks(low, high, 5), digits = Math.max(0, -Math.floor(Math.log10(dy)));
    for (const v of ys) { g.fillText(v.toFixed(digits), MARGIN.left - 6, y(v) + 4); g.beginPath(); g.moveTo(MARGIN.left - 3, y(v)); g.lineTo(MARGIN.left, y(v)); g.stroke(); }
    g.textAlign = "left";
    g.strokeRect(MARGIN.left, MARGIN.top, this.width(), bottom - MARGIN.top);
    g.save(); g.translate(11, MARGIN.top + 90); g.rotate(-Math.PI / 2); g.fillText(name, 0, 0); g.restore();
  }
  visibleLines() {
    const z = 1 + this.options.velocity / C, chosen = this.options.elements;
    return this.lines.filter((l) => (!chosen || chosen.has(l.element)) && l.wave * z > this.range[0] && l.wave * z < this.range[1])
      .map((l) => ({ ...l, at: l.wave * z }));
  }
  drawLines(g, top, bottom) {
    // Names stand upright above, as many as there is room for: lines of the type first, main ones first.
    const used = [], own = (l) => !this.options.type || l.types.includes(this.options.type);
    const lines = this.visibleLines().sort((p, q) => 2 * (own(q) - own(p)) + Number(q.main) - Number(p.main));
    for (const line of lines) {
      const x = this.x(line.at), room = own(line) && used.every((u) => Math.abs(u - x) > 11);
      g.strokeStyle = css("--accent"); g.globalAlpha = room ? 0.55 : 0.22; g.lineWidth = 0.8; g.setLineDash([3, 3]);
      g.beginPath(); g.moveTo(x, top); g.lineTo(x, bottom); g.stroke(); g.setLineDash([]); g.globalAlpha = 1;
      if (!room) continue;
      used.push(x);
      g.save(); g.translate(x + 3.5, top - 4); g.rotate(-Math.PI / 2); g.fillStyle = css("--accent");
      g.fillText(`${line.label} ${Math.round(line.wave)}`, 0, 0); g.restore();
    }
  }
  drawRatio(g, flux, standard, top, bottom) {
    const values = flux.map((v, i) => v / standard[i]), y = (v) => bottom - (v - 0.7) / 0.6 * (bottom - top);
    g.strokeStyle = css("--line"); g.beginPath(); g.moveTo(MARGIN.left, y(1)); g.lineTo(MARGIN.left + this.width(), y(1)); g.moveTo(MARGIN.left, top); g.lineTo(MARGIN.left + this.width(), top); g.stroke();
    g.save(); g.beginPath(); g.rect(MARGIN.left, top, this.width(), bottom - top); g.clip();
    this.curve(g, values, y, css("--second"), 0.8); g.restore();
    g.fillStyle = css("--second"); g.textAlign = "right";
    for (const v of [0.8, 1, 1.2]) g.fillText(v.toFixed(1), MARGIN.left - 6, y(v) + 4);
    g.textAlign = "left"; const words = "ratio to the standard";
    g.globalAlpha = 0.8; g.fillStyle = css("--paper"); g.fillRect(MARGIN.left + 3, top + 2, g.measureText(words).width + 6, 14); g.globalAlpha = 1;
    g.fillStyle = css("--second"); g.fillText(words, MARGIN.left + 6, top + 13);
  }
  drawCursor(g, top, bottom, flux) {
    if (this.cursor === null || this.cursor < MARGIN.left || this.cursor > MARGIN.left + this.width()) return;
    if (this.drag && !this.drag.pan) { g.fillStyle = css("--accent"); g.globalAlpha = 0.15; g.fillRect(this.drag.x, top, this.cursor - this.drag.x, bottom - top); g.globalAlpha = 1; return; }
    const wave = this.wave(this.cursor), { wave: all } = this.data;
    let a = 0, b = all.length - 1;
    while (a < b) { const m = (a + b) >> 1; if (all[m] < wave) a = m + 1; else b = m; }
    g.strokeStyle = css("--second"); g.globalAlpha = 0.5; g.beginPath(); g.moveTo(this.cursor, top); g.lineTo(this.cursor, bottom); g.stroke(); g.globalAlpha = 1;
    g.fillStyle = css("--ink"); g.textAlign = this.cursor > this.width() / 2 ? "right" : "left";
    g.fillText(`${wave.toFixed(1)} Å   ${Number.isFinite(flux[a]) ? flux[a].toFixed(3) : "bad"}`, this.cursor + (g.textAlign === "left" ? 6 : -6), top + 13);
    g.textAlign = "left";
  }
}
export function drawBars(canvas, values, { labels = [], marks = null } = {}) {
  const ratio = window.devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight, foot = labels.length ? 15 : 2;
  if (!w) return;
  canvas.width = w * ratio; canvas.height = h * ratio;
  const g = canvas.getContext("2d"), most = Math.max(...values, 1e-12), step = w / values.length;
  g.scale(ratio, ratio);
  values.forEach((v, i) => {
    g.fillStyle = !marks || marks(i) ? css("--accent") : css("--line");
    const height = v > 0 ? Math.max(1, v / most * (h - foot - 2)) : 0;
    g.fillRect(i * step + 0.5, h - foot - height, Math.max(step - 1, 0.7), height);
  });
  g.fillStyle = css("--second"); g.font = "11px system-ui, sans-serif"; g.textAlign = "center";
  labels.forEach((text, i) => g.fillText(text, (i + 0.5) * w / labels.length, h - 3));
}

export function drawCurves(canvas, x, series) {
  // Lines over a common axis: [{ name, values, colour }], colours by the name of a CSS variable.
  const ratio = window.devicePixelRatio || 1, { clientWidth: w, clientHeight: h } = canvas;
  if (!w || !h) return;
  canvas.width = Math.round(w * ratio); canvas.height = Math.round(h * ratio);
  const g = canvas.getContext("2d"), left = 40, right = w - 8, top = 8, bottom = h - 20;
  g.scale(ratio, ratio); g.font = "11px system-ui, sans-serif";
  const all = series.flatMap((s) => s.values).filter(Number.isFinite);
  if (!all.length) return;
  const low = Math.min(...all), high = Math.max(...all, low + 1e-6), [first, last] = [x[0], Math.max(x.at(-1), x[0] + 1)];
  const px = (v) => left + (v - first) / (last - first) * (right - left), py = (v) => bottom - (v - low) / (high - low) * (bottom - top);
  g.strokeStyle = css("--line"); g.strokeRect(left, top, right - left, bottom - top); g.fillStyle = css("--second");
  g.textAlign = "right"; const [ys, dy] = ticks(low, high, 4);
  for (const v of ys) g.fillText(v.toFixed(Math.max(0, -Math.floor(Math.log10(dy)))), left - 4, py(v) + 4);
  g.textAlign = "center"; for (const v of ticks(first, last, 6)[0]) if (Number.isInteger(v)) g.fillText(String(v), px(v), bottom + 14);
  series.forEach((s, k) => {
    g.strokeStyle = css(s.colour); g.lineWidth = 1.3; g.beginPath();
    s.values.forEach((v, i) => { if (Number.isFinite(v)) g.lineTo(px(x[i]), py(v)); });
    g.stroke(); g.fillStyle = css(s.colour); g.textAlign = "right"; g.fillText(s.name, right - 6, top + 14 + 14 * k);
  });
}
