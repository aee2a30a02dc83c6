// What a figure of simulated runs shows: lines, one run read off, degrees stacked below, table, download.

import { shown as exact, readable } from "../numbers.js";
import { element } from "../page/element.js";
import { download } from "../page/hand_over.js";
import { atShare, clamp, inUnit } from "../page/range.js";
import { readoutList } from "../page/readouts.js";
import { sliderRow } from "../page/slider.js";
import { withUnit } from "../page/words.js";
import { Plot } from "../plot/plot.js";
import { csv } from "./csv.js";
import { stack } from "./mix.js";
import { story } from "./story.js";

/** @import { Frame, Moved, Rows } from "../kind.d.ts" */
/** @import { Line } from "../plot/lines.js" */
/** @import { Share } from "../plot/pointer.js" */
/** @import { RunsSpec } from "../spec.d.ts" */
/** @import { Series, Value } from "./series.js" */

/**
 * The view of runs. `current()` are those to read off; `settings()` is what the download tells of them,
 * as pairs of name and value.
 * @param {RunsSpec} spec
 * @param {Frame} frame
 * With `fits` the x axis ends with the decade of the last run, and not with the range that can be asked for.
 * @param {{current: () => Series, settings: () => [string, Value][], fits?: boolean}} of
 */
export function runsView(spec, frame, { current, settings, fits = false }) {
  const { columns, facts, mix } = spec;
  const x = inUnit(spec.x);
  const y = inUnit(spec.y);
  /** @param {string} name */
  const number = (name) => columns.findIndex((column) => column.name === name);
  const [xColumn, yColumn] = [number(spec.xColumn), number(spec.yColumn)];
  const shownColumns = columns.flatMap((column, index) => (column.shown ? [index] : []));
  const atStart = spec.start / spec.x.per;

  let wanted = atStart;
  const slider = sliderRow(x, frame.id("x"), (value) => {
    wanted = value;
    frame.changed("x");
  });
  const plot = new Plot(frame.stage, frame.id("plot"), x, y);
  const stacked = mix && stack(mix, columns, x, frame);
  const words = element("p", { class: "dm-nearest" });
  const whole = readoutList([{ label: spec.endLabel, unit: x.unit }, ...facts]);
  const run = readoutList(shownColumns.map((column) => columns[column]));
  frame.stage.append(frame.line, whole.list, words, run.list);

  // -------------------------------------------------------------------- values in the shown unit

  /**
   * @param {Series} series
   * @param {number} column of numbers
   */
  const shown = (series, column) =>
    series.columns[column].map((value) => Number(value) / columns[column].per);
  /**
   * @param {Series} series
   * @param {number} row
   * @param {number} column
   */
  function cell(series, row, column) {
    const value = series.columns[column][row];
    return typeof value === "number" ? value / columns[column].per : value;
  }
  /** @param {number} value */
  const place = (value) => (x.log ? Math.log(value) : value);
  /**
   * The run nearest to a place on the x axis, as a row; -1 without runs.
   * @param {Series} series
   * @param {number} at
   */
  function nearest(series, at) {
    const xs = shown(series, xColumn);
    /** @param {number} value */
    const far = (value) => Math.abs(place(value) - place(at));
    return xs.reduce(
      (best, value, row) => (best < 0 || far(value) < far(xs[best]) ? row : best),
      -1,
    );
  }
  /** @param {Series} series */
  const ends = (series) => [
    series.columns[xColumn].length ? Math.max(...shown(series, xColumn)) : "none",
    ...series.facts.map((fact, index) => (fact === null ? "none" : fact / facts[index].per)),
  ];
  /**
   * @param {Series} series
   * @param {number} row
   */
  const found = (series, row) =>
    shownColumns.map((column) => (row < 0 ? "none" : cell(series, row, column)));

  // -------------------------------------------------------------------------------- the pointer

  const told = [xColumn, ...shownColumns.filter((column) => column !== xColumn)].slice(0, 4);
  /** @param {Share} share */
  function report(share) {
    const series = current();
    const row = share === undefined ? -1 : nearest(series, atShare(plot.x, share));
    if (row < 0) {
      frame.reading("");
      return;
    }
    const texts = told.map((column) => {
      const value = cell(series, row, column);
      const text = typeof value === "number" ? readable(value) : value;
      return withUnit(`${columns[column].label} ${text}`, columns[column].unit);
    });
    frame.reading(texts.join(", "));
  }
  /** @param {number} share */
  function pick(share) {
    wanted = shown(current(), xColumn)[nearest(current(), atShare(plot.x, share))] ?? wanted;
    frame.changed();
  }
  plot.followPointer(report, pick);
  stacked?.plot.followPointer(report, pick);

  // ------------------------------------------------------------------------------- the download

  function file() {
    const series = current();
    // A sweep that is still under way has other settings than the runs that are shown.
    const of = [...(series.settings ?? settings()), ["dmcore", DMCORE_VERSION]];
    const taken = new Set(columns.map((column) => column.name));
    const head = [
      ...of.map(([name]) => (taken.has(name) ? `${name}_allowed` : name)),
      ...columns.map((column) => column.name),
    ];
    const fixed = of.map(([, value]) => value);
    const rows = series.columns[0].map((_, row) => [
      ...fixed,
      ...series.columns.map((values) => values[row]),
    ]);
    return csv([head, ...rows]);
  }
  const save = element(
    "button",
    { type: "button", click: () => download(`${spec.name}.csv`, file(), "text/csv") },
    "Download CSV",
  );

  return {
    slider: slider.row,
    ends,
    buttons: [save],
    /**
     * A line of runs.
     * @param {Series} series
     * @param {Omit<Line, "xs" | "ys">} looks
     * @returns {Line}
     */
    line: (series, looks) => ({
      xs: shown(series, xColumn),
      ys: shown(series, yColumn),
      ...looks,
    }),
    /**
     * Draw lines, and the current runs with points in the color of theirs.
     * @param {Line[]} lines
     * @param {string} color
     * @param {Moved} moved
     */
    draw(lines, color, moved) {
      if (moved !== "x" && moved !== null) slider.show(wanted);
      const series = current();
      const [xs, ys] = [shown(series, xColumn), shown(series, yColumn)];
      const row = nearest(series, wanted);
      if (fits) {
        const last = Math.max(10 * x.low, ...lines.flatMap((line) => line.xs));
        const high = 10 ** Math.ceil(Math.log10(last) - 1e-9);
        plot.endX(high);
        stacked?.plot.endX(high);
      }
      const marks = xs.map((at, index) => ({ x: at, y: ys[index], color, size: 2.2 }));
      plot.draw({ lines, bands: [], marks });
      const at = row < 0 ? undefined : xs[row];
      plot.point(at, [{ y: ys[row], color }]);
      stacked?.draw(series, xs, at);
      words.textContent = story(xs, row, wanted, x.unit, series.note);
      whole.show(ends(series));
      run.show(found(series, row));
    },
    words() {
      const series = current();
      const read = found(series, nearest(series, wanted));
      return [words.textContent ?? "", ...whole.words(ends(series)), ...run.words(read)];
    },
    brief() {
      const series = current();
      return run.words(found(series, nearest(series, wanted))).slice(0, 3);
    },
    /** @param {string} text */
    describe(text) {
      plot.describe(text);
      stacked?.describe(current(), nearest(current(), wanted));
    },
    /** @param {URLSearchParams} kept */
    keep(kept) {
      if (wanted !== atStart) kept.set("x", String(wanted));
      return kept;
    },
    reset() {
      wanted = atStart;
    },
    /** @param {URLSearchParams} given */
    apply(given) {
      const value = Number(given.get("x"));
      wanted = value > 0 ? clamp(value, x.low, x.high) : atStart;
    },
    /** @returns {Rows} */
    table() {
      const series = current();
      return {
        head: columns.map((column) => withUnit(column.label, column.unit && `(${column.unit})`)),
        rows: series.columns[0].map((_, row) =>
          columns.map((_each, column) => {
            const value = cell(series, row, column);
            return typeof value === "number" ? exact(value) : value;
          }),
        ),
      };
    },
  };
}
