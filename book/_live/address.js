// Settings in the address's fragment: #figure?F=500&gpu=A100+SXM, more figures after a semicolon.

/**
 * A part of the address as it was meant; a mangled one, which means nothing, as it stands.
 * @param {string} text
 */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The settings of each figure that the address names. */
const all = () =>
  new Map(
    location.hash
      .slice(1)
      .split(";")
      .filter((part) => part.includes("?"))
      .map((part) => {
        const at = part.indexOf("?");
        return [decoded(part.slice(0, at)), new URLSearchParams(part.slice(at + 1))];
      }),
  );

/**
 * The settings of a figure, or undefined if the address has none.
 * @param {string} name
 */
export const read = (name) => all().get(name);

/**
 * The fragment of one figure's settings.
 * @param {string} name
 * @param {URLSearchParams} settings
 */
export const fragment = (name, settings) => `#${written(name, settings)}`;

/**
 * @param {string} name
 * @param {URLSearchParams} settings
 */
const written = (name, settings) => `${encodeURIComponent(name)}?${settings}`;

/**
 * The settings that were not taken, in words.
 * @param {URLSearchParams} settings
 * @param {Set<string>} taken
 */
export const refused = (settings, taken) =>
  [...settings].filter(([name]) => !taken.has(name)).map(([name, text]) => `${name} = ${text}`);

/**
 * Keep a figure's settings in the address, or drop them if they are empty.
 * @param {string} name
 * @param {URLSearchParams} settings
 */
export function write(name, settings) {
  const kept = all();
  if (settings.size) kept.set(name, settings);
  else if (!kept.delete(name)) return;
  const hash = [...kept].map(([key, value]) => written(key, value)).join(";");
  try {
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  } catch {
    // A browser may forbid this on a page opened as a file; the link button still works.
  }
}
