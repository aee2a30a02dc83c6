// Settings in the address's fragment: #figure?F=500&gpu=A100+SXM, more figures after a semicolon.

const all = () =>
  new Map(
    location.hash
      .slice(1)
      .split(";")
      .filter((part) => part.includes("?"))
      .map((part) => {
        const at = part.indexOf("?");
        return [decodeURIComponent(part.slice(0, at)), new URLSearchParams(part.slice(at + 1))];
      }),
  );

/** The settings of a figure, or undefined if the address has none. */
export const read = (name) => all().get(name);

/** The fragment of one figure's settings. */
export const fragment = (name, settings) => `#${name}?${settings}`;

/** Keep a figure's settings in the address, or drop them if they are empty. */
export function write(name, settings) {
  const kept = all();
  if (settings.size) kept.set(name, settings);
  else if (!kept.delete(name)) return;
  const hash = [...kept].map(([key, value]) => `${key}?${value}`).join(";");
  try {
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  } catch {
    // A browser may forbid this on a page opened as a file; the link button still works.
  }
}
