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
  const least = `${readable(100 * laws.minUtilization, 1)} %`;
  if (end.ended === "clusters") {
    return `${next} ends in ${most} on no cluster of which at least ${least} would be used.`;
  }
  return `${next} would use less than ${least} of its GPUs.`;
}

/**
 * Where linear scaling ends, in FLOP: the utilization at the deadline falls through the threshold there,
 * interpolated between runs; of several crossings the geometric mean of the first and the last. Undefined if
 * the runs were never above it, or always.
 * @param {number[]} flop of each run
 * @param {number[]} utilization of each run, at the deadline
 * @param {number} threshold
 * @returns {number | undefined}
 */
export function linearScaling(flop, utilization, threshold) {
  const above = utilization.map((share) => share - threshold);
  if (!(above[0] > 0)) return undefined;
  const crossings = above.flatMap((here, i) => {
    const next = above[i + 1];
    if (i + 1 === above.length || here > 0 === next > 0) return [];
    return [flop[i] * (flop[i + 1] / flop[i]) ** (here / (here - next))];
  });
  const [first, last] = [crossings[0], crossings[crossings.length - 1]];
  return crossings.length ? Math.sqrt(first * last) : undefined;
}
