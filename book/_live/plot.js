// A picture of lines, bands and points with d3, in the page's own text colour and font.

import { axisBottom, axisLeft } from "d3-axis";
import { scaleLinear, scaleLog } from "d3-scale";
import { select } from "d3-selection";
import { area, curveStep, line } from "d3-shape";

import { element } from "./elements.js";
import { readable, superscript } from "./numbers.js";

const FONT_SIZE = 13;
const COLORS = 6;
const COVERED = 60; // what it costs a name to lie on another
const FAR = 1e4; // pixels beyond which a coordinate need not be exact

/** The colour of the n-th thing drawn. */
export const color = (index) => `var(--dm-c${(index % COLORS) + 1})`;

/** Points along an axis, evenly or in equal ratios, in the symbol's unit. */
export function along({ low, high, log }, count) {
  const share = (index) => index / (count - 1);
  const at = log
    ? (index) => low * (high / low) ** share(index)
    : (index) => low + (high - low) * share(index);
  return Array.from({ length: count }, (_, index) => (index === count - 1 ? high : at(index)));
}

/** Where a scale's ticks are and what they say; `room` is how many fit. `powers` are those of two. */
function ticks(scale, { log, powers }, room) {
  const [low, high] = scale.domain();
  if (!log) {
    const values = scale.ticks(room).filter((value) => !powers || Number.isInteger(value));
    if (powers) return { values, text: (value) => `2${superscript(value)}` };
    const most = Math.max(...values.map(Math.abs));
    const text = (value) => (most < 1e4 ? String(value).replace("-", "−") : readable(value, 3));
    return { values, text };
  }
  const decades = Math.log10(high / low);
  if (decades < 2) {
    const values = scale.ticks(room).filter((value) => /^[125]/.test(value.toExponential()));
    return { values, text: (value) => readable(value, 1) };
  }
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  const stride = Math.ceil((last - first + 1) / room);
  const values = [];
  for (let exponent = first; exponent <= last; exponent += stride) values.push(10 ** exponent);
  const plain = decades <= 4 + 1e-9;
  const text = (value) =>
    plain && value >= 1e-3 && value < 1e6
      ? readable(value, 1)
      : `10${superscript(Math.round(Math.log10(value)))}`;
  return { values, text };
}

/**
 * A picture below `host`. `x` and `y` are axes in the shown unit. `draw(scene)` shows lines, bands and
 * points; the scene stays until the next, and is drawn again when the width changes.
 */
export class Plot {
  constructor(host, name, x, y, { shape = 0.68, least = 260, most = 400 } = {}) {
    Object.assign(this, { x, y, shape, least, most, name });
    this.box = element("div", { class: "dm-plot" });
    host.append(this.box);
    const svg = select(this.box).append("svg").attr("role", "img").attr("class", "dm-drawing");
    this.svg = svg;
    this.clip = svg.append("clipPath").attr("id", `${name}-clip`).append("rect");
    const inside = () => svg.append("g").attr("clip-path", `url(#${name}-clip)`);
    this.bands = inside();
    this.axes = { x: svg.append("g"), y: svg.append("g") };
    this.titles = { x: svg.append("text"), y: svg.append("text") };
    this.lines = inside();
    this.marks = svg.append("g");
    this.labels = svg.append("g");
    this.probe = svg.append("g").attr("class", "dm-probe").style("display", "none");
    this.pen = document.createElement("canvas").getContext("2d");
    this.places = new Map();
    this.scene = { lines: [], bands: [], marks: [] };
    this.layout();
    new ResizeObserver(() => {
      if (this.box.clientWidth && this.box.clientWidth !== this.width) {
        this.layout();
        this.draw(this.scene);
      }
    }).observe(this.box);
  }

  /** Say in words what the picture shows. */
  describe(words) {
    this.svg.attr("aria-label", words);
  }

  layout() {
    const { x, y } = this;
    this.width = this.box.clientWidth || 576;
    this.height = Math.min(Math.max(this.width * this.shape, this.least), this.most);
    this.pen.font = `${FONT_SIZE}px ${getComputedStyle(this.box).fontFamily}`;
    const scale = (axis) => (axis.log ? scaleLog() : scaleLinear()).domain([axis.low, axis.high]);
    const bottom = this.height - 44;
    const yScale = scale(y).range([bottom, 8]);
    const yTicks = ticks(yScale, y, Math.floor(bottom / 34));
    const widest = Math.max(0, ...yTicks.values.map((value) => this.textWidth(yTicks.text(value))));
    const left = Math.ceil(widest) + 34;
    const xScale = scale(x);
    const xTicks = ticks(xScale, x, Math.floor((this.width - left) / 56));
    const last = this.textWidth(xTicks.text(xTicks.values.at(-1)));
    const right = this.width - Math.ceil(Math.max(12, last / 2 + 2));
    xScale.range([left, right]);
    this.frame = { left, right, top: 8, bottom };
    this.scales = { x: xScale, y: yScale };

    this.svg
      .attr("viewBox", `0 0 ${this.width} ${this.height}`)
      .attr("width", this.width)
      .attr("height", this.height)
      .attr("font-size", FONT_SIZE);
    this.clip
      .attr("x", left)
      .attr("y", 8)
      .attr("width", right - left)
      .attr("height", bottom - 8);
    this.axis(this.axes.x, axisBottom(xScale), xTicks, `translate(0,${bottom})`, 8 - bottom);
    this.axis(this.axes.y, axisLeft(yScale), yTicks, `translate(${left},0)`, left - right);
    this.titles.x
      .attr("x", (left + right) / 2)
      .attr("y", this.height - 5)
      .text(x.title);
    this.titles.y.attr("transform", `translate(12,${(8 + bottom) / 2}) rotate(-90)`).text(y.title);
    for (const title of Object.values(this.titles)) {
      title.attr("text-anchor", "middle").attr("fill", "currentColor");
    }
  }

  axis(group, axis, { values, text }, transform, grid) {
    axis.tickValues(values).tickFormat(text).tickSizeInner(4).tickSizeOuter(0).tickPadding(5);
    group.attr("transform", transform).call(axis);
    group.attr("font-size", FONT_SIZE).attr("font-family", null).attr("class", "dm-axis");
    group.selectAll(".dm-grid").remove();
    const along = grid < 0 && transform.startsWith("translate(0,") ? "y2" : "x2";
    group
      .selectAll(".tick")
      .append("line")
      .attr("class", "dm-grid")
      .attr("x2", 0)
      .attr("y2", 0)
      .attr(along, along === "y2" ? grid : -grid);
  }

  textWidth(text) {
    return this.pen.measureText(text).width;
  }

  /** A point in pixels. Only what is finite has a place. */
  pixel(x, y) {
    const at = [this.scales.x(x), this.scales.y(y)];
    return [at[0], Math.min(Math.max(at[1], -FAR), FAR)];
  }

  draw(scene) {
    this.scene = scene;
    const { left, right, top, bottom } = this.frame;
    const taken = [];
    const obstacles = [];

    const lines = scene.lines.map((given) => {
      const points = given.xs.map((x, index) => this.pixel(x, given.ys[index]));
      const seen = points.filter(([x, y]) => x >= left && x <= right && y >= top && y <= bottom);
      obstacles.push(...dense(seen));
      return { ...given, points, seen };
    });
    const path = line().defined(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
    this.lines
      .selectAll("path")
      .data(lines)
      .join("path")
      .attr("d", (each) => path(each.points))
      .attr("class", (each) => (each.faint ? "dm-line dm-faint" : "dm-line"))
      .attr("stroke", (each) => each.color)
      .attr("stroke-dasharray", (each) => (each.dashed ? "6 4" : null));

    const bands = scene.bands.map((given) => this.bandShape(given));
    const fill = (band) =>
      area()
        .defined((point) => point.every(Number.isFinite))
        .x((point) => point[0])
        .y0((point) => point[1])
        .y1((point) => point[2])
        .curve(band.steps ? curveStep : area().curve())(band.shape);
    this.bands
      .selectAll("path")
      .data(bands)
      .join("path")
      .attr("d", fill)
      .attr("fill", (band) => band.color)
      .attr("fill-opacity", (band) => band.opacity ?? 0.14);

    const marks = scene.marks
      .map((mark) => ({ ...mark, at: this.pixel(mark.x, mark.y) }))
      .filter(
        ({ at: [x, y] }) => x >= left - 1 && x <= right + 1 && y >= top - 1 && y <= bottom + 1,
      );
    for (const { at, label } of marks)
      if (label) taken.push([at[0] - 4, at[1] - 4, at[0] + 4, at[1] + 4]);
    this.marks
      .selectAll("circle")
      .data(marks)
      .join("circle")
      .attr("cx", (mark) => mark.at[0])
      .attr("cy", (mark) => mark.at[1])
      .attr("r", (mark) => mark.size ?? 3.5)
      .attr("fill", (mark) => mark.color ?? "currentColor");

    const texts = [];
    const write = (key, label, shade, candidates, most = Infinity) => {
      const found = label && this.place(key, label, candidates, taken, obstacles, most);
      if (found) texts.push({ ...found, label, color: shade });
    };
    marks.forEach((mark, index) =>
      write(`mark ${index}`, mark.label, mark.color ?? "currentColor", around(mark.at)),
    );
    lines.forEach((each, index) =>
      write(`line ${index}`, each.label, each.color, beside(each.seen, each.at)),
    );
    bands.forEach((band, index) =>
      // A band without room goes without its name.
      write(`band ${index}`, band.label, band.color, within(band.shape), COVERED),
    );
    this.labels
      .selectAll("text")
      .data(texts)
      .join("text")
      .attr("class", "dm-label")
      .attr("x", (text) => text.x)
      .attr("y", (text) => text.y)
      .attr("text-anchor", (text) => text.anchor)
      .attr("fill", (text) => text.color)
      .text((text) => text.label);
  }

  /** The outline of a band: x, bottom and top of its points, in pixels and inside the frame. */
  bandShape(band) {
    const { left, right, top, bottom } = this.frame;
    if (band.vertical) {
      const place = (value, edge) =>
        value === undefined ? edge : Math.min(Math.max(this.scales.x(value), left), right);
      const [from, to] = [place(band.from, left), place(band.to, right)];
      const shape = from < to ? [from, (from + to) / 2, to].map((x) => [x, bottom, top]) : [];
      return { ...band, shape };
    }
    const shape = band.xs.map((x, index) => {
      const edge = (values, outside) => {
        if (!values) return outside;
        // What is above every number of the axis lies at its edge.
        const y = this.scales.y(values[index]);
        return Number.isNaN(y) ? NaN : Math.min(Math.max(y, top), bottom);
      };
      const low = edge(band.above, bottom);
      return [this.scales.x(x), low, Math.min(edge(band.below, top), low)];
    });
    return { ...band, shape };
  }

  /** The candidate that covers least; one that was taken before keeps its place if it still can. */
  place(key, text, candidates, taken, obstacles, most) {
    const { left, right, top, bottom } = this.frame;
    const width = this.textWidth(text);
    let best;
    for (const candidate of candidates) {
      const { x, y, anchor, cost, id } = candidate;
      const start = anchor === "end" ? x - width : anchor === "middle" ? x - width / 2 : x;
      const box = [start - 2, y - FONT_SIZE, start + width + 2, y + 4];
      const outside =
        Math.max(0, left - box[0]) +
        Math.max(0, box[2] - right - 10) +
        Math.max(0, top - box[1]) +
        Math.max(0, box[3] - bottom);
      let total = cost + 10 * outside - (this.places.get(key) === id ? 1.5 : 0);
      for (const other of taken) if (overlap(box, other)) total += COVERED;
      for (const [px, py] of obstacles) {
        if (px > box[0] && px < box[2] && py > box[1] && py < box[3]) total += 4;
      }
      if (!best || total < best.total) best = { total, box, x, y, anchor, id };
    }
    if (!best || best.total >= most) return undefined;
    this.places.set(key, best.id);
    taken.push(best.box);
    return best;
  }

  /**
   * Follow the pointer, and a slider for who has none that shows while it has the focus. `report` gets
   * a share of the x axis, or undefined, and answers in words; `pick` gets the share of a click.
   */
  follow(report, pick) {
    const node = this.svg.node();
    const share = (event) => {
      const shown = node.getBoundingClientRect();
      const x = ((event.clientX - shown.left) * this.width) / shown.width;
      const { left, right } = this.frame;
      return (x - left) / (right - left);
    };
    const inside = (at) => (at > -0.02 && at < 1.02 ? Math.min(Math.max(at, 0), 1) : undefined);
    for (const kind of ["pointermove", "pointerdown"]) {
      node.addEventListener(kind, (event) => report(inside(share(event))));
    }
    node.addEventListener("pointerleave", () => report(undefined));
    if (pick) {
      node.addEventListener("click", (event) => {
        const at = inside(share(event));
        if (at !== undefined) pick(at);
      });
      return;
    }
    const tell = () => reader.setAttribute("aria-valuetext", report(Number(reader.value) / 100));
    const reader = element("input", {
      type: "range",
      class: "dm-reader",
      min: 0,
      max: 100,
      "aria-label": `Read values along ${this.x.label}`,
      "aria-valuetext": this.x.label,
      focus: tell,
      input: tell,
      blur: () => report(undefined),
    });
    this.box.append(reader);
  }

  /** A rule at x with a point on each line, or nothing. */
  point(x, ys = []) {
    this.probe.style("display", x === undefined ? "none" : null);
    if (x === undefined) return;
    const { top, bottom } = this.frame;
    const at = this.scales.x(x);
    this.probe
      .selectAll("line")
      .data([at])
      .join("line")
      .attr("x1", at)
      .attr("x2", at)
      .attr("y1", top)
      .attr("y2", bottom);
    this.probe
      .selectAll("circle")
      .data(ys.filter(({ y }) => Number.isFinite(y)))
      .join("circle")
      .attr("cx", at)
      .attr("cy", ({ y }) => this.pixel(x, y)[1])
      .attr("r", 4)
      .attr("fill", (each) => each.color)
      .style("display", ({ y }) => {
        const place = this.pixel(x, y)[1];
        return place >= top - 1 && place <= bottom + 1 ? null : "none";
      });
  }
}

/** The points of a path, with more between them where they are far apart. */
function dense(points) {
  const step = 7;
  return points.flatMap(([x, y], index) => {
    const [nextX, nextY] = points[index + 1] ?? [x, y];
    const count = Math.max(1, Math.ceil(Math.hypot(nextX - x, nextY - y) / step));
    return Array.from({ length: count }, (_, part) => [
      x + ((nextX - x) * part) / count,
      y + ((nextY - y) * part) / count,
    ]);
  });
}

const overlap = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

/** Places for a line's name: above or below it, near the wished share of what is seen of it. */
function beside(seen, wished) {
  if (!seen.length) return [];
  const rising = seen[seen.length - 1][1] < seen[0][1];
  const shares = new Set([wished, ...Array.from({ length: 13 }, (_, index) => index / 12)]);
  return [...shares].flatMap((share) => {
    const [x, y] = seen[Math.round(share * (seen.length - 1))];
    const off = Math.abs(share - wished) * 8;
    const above = rising ? ["end", -5] : ["start", 5];
    const below = rising ? ["start", 5] : ["end", -5];
    return [
      { id: `${share} above`, x: x + above[1], y: y - 6, anchor: above[0], cost: off },
      { id: `${share} below`, x: x + below[1], y: y + 16, anchor: below[0], cost: off + 3 },
      { id: `${share} over`, x, y: y - 8, anchor: "middle", cost: off + 2 },
    ];
  });
}

function around([x, y]) {
  return [
    { id: "right", x: x + 7, y: y + 4.5, anchor: "start", cost: 0 },
    { id: "left", x: x - 7, y: y + 4.5, anchor: "end", cost: 1 },
    { id: "above", x, y: y - 8, anchor: "middle", cost: 2 },
    { id: "below", x, y: y + 18, anchor: "middle", cost: 3 },
  ];
}

/** Places for a band's name: in its middle where it is high, rather there than elsewhere. */
function within(shape) {
  const heights = shape.map(([, low, high]) => low - high);
  const highest = Math.max(0, ...heights.filter(Number.isFinite));
  if (highest < 18) return [];
  return Array.from({ length: 9 }, (_, index) => index / 8).flatMap((share) => {
    const index = Math.round(share * (shape.length - 1));
    const [x, low, high] = shape[index];
    if (!(heights[index] >= 18)) return [];
    const anchor = share < 0.35 ? "start" : share > 0.65 ? "end" : "middle";
    const side = { start: 8, middle: 0, end: -8 }[anchor];
    return [0.5, 0.25, 0.75].map((level) => ({
      id: `${share} ${level}`,
      x: x + side,
      y: high + (low - high) * level + 4,
      anchor,
      cost: 3 * (1 - heights[index] / highest) + 4 * Math.abs(level - 0.5),
    }));
  });
}
