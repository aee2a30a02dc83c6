// Sliders and menus of a figure, and the values that they set.

import { refused } from "./address.js";
import { short } from "./numbers.js";
import { menuRow } from "./page/menu.js";
import { clamp, inUnit } from "./page/range.js";
import { sliderRow } from "./page/slider.js";
import { key, withUnit } from "./page/words.js";

/** @import { Frame, Moved } from "./kind.d.ts" */
/** @import { ControlSpec, MenuSpec, SliderSpec, Table } from "./spec.d.ts" */

/** A value for each of some symbols, in the symbol's unit. @typedef {Record<string, number>} Values */
/** @typedef {{label: string, key: string, options: Record<string, Values>, default: string}} Menu */
/** @typedef {ReturnType<typeof makeControls>} Controls */

/**
 * JSON has no infinity, so that stands as a text.
 * @param {Table} table
 * @returns {Values}
 */
export const numbers = (table) =>
  Object.fromEntries(Object.entries(table).map(([name, value]) => [name, Number(value)]));

/**
 * @param {MenuSpec} spec
 * @returns {Menu}
 */
const makeMenu = ({ label, options, default: first }) => ({
  label,
  key: key(label),
  options: Object.fromEntries(
    Object.entries(options).map(([name, values]) => [name, numbers(values)]),
  ),
  default: first,
});

/**
 * Controls of the page's JSON. `constants` are values that none of them sets; the frame is told the
 * symbol of the slider that moved, if it was one. `values` are in the symbols' units.
 * @param {ControlSpec[]} specs
 * @param {Table} constants
 * @param {Frame} frame
 */
export function makeControls(specs, constants, frame) {
  /** @type {SliderSpec[]} */
  const sliders = [];
  /** @type {Menu[]} */
  const menus = [];
  /** @type {HTMLElement[]} */
  const rows = [];
  /** @type {Map<string, ReturnType<typeof sliderRow>>} */
  const sliderRows = new Map();
  /** @type {Map<string, ReturnType<typeof menuRow>>} */
  const menuRows = new Map();
  /** @type {Values} */
  const values = {};
  /** @type {Record<string, string>} */
  let choices = {};

  /** @param {SliderSpec} slider */
  function addSlider(slider) {
    const { symbol, per } = slider;
    const row = sliderRow(inUnit(slider), frame.id(symbol), (shown) => {
      values[symbol] = shown * per;
      frame.changed(symbol);
    });
    sliders.push(slider);
    sliderRows.set(symbol, row);
    rows.push(row.row);
  }

  /** @param {Menu} menu */
  function addMenu(menu) {
    const row = menuRow(menu.label, Object.keys(menu.options), frame.id(menu.key), (option) => {
      choose(menu, option);
      frame.changed();
    });
    menus.push(menu);
    menuRows.set(menu.key, row);
    rows.push(row.row);
  }

  for (const spec of specs) {
    if ("options" in spec) addMenu(makeMenu(spec));
    else addSlider(spec);
  }

  /**
   * @param {Menu} menu
   * @param {string} option
   */
  function choose(menu, option) {
    choices[menu.key] = option;
    Object.assign(values, menu.options[option]);
  }
  function start() {
    Object.assign(values, numbers(constants));
    choices = {};
    for (const slider of sliders) values[slider.symbol] = slider.default;
    for (const menu of menus) choose(menu, menu.default);
  }
  start();

  /**
   * Whether a slider has left what the menu's chosen option sets.
   * @param {Menu} menu
   */
  const left = (menu) =>
    Object.entries(menu.options[choices[menu.key]]).some(
      ([symbol, value]) => values[symbol] !== value,
    );

  /** Where the menus that are chosen put the sliders. */
  function expected() {
    /** @type {Values} */
    const usual = Object.fromEntries(sliders.map((slider) => [slider.symbol, slider.default]));
    for (const menu of menus) Object.assign(usual, menu.options[choices[menu.key]]);
    return usual;
  }

  return {
    values,
    sliders,
    menus,
    rows,
    /** @param {Menu} menu */
    chosen: (menu) => choices[menu.key],
    left,
    /**
     * Show the values; `moved` is the slider under the reader's hand, which knows; null if none moved.
     * @param {Moved} moved
     */
    show(moved) {
      if (moved === null) return;
      for (const { symbol, per } of sliders) {
        if (symbol !== moved) sliderRows.get(symbol)?.show(values[symbol] / per);
      }
      for (const menu of menus) {
        const row = menuRows.get(menu.key);
        row?.show(choices[menu.key]);
        row?.mark(left(menu));
      }
    },
    /** In words: every menu, and each slider that is not where the menus put it. */
    told() {
      const usual = expected();
      /** @type {[string, string][]} */
      const chosen = menus.map((menu) => [menu.label, choices[menu.key]]);
      return [
        ...chosen,
        ...sliders
          .filter(({ symbol }) => values[symbol] !== usual[symbol])
          .map(
            ({ symbol, label, per, unit }) =>
              /** @type {[string, string]} */ ([
                label,
                withUnit(short(values[symbol] / per), unit),
              ]),
          ),
      ];
    },
    /** The settings that differ from the start, for the address. */
    settings() {
      const kept = new URLSearchParams();
      for (const menu of menus) {
        if (choices[menu.key] !== menu.default) kept.set(menu.key, choices[menu.key]);
      }
      const usual = expected();
      for (const { symbol, per } of sliders) {
        if (values[symbol] !== usual[symbol]) kept.set(symbol, String(values[symbol] / per));
      }
      return kept;
    },
    reset: start,
    /**
     * Take settings from an address; what it does not name is as at the start. The answer is what could
     * not be taken as it stands there; `others` are settings that the controls do not know.
     * @param {URLSearchParams} settings
     * @param {string[]} others
     */
    apply(settings, others = []) {
      start();
      const taken = new Set(others);
      for (const menu of menus) {
        const option = settings.get(menu.key);
        if (option === null || !Object.hasOwn(menu.options, option)) continue;
        choose(menu, option);
        taken.add(menu.key);
      }
      for (const { symbol, per, low, high, whole } of sliders) {
        const text = settings.get(symbol);
        const value = Number(text) * per;
        if (!text || !Number.isFinite(value)) continue;
        const allowed = clamp(value, low, high);
        values[symbol] = whole ? Math.round(allowed / per) * per : allowed;
        if (Math.abs(values[symbol] - value) <= 1e-9 * Math.abs(value)) taken.add(symbol);
      }
      return refused(settings, taken);
    },
  };
}
