// Curves that the reader keeps, to compare clusters: their names, what differs between them, and results.

import { shown } from "../numbers.js";
import { element } from "../page/element.js";
import { tableOf } from "../page/table.js";
import { color } from "../plot/color.js";

/** @import { Frame } from "../kind.d.ts" */
/** @import { Series, Value } from "../runs/series.js" */

const MOST = 5; // with the curve under the hand there are six, as there are colors

/**
 * A curve, what its settings are, in words, and the numbers that are told of it.
 * @typedef {object} Curve
 * @property {string} name
 * @property {Series} series
 * @property {[string, string][]} told
 * @property {Value[]} results
 */

/**
 * @param {Frame} frame
 * @param {string[]} heads of the results
 * @param {() => boolean} settled whether the curve under the reader's hand is complete
 * @param {() => Curve} now that curve
 */
export function keptCurves(frame, heads, settled, now) {
  /** @type {Curve[]} */
  let kept = [];
  let filled = "";
  const body = element("div", {
    class: "dm-table dm-kept",
    tabindex: 0,
    role: "region",
    "aria-label": "Curves that are kept",
    hidden: true,
  });
  const button = element(
    "button",
    {
      type: "button",
      click: () => {
        kept.push(now());
        frame.changed(null);
      },
    },
    "Keep this curve",
  );

  /** @param {Curve} curve */
  const named = (curve) =>
    element("input", {
      type: "text",
      value: curve.name,
      "aria-label": "Name of the curve",
      change: ({ target }) => {
        curve.name = target.value || curve.name;
        frame.changed(null);
      },
    });
  /** @param {Curve} curve */
  const drop = (curve) =>
    element(
      "button",
      {
        type: "button",
        "aria-label": `Drop ${curve.name}`,
        click: () => {
          kept = kept.filter((each) => each !== curve);
          frame.changed(null);
        },
      },
      "Drop",
    );

  function fill() {
    button.disabled = !settled() || kept.length >= MOST;
    body.hidden = kept.length === 0;
    if (body.hidden) return;
    const current = settled() ? now() : undefined;
    const all = current ? [...kept, current] : kept;
    const question = JSON.stringify(all.map(({ name, told, results }) => [name, told, results]));
    if (question === filled) return;
    filled = question;
    const labels = [...new Set(all.flatMap(({ told }) => told.map(([label]) => label)))];
    /** @type {(curve: Curve, label: string) => string} */
    const value = (curve, label) =>
      curve.told.find(([name]) => name === label)?.[1] ?? "as the GPU has it";
    const differ = labels.filter((label) => new Set(all.map((one) => value(one, label))).size > 1);
    const rows = all.map((curve) => [
      curve === current ? `now: ${curve.name}` : named(curve),
      ...differ.map((label) => value(curve, label)),
      ...curve.results.map((result) => (typeof result === "number" ? shown(result) : result)),
      curve === current ? "" : drop(curve),
    ]);
    body.replaceChildren(tableOf(["curve", ...differ, ...heads, ""], rows));
  }

  return {
    button,
    body,
    draw: fill,
    /** The curves with a color each. */
    lines: () => kept.map(({ name, series }, index) => ({ name, series, color: color(index + 1) })),
    reset() {
      kept = [];
    },
  };
}
