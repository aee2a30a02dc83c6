// Sliders and menus of a figure, and the values that they set.

import { inUnit, key, menuRow, sliderRow } from "./elements.js";

// JSON has no infinity, so that stands as a text.
export const numbers = (table) =>
  Object.fromEntries(Object.entries(table).map(([name, value]) => [name, Number(value)]));

/**
 * Controls of the page's JSON. `constants` are values that none of them sets; `changed` is told the
 * symbol of the slider that moved, if it was one. `values` are in the symbols' units.
 */
export function makeControls(specs, constants, frame) {
  const sliders = specs.filter((control) => control.symbol);
  const menus = specs
    .filter((control) => control.options)
    .map((menu) => ({
      ...menu,
      key: key(menu.label),
      options: Object.fromEntries(
        Object.entries(menu.options).map(([name, values]) => [name, numbers(values)]),
      ),
    }));
  const values = {};
  let choices;
  const start = () => {
    Object.assign(values, numbers(constants));
    choices = {};
    for (const slider of sliders) values[slider.symbol] = slider.default;
    for (const menu of menus) {
      choices[menu.key] = menu.default;
      Object.assign(values, menu.options[menu.default]);
    }
  };
  start();

  const rows = new Map();
  for (const control of specs) {
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
  /** Whether a slider has left what the menu's chosen option sets. */
  const left = (menu) => {
    const option = menu.options[choices[menu.key]];
    return Object.keys(option).some((symbol) => values[symbol] !== option[symbol]);
  };

  return {
    values,
    sliders,
    menus,
    rows: [...rows.values()].map((each) => each.row),
    chosen: (menu) => choices[menu.key],
    left,
    /** Show the values; `moved` is the slider under the reader's hand, which knows; null if none moved. */
    show(moved) {
      if (moved === null) return;
      for (const { symbol, per } of sliders) {
        if (symbol !== moved) rows.get(symbol).show(values[symbol] / per);
      }
      for (const menu of menus) {
        const row = rows.get(menu.key);
        row.show(choices[menu.key]);
        row.mark(left(menu));
      }
    },
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
        if (option !== null && Object.hasOwn(menu.options, option)) {
          choices[menu.key] = option;
          Object.assign(values, menu.options[option]);
        }
      }
      for (const { symbol, per, low, high, whole } of sliders) {
        const text = settings.get(symbol);
        const value = Number(text) * per;
        if (!text || !Number.isFinite(value)) continue;
        const allowed = Math.min(Math.max(value, low), high);
        values[symbol] = whole ? Math.round(allowed / per) * per : allowed;
      }
    },
  };
}
