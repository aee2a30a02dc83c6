// Columns of runs stacked below the figure: such as degrees of parallelism.

import { shown } from "../numbers.js";
import { color } from "../plot/color.js";
import { Plot } from "../plot/plot.js";

/** @import { Frame } from "../kind.d.ts" */
/** @import { Range } from "../page/range.js" */
/** @import { Band } from "../plot/bands.js" */
/** @import { ColumnSpec, MixSpec } from "../spec.d.ts" */
/** @import { Series } from "./series.js" */

/**
 * @param {MixSpec} mix
 * @param {ColumnSpec[]} columns
 * @param {Range} x
 * @param {Frame} frame
 */
export function stack(mix, columns, x, frame) {
  const { title, alt, colors, powers, high } = mix;
  const parts = mix.columns.map((name) => columns.findIndex((column) => column.name === name));
  const y = { label: title, title, unit: "", low: 0, high, log: false, powers };
  const shape = { shape: 0.42, least: 190, most: 250 };
  const plot = new Plot(frame.stage, frame.id("mix"), x, y, shape);
  return {
    plot,
    /**
     * @param {Series} series
     * @param {number} row the run that is shown; -1 for none
     */
    describe(series, row) {
      const read = parts.map(
        (part) => `${columns[part].label} ${shown(Number(series.columns[part][row]))}`,
      );
      plot.describe(`${title}. ${alt}${row < 0 ? "" : `. Of the run shown: ${read.join(", ")}`}`);
    },
    /**
     * Draw runs at their places on the x axis, with a rule at one of them.
     * @param {Series} series
     * @param {number[]} xs
     * @param {number} [at]
     */
    draw(series, xs, at) {
      let below = xs.map(() => 0);
      const bands = parts.map((part, index) => {
        const above = below;
        below = above.map((sum, row) => {
          const value = Number(series.columns[part][row]);
          return sum + (powers ? Math.log2(value) : value);
        });
        /** @type {Band} */
        const band = {
          label: columns[part].label,
          color: color(colors[index] ?? index),
          opacity: 0.32,
          steps: true,
          vertical: false,
          xs,
          above,
          below,
        };
        return band;
      });
      plot.draw({ lines: [], bands, marks: [] });
      plot.point(at);
    },
  };
}
