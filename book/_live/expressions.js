// A figure whose lines are expressions of its sliders: it computes them again at each change.

import { inUnit, key, menuRow, readoutList, sliderRow } from "./elements.js";
import { readable } from "./numbers.js";
import { along, color, Plot } from "./plot.js";

// JSON has no infinity, so that stands as a text.
const numbers = (table) =>
  Object.fromEntries(Object.entries(table).map(([name, value]) => [name, Number(value)]));
const compiled = ({ symbols, js }) => ({
  symbols,
  call: new Function(...symbols, `"use strict"; return ${js};`),
});

export function expressions(spec, frame) {
  const sliders = spec.controls.filter((control) => control.symbol);
  const menus = spec.controls
    .filter((control) => control.options)
    .map((menu) => ({
      ...menu,
      key: key(menu.label),
      options: Object.fromEntries(
        Object.entries(menu.options).map(([name, values]) => [name, numbers(values)]),
      ),
    }));
  const lines = spec.curves.map((curve, index) => ({
    ...curve,
    ...compiled(curve),
    fixed: numbers(curve.fixed),
    color: color(index),
    at: curve.at ?? 0.75 - (0.3 * index) / Math.max(spec.curves.length - 1, 1),
  }));
  const bands = spec.bands.map((band, index) => ({
    ...band,
    color: color(5 - (index % 6)),
    above: band.above && compiled(band.above),
    below: band.below && compiled(band.below),
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

  let values;
  let choices;
  const start = () => {
    values = { ...numbers(spec.constants) };
    choices = {};
    for (const slider of sliders) values[slider.symbol] = slider.default;
    for (const menu of menus) {
      choices[menu.key] = menu.default;
      Object.assign(values, menu.options[menu.default]);
    }
  };
  start();

  const rows = new Map();
  for (const control of spec.controls) {
    const menu = menus.find((each) => each.label === control.label && control.options);
    if (menu) {
      const row = menuRow(menu.label, Object.keys(menu.options), frame.id(menu.key), (option) => {
        choices[menu.key] = option;
        Object.assign(values, menu.options[option]);
        frame.changed();
      });
      rows.set(menu.key, row);
    } else {
      const { symbol, per } = control;
      const row = sliderRow(inUnit(control), frame.id(symbol), (shown) => {
        values[symbol] = shown * per;
        frame.changed(symbol);
      });
      rows.set(symbol, row);
    }
  }
  const list = readoutList(readouts);
  const plot = new Plot(frame.stage, frame.id("plot"), x, y);
  frame.stage.append(frame.line, list.list);

  const evaluate = ({ symbols, call }) => call(...symbols.map((name) => values[name]));
  const alongX = ({ symbols, call, fixed = {} }, per) => {
    const where = symbols.indexOf(spec.x.symbol);
    const given = symbols.map((name) => fixed[name] ?? values[name]);
    return xs.map((value) => {
      if (where >= 0) given[where] = value;
      return call(...given) / per;
    });
  };

  let drawn = [];
  const read = () => readouts.map((readout) => evaluate(readout) / readout.per);
  plot.follow((at) => {
    if (at === undefined) {
      plot.point();
      frame.reading("");
      return "";
    }
    const index = Math.round(at * (xs.length - 1));
    const ys = drawn.map((each) => ({ y: each.ys[index], color: each.color, label: each.label }));
    plot.point(shownXs[index], ys);
    const told = ys
      .filter((each) => Number.isFinite(each.y))
      .map((each) => `${each.label} ${readable(each.y)}${y.unit ? ` ${y.unit}` : ""}`);
    const words = `At ${readable(shownXs[index])}${x.unit ? ` ${x.unit}` : ""}: ${told.join(", ")}`;
    frame.reading(words);
    return words;
  });

  return {
    rows: [...rows.values()].map((each) => each.row),
    /** Draw what the controls say; `moved` is the slider under the reader's hand, which knows. */
    draw(moved) {
      for (const { symbol, per } of sliders) {
        if (symbol !== moved) rows.get(symbol).show(values[symbol] / per);
      }
      for (const menu of menus) {
        const row = rows.get(menu.key);
        const option = menu.options[choices[menu.key]];
        row.show(choices[menu.key]);
        row.mark(Object.keys(option).some((symbol) => values[symbol] !== option[symbol]));
      }
      drawn = lines.map((each) => ({ ...each, xs: shownXs, ys: alongX(each, spec.y.per) }));
      plot.draw({
        lines: drawn,
        bands: bands.map((band) =>
          band.vertical
            ? {
                ...band,
                from: band.above && evaluate(band.above) / spec.x.per,
                to: band.below && evaluate(band.below) / spec.x.per,
              }
            : {
                ...band,
                xs: shownXs,
                above: band.above && alongX(band.above, spec.y.per),
                below: band.below && alongX(band.below, spec.y.per),
              },
        ),
        marks,
      });
      plot.point();
      list.show(read());
    },
    /** What is shown, in words. */
    words: () => list.words(read()),
    describe: (words) => plot.describe(words),
    /** The settings that differ from the start, for the address. */
    settings() {
      const kept = new URLSearchParams();
      const expected = {};
      for (const slider of sliders) expected[slider.symbol] = slider.default;
      for (const menu of menus) {
        if (choices[menu.key] !== menu.default) kept.set(menu.key, choices[menu.key]);
        Object.assign(expected, menu.options[choices[menu.key]]);
      }
      for (const { symbol, per } of sliders) {
        if (values[symbol] !== expected[symbol]) kept.set(symbol, String(values[symbol] / per));
      }
      return kept;
    },
    reset: start,
    /** Take settings from an address; what it does not name is as at the start. */
    apply(settings) {
      start();
      for (const menu of menus) {
        const option = settings.get(menu.key);
        if (option in menu.options) {
          choices[menu.key] = option;
          Object.assign(values, menu.options[option]);
        }
      }
      for (const { symbol, per, low, high } of sliders) {
        const text = settings.get(symbol);
        const value = Number(text) * per;
        if (text && Number.isFinite(value)) values[symbol] = Math.min(Math.max(value, low), high);
      }
    },
    table() {
      const every = xs.map((_, index) => index).filter((index) => index % 10 === 0);
      return {
        head: [x.title, ...lines.map((each) => (y.unit ? `${each.label} (${y.unit})` : each.label))],
        rows: every.map((index) => [
          readable(shownXs[index], 3),
          ...drawn.map((each) => readable(each.ys[index], 4)),
        ]),
      };
    },
  };
}
