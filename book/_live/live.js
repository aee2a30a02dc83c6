// Live figures: each takes the place of the still one that the page holds, and answers the reader.
// The page's HTML says what a figure is, as JSON (spec.d.ts, which dmcore/show/page.py writes); a kind below knows
// how to draw it: expressions.js, grid.js or cluster/. They share controls.js, plot/ (the picture), runs/
// (what is simulated) and page/ (parts of the page around the picture).

import { fragment, read, write } from "./address.js";
import { cluster } from "./cluster/cluster.js";
import { expressions } from "./expressions.js";
import { grid } from "./grid.js";
import { spoken } from "./numbers.js";
import { element } from "./page/element.js";
import { copy, download } from "./page/hand_over.js";
import { asPng, asSvg } from "./page/picture.js";
import { tableView } from "./page/table.js";
import { capital } from "./page/words.js";

/** @import { Frame, Kind, Moved } from "./kind.d.ts" */
/** @import { FigureSpec } from "./spec.d.ts" */

const SETTLED_MS = 400;
/** Of what a change has changed, this much is spoken; the rest stands beside the picture. */
const NEWS = 6;
const FEW = 3; // controls that stand below a picture on a phone

/**
 * @param {FigureSpec} spec
 * @param {Frame} frame
 * @returns {Kind}
 */
function makeKind(spec, frame) {
  switch (spec.kind) {
    case "cluster":
      return cluster(spec, frame);
    case "expressions":
      return expressions(spec, frame);
    case "grid":
      return grid(spec, frame);
  }
}

/**
 * Make a figure live; the answer is whether the address has settings of it.
 * @param {HTMLElement} figure
 */
function mount(figure) {
  const data = figure.querySelector("script[type='application/json']")?.textContent;
  if (!data) throw new Error(`figure ${figure.id} has no data`);
  /** @type {FigureSpec} */
  const spec = JSON.parse(data);
  /**
   * Two dashes: "limits" has a control "alpha", and another figure is named "limits-alpha".
   * @param {string} part
   */
  const id = (part) => `${figure.id}--${part}`.replace(/[^\w-]/g, "-");
  const stage = element("div", { class: "dm-stage" });
  const title = element("p", { class: "dm-title", id: id("title") }, spec.title);
  const reading = element("p", { class: "dm-reading" });
  const status = element("p", { class: "dm-status", role: "status" });
  const said = element("p", { class: "dm-hidden", role: "status" });
  const live = element("div", { class: "dm-running" }, title, stage);
  // Already in the page, so that its width and font are known to what draws in it.
  figure.append(live);

  let frameAsked = 0;
  let settling = 0;
  /** @type {string[]} */
  let told = [];
  /** @type {Moved} */
  let moved;
  /** @type {Frame} */
  const frame = {
    id,
    stage,
    line: reading,
    reading: (text) => {
      reading.textContent = text;
    },
    changed(symbol) {
      if (!frameAsked) moved = symbol;
      else if (symbol !== null) moved = moved === null || moved === symbol ? symbol : undefined;
      frameAsked ||= requestAnimationFrame(() => {
        frameAsked = 0;
        draw();
      });
      if (symbol !== null) status.textContent = "";
    },
  };
  const kind = makeKind(spec, frame);
  // Where the controls are many, the picture and these numbers stay in sight (live.css).
  const brief = element("p", { class: "dm-brief", "aria-hidden": "true" });
  live.classList.toggle("dm-tall", kind.rows.length > FEW);
  stage.querySelector(".dm-plot")?.prepend(brief);
  const table = tableView("Values as a table", `Values of “${spec.title}”`, kind.table);

  function draw(first = false) {
    kind.draw(moved);
    brief.textContent = kind.brief().join(" · ");
    moved = undefined;
    table.fill();
    clearTimeout(settling);
    settling = setTimeout(settle, first ? 0 : SETTLED_MS, first);
  }
  /**
   * What is spoken, and the address, wait until the reader's hand rests.
   * @param {boolean} first
   */
  function settle(first) {
    if (!first) write(spec.name, kind.settings());
    const instead = kind.instead?.();
    if (instead) {
      said.textContent = instead;
      return;
    }
    const words = kind.words().map((part) => spoken(part).replace(/\.$/, ""));
    kind.describe([spoken(spec.alt).replace(/\.$/, ""), ...words].join(". "));
    const news = words.filter((part) => !told.includes(part)).slice(0, NEWS);
    told = words;
    if (!first) said.textContent = news.join(". ");
  }

  const reset = element(
    "button",
    {
      type: "button",
      click: () => {
        kind.reset();
        draw();
        status.textContent = "As at the start";
      },
    },
    "Reset",
  );
  /** The address of the figure as it is set. */
  function address() {
    const settings = kind.settings();
    const hash = settings.size ? fragment(spec.name, settings) : `#${figure.id}`;
    return location.href.split("#")[0] + hash;
  }
  /** The drawings as one file, with the settings, and how to cite it, below. */
  function picture() {
    /** @type {NodeListOf<SVGSVGElement>} */
    const drawings = stage.querySelectorAll("svg.dm-drawing");
    const set = kind.told().map(([name, value]) => `${capital(name)}: ${value}.`);
    const from = location.protocol === "file:" ? "" : ` ${address()}`;
    return asSvg([...drawings], spec.title, [
      set.join(" ") || "All settings are as at the start.",
      `${document.title}, dmcore ${DMCORE_VERSION}.${from}`,
    ]);
  }
  const svg = element(
    "button",
    {
      type: "button",
      click: () => download(`${spec.name}.svg`, picture().text, "image/svg+xml"),
    },
    "Download SVG",
  );
  const png = element(
    "button",
    {
      type: "button",
      click: async () => {
        try {
          download(`${spec.name}.png`, await asPng(picture()), "image/png");
        } catch (error) {
          status.textContent = `No PNG could be made. ${error}`;
        }
      },
    },
    "Download PNG",
  );
  const link = element(
    "button",
    {
      type: "button",
      click: async () => {
        const done = await copy(address());
        status.textContent = done ? "Link copied" : `The link: ${address()}`;
      },
    },
    "Copy link",
  );
  live.append(
    element("div", { class: "dm-controls", role: "group", "aria-label": "Settings" }, ...kind.rows),
    element("div", { class: "dm-buttons" }, reset, link, svg, png, ...(kind.buttons ?? []), status),
    table.details,
    said,
  );
  figure.setAttribute("role", "group");
  figure.setAttribute("aria-labelledby", title.id);

  function follow() {
    const settings = read(spec.name);
    if (!settings) return false;
    const refused = kind.apply(settings);
    if (refused.length) {
      status.textContent = `Of this link's settings, not known or out of range here: ${refused.join(", ")}`;
    }
    return true;
  }
  const linked = follow();
  draw(true);
  addEventListener("hashchange", () => {
    if (follow()) {
      draw();
      figure.scrollIntoView({ behavior: "instant" });
    }
  });
  figure.classList.add("dm-mounted");
  return linked;
}

function start() {
  let target;
  /** @type {NodeListOf<HTMLElement>} */
  const figures = document.querySelectorAll("figure.dm-live:not(.dm-mounted)");
  for (const figure of figures) {
    try {
      if (mount(figure)) target ??= figure;
    } catch (error) {
      // The still figure stays.
      figure.querySelector(".dm-running")?.remove();
      console.error(error);
    }
  }
  target?.scrollIntoView({ behavior: "instant" });
  performance.mark("dm-live");
}

if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
else start();
