// A figure of runs that were simulated when the book was built: controls pick among them.

import { refused } from "./address.js";
import { menuRow } from "./page/menu.js";
import { key } from "./page/words.js";
import { color } from "./plot/color.js";
import { unpack } from "./runs/series.js";
import { runsView } from "./runs/view.js";

/** @import { Frame, Kind } from "./kind.d.ts" */
/** @import { Series } from "./runs/series.js" */
/** @import { GridSpec } from "./spec.d.ts" */

/**
 * @param {GridSpec} spec
 * @param {Frame} frame
 * @returns {Kind}
 */
export function grid(spec, frame) {
  const menus = spec.menus.map((menu) => ({ ...menu, key: key(menu.label) }));
  const all = new Map(spec.series.map((series) => [series.choice.join(), unpack(series)]));
  /** The runs of a choice: python writes every one. @param {number[]} of */
  const runs = (of) => /** @type {Series} */ (all.get(of.join()));
  const atStart = menus.map((menu) => menu.options.indexOf(menu.default));
  let choice = [...atStart];

  const rows = menus.map((menu, index) =>
    menuRow(menu.label, menu.options, frame.id(menu.key), (option) => {
      choice[index] = menu.options.indexOf(option);
      frame.changed();
    }),
  );
  const view = runsView(spec, frame, {
    current: () => runs(choice),
    settings: () => menus.map((menu, index) => [menu.key, menu.options[choice[index]]]),
  });
  const lined = menus.findIndex((menu) => menu.label === spec.lines);

  /** A line for each option of the menu that has them, or the only one. */
  function lines() {
    if (lined < 0) {
      return [view.line(runs(choice), { label: "", color: color(0), faint: false, at: 0.9 })];
    }
    const { options } = menus[lined];
    return options.map((label, option) =>
      view.line(runs(choice.with(lined, option)), {
        label,
        color: color(option),
        faint: option !== choice[lined],
        at: 0.9 - (0.5 * option) / options.length,
      }),
    );
  }

  return {
    rows: [...rows.map((each) => each.row), view.slider],
    buttons: view.buttons,
    draw(moved) {
      rows.forEach((each, index) => each.show(menus[index].options[choice[index]]));
      view.draw(lines(), color(lined < 0 ? 0 : choice[lined]), moved);
    },
    words: view.words,
    told: () => menus.map((menu, index) => [menu.label, menu.options[choice[index]]]),
    brief: view.brief,
    describe: view.describe,
    settings() {
      const kept = new URLSearchParams();
      menus.forEach((menu, index) => {
        const option = menu.options[choice[index]];
        if (option !== menu.default) kept.set(menu.key, option);
      });
      return view.keep(kept);
    },
    reset() {
      choice = [...atStart];
      view.reset();
    },
    apply(settings) {
      choice = menus.map((menu, index) => {
        const option = menu.options.indexOf(settings.get(menu.key) ?? "");
        return option >= 0 ? option : atStart[index];
      });
      view.apply(settings);
      const taken = menus.filter((menu) => menu.options.includes(settings.get(menu.key) ?? ""));
      return refused(settings, new Set(["x", ...taken.map((menu) => menu.key)]));
    },
    table: view.table,
  };
}
