// Quantities as people type them: 90 days, 400 Gb/s, 60M tokens; as dmcore/algebra/quantities.py.

const DURATIONS = /** @type {Record<string, number>} */ ({
  s: 1,
  min: 60,
  h: 3600,
  hour: 3600,
  day: 86400,
  week: 604800,
  month: 3.154e7 / 12,
  year: 3.154e7,
});
const PREFIXES = /** @type {Record<string, number>} */ ({ "": 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 });
const COUNTS = /** @type {Record<string, number>} */ ({
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  thousand: 1e3,
  million: 1e6,
  billion: 1e9,
  trillion: 1e12,
});
const NUMBER = String.raw`\s*(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)\s*`;
const DURATION = new RegExp(`^${NUMBER}(s|min|h|hours?|days?|weeks?|months?|years?)\\s*$`);
const RATE = new RegExp(`^${NUMBER}([kMGT]?)(B|b|bit|byte)(?:/s|ps)\\s*(each way|both ways)?\\s*$`);
const WORDS = Object.keys(COUNTS).filter(Boolean).join("|");
const TOKENS = new RegExp(`^${NUMBER}(${WORDS})?\\s*(?:tokens)?\\s*$`);

/**
 * Seconds of a duration; NaN if the text is none. A year has 3.154e7 s, and a month a twelfth.
 * @param {string} text
 */
export function durationSeconds(text) {
  const [, number, unit] = DURATION.exec(text) ?? [];
  if (unit === undefined) return NaN;
  return Number(number) * DURATIONS[unit === "s" ? unit : unit.replace(/s$/, "")];
}

/**
 * Bytes per second of a port, both directions together; NaN if the text is none. A rate in bits is that of
 * a port, which carries it each way; one in bytes is of both ways unless it says otherwise.
 * @param {string} text
 */
export function bandwidthBytes(text) {
  const [, number, prefix, unit, ways] = RATE.exec(text) ?? [];
  if (unit === undefined) return NaN;
  const bits = unit === "b" || unit === "bit";
  const both = (ways ?? (bits ? "each way" : "both ways")) === "each way" ? 2 : 1;
  return (Number(number) * PREFIXES[prefix] * both) / (bits ? 8 : 1);
}

/**
 * A number of tokens; NaN if the text is none.
 * @param {string} text
 */
export function tokenCount(text) {
  const [, number, word = ""] = TOKENS.exec(text) ?? [];
  return number === undefined ? NaN : Number(number) * COUNTS[word];
}

/**
 * The number that a text means in a field's unit, where it names a unit itself; NaN if it does not.
 * @param {string} text
 * @param {string} unit of the field
 */
export function quantity(text, unit) {
  if (unit === "months") return durationSeconds(text) / DURATIONS.month;
  if (unit === "tokens") return tokenCount(text);
  if (unit === "days") return durationSeconds(text) / DURATIONS.day;
  return unit === "GB/s" ? bandwidthBytes(text) / 1e9 : NaN;
}
