// Which run is shown for the compute that the reader asks for, in words.

import { short } from "../numbers.js";
import { withUnit } from "../page/words.js";

/**
 * @param {number[]} xs the x of each run
 * @param {number} row the run that is shown; -1 for none
 * @param {number} wanted the x that was asked for
 * @param {string} unit
 * @param {string} note why there are no more runs
 */
export function story(xs, row, wanted, unit, note) {
  /** @param {number} value */
  const tell = (value) => withUnit(short(value), unit);
  if (row < 0) return `No run of this kind ends in time. ${note}`.trim();
  const first = Math.min(...xs);
  const last = Math.max(...xs);
  const taken = `Shown is the run of ${tell(xs[row])}.`;
  if (Math.abs(xs[row] / wanted - 1) < 1e-9) return taken;
  if (wanted > last) {
    const why = note ? ` ${note}` : "";
    return `${tell(wanted)} is beyond the largest run that was simulated.${why} ${taken}`;
  }
  if (wanted < first) {
    return `${tell(wanted)} is below the smallest run that was simulated. ${taken}`;
  }
  const below = Math.max(...xs.filter((value) => value <= wanted));
  const above = Math.min(...xs.filter((value) => value >= wanted));
  return (
    `${tell(wanted)} lies between two runs that were simulated, ${short(below)} and ` +
    `${tell(above)}. ${taken}`
  );
}
