// A chart of some lines over the last minutes, in SVG, with a legend that tells their newest
// values, or those under the pointer. The picture is stretched to its frame; texts stand beside it.

import { element } from "./dom.js";
import { onLanguage, t } from "./i18n.js";

const space = "http://www.w3.org/2000/svg";
const width = 1000;
const height = 200;
const gapMilliseconds = 4000;  // a longer silence breaks the line

function svg(tag, attributes = {}) {
  const node = document.createElementNS(space, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

// The least of 1, 2, 5, 10, 20, ... (or 0.5, 0.2, ...) that is not below `value`.
export function roundTop(value) {
  if (!(value > 0)) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  for (const factor of [1, 2, 5]) {
    if (factor * unit >= value * (1 - 1e-9)) return factor * unit;
  }
  return 10 * unit;
}

// An SVG path of the points {time, value} in [from, to]; null and silence lift the pen.
export function pathOf(points, from, to, top) {
  let path = "";
  let last = null;
  for (const { time, value } of points) {
    if (value === null || time < from) {
      last = null;
      continue;
    }
    const joined = last !== null && time - last <= gapMilliseconds;
    const x = ((time - from) / (to - from)) * width;
    const y = height - (Math.min(value, top) / top) * height;
    path += `${joined ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    if (!joined) path += "h0.1";  // a point alone is a dot
    last = time;
  }
  return path;
}

export class LineChart {
  // title and the labels are keys of texts; format(value) makes a text; series: [{label, key}], of
  // lines and of the points' fields; fixedTop: where the scale does not follow the data.
  constructor({ title, format, series, fixedTop = null, milliseconds }) {
    Object.assign(this, { title, format, series, fixedTop, milliseconds });
    this.points = [];
    this.pointed = null;  // a share of the width
    this.heading = element("h2");
    this.values = series.map(() => element("output"));
    this.labels = series.map(() => element("span"));
    this.top = element("span", { className: "scale" });
    this.lines = series.map((_, i) => svg("path", { class: `line series-${i}` }));
    this.cursor = svg("path", { class: "cursor" });
    this.picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none",
      role: "img" });
    // The first line on top, for it is the one that is told first.
    this.picture.append(svg("path", { class: "grid", d: gridPath() }), ...this.lines.toReversed(),
      this.cursor);
    const legend = series.map((_, i) => element("li", {},
      element("i", { className: `series-${i}` }), this.labels[i], this.values[i]));
    const frame = element("div", { className: "frame" }, this.picture, this.top);
    this.node = element("section", { className: "card" }, this.heading,
      element("ul", { className: "legend" }, ...legend), frame);
    frame.addEventListener("pointermove", (event) => this.point(event, frame));
    frame.addEventListener("pointerleave", () => this.point(null));
    onLanguage(() => this.name());
    this.name();
  }

  name() {
    this.heading.textContent = t(this.title);
    this.series.forEach(({ label }, i) => { this.labels[i].textContent = t(label); });
    this.draw();
  }

  point(event, frame) {
    if (event === null) {
      this.pointed = null;
    } else {
      const box = frame.getBoundingClientRect();
      this.pointed = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    }
    this.draw();
  }

  // points: [{time, <key of each series>}] in ascending time; drawn up to `now`.
  show(points, now) {
    this.points = points;
    this.now = now;
    this.draw();
  }

  draw() {
    if (this.points.length === 0) return;
    const from = this.now - this.milliseconds;
    const seen = this.points.filter(({ time }) => time >= from);
    const values = seen.flatMap((each) => this.series.map(({ key }) => each[key] ?? 0));
    const top = this.fixedTop ?? roundTop(Math.max(0, ...values));
    this.top.textContent = this.format(top);
    const shown = this.shown(seen, from);
    this.series.forEach(({ key }, i) => {
      const line = seen.map((each) => ({ time: each.time, value: each[key] ?? null }));
      this.lines[i].setAttribute("d", pathOf(line, from, this.now, top));
      const value = shown?.[key] ?? null;
      this.values[i].textContent = value === null ? "–" : this.format(value);
    });
    const at = this.pointed === null ? null : this.pointed * width;
    this.cursor.setAttribute("d", at === null ? "" : `M${at.toFixed(1)} 0V${height}`);
    this.picture.setAttribute("aria-label", this.describe());
  }

  // The newest point, or the one nearest to the pointer.
  shown(seen, from) {
    if (this.pointed === null) return seen.at(-1);
    const time = from + this.pointed * this.milliseconds;
    const distance = (each) => Math.abs(each.time - time);
    const nearest = seen.reduce((a, b) => (distance(b) < distance(a) ? b : a), seen[0]);
    return nearest && distance(nearest) <= gapMilliseconds ? nearest : null;
  }

  describe() {
    const values = this.labels.map((label, i) =>
      `${label.textContent} ${this.values[i].textContent}`);
    return `${this.heading.textContent}: ${values.join(", ")}`;
  }
}

function gridPath() {
  return [0.25, 0.5, 0.75].map((part) => `M0 ${part * height}H${width}`).join("");
}
