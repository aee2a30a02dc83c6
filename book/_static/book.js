// Nothing is wider than its column. A table that is too wide stands as a list, each number after the name
// of its column; a formula is set smaller; what still does not fit scrolls, by the keyboard too.
addEventListener("DOMContentLoaded", () => {
  const BOXES = [
    ".math.displayed > .scroll",
    ".pst-scrollable-table-container",
    ".cell_output [role=region]",
    ".cell_output .text_html",
    ".highlight pre",
    ".cell_output pre",
    ".dm-table",
  ].join(",");
  /** @type {WeakMap<Element, number>} */
  const fitted = new WeakMap();
  /** @param {Element} table */
  const label = (table) => {
    const names = [...table.querySelectorAll("thead th")].map((head) => head.textContent ?? "");
    for (const row of table.querySelectorAll("tbody tr"))
      [...row.children].forEach((cell, i) => cell.setAttribute("data-label", names[i] ?? ""));
  };
  /** @param {HTMLElement} box */
  const fit = (box) => {
    if (fitted.get(box) === box.clientWidth) return;
    fitted.set(box, box.clientWidth);
    box.classList.remove("stacked");
    box.style.removeProperty("font-size");
    const share = box.clientWidth / box.scrollWidth;
    if (share < 1 && box.matches(".scroll")) box.style.fontSize = `${Math.floor(98 * share)}%`;
    const table = box.querySelector(":scope > table");
    if (share < 1 && table?.querySelector("thead")) {
      label(table);
      box.classList.add("stacked");
    }
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else if (!box.matches("[role=region]")) box.removeAttribute("tabindex");
  };
  // Tells the size at first, and again when the window changes or a folded part is opened.
  const observer = new ResizeObserver((changes) =>
    requestAnimationFrame(() => {
      for (const { target } of changes) fit(/** @type {HTMLElement} */ (target));
    }),
  );
  /** @param {ParentNode} part */
  const watch = (part) => {
    for (const box of part.querySelectorAll(BOXES)) observer.observe(box);
  };
  watch(document);
  // A live figure makes its table when it is opened.
  addEventListener("toggle", ({ target }) => target instanceof Element && watch(target), true);
});

// A solution's button says which solution it opens.
addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll(".toggle-button"))
    button.ariaLabel = (button.parentElement?.textContent ?? "").trim();
});

// A page opened as a file may not save another file, so there the script beside a notebook hands over
// its text (book/_ext/amend.py), and what is saved is a copy.
if (location.protocol === "file:") {
  /**
   * @param {string} name
   * @param {string} text
   */
  const saveNotebook = (name, text) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/x-ipynb+json" }));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  Object.assign(globalThis, { saveNotebook });
  addEventListener("click", (event) => {
    const link = event.target instanceof Element && event.target.closest("a[href$='.ipynb']");
    if (!(link instanceof HTMLAnchorElement)) return;
    event.preventDefault();
    const script = document.createElement("script");
    script.src = `${link.href}.js`;
    document.head.append(script);
    script.onload = () => script.remove();
  });
}
