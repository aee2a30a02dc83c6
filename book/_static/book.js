// A box that scrolls sideways can be reached and scrolled with the keyboard.
addEventListener("DOMContentLoaded", () => {
  const BOXES = [
    ".math.displayed > .scroll",
    ".pst-scrollable-table-container",
    ".cell_output .text_html",
    ".highlight pre",
    ".cell_output pre",
  ].join(",");
  /** @param {HTMLElement} box */
  const mark = (box) => {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  };
  // Tells the size at first, and again when the window changes or a folded part is opened.
  const observer = new ResizeObserver((changes) => {
    for (const { target } of changes) mark(/** @type {HTMLElement} */ (target));
  });
  for (const box of document.querySelectorAll(BOXES)) observer.observe(box);
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
