// The two axes of a picture, and the frame between them.

import { axisBottom, axisLeft } from "d3-axis";

import { makeScale, ticks } from "./scales.js";

/** @import { Axis } from "d3-axis" */
/** @import { NumberValue } from "d3-scale" */
/** @import { Selection } from "d3-selection" */
/** @import { Range } from "../page/range.js" */
/** @import { Scale, Ticks } from "./scales.js" */

/** @typedef {Selection<SVGGElement, any, any, any>} Group */
/** @typedef {Selection<SVGSVGElement, any, any, any>} Svg */

/**
 * The part of a picture inside its axes, in pixels.
 * @typedef {object} Frame
 * @property {number} left
 * @property {number} right
 * @property {number} top
 * @property {number} bottom
 */

/** @typedef {{x: Scale, y: Scale}} Scales */

export const FONT_SIZE = 13;
const TOP = 8;
const BELOW = 44; // room for the ticks and title of the x axis
const ASIDE = 34; // room for the title of the y axis, besides its ticks
const APART = { x: 56, y: 34 }; // pixels that a tick needs

export class Axes {
  /**
   * @param {Svg} svg
   * @param {Range} x
   * @param {Range} y
   */
  constructor(svg, x, y) {
    this.x = x;
    this.y = y;
    /** @type {Frame} */
    this.frame = { left: 0, right: 0, top: 0, bottom: 0 };
    /** @type {Scales} */
    this.scales = { x: makeScale(x), y: makeScale(y) };
    this.groups = { x: svg.append("g"), y: svg.append("g") };
    this.titles = { x: svg.append("text"), y: svg.append("text") };
  }

  /** @param {Range} x */
  setX(x) {
    this.x = x;
    this.scales.x.domain([x.low, x.high]);
  }

  /**
   * Draw the axes in a picture of this size, which sets the frame and the scales.
   * @param {number} width
   * @param {number} height
   * @param {(text: string) => number} textWidth
   */
  draw(width, height, textWidth) {
    const bottom = height - BELOW;
    const { x, y } = this.scales;
    y.range([bottom, TOP]);
    const yTicks = ticks(y, this.y, Math.floor(bottom / APART.y));
    const left = Math.ceil(Math.max(0, ...texts(yTicks).map(textWidth))) + ASIDE;
    const xTicks = ticks(x, this.x, Math.floor((width - left) / APART.x));
    // Half of the last tick's text stands beyond the axis.
    const last = textWidth(texts(xTicks).at(-1) ?? "");
    const right = width - Math.ceil(Math.max(12, last / 2 + 2));
    x.range([left, right]);
    this.frame = { left, right, top: TOP, bottom };

    drawAxis(this.groups.x, axisBottom(x), xTicks, `translate(0,${bottom})`);
    drawGrid(this.groups.x, "y2", TOP - bottom);
    drawAxis(this.groups.y, axisLeft(y), yTicks, `translate(${left},0)`);
    drawGrid(this.groups.y, "x2", right - left);
    this.titles.x
      .attr("x", (left + right) / 2)
      .attr("y", height - 5)
      .text(this.x.title);
    this.titles.y
      .attr("transform", `translate(12,${(TOP + bottom) / 2}) rotate(-90)`)
      .text(this.y.title);
    for (const title of [this.titles.x, this.titles.y]) {
      title.attr("text-anchor", "middle").attr("fill", "currentColor");
    }
  }
}

/** @param {Ticks} ticks */
const texts = ({ values, text }) => values.map(text);

/**
 * @param {Group} group
 * @param {Axis<NumberValue>} axis
 * @param {Ticks} ticks
 * @param {string} transform
 */
function drawAxis(group, axis, { values, text }, transform) {
  axis
    .tickValues(values)
    .tickFormat((value) => text(Number(value)))
    .tickSizeInner(4)
    .tickSizeOuter(0)
    .tickPadding(5);
  group.attr("transform", transform).call(axis);
  group.attr("font-size", FONT_SIZE).attr("font-family", null).attr("class", "dm-axis");
}

/**
 * A line across the picture at each tick.
 * @param {Group} group
 * @param {"x2" | "y2"} end
 * @param {number} length
 */
function drawGrid(group, end, length) {
  group.selectAll(".dm-grid").remove();
  group
    .selectAll(".tick")
    .append("line")
    .attr("class", "dm-grid")
    .attr("x2", 0)
    .attr("y2", 0)
    .attr(end, length);
}
