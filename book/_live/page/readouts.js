// Numbers by the figure.

import { shown } from "../numbers.js";
import { element } from "./element.js";
import { capital, withUnit } from "./words.js";

const NOTHING = 1e-15; // what rounding leaves of zero, in units that are made for people

/** @param {number | string} value */
const told = (value) => {
  if (typeof value === "string") return value;
  return shown(Math.abs(value) < NOTHING ? 0 : value);
};

/**
 * Numbers by the figure: the page shows them readable, and keeps them in full.
 * @param {{label: string, unit: string}[]} readouts
 */
export function readoutList(readouts) {
  const cells = readouts.map(() => element("data"));
  const list = element(
    "dl",
    { class: "dm-readouts" },
    ...readouts.map(({ label, unit }, index) =>
      element(
        "div",
        {},
        element("dt", {}, capital(label)),
        element("dd", {}, cells[index], unit ? element("span", { class: "dm-unit" }, unit) : ""),
      ),
    ),
  );
  return {
    list,
    /** @param {(number | string)[]} values */
    show: (values) =>
      values.forEach((value, index) => {
        const cell = cells[index];
        cell.value = String(value);
        cell.textContent = told(value);
      }),
    /** @param {(number | string)[]} values */
    words: (values) =>
      readouts.map(({ label, unit }, index) => `${label}: ${withUnit(told(values[index]), unit)}`),
  };
}
