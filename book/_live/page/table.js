// A figure's values as a table.

import { element } from "./element.js";

/** @import { Rows } from "../kind.d.ts" */

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
    body.replaceChildren(
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
          ...rows.map((row) => element("tr", {}, ...row.map((text) => element("td", {}, text)))),
        ),
      ),
    );
  }
  return { details, fill };
}
