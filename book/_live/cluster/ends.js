// Where a sweep ends, and where its linear scaling does.

import { readable, short } from "../numbers.js";
import { withUnit } from "../page/words.js";

/** @import { Ended } from "../messages.d.ts" */
/** @import { LawsSpec } from "../spec.d.ts" */

/**
 * Why there are no more runs, as a sentence.
 * @param {Ended} end
 * @param {number} months the longest that a run may take
 * @param {LawsSpec} laws
 */
export function whyItEnds(end, months, laws) {
  if (!end.ended) return "The widths of the sweep end there.";
  const most = withUnit(short(months), months === 1 ? "month" : "months");
  const next = `The next model, ${short(end.width)} wide,`;
  if (end.ended === "latency") {
    const needs = readable(end.least / laws.monthSeconds, 3);
    return `${next} takes ${needs} months for the latency of its matrix products alone.`;
  }
  if (end.ended === "clusters") return `${next} ends in ${most} on no cluster, however large.`;
  return `${next} would use less than ${readable(100 * laws.minUtilization, 1)} % of its GPUs.`;
}

/**
 * The first run that uses at most the threshold of the useful rate, and the last above it, in FLOP;
 * neither if the runs were never above it, or always.
 * @param {number[]} flop of each run
 * @param {number[]} utilization of each run
 * @param {number} threshold
 * @returns {Record<string, number | undefined>}
 */
export function linearScaling(flop, utilization, threshold) {
  const below = utilization.map((share) => share <= threshold);
  if (below[0] || !below.includes(true)) return {};
  return { linear_end: flop[below.indexOf(true)], last_linear: flop[below.lastIndexOf(false)] };
}
