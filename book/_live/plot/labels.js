// Names in a picture: each stands where it covers least.

import { FONT_SIZE } from "./axes.js";

/** @import { Frame, Group } from "./axes.js" */
/** @import { Point } from "./lines.js" */
/** @import { Place } from "./places.js" */

/** @typedef {[left: number, top: number, right: number, bottom: number]} Box in pixels */

/**
 * A name that wants a place. `key` is the same whenever it is drawn; `most` is what a place may cost.
 * @typedef {object} Name
 * @property {string} key
 * @property {string} label
 * @property {string} color
 * @property {Place[]} places
 * @property {number} [most]
 */

/** What it costs a name to lie on another. */
export const COVERED = 60;
const ON_LINE = 4; // and on each point of a line,
const OUTSIDE = 10; // for each pixel outside the frame,
const MOVED = 1.5; // and not to keep the place that it had

export class Labels {
  /**
   * @param {Group} group
   * @param {(text: string) => number} textWidth
   */
  constructor(group, textWidth) {
    this.group = group;
    this.textWidth = textWidth;
    /** @type {Map<string, string>} */
    this.kept = new Map();
  }

  /**
   * Draw names, the first ones first; none for those without a place.
   * @param {Name[]} names
   * @param {Frame} frame
   * @param {Box[]} taken what names may not cover
   * @param {Point[]} obstacles what they had better not cover
   */
  draw(names, frame, taken, obstacles) {
    const filled = [...taken];
    const texts = names.flatMap((name) => {
      const found = name.label && this.place(name, frame, filled, obstacles);
      if (!found) return [];
      this.kept.set(name.key, found.id);
      filled.push(found.box);
      return [{ ...found, label: name.label, color: name.color }];
    });
    this.group
      .selectAll("text")
      .data(texts)
      .join("text")
      .attr("class", "dm-label")
      .attr("x", (text) => text.x)
      .attr("y", (text) => text.y)
      .attr("text-anchor", (text) => text.anchor)
      .attr("fill", (text) => text.color)
      .text((text) => text.label);
  }

  /**
   * The place that covers least, if it costs less than `most`.
   * @param {Name} name
   * @param {Frame} frame
   * @param {Box[]} taken
   * @param {Point[]} obstacles
   */
  place({ key, label, places, most = Infinity }, frame, taken, obstacles) {
    const width = this.textWidth(label);
    let best;
    let least = most;
    for (const place of places) {
      const box = boxOf(place, width);
      let cost = place.cost + OUTSIDE * outside(box, frame);
      if (this.kept.get(key) === place.id) cost -= MOVED;
      for (const other of taken) if (overlap(box, other)) cost += COVERED;
      for (const point of obstacles) if (holds(box, point)) cost += ON_LINE;
      if (cost < least) {
        best = { ...place, box };
        least = cost;
      }
    }
    return best;
  }
}

/**
 * The box of a text.
 * @param {Place} place
 * @param {number} width
 * @returns {Box}
 */
function boxOf({ x, y, anchor }, width) {
  const start = anchor === "end" ? x - width : anchor === "middle" ? x - width / 2 : x;
  return [start - 2, y - FONT_SIZE, start + width + 2, y + 4];
}

/**
 * By how much a box is outside the frame; to the right a little of it may be.
 * @param {Box} box
 * @param {Frame} frame
 */
const outside = (box, { left, right, top, bottom }) =>
  Math.max(0, left - box[0]) +
  Math.max(0, box[2] - right - 10) +
  Math.max(0, top - box[1]) +
  Math.max(0, box[3] - bottom);

/**
 * @param {Box} a
 * @param {Box} b
 */
const overlap = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

/**
 * @param {Box} box
 * @param {Point} point
 */
const holds = (box, [x, y]) => x > box[0] && x < box[2] && y > box[1] && y < box[3];
