// A figure of runs that were simulated when the book was built: controls pick among them.

import { download, inUnit, key, menuRow, readoutList, sliderRow, withUnit } from "./elements.js";
import { readable, short } from "./numbers.js";
import { color, Plot } from "./plot.js";

/** A column's values; a column of texts stands in the page as its different texts and their places. */
const unpacked = (column) =>
  Array.isArray(column) ? column : column.places.map((place) => column.texts[place]);

export function grid(spec, frame) {
  const { columns, facts, mix } = spec;
  const x = inUnit(spec.x);
  const y = inUnit(spec.y);
  const number = (name) => columns.findIndex((column) => column.name === name);
  const [xColumn, yColumn] = [number(spec.xColumn), number(spec.yColumn)];
  const menus = spec.menus.map((menu) => ({ ...menu, key: key(menu.label) }));
  const all = new Map(
    spec.series.map((series) => [
      series.choice.join(),
      { ...series, columns: series.columns.map(unpacked) },
    ]),
  );
  const shown = (series, column) =>
    series.columns[column].map((value) => value / columns[column].per);
  const place = (value) => (x.log ? Math.log(value) : value);

  let choice;
  let wanted;
  const start = () => {
    choice = menus.map((menu) => menu.options.indexOf(menu.default));
    wanted = spec.start / spec.x.per;
  };
  start();

  const rows = menus.map((menu, index) =>
    menuRow(menu.label, menu.options, frame.id(menu.key), (option) => {
      choice[index] = menu.options.indexOf(option);
      frame.changed();
    }),
  );
  const slider = sliderRow(x, frame.id("x"), (value) => {
    wanted = value;
    frame.changed("x");
  });
  const plot = new Plot(frame.stage, frame.id("plot"), x, y);
  const stacked = mix && makeMix();
  const words = document.createElement("p");
  words.className = "dm-nearest";
  const whole = readoutList([{ label: spec.endLabel, unit: x.unit }, ...facts]);
  const run = readoutList(columns.filter((column) => column.shown));
  frame.stage.append(frame.line, whole.list, words, run.list);

  function makeMix() {
    const parts = mix.columns.map(number);
    const size = (value) => (mix.powers ? Math.log2(value) : value);
    const height = (series, row) =>
      parts.reduce((sum, part) => sum + size(series.columns[part][row]), 0);
    const top = Math.max(
      1e-9,
      ...[...all.values()].flatMap((series) => series.columns[0].map((_, row) => height(series, row))),
    );
    const axis = { label: mix.title, title: mix.title, low: 0, high: top * 1.04, powers: mix.powers };
    const shape = { shape: 0.42, least: 190, most: 250 };
    return { parts, size, plot: new Plot(frame.stage, frame.id("mix"), x, axis, shape) };
  }

  const current = () => all.get(choice.join());

  /** The run nearest to a place on the x axis, as a row; -1 without runs. */
  function nearest(series, at) {
    const xs = shown(series, xColumn);
    const far = (value) => Math.abs(place(value) - place(at));
    return xs.reduce((best, value, row) => (best < 0 || far(value) < far(xs[best]) ? row : best), -1);
  }

  function story(series, row) {
    const tell = (value) => withUnit(short(value), x.unit);
    if (row < 0) return `No run of this kind ends in time. ${series.note}`;
    const xs = shown(series, xColumn);
    const first = Math.min(...xs);
    const last = Math.max(...xs);
    const taken = `Shown is the run of ${tell(xs[row])}.`;
    if (Math.abs(xs[row] / wanted - 1) < 1e-9) return taken;
    if (wanted > last) {
      const why = series.note ? ` ${series.note}` : "";
      return `${tell(wanted)} is beyond the largest run that was simulated.${why} ${taken}`;
    }
    if (wanted < first) return `${tell(wanted)} is below the smallest run that was simulated. ${taken}`;
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

  function rowsOf(series) {
    return series.columns[0].map((_, row) => columns.map((_, column) => series.columns[column][row]));
  }
  const quoted = (value) => (/[",\n]/.test(value) ? `"${value.replace(/"/g, '""')}"` : value);
  function csv() {
    const head = [...menus.map((menu) => menu.key), ...columns.map((column) => column.name)];
    const chosen = menus.map((menu, index) => menu.options[choice[index]]);
    return [head, ...rowsOf(current()).map((row) => [...chosen, ...row])]
      .map((row) => row.map((value) => quoted(String(value))).join(","))
      .join("\n")
      .concat("\n");
  }
  const save = document.createElement("button");
  save.type = "button";
  save.textContent = "Download CSV";
  save.addEventListener("click", () => download(`${spec.name}.csv`, csv(), "text/csv"));

  let row = -1;
  return {
    rows: [...rows.map((each) => each.row), slider.row],
    buttons: [save],
    draw(moved) {
      rows.forEach((each, index) => each.show(menus[index].options[choice[index]]));
      if (moved !== "x") slider.show(wanted);
      const series = current();
      row = nearest(series, wanted);
      const lined = menus.findIndex((menu) => menu.label === spec.lines);
      const options = lined < 0 ? [0] : menus[lined].options.map((_, index) => index);
      const lines = options.map((option) => {
        const of = lined < 0 ? choice : choice.with(lined, option);
        const each = all.get(of.join());
        return {
          xs: shown(each, xColumn),
          ys: shown(each, yColumn),
          label: lined < 0 ? "" : menus[lined].options[option],
          color: color(option),
          faint: of.join() !== choice.join(),
          at: 0.9 - (0.5 * option) / options.length,
        };
      });
      const chosen = lines.find((each) => !each.faint);
      const points = chosen.xs.map((at, index) => ({
        x: at,
        y: chosen.ys[index],
        color: chosen.color,
        size: 2.2,
      }));
      plot.draw({ lines, bands: [], marks: points });
      const at = row < 0 ? undefined : chosen.xs[row];
      plot.point(at, [{ y: chosen.ys[row], color: chosen.color }]);
      if (stacked) drawMix(series, chosen.xs, at);
      words.textContent = story(series, row);
      whole.show(ends(series));
      run.show(found(series, row));
    },
    words: () =>
      [whole.words(ends(current())), words.textContent, run.words(found(current(), row))].join(". "),
    describe(text) {
      plot.describe(text);
      stacked?.plot.describe(`${mix.title}. ${mix.alt}`);
    },
    settings() {
      const kept = new URLSearchParams();
      menus.forEach((menu, index) => {
        const option = menu.options[choice[index]];
        if (option !== menu.default) kept.set(menu.key, option);
      });
      if (wanted !== spec.start / spec.x.per) kept.set("x", String(wanted));
      return kept;
    },
    reset: start,
    apply(settings) {
      start();
      menus.forEach((menu, index) => {
        const option = menu.options.indexOf(settings.get(menu.key));
        if (option >= 0) choice[index] = option;
      });
      const value = Number(settings.get("x"));
      if (value > 0) wanted = Math.min(Math.max(value, x.low), x.high);
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
        color: color(index),
        opacity: 0.32,
        steps: true,
      };
    });
    stacked.plot.draw({ lines: [], bands, marks: [] });
    stacked.plot.point(at);
  }
}
