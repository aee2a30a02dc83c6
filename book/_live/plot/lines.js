// Lines and points.

import { line } from "d3-shape";

/** @import { Frame, Group } from "./axes.js" */

/** @typedef {[x: number, y: number]} Point in pixels */

/**
 * A line of a scene, in the shown units; `at` is the share of it where its name stands.
 * @typedef {object} Line
 * @property {number[]} xs
 * @property {number[]} ys
 * @property {string} label
 * @property {string} color
 * @property {number} at
 * @property {boolean} [faint]
 * @property {boolean} [dashed]
 */

/**
 * A point of a scene, in the shown units.
 * @typedef {object} Mark
 * @property {number} x
 * @property {number} y
 * @property {string} [label]
 * @property {string} [color]
 * @property {number} [size]
 */

/**
 * @param {Group} group
 * @param {(Line & {points: Point[]})[]} lines
 */
export function drawLines(group, lines) {
  const path = line().defined(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  group
    .selectAll("path")
    .data(lines)
    .join("path")
    .attr("d", (each) => path(each.points))
    .attr("class", (each) => (each.faint ? "dm-line dm-faint" : "dm-line"))
    .attr("stroke", (each) => each.color)
    .attr("stroke-dasharray", (each) => (each.dashed ? "6 4" : null));
}

/**
 * @param {Group} group
 * @param {(Mark & {at: Point})[]} marks
 */
export function drawMarks(group, marks) {
  group
    .selectAll("circle")
    .data(marks)
    .join("circle")
    .attr("cx", (mark) => mark.at[0])
    .attr("cy", (mark) => mark.at[1])
    .attr("r", (mark) => mark.size ?? 3.5)
    .attr("fill", (mark) => mark.color ?? "currentColor");
}

/**
 * Whether a point lies in the frame, or at most so many pixels beside it.
 * @param {Frame} frame
 * @param {Point} point
 * @param {number} [beside]
 */
export const isInside = ({ left, right, top, bottom }, [x, y], beside = 0) =>
  x >= left - beside && x <= right + beside && y >= top - beside && y <= bottom + beside;

/**
 * The points of a path, with more between them where they are far apart.
 * @param {Point[]} points
 * @returns {Point[]}
 */
export function dense(points) {
  const step = 7;
  return points.flatMap(([x, y], index) => {
    const [nextX, nextY] = points[index + 1] ?? [x, y];
    const count = Math.max(1, Math.ceil(Math.hypot(nextX - x, nextY - y) / step));
    return Array.from(
      { length: count },
      (_, part) =>
        /** @type {Point} */ ([x + ((nextX - x) * part) / count, y + ((nextY - y) * part) / count]),
    );
  });
}
