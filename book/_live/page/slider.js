// A slider with a field to type in.

import { parse, short, shown, spoken } from "../numbers.js";
import { quantity } from "../quantities.js";
import { element } from "./element.js";
import { clamp } from "./range.js";
import { capital, withUnit } from "./words.js";

/** @import { Range } from "./range.js" */

/** @param {number} value */
const round = (value) => Number(value.toPrecision(12));

/**
 * From a place on a slider (0 to its steps) to a value in the shown unit, and back.
 * @param {Range} range
 */
function track({ low, high, log, whole }) {
  if (log) {
    const steps = 400;
    /** @param {number} value */
    const near = (value) => Number(value.toPrecision(3));
    return {
      steps,
      /** @param {number} place */
      value: (place) => {
        const value = near(low * (high / low) ** (place / steps));
        return clamp(whole ? Math.round(value) : value, low, high);
      },
      /** @param {number} value */
      place: (value) => Math.round((steps * Math.log(value / low)) / Math.log(high / low)),
    };
  }
  const step = whole ? 1 : 10 ** Math.floor(Math.log10((high - low) / 100) + 1e-9);
  const steps = Math.ceil((high - low) / step - 1e-9);
  // Steps count from zero rather than from the low end, so that values are round.
  const first = Math.ceil(low / step - 1e-9);
  return {
    steps,
    /** @param {number} place */
    value: (place) =>
      place <= 0 ? low : place >= steps ? high : clamp(round((first + place) * step), low, high),
    /** @param {number} value */
    place: (value) => Math.round(value / step - first),
  };
}

/**
 * A slider with a field to type in. `spec` is in the shown unit; `change` gets a value in that unit.
 * The answer's `show` puts a value on both without calling `change`.
 * @param {Range} spec
 * @param {string} id
 * @param {(value: number) => void} change
 */
export function sliderRow(spec, id, change) {
  const { label, unit, low, high } = spec;
  const scale = track(spec);
  const written = spec.whole ? shown : short;
  let current = low;
  let before = low; // where the hand came down
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
    pointerdown: () => {
      before = current;
    },
    // A finger that only meant to scroll the page.
    pointercancel: () => {
      set(before);
      change(before);
    },
  });
  const field = element("input", {
    type: "text",
    id: `${id}-number`,
    inputmode: "text",
    autocomplete: "off",
    spellcheck: "false",
    enterkeyhint: "done",
    "aria-label": withUnit(`${capital(label)}, typed${unit ? " in" : ""}`, unit),
    "aria-describedby": help.id,
    focus: () => {
      field.value = String(round(current));
      field.select();
    },
    blur: () => {
      field.value = written(current);
    },
    change: () => type(field.value),
    keydown: (event) => {
      if (event.key === "Escape") {
        field.value = String(round(current));
        help.textContent = "";
      }
    },
  });

  /** @param {string} text */
  function type(text) {
    const told = quantity(text, unit);
    const number = Number.isNaN(told) ? parse(text, unit) : told;
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

  /** @param {number} value */
  function set(value) {
    current = value;
    range.value = String(Math.min(scale.place(value), scale.steps)); // a preset's may be infinite
    range.dataset.value = String(value);
    range.setAttribute("aria-valuetext", spoken(withUnit(written(value), unit)));
    if (document.activeElement !== field) field.value = written(value);
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
    /** @param {number} value */
    show: (value) => {
      help.textContent = "";
      set(value);
    },
  };
}
