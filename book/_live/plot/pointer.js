// Reading values off a picture: with the pointer, or with the keyboard.

import { spoken } from "../numbers.js";
import { clamp } from "../page/range.js";
import { element } from "../page/element.js";

/** @import { Frame, Group } from "./axes.js" */
/** @import { Point } from "./lines.js" */

/** A share of the x axis, or undefined for none. @typedef {number | undefined} Share */

/**
 * Follow the pointer over a picture. `shareAt` tells the share of the x axis at a place in the window.
 * @param {Element} node
 * @param {(clientX: number) => number} shareAt
 * @param {(share: Share) => void} report
 * @param {(share: number) => void} [pick] gets the share of a click
 */
export function followPointer(node, shareAt, report, pick) {
  /** @param {Event} event */
  const share = (event) => {
    const at = shareAt(/** @type {MouseEvent} */ (event).clientX);
    return at > -0.02 && at < 1.02 ? clamp(at, 0, 1) : undefined;
  };
  for (const kind of ["pointermove", "pointerdown"]) {
    node.addEventListener(kind, (event) => report(share(event)));
  }
  // A finger covers what it points at: what it read stays until it comes down elsewhere.
  node.addEventListener("pointerleave", (event) => {
    if (/** @type {PointerEvent} */ (event).pointerType !== "touch") report(undefined);
  });
  addEventListener("pointerdown", ({ target }) => {
    if (!(target instanceof Node && node.contains(target))) report(undefined);
  });
  if (!pick) return;
  node.addEventListener("click", (event) => {
    const at = share(event);
    if (at !== undefined) pick(at);
  });
}

/**
 * A slider along the x axis for who has no pointer, which shows while it has the focus.
 * @param {string} label what runs along the axis
 * @param {(share: Share) => string} report what stands there, in words
 */
export function keyboardReader(label, report) {
  const tell = () =>
    reader.setAttribute("aria-valuetext", spoken(report(Number(reader.value) / 100)));
  const reader = element("input", {
    type: "range",
    class: "dm-reader",
    min: 0,
    max: 100,
    "aria-label": `Read values along ${label}`,
    "aria-valuetext": label,
    focus: tell,
    input: tell,
    blur: () => report(undefined),
  });
  return reader;
}

/**
 * Draw a rule at a place on the x axis, with points on it, or nothing.
 * @param {Group} group
 * @param {Frame} frame
 * @param {number | undefined} at in pixels
 * @param {{at: Point, color: string}[]} points
 */
export function drawRule(group, frame, at, points) {
  if (at === undefined) {
    group.style("display", "none");
    return;
  }
  group.style("display", null);
  group
    .selectAll("line")
    .data([at])
    .join("line")
    .attr("x1", at)
    .attr("x2", at)
    .attr("y1", frame.top)
    .attr("y2", frame.bottom);
  group
    .selectAll("circle")
    .data(points)
    .join("circle")
    .attr("cx", (point) => point.at[0])
    .attr("cy", (point) => point.at[1])
    .attr("r", 4)
    .attr("fill", (point) => point.color)
    .style("display", ({ at: [, y] }) =>
      y >= frame.top - 1 && y <= frame.bottom + 1 ? null : "none",
    );
}
