// How labels, units and names are written.

/**
 * A text with the unit after it, if there is one.
 * @param {string} text
 * @param {string} unit
 */
export const withUnit = (text, unit) => (unit ? `${text} ${unit}` : text);

/** @param {string} text */
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/**
 * A menu's name in an address.
 * @param {string} label
 */
export const key = (label) => label.toLowerCase().replace(/[^a-z0-9]+/g, "-");
