// A figure whose lines are expressions of its sliders: it computes them again at each change.

import { makeControls, numbers } from "./controls.js";
import { readable } from "./numbers.js";
import { along, inUnit } from "./page/range.js";
import { readoutList } from "./page/readouts.js";
import { withUnit } from "./page/words.js";
import { color } from "./plot/color.js";
import { Plot } from "./plot/plot.js";

/** @import { Values } from "./controls.js" */
/** @import { Frame, Kind } from "./kind.d.ts" */
/** @import { Band } from "./plot/bands.js" */
/** @import { Line } from "./plot/lines.js" */
/** @import { BandSpec, ExpressionSpec, ExpressionsSpec } from "./spec.d.ts" */

/** An expression that can be computed. @typedef {{symbols: string[], call: Function}} Compiled */

/**
 * @param {ExpressionSpec} expression
 * @returns {Compiled}
 */
const compiled = ({ symbols, js }) => ({
  symbols,
  call: new Function(...symbols, `"use strict"; return ${js};`),
});

/**
 * The value of an expression.
 * @param {Compiled} expression
 * @param {Values} values
 * @returns {number}
 */
const evaluate = ({ symbols, call }, values) => call(...symbols.map((name) => values[name]));

/**
 * The values of an expression along x.
 * @param {Compiled} expression
 * @param {Values} values
 * @param {string} symbol that of x
 * @param {number[]} xs
 * @returns {number[]}
 */
function evaluateAlong({ symbols, call }, values, symbol, xs) {
  const where = symbols.indexOf(symbol);
  const given = symbols.map((name) => values[name]);
  return xs.map((value) => {
    if (where >= 0) given[where] = value;
    return call(...given);
  });
}

/**
 * @param {ExpressionsSpec} spec
 * @param {Frame} frame
 * @returns {Kind}
 */
export function expressions(spec, frame) {
  const controls = makeControls(spec.controls, spec.constants, frame);
  const { values } = controls;
  const curves = spec.curves.map((curve, index) => ({
    ...compiled(curve),
    fixed: numbers(curve.fixed),
    looks: {
      label: curve.label,
      dashed: curve.dashed,
      color: color(curve.color ?? index),
      at: 0.75 - (0.3 * index) / Math.max(spec.curves.length - 1, 1),
    },
  }));
  const readouts = spec.readouts.map((readout) => ({ ...readout, ...compiled(readout) }));
  const marks = spec.marks.map((mark) => ({
    ...mark,
    x: mark.x / spec.x.per,
    y: mark.y / spec.y.per,
  }));
  const xs = along(spec.x, spec.points);
  const shownXs = xs.map((x) => x / spec.x.per);
  const x = inUnit(spec.x);
  const y = inUnit(spec.y);

  const list = readoutList(readouts);
  const plot = new Plot(frame.stage, frame.id("plot"), x, y);
  frame.stage.append(frame.line, list.list);

  /**
   * @param {Compiled} expression
   * @param {Values} [fixed]
   */
  const height = (expression, fixed = {}) =>
    evaluateAlong(expression, { ...values, ...fixed }, spec.x.symbol, xs).map(
      (value) => value / spec.y.per,
    );

  /**
   * What draws a band.
   * @param {BandSpec} band
   * @param {number} index
   * @returns {() => Band}
   */
  function makeBand({ label, vertical, color: own, above, below }, index) {
    const looks = { label, color: color(own ?? 5 - (index % 6)) };
    const [over, under] = [above && compiled(above), below && compiled(below)];
    if (vertical) {
      /** @param {Compiled} edge */
      const place = (edge) => evaluate(edge, values) / spec.x.per;
      return () => ({ ...looks, vertical, from: over && place(over), to: under && place(under) });
    }
    return () => ({
      ...looks,
      vertical,
      xs: shownXs,
      above: over && height(over),
      below: under && height(under),
    });
  }
  const bands = spec.bands.map(makeBand);

  /** @type {Line[]} */
  let drawn = [];
  const read = () => readouts.map((readout) => evaluate(readout, values) / readout.per);
  plot.follow((share) => {
    if (share === undefined) {
      plot.point();
      frame.reading("");
      return "";
    }
    const index = Math.round(share * (xs.length - 1));
    const points = drawn.map((line) => ({ ...line, y: line.ys[index] }));
    plot.point(shownXs[index], points);
    const told = points
      .filter((point) => Number.isFinite(point.y))
      .map((point) => `${point.label} ${withUnit(readable(point.y), y.unit)}`);
    const words = `At ${withUnit(readable(shownXs[index]), x.unit)}: ${told.join(", ")}`;
    frame.reading(words);
    return words;
  });

  return {
    rows: controls.rows,
    draw(moved) {
      controls.show(moved);
      drawn = curves.map(({ fixed, looks, ...curve }) => ({
        ...looks,
        xs: shownXs,
        ys: height(curve, fixed),
      }));
      plot.draw({ lines: drawn, bands: bands.map((band) => band()), marks });
      plot.point();
      list.show(read());
    },
    words: () => list.words(read()),
    told: controls.told,
    brief: () => list.words(read()).slice(0, 2),
    describe: (words) => plot.describe(words),
    settings: controls.settings,
    reset: controls.reset,
    apply: controls.apply,
    table() {
      const every = xs.map((_, index) => index).filter((index) => index % 10 === 0);
      return {
        head: [x.title, ...drawn.map((line) => withUnit(line.label, y.unit && `(${y.unit})`))],
        rows: every.map((index) => [
          readable(shownXs[index], 3),
          ...drawn.map((line) => readable(line.ys[index], 4)),
        ]),
      };
    },
  };
}
