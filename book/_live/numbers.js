// Numbers as people read and write them; `readable` is that of dmcore/algebra/numbers.py.

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const NARROW = "\u202f";
const TIMES = "\u00a0×\u00a0"; // a number stays on its line
const SUPERSCRIPT = /[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+/g;

/**
 * @param {number} number a whole one
 */
export const superscript = (number) =>
  String(number).replace(/[0-9-]/g, (sign) => (sign === "-" ? "⁻" : RAISED[Number(sign)]));

/**
 * The digits of a superscript on the line.
 * @param {string} raised
 */
const lowered = (raised) =>
  [...raised].map((sign) => (sign === "⁻" ? "-" : RAISED.indexOf(sign))).join("");

/** @param {number} value */
const whole = (value) => grouped(String(value).replace("-", "−"));
/** @param {string} text */
const grouped = (text) => text.replace(/\B(?=(\d{3})+(?!\d))/g, NARROW);

/**
 * A number with that many significant digits: plain between 0.001 and a million.
 * @param {number} value
 */
export function readable(value, digits = 3) {
  if (Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const [mantissa, power] = Math.abs(value)
    .toExponential(digits - 1)
    .split("e");
  const exponent = Number(power);
  const sign = value < 0 ? "−" : "";
  if (exponent < -3 || exponent >= 6) return `${sign}${mantissa}${TIMES}10${superscript(exponent)}`;
  const [front, rest] = Number(`${mantissa}e${exponent}`)
    .toFixed(Math.max(0, digits - 1 - exponent))
    .split(".");
  return sign + grouped(front) + (rest ? `.${rest}` : "");
}

/**
 * A number as a figure's reader needs it: whole ones in full, others with four digits.
 * @param {number} value
 */
export const shown = (value) => (Number.isSafeInteger(value) ? whole(value) : readable(value, 4));

/**
 * With at most four digits, large whole numbers too, less zeros at the end.
 * @param {number} value
 */
export const short = (value) =>
  (Math.abs(value) < 1e6 ? shown(value) : readable(value, 4))
    .replace(/(\.\d*?)0+(?=$|\s)/, "$1")
    .replace(/\.(?=$|\s)/, "")
    .replace(/^(−?)1\s×\s/, "$1");

/**
 * A text as a screen reader should hear it: powers in words, and thousands without gaps.
 * @param {string} text
 */
export const spoken = (text) =>
  text
    .replaceAll(TIMES, " times ")
    .replace(SUPERSCRIPT, (raised) => ` to the ${lowered(raised).replace("-", "minus ")}`)
    .replace(/(?<=\d)\u202f(?=\d)/g, "")
    .replaceAll("\u00a0", " ");

/**
 * The number that a text means, such as 1e27, 3.2 × 10^12, 10²⁸, 12 288, 1/6; NaN if none.
 * @param {string} text
 */
export function parse(text, unit = "") {
  let plain = text.trim();
  if (unit && plain.endsWith(unit)) plain = plain.slice(0, -unit.length);
  plain = plain
    .replace(/[\s\u202f_]/g, "")
    .replace(/−/g, "-")
    .replace(SUPERSCRIPT, (raised) => `^${lowered(raised)}`)
    .replace(/(?:[×x*]10|(?<![\d.,])10)\^/i, (found) => (found.startsWith("10") ? "1e" : "e"));
  plain = /^-?\d{1,3}(,\d{3})+(\.|$)/.test(plain)
    ? plain.replace(/,/g, "")
    : plain.replace(",", ".");
  const [top, bottom = "1", ...more] = plain.split("/");
  if (!top || !bottom || more.length) return NaN;
  return Number(top) / Number(bottom);
}
