// Runs as a file of comma-separated values.

/** @import { Value } from "./series.js" */

/**
 * A value with all its digits, quoted where it must be.
 * @param {Value} value
 */
function field(value) {
  if (typeof value === "number" && Number.isInteger(value)) return String(BigInt(value));
  const text = String(value);
  return /[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

/**
 * The file of some rows, the first of which are the headings.
 * @param {Value[][]} rows
 */
export const csv = (rows) => rows.map((row) => row.map(field).join(",") + "\n").join("");
