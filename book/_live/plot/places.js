// Where a name may stand beside what it names, and what each place costs.

/** @import { Edge } from "./bands.js" */
/** @import { Point } from "./lines.js" */

/**
 * A place for a name. `id` tells it from the others of the same name.
 * @typedef {object} Place
 * @property {string} id
 * @property {number} x
 * @property {number} y
 * @property {"start" | "middle" | "end"} anchor
 * @property {number} cost
 */

const LOW = 18; // pixels below which a band has no room for its name

/**
 * Places for a line's name: above or below it, near the wished share of what is seen of it.
 * @param {Point[]} seen
 * @param {number} wished
 * @returns {Place[]}
 */
export function besideLine(seen, wished) {
  if (!seen.length) return [];
  const rising = seen[seen.length - 1][1] < seen[0][1];
  const shares = new Set([wished, ...Array.from({ length: 13 }, (_, index) => index / 12)]);
  return [...shares].flatMap((share) => {
    const [x, y] = seen[Math.round(share * (seen.length - 1))];
    const off = Math.abs(share - wished) * 8;
    const before = /** @type {const} */ ({ x: x - 5, anchor: "end" });
    const after = /** @type {const} */ ({ x: x + 5, anchor: "start" });
    const [above, below] = rising ? [before, after] : [after, before];
    return [
      { id: `${share} above`, ...above, y: y - 6, cost: off },
      { id: `${share} below`, ...below, y: y + 16, cost: off + 3 },
      { id: `${share} over`, x, y: y - 8, anchor: "middle", cost: off + 2 },
    ];
  });
}

/**
 * Places for a point's name.
 * @param {Point} point
 * @returns {Place[]}
 */
export function aroundPoint([x, y]) {
  return [
    { id: "right", x: x + 7, y: y + 4.5, anchor: "start", cost: 0 },
    { id: "left", x: x - 7, y: y + 4.5, anchor: "end", cost: 1 },
    { id: "above", x, y: y - 8, anchor: "middle", cost: 2 },
    { id: "below", x, y: y + 18, anchor: "middle", cost: 3 },
  ];
}

/**
 * Places for a band's name: in its middle where it is high, rather there than elsewhere.
 * @param {Edge[]} shape
 * @returns {Place[]}
 */
export function withinBand(shape) {
  const heights = shape.map(([, low, high]) => low - high);
  const highest = Math.max(0, ...heights.filter(Number.isFinite));
  if (highest < LOW) return [];
  return Array.from({ length: 9 }, (_, index) => index / 8).flatMap((share) => {
    const index = Math.round(share * (shape.length - 1));
    const [x, low, high] = shape[index];
    if (!(heights[index] >= LOW)) return [];
    const anchor = share < 0.35 ? "start" : share > 0.65 ? "end" : "middle";
    const side = { start: 8, middle: 0, end: -8 }[anchor];
    return [0.5, 0.25, 0.75].map((level) => ({
      id: `${share} ${level}`,
      x: x + side,
      y: high + (low - high) * level + 4,
      anchor,
      cost: 3 * (1 - heights[index] / highest) + 4 * Math.abs(level - 0.5),
    }));
  });
}
