// Ranges of sliders and axes.

import { withUnit } from "./words.js";

/** @import { RangeSpec } from "../spec.d.ts" */

/**
 * A range in the unit that is shown.
 * @typedef {object} Range
 * @property {string} label
 * @property {string} title label with the unit
 * @property {string} unit
 * @property {number} low
 * @property {number} high
 * @property {boolean} log
 * @property {boolean} [whole]
 * @property {boolean} [powers] whether the numbers are exponents of 2
 */

/**
 * A slider or axis of the page's JSON, in the shown unit.
 * @param {RangeSpec & {whole?: boolean}} spec
 * @returns {Range}
 */
export const inUnit = ({ label, unit, low, high, per, log, whole }) => ({
  label,
  unit,
  low: low / per,
  high: high / per,
  log,
  whole,
  title: withUnit(label, unit && `(${unit})`),
});

/**
 * The value at a share of a range.
 * @param {Pick<Range, "low" | "high" | "log">} range
 * @param {number} share
 */
export const atShare = ({ low, high, log }, share) =>
  log ? low * (high / low) ** share : low * (1 - share) + high * share; // zero where it is zero

/**
 * Points along a range, evenly or in equal ratios.
 * @param {Pick<Range, "low" | "high" | "log">} range
 * @param {number} count
 */
export const along = (range, count) =>
  Array.from({ length: count }, (_, index) =>
    index === count - 1 ? range.high : atShare(range, index / (count - 1)),
  );

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
