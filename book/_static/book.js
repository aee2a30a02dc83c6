// A box that scrolls sideways can be reached and scrolled with the keyboard.
addEventListener("DOMContentLoaded", () => {
  const BOXES = [
    ".math.displayed > .scroll",
    ".pst-scrollable-table-container",
    ".cell_output .text_html",
    ".highlight pre",
    ".cell_output pre",
  ].join(",");
  const mark = (box) => {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  };
  // Tells the size at first, and again when the window changes or a folded part is opened.
  const observer = new ResizeObserver((changes) => {
    for (const { target } of changes) mark(target);
  });
  for (const box of document.querySelectorAll(BOXES)) observer.observe(box);
});
