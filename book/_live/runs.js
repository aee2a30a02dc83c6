// What a figure of simulated runs shows: lines, one run read off, degrees stacked below, table, download.

import { download, element, inUnit, readoutList, sliderRow, withUnit } from "./elements.js";
import { readable, short } from "./numbers.js";
import { color, Plot } from "./plot.js";

/** A column's values; a column of texts stands in the page as its different texts and their places. */
const unpacked = (column) =>
  Array.isArray(column) ? column : column.places.map((place) => column.texts[place]);

/** Runs of the page's JSON: values of each column, the facts of them all, and why there are no more. */
export const unpack = (series) => ({ ...series, columns: series.columns.map(unpacked) });

/** A value in a file of comma-separated ones: whole numbers with all their digits. */
function field(value) {
  if (Number.isInteger(value)) return String(BigInt(value));
  const text = String(value);
  return /[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

/**
 * The view of runs. `current()` are those to read off; `settings()` is what the download tells of them, as
 * pairs of name and value.
 */
export function runsView(spec, frame, { current, settings }) {
  const { columns, facts, mix } = spec;
  const x = inUnit(spec.x);
  const y = inUnit(spec.y);
  const number = (name) => columns.findIndex((column) => column.name === name);
  const [xColumn, yColumn] = [number(spec.xColumn), number(spec.yColumn)];
  const shown = (series, column) =>
    series.columns[column].map((value) => value / columns[column].per);
  const place = (value) => (x.log ? Math.log(value) : value);
  const atStart = spec.start / spec.x.per;

  let wanted = atStart;
  const slider = sliderRow(x, frame.id("x"), (value) => {
    wanted = value;
    frame.changed("x");
  });
  const plot = new Plot(frame.stage, frame.id("plot"), x, y);
  const stacked = mix && makeMix();
  const words = element("p", { class: "dm-nearest" });
  const whole = readoutList([{ label: spec.endLabel, unit: x.unit }, ...facts]);
  const run = readoutList(columns.filter((column) => column.shown));
  frame.stage.append(frame.line, whole.list, words, run.list);

  function makeMix() {
    const parts = mix.columns.map(number);
    const size = (value) => (mix.powers ? Math.log2(value) : value);
    const axis = { label: mix.title, title: mix.title, low: 0, high: mix.high, powers: mix.powers };
    const shape = { shape: 0.42, least: 190, most: 250 };
    return { parts, size, plot: new Plot(frame.stage, frame.id("mix"), x, axis, shape) };
  }

  /** The run nearest to a place on the x axis, as a row; -1 without runs. */
  function nearest(series, at) {
    const xs = shown(series, xColumn);
    const far = (value) => Math.abs(place(value) - place(at));
    return xs.reduce(
      (best, value, row) => (best < 0 || far(value) < far(xs[best]) ? row : best),
      -1,
    );
  }

  function story(series, row) {
    const tell = (value) => withUnit(short(value), x.unit);
    if (row < 0) return `No run of this kind ends in time. ${series.note}`.trim();
    const xs = shown(series, xColumn);
    const first = Math.min(...xs);
    const last = Math.max(...xs);
    const taken = `Shown is the run of ${tell(xs[row])}.`;
    if (Math.abs(xs[row] / wanted - 1) < 1e-9) return taken;
    if (wanted > last) {
      const why = series.note ? ` ${series.note}` : "";
      return `${tell(wanted)} is beyond the largest run that was simulated.${why} ${taken}`;
    }
    if (wanted < first)
      return `${tell(wanted)} is below the smallest run that was simulated. ${taken}`;
    const below = Math.max(...xs.filter((value) => value <= wanted));
    const above = Math.min(...xs.filter((value) => value >= wanted));
    return (
      `${tell(wanted)} lies between two runs that were simulated, ${short(below)} and ` +
      `${tell(above)}. ${taken}`
    );
  }

  const cell = (series, row, column) => {
    const value = series.columns[column][row];
    return typeof value === "number" ? value / columns[column].per : value;
  };
  const ends = (series) => [
    series.columns[xColumn].length ? Math.max(...shown(series, xColumn)) : "none",
    ...series.facts.map((fact, index) => (fact === null ? "none" : fact / facts[index].per)),
  ];
  const shownColumns = columns.map((_, index) => index).filter((index) => columns[index].shown);
  const found = (series, row) =>
    shownColumns.map((column) => (row < 0 ? "none" : cell(series, row, column)));

  const atShare = (share) =>
    x.log ? x.low * (x.high / x.low) ** share : x.low + (x.high - x.low) * share;
  for (const each of [plot, stacked?.plot]) {
    each?.follow(
      (share) => {
        const series = current();
        const row = share === undefined ? -1 : nearest(series, atShare(share));
        frame.reading(
          row < 0
            ? ""
            : [xColumn, ...shownColumns.filter((column) => column !== xColumn)]
                .slice(0, 4)
                .map((column) => {
                  const value = cell(series, row, column);
                  const text = typeof value === "number" ? readable(value) : value;
                  return withUnit(`${columns[column].label} ${text}`, columns[column].unit);
                })
                .join(", "),
        );
      },
      (share) => {
        wanted = shown(current(), xColumn)[nearest(current(), atShare(share))] ?? wanted;
        frame.changed();
      },
    );
  }

  function csv() {
    const series = current();
    const told = settings();
    const head = [...told.map(([name]) => name), ...columns.map((column) => column.name)];
    const fixed = told.map(([, value]) => value);
    const rows = series.columns[0].map((_, row) => [
      ...fixed,
      ...series.columns.map((values) => values[row]),
    ]);
    return [head, ...rows].map((row) => row.map(field).join(",") + "\n").join("");
  }
  const save = element(
    "button",
    { type: "button", click: () => download(`${spec.name}.csv`, csv(), "text/csv") },
    "Download CSV",
  );

  function drawMix(series, xs, at) {
    let below = xs.map(() => 0);
    const bands = stacked.parts.map((part, index) => {
      const above = below;
      below = above.map((sum, at) => sum + stacked.size(series.columns[part][at]));
      return {
        xs,
        above,
        below,
        label: columns[part].label,
        color: color(spec.mix.colors?.[index] ?? index),
        opacity: 0.32,
        steps: true,
      };
    });
    stacked.plot.draw({ lines: [], bands, marks: [] });
    stacked.plot.point(at);
  }

  return {
    slider: slider.row,
    buttons: [save],
    /** A line of runs, as `draw` takes them; `looks` are its name, color and whether it is faint. */
    line: (series, looks) => ({ xs: shown(series, xColumn), ys: shown(series, yColumn), ...looks }),
    /** Draw lines, and the current runs with points in the color of theirs. */
    draw(lines, shade, moved) {
      if (moved !== "x" && moved !== null) slider.show(wanted);
      const series = current();
      const [xs, ys] = [shown(series, xColumn), shown(series, yColumn)];
      const row = nearest(series, wanted);
      const points = xs.map((at, index) => ({ x: at, y: ys[index], color: shade, size: 2.2 }));
      plot.draw({ lines, bands: [], marks: points });
      const at = row < 0 ? undefined : xs[row];
      plot.point(at, [{ y: ys[row], color: shade }]);
      if (stacked) drawMix(series, xs, at);
      words.textContent = story(series, row);
      whole.show(ends(series));
      run.show(found(series, row));
    },
    words() {
      const series = current();
      const read = found(series, nearest(series, wanted));
      return [whole.words(ends(series)), words.textContent, run.words(read)].join(". ");
    },
    describe(text) {
      plot.describe(text);
      stacked?.plot.describe(`${mix.title}. ${mix.alt}`);
    },
    keep(kept) {
      if (wanted !== atStart) kept.set("x", String(wanted));
      return kept;
    },
    reset: () => (wanted = atStart),
    apply(settings) {
      const value = Number(settings.get("x"));
      wanted = value > 0 ? Math.min(Math.max(value, x.low), x.high) : atStart;
    },
    table() {
      const series = current();
      return {
        head: columns.map((column) => withUnit(column.label, column.unit && `(${column.unit})`)),
        rows: series.columns[0].map((_, row) =>
          columns.map((_, column) => {
            const value = cell(series, row, column);
            return typeof value === "number" ? readable(value, 4) : value;
          }),
        ),
      };
    },
  };
}
