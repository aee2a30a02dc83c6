// Numbers by the figure.

import { shown } from "../numbers.js";
import { element } from "./element.js";
import { capital, withUnit } from "./words.js";

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
        cell.textContent = typeof value === "number" ? shown(value) : value;
      }),
    /** @param {(number | string)[]} values */
    words: (values) =>
      readouts.map(({ label, unit }, index) => {
        const value = values[index];
        return `${label}: ${withUnit(typeof value === "number" ? shown(value) : value, unit)}`;
      }),
  };
}
