// A box that scrolls sideways can be reached and scrolled with the keyboard.
(() => {
  const BOXES = [
    ".math.displayed > .scroll",
    ".pst-scrollable-table-container",
    ".cell_output .text_html",
    ".highlight pre",
    ".cell_output pre",
  ].join(",");
  const mark = () => {
    for (const box of document.querySelectorAll(BOXES)) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  addEventListener("load", mark);
  addEventListener("resize", mark);
})();
