// What a reader takes along: a text on the clipboard, or a file.

import { element } from "./element.js";

/**
 * Copy a text; resolves to whether that worked.
 * @param {string} text
 */
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
    if (before instanceof HTMLElement || before instanceof SVGElement) before.focus();
    return done;
  }
}

/**
 * Hand a text or what a blob holds to the reader as a file.
 * @param {string} name
 * @param {string | Blob} content
 * @param {string} type
 */
export function download(name, content, type) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
