// What a search puts first: chapters, in the order of the book, then the other pages, then the package.

/**
 * The pages in the order of the book, which is that of the menu beside them.
 * @type {string[]}
 */
const ORDER = [];
const inOrder = () => {
  if (!ORDER.length) {
    for (const link of document.querySelectorAll(".bd-links a.internal"))
      ORDER.push((link.getAttribute("href") ?? "").replace(/\.html.*$/, ""));
  }
  return ORDER;
};

// eslint-disable-next-line no-unused-vars, no-var -- Sphinx's searchtools.js reads it, as a global variable
var Scorer = {
  /** @param {[string, string, string, string | null, number, string]} result */
  score([page, , , , score]) {
    const place = inOrder().indexOf(page);
    const room = page.startsWith("notebooks/") ? 100 : page.startsWith("book/api/") ? -100 : 0;
    return room + score - (place < 0 ? 0 : place / 1000);
  },
  // Sphinx's own weights.
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
