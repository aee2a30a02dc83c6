// A figure's values as a table.

import { element } from "./element.js";

/** @import { Rows } from "../kind.d.ts" */

/**
 * A table whose cells know their column's name, for where it is stacked (book.js).
 * @param {string[]} head
 * @param {(string | Node)[][]} rows
 */
export const tableOf = (head, rows) =>
  element(
    "table",
    {},
    element(
      "thead",
      {},
      element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text))),
    ),
    element(
      "tbody",
      {},
      ...rows.map((row) =>
        element("tr", {}, ...row.map((cell, i) => element("td", { "data-label": head[i] }, cell))),
      ),
    ),
  );

/**
 * Rows that are made only while they are looked at.
 * @param {string} summary
 * @param {string} label
 * @param {() => Rows} make
 */
export function tableView(summary, label, make) {
  const body = element("div", {
    class: "dm-table",
    tabindex: 0,
    role: "region",
    "aria-label": label,
  });
  const details = element(
    "details",
    { class: "dm-details", toggle: () => fill() },
    element("summary", {}, summary),
    body,
  );
  function fill() {
    if (!details.open) return;
    const { head, rows } = make();
    body.replaceChildren(tableOf(head, rows));
  }
  return { details, fill };
}
