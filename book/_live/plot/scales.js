// From numbers to pixels: scales, and where their ticks are.

import { scaleLinear, scaleLog } from "d3-scale";

import { readable, superscript } from "../numbers.js";

/** @import { ScaleContinuousNumeric } from "d3-scale" */
/** @import { Range } from "../page/range.js" */

/** @typedef {ScaleContinuousNumeric<number, number>} Scale */

/**
 * Where the ticks of a scale are, and what they say.
 * @typedef {object} Ticks
 * @property {number[]} values
 * @property {(value: number) => string} text
 */

/**
 * @param {Range} range
 * @returns {Scale}
 */
export const makeScale = ({ low, high, log }) =>
  (log ? scaleLog() : scaleLinear()).domain([low, high]);

/**
 * The ticks of a scale; `room` is how many fit.
 * @param {Scale} scale
 * @param {Range} range
 * @param {number} room
 * @returns {Ticks}
 */
export function ticks(scale, { low, high, log, powers }, room) {
  if (!log) return evenTicks(scale.ticks(room), powers);
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
  return {
    values,
    text: (value) =>
      plain && value >= 1e-3 && value < 1e6
        ? readable(value, 1)
        : `10${superscript(Math.round(Math.log10(value)))}`,
  };
}

/**
 * @param {number[]} values
 * @param {boolean} [powers]
 * @returns {Ticks}
 */
function evenTicks(values, powers) {
  if (powers) {
    return { values: values.filter(Number.isInteger), text: (value) => `2${superscript(value)}` };
  }
  const most = Math.max(...values.map(Math.abs));
  return {
    values,
    text: (value) => (most < 1e4 ? String(value).replace("-", "−") : readable(value, 3)),
  };
}
