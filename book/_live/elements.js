// Parts of the page that a figure needs beside the drawing: controls, buttons, tables.

import { parse, readable, short, shown } from "./numbers.js";

/** An element with attributes and children; attributes that are functions listen to events. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

/** A menu's name in an address. */
export const key = (label) => label.toLowerCase().replace(/[^a-z0-9]+/g, "-");

/** A slider or axis of the page's JSON, in the shown unit. */
export const inUnit = ({ label, unit, low, high, per, log, whole }) => ({
  label,
  unit,
  low: low / per,
  high: high / per,
  log,
  whole,
  title: withUnit(label, unit && `(${unit})`),
});

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
export const withUnit = (text, unit) => (unit ? `${text} ${unit}` : text);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const round = (value) => Number(value.toPrecision(12));

/** From a place on a slider (0 to its steps) to a value in the shown unit, and back. */
function track({ low, high, log, whole }) {
  if (log) {
    const steps = 400;
    const near = (value) => Number(value.toPrecision(3));
    return {
      steps,
      value: (place) => {
        const value = near(low * (high / low) ** (place / steps));
        return clamp(whole ? Math.round(value) : value, low, high);
      },
      place: (value) => Math.round((steps * Math.log(value / low)) / Math.log(high / low)),
    };
  }
  const step = whole ? 1 : 10 ** Math.floor(Math.log10((high - low) / 100) + 1e-9);
  const steps = Math.ceil((high - low) / step - 1e-9);
  // Steps count from zero rather than from the low end, so that values are round.
  const first = Math.ceil(low / step - 1e-9);
  return {
    steps,
    value: (place) =>
      place <= 0 ? low : place >= steps ? high : clamp(round((first + place) * step), low, high),
    place: (value) => Math.round(value / step - first),
  };
}

/**
 * A slider with a field to type in. `spec` is in the shown unit; `change` gets a value in that unit.
 * The answer's `show` puts a value on both without calling `change`.
 */
export function sliderRow(spec, id, change) {
  const { label, unit, low, high } = spec;
  const scale = track(spec);
  let current = low;
  const help = element("span", { class: "dm-help", id: `${id}-help`, role: "status" });
  const range = element("input", {
    type: "range",
    id,
    min: 0,
    max: scale.steps,
    step: 1,
    input: () => {
      help.textContent = "";
      set(scale.value(Number(range.value)));
      change(current);
    },
  });
  const field = element("input", {
    type: "text",
    id: `${id}-number`,
    inputmode: "text",
    autocomplete: "off",
    spellcheck: "false",
    enterkeyhint: "done",
    "aria-label": withUnit(`${label}, typed${unit ? " in" : ""}`, unit),
    "aria-describedby": help.id,
    focus: () => {
      field.value = String(round(current));
      field.select();
    },
    blur: () => (field.value = short(current)),
    change: () => type(field.value),
    keydown: (event) => {
      if (event.key === "Escape") {
        field.value = String(round(current));
        help.textContent = "";
      }
    },
  });

  function type(text) {
    const number = parse(text, unit);
    const wanted = spec.whole ? Math.round(number) : number;
    const allowed = clamp(wanted, low, high);
    const wrong = Number.isNaN(number) || allowed !== wanted;
    const bounds = `A number from ${short(low)} to ${withUnit(short(high), unit)}`;
    help.textContent = wrong ? bounds : "";
    if (Number.isNaN(number)) {
      help.textContent += `, such as ${short(scale.value(scale.steps / 2))}`;
      field.value = String(round(current));
      return;
    }
    set(allowed);
    if (document.activeElement === field) field.value = String(round(allowed));
    change(allowed);
  }

  function set(value) {
    current = value;
    range.value = Math.min(scale.place(value), scale.steps); // a preset's value may be infinite
    range.dataset.value = value;
    range.setAttribute("aria-valuetext", withUnit(readable(value), unit));
    if (document.activeElement !== field) field.value = short(value);
  }

  const row = element(
    "div",
    { class: "dm-row" },
    element("label", { for: id }, capital(label)),
    range,
    element("span", { class: "dm-typed" }, field, element("span", { class: "dm-unit" }, unit)),
    help,
  );
  return {
    row,
    show: (value) => {
      help.textContent = "";
      set(value);
    },
  };
}

/** A menu; `mark` tells whether the settings have left the chosen option. */
export function menuRow(label, options, id, change) {
  const entries = options.map((option) => element("option", { value: option }, option));
  const select = element("select", { id, change: () => change(select.value) }, ...entries);
  return {
    row: element("div", { class: "dm-row" }, element("label", { for: id }, capital(label)), select),
    show: (option) => (select.value = option),
    mark: (changed) => {
      for (const entry of entries) {
        entry.textContent = changed && entry.selected ? `${entry.value}, changed` : entry.value;
      }
    },
  };
}

/** Numbers by the figure: the page shows them readable, and keeps them in full. */
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
    show: (values) =>
      values.forEach((value, index) => {
        const cell = cells[index];
        cell.value = String(value);
        cell.textContent = typeof value === "number" ? shown(value) : value;
      }),
    words: (values) =>
      readouts
        .map(({ label, unit }, index) => {
          const value = values[index];
          return `${label}: ${withUnit(typeof value === "number" ? readable(value) : value, unit)}`;
        })
        .join(". "),
  };
}

/** Rows that are made only while they are looked at. */
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

/** Copy a text; resolves to whether that worked. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = element("textarea", { class: "dm-hidden", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    const before = document.activeElement;
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    before?.focus();
    return done;
  }
}

/** Hand a text to the reader as a file. */
export function download(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
