// A menu.

import { element } from "./element.js";
import { capital } from "./words.js";

/**
 * A menu; `mark` tells whether the settings have left the chosen option.
 * @param {string} label
 * @param {string[]} options
 * @param {string} id
 * @param {(option: string) => void} change
 */
export function menuRow(label, options, id, change) {
  const entries = options.map((option) => element("option", { value: option }, option));
  const select = element("select", { id, change: () => change(select.value) }, ...entries);
  return {
    row: element("div", { class: "dm-row" }, element("label", { for: id }, capital(label)), select),
    /** @param {string} option */
    show: (option) => {
      select.value = option;
    },
    /** @param {boolean} changed */
    mark: (changed) => {
      for (const entry of entries) {
        entry.textContent = changed && entry.selected ? `${entry.value}, changed` : entry.value;
      }
    },
  };
}
