// A figure whose lines are expressions of its sliders: it computes them again at each change.

import { makeControls, numbers } from "./controls.js";
import { inUnit, readoutList } from "./elements.js";
import { readable } from "./numbers.js";
import { along, color, Plot } from "./plot.js";

const compiled = ({ symbols, js }) => ({
  symbols,
  call: new Function(...symbols, `"use strict"; return ${js};`),
});

export function expressions(spec, frame) {
  const controls = makeControls(spec.controls, spec.constants, frame);
  const { values } = controls;
  const lines = spec.curves.map((curve, index) => ({
    ...curve,
    ...compiled(curve),
    fixed: numbers(curve.fixed),
    color: color(curve.color ?? index),
    at: 0.75 - (0.3 * index) / Math.max(spec.curves.length - 1, 1),
  }));
  const bands = spec.bands.map((band, index) => ({
    ...band,
    color: color(band.color ?? 5 - (index % 6)),
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
    rows: controls.rows,
    /** Draw what the controls say; `moved` is the slider under the reader's hand, which knows. */
    draw(moved) {
      controls.show(moved);
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
    settings: controls.settings,
    reset: controls.reset,
    apply: controls.apply,
    table() {
      const every = xs.map((_, index) => index).filter((index) => index % 10 === 0);
      return {
        head: [
          x.title,
          ...lines.map((each) => (y.unit ? `${each.label} (${y.unit})` : each.label)),
        ],
        rows: every.map((index) => [
          readable(shownXs[index], 3),
          ...drawn.map((each) => readable(each.ys[index], 4)),
        ]),
      };
    },
  };
}
