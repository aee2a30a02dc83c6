// Shaded parts of a picture, between two lines or the frame's edges.

import { area, curveLinear, curveStep } from "d3-shape";

import { clamp } from "../page/range.js";

/** @import { Frame, Group, Scales } from "./axes.js" */

/**
 * A band of a scene, in the shown units: along x between the values of two lines, or between two
 * values of x. What is not given is the frame's edge.
 * @typedef {LooksOfBand & (AcrossBand | UprightBand)} Band
 *
 * @typedef {object} LooksOfBand
 * @property {string} label
 * @property {string} color
 * @property {number} [opacity]
 * @property {boolean} [steps] whether each value holds for the places near its x
 *
 * @typedef {object} AcrossBand
 * @property {false} vertical
 * @property {number[]} xs
 * @property {number[]} [above]
 * @property {number[]} [below]
 *
 * @typedef {object} UprightBand
 * @property {true} vertical
 * @property {number} [from]
 * @property {number} [to]
 */

/** @typedef {[x: number, low: number, high: number]} Edge a place of a band, in pixels */
/** @typedef {Band & {shape: Edge[]}} ShapedBand */

/**
 * The outline of a band inside the frame.
 * @param {Band} band
 * @param {Frame} frame
 * @param {Scales} scales
 * @returns {Edge[]}
 */
export const outline = (band, frame, scales) =>
  band.vertical ? upright(band, frame, scales) : across(band, frame, scales);

/**
 * @param {UprightBand} band
 * @param {Frame} frame
 * @param {Scales} scales
 * @returns {Edge[]}
 */
function upright(band, { left, right, top, bottom }, scales) {
  /**
   * @param {number | undefined} value
   * @param {number} edge
   */
  const place = (value, edge) => (value === undefined ? edge : clamp(scales.x(value), left, right));
  const [from, to] = [place(band.from, left), place(band.to, right)];
  return from < to ? [from, (from + to) / 2, to].map((x) => [x, bottom, top]) : [];
}

/**
 * @param {AcrossBand} band
 * @param {Frame} frame
 * @param {Scales} scales
 * @returns {Edge[]}
 */
function across(band, { top, bottom }, scales) {
  return band.xs.map((x, index) => {
    /**
     * @param {number[] | undefined} values
     * @param {number} outside
     */
    const edge = (values, outside) => {
      if (!values) return outside;
      // What is above every number of the axis lies at its edge.
      const y = scales.y(values[index]);
      return Number.isNaN(y) ? NaN : clamp(y, top, bottom);
    };
    const low = edge(band.above, bottom);
    return [scales.x(x), low, Math.min(edge(band.below, top), low)];
  });
}

/**
 * @param {Group} group
 * @param {ShapedBand[]} bands
 */
export function drawBands(group, bands) {
  const fill = /** @type {typeof area<Edge>} */ (area)()
    .defined((edge) => edge.every(Number.isFinite))
    .x((edge) => edge[0])
    .y0((edge) => edge[1])
    .y1((edge) => edge[2]);
  group
    .selectAll("path")
    .data(bands)
    .join("path")
    .attr("d", (band) => fill.curve(band.steps ? curveStep : curveLinear)(band.shape))
    .attr("fill", (band) => band.color)
    .attr("fill-opacity", (band) => band.opacity ?? 0.14);
}
