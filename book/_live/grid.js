// A figure of runs that were simulated when the book was built: controls pick among them.

import { key, menuRow } from "./elements.js";
import { color } from "./plot.js";
import { runsView, unpack } from "./runs.js";

export function grid(spec, frame) {
  const menus = spec.menus.map((menu) => ({ ...menu, key: key(menu.label) }));
  const all = new Map(spec.series.map((series) => [series.choice.join(), unpack(series)]));
  let choice;
  const start = () => (choice = menus.map((menu) => menu.options.indexOf(menu.default)));
  start();

  const rows = menus.map((menu, index) =>
    menuRow(menu.label, menu.options, frame.id(menu.key), (option) => {
      choice[index] = menu.options.indexOf(option);
      frame.changed();
    }),
  );
  const view = runsView(spec, frame, {
    current: () => all.get(choice.join()),
    settings: () => menus.map((menu, index) => [menu.key, menu.options[choice[index]]]),
  });
  const lined = menus.findIndex((menu) => menu.label === spec.lines);

  return {
    rows: [...rows.map((each) => each.row), view.slider],
    buttons: view.buttons,
    draw(moved) {
      rows.forEach((each, index) => each.show(menus[index].options[choice[index]]));
      const options = lined < 0 ? [0] : menus[lined].options.map((_, index) => index);
      const lines = options.map((option) => {
        const of = lined < 0 ? choice : choice.with(lined, option);
        return view.line(all.get(of.join()), {
          label: lined < 0 ? "" : menus[lined].options[option],
          color: color(option),
          faint: of.join() !== choice.join(),
          at: 0.9 - (0.5 * option) / options.length,
        });
      });
      view.draw(lines, lines.find((each) => !each.faint).color, moved);
    },
    words: view.words,
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
      start();
      view.reset();
    },
    apply(settings) {
      start();
      menus.forEach((menu, index) => {
        const option = menu.options.indexOf(settings.get(menu.key));
        if (option >= 0) choice[index] = option;
      });
      view.apply(settings);
    },
    table: view.table,
  };
}
