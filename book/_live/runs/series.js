// Runs of one sweep, as columns.

/** @import { PackedColumn, SeriesSpec } from "../spec.d.ts" */

/** A number, or a text such as what binds a run. @typedef {number | string} Value */

/**
 * Runs in order along x: values of each column, a number for each fact, and why there are no more.
 * @typedef {object} Series
 * @property {Value[][]} columns
 * @property {(number | null)[]} facts
 * @property {string} note
 * @property {[string, Value][]} [settings] of the sweep, if they may change before it is replaced
 */

/**
 * A column's values; one of texts stands in the page as its different texts and their places.
 * @param {PackedColumn} column
 * @returns {Value[]}
 */
const unpacked = (column) =>
  Array.isArray(column) ? column : column.places.map((place) => column.texts[place]);

/**
 * Runs of the page's JSON.
 * @param {SeriesSpec} series
 * @returns {Series}
 */
export const unpack = ({ columns, facts, note }) => ({
  columns: columns.map(unpacked),
  facts,
  note,
});
