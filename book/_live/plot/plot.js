// A picture of lines, bands and points with d3, in the page's own text colour and font.

import { select } from "d3-selection";

import { element } from "../page/element.js";
import { clamp } from "../page/range.js";
import { Axes, FONT_SIZE } from "./axes.js";
import { drawBands, outline } from "./bands.js";
import { COVERED, Labels } from "./labels.js";
import { dense, drawLines, drawMarks, isInside } from "./lines.js";
import { aroundPoint, besideLine, withinBand } from "./places.js";
import { drawRule, followPointer, keyboardReader } from "./pointer.js";

/** @import { Range } from "../page/range.js" */
/** @import { Band } from "./bands.js" */
/** @import { Box, Name } from "./labels.js" */
/** @import { Line, Mark, Point } from "./lines.js" */
/** @import { Share } from "./pointer.js" */

/** What a picture shows. @typedef {{lines: Line[], bands: Band[], marks: Mark[]}} Scene */

/**
 * Height as a share of the width, and its bounds in pixels.
 * @typedef {{shape: number, least: number, most: number}} Shape
 */

const FAR = 1e4; // pixels beyond which a coordinate need not be exact

/**
 * A picture below `host`. `x` and `y` are ranges in the shown unit. `draw(scene)` shows lines, bands
 * and points; the scene stays until the next, and is drawn again when the width changes.
 */
export class Plot {
  /**
   * @param {Element} host
   * @param {string} name
   * @param {Range} x
   * @param {Range} y
   * @param {Shape} [shape]
   */
  constructor(host, name, x, y, shape = { shape: 0.68, least: 260, most: 400 }) {
    this.x = x;
    this.shape = shape;
    this.box = element("div", { class: "dm-plot" });
    host.append(this.box);
    const svg = select(this.box).append("svg").attr("role", "img").attr("class", "dm-drawing");
    this.svg = svg;
    this.clip = svg.append("clipPath").attr("id", `${name}-clip`).append("rect");
    const inside = () => svg.append("g").attr("clip-path", `url(#${name}-clip)`);
    this.bands = inside();
    this.axes = new Axes(svg, x, y);
    this.lines = inside();
    this.marks = svg.append("g");
    this.labels = new Labels(svg.append("g"), (text) => this.textWidth(text));
    this.rule = svg.append("g").attr("class", "dm-probe").style("display", "none");
    this.pen = /** @type {CanvasRenderingContext2D} */ (
      document.createElement("canvas").getContext("2d")
    );
    /** @type {Scene} */
    this.scene = { lines: [], bands: [], marks: [] };
    this.width = 0;
    this.layout();
    new ResizeObserver(() => {
      if (this.box.clientWidth && this.box.clientWidth !== this.width) {
        this.layout();
        this.draw(this.scene);
      }
    }).observe(this.box);
  }

  /**
   * Say in words what the picture shows.
   * @param {string} words
   */
  describe(words) {
    this.svg.attr("aria-label", words);
  }

  /**
   * Let the x axis end there; the scene is to be drawn anew.
   * @param {number} high
   */
  endX(high) {
    if (high === this.x.high) return;
    this.x = { ...this.x, high };
    this.axes.setX(this.x);
    this.layout();
  }

  /** Take the width that there is, and draw the axes. */
  layout() {
    this.width = this.box.clientWidth || 576;
    const height = clamp(this.width * this.shape.shape, this.shape.least, this.shape.most);
    this.pen.font = `${FONT_SIZE}px ${getComputedStyle(this.box).fontFamily}`;
    this.svg
      .attr("viewBox", `0 0 ${this.width} ${height}`)
      .attr("width", this.width)
      .attr("height", height)
      .attr("font-size", FONT_SIZE);
    this.axes.draw(this.width, height, (text) => this.textWidth(text));
    const { left, right, top, bottom } = this.axes.frame;
    this.clip
      .attr("x", left)
      .attr("y", top)
      .attr("width", right - left)
      .attr("height", bottom - top);
  }

  /** @param {string} text */
  textWidth(text) {
    return this.pen.measureText(text).width;
  }

  /**
   * A point in pixels. Only what is finite has a place.
   * @param {number} x
   * @param {number} y
   * @returns {Point}
   */
  pixel(x, y) {
    return [this.axes.scales.x(x), clamp(this.axes.scales.y(y), -FAR, FAR)];
  }

  /** @param {Scene} scene */
  draw(scene) {
    this.scene = scene;
    const { frame, scales } = this.axes;
    const lines = scene.lines.map((line) => {
      const points = line.xs.map((x, index) => this.pixel(x, line.ys[index]));
      return { ...line, points, seen: points.filter((point) => isInside(frame, point)) };
    });
    const bands = scene.bands.map((band) => ({ ...band, shape: outline(band, frame, scales) }));
    const marks = scene.marks
      .map((mark) => ({ ...mark, at: this.pixel(mark.x, mark.y) }))
      .filter(({ at }) => isInside(frame, at, 1));
    drawLines(this.lines, lines);
    drawBands(this.bands, bands);
    drawMarks(this.marks, marks);

    /** @type {Name[]} */
    const names = [
      ...marks.map(({ label = "", color = "currentColor", at }, index) => ({
        key: `mark ${index}`,
        label,
        color,
        places: aroundPoint(at),
      })),
      ...lines.map(({ label, color, seen, at }, index) => ({
        key: `line ${index}`,
        label,
        color,
        places: besideLine(seen, at),
      })),
      // A band without room goes without its name.
      ...bands.map(({ label, color, shape }, index) => ({
        key: `band ${index}`,
        label,
        color,
        places: withinBand(shape),
        most: COVERED,
      })),
    ];
    const taken = marks
      .filter((mark) => mark.label)
      .map(({ at: [x, y] }) => /** @type {Box} */ ([x - 4, y - 4, x + 4, y + 4]));
    const obstacles = lines.flatMap((line) => dense(line.seen));
    this.labels.draw(names, frame, taken, obstacles);
  }

  /**
   * Follow the pointer, and the keyboard of who has none. `report` gets a share of the x axis, or
   * undefined, and answers in words what stands there.
   * @param {(share: Share) => string} report
   */
  follow(report) {
    this.followPointer(report);
    this.box.append(keyboardReader(this.x.label, report));
  }

  /**
   * Follow the pointer; `pick` gets the share of a click.
   * @param {(share: Share) => void} report
   * @param {(share: number) => void} [pick]
   */
  followPointer(report, pick) {
    const node = /** @type {SVGSVGElement} */ (this.svg.node());
    /** @param {number} clientX */
    const shareAt = (clientX) => {
      const shown = node.getBoundingClientRect();
      const { left, right } = this.axes.frame;
      return (((clientX - shown.left) * this.width) / shown.width - left) / (right - left);
    };
    followPointer(node, shareAt, report, pick);
  }

  /**
   * A rule at x with a point on each line, or nothing.
   * @param {number} [x]
   * @param {{y: number, color: string}[]} [ys]
   */
  point(x, ys = []) {
    const { frame, scales } = this.axes;
    const points = ys
      .filter(({ y }) => Number.isFinite(y))
      .map(({ y, color }) => ({ at: this.pixel(x ?? NaN, y), color }));
    drawRule(this.rule, frame, x === undefined ? undefined : scales.x(x), points);
  }
}
