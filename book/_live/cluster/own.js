// What the reader's own cluster can do: the largest run that so many GPUs end in time, or how they do a run
// of so much compute.

import { element } from "../page/element.js";
import { menuRow } from "../page/menu.js";
import { clamp, inUnit } from "../page/range.js";
import { readoutList } from "../page/readouts.js";
import { sliderRow } from "../page/slider.js";
import { isUse, makeSimulation } from "./simulation.js";

/** @import { Frame, Moved } from "../kind.d.ts" */
/** @import { Asked, SweepSettings, Use } from "../messages.d.ts" */
/** @import { Value } from "../runs/series.js" */
/** @import { OwnSpec } from "../spec.d.ts" */

const REST_MS = 250; // a search waits until the reader's hand rests
const NOTHING = "No model can be trained on that many GPUs in that time.";
const NOT_SPLIT = "A model of that compute fits on no part of that many GPUs.";

/**
 * @param {OwnSpec} spec
 * @param {Frame} frame
 * @param {NonNullable<Asked["model"]>} model
 * @param {() => SweepSettings} settings
 */
export function ownCluster(spec, frame, model, settings) {
  const range = inUnit(spec.gpus);
  const atStart = spec.gpus.default;
  let gpus = atStart;
  const slider = sliderRow({ ...range, whole: true }, frame.id("gpus"), (value) => {
    gpus = value;
    frame.changed("gpus");
  });
  const compute = inUnit(spec.flop);
  /** The compute that is asked for; undefined for the largest run. @type {number | undefined} */
  let flop;
  let typed = spec.flop.default;
  const menu = menuRow("Ask for", spec.ask, frame.id("ask"), (option) => {
    flop = option === spec.ask[0] ? undefined : typed;
    frame.changed();
  });
  const run = sliderRow(compute, frame.id("flop"), (value) => {
    typed = value;
    flop = value;
    frame.changed("flop");
  });
  const list = readoutList(spec.columns);
  const words = element("p", { class: "dm-own" });
  const group = element(
    "details",
    { class: "dm-group", open: true },
    element("summary", {}, spec.title),
    element("div", { class: "dm-controls" }, slider.row, menu.row, run.row),
    words,
    list.list,
  );

  const asked = () => JSON.stringify([gpus, flop, settings()]);
  /** @type {Map<string, Use>} */
  const known = new Map([[asked(), spec.use]]);
  /** @type {Use} */
  let shown = spec.use;
  /** @type {string | undefined} */
  let waiting;
  /** @type {string | undefined} */
  let failed; // the last question, if its search failed
  let told = "";
  let timer = 0;
  const simulation = makeSimulation(
    model,
    (found) => {
      if (!isUse(found) || waiting === undefined) return;
      known.set(waiting, found.use);
      waiting = undefined;
      frame.changed(null);
    },
    (why) => {
      failed = waiting;
      waiting = undefined;
      told = `The search failed. ${why}`;
      frame.changed(null);
    },
  );

  function search() {
    const question = asked();
    if (question === waiting || question === failed) return;
    failed = undefined;
    clearTimeout(timer);
    simulation.stop(); // what is still on its way answers another question
    const found = known.get(question);
    if (found !== undefined) {
      waiting = undefined;
      shown = found;
      told = found !== null ? "" : flop === undefined ? NOTHING : NOT_SPLIT;
      return;
    }
    waiting = question;
    told = "Searching. The numbers are of the cluster before.";
    timer = setTimeout(() => simulation.start({ ...settings(), gpus, flop }), REST_MS);
  }

  /** @returns {Value[]} */
  const values = () =>
    spec.columns.map(({ name, per }) => {
      const value = shown?.[name];
      if (typeof value === "number") return value / per;
      const none = shown && flop !== undefined ? "not asked" : "none";
      return typeof value === "string" ? value : none;
    });

  return {
    group,
    searching: () => waiting !== undefined || failed !== undefined,
    /** The question, and what came out: null if nothing fits. */
    answer: () => ({ n_gpu: gpus, flop: flop ?? null, use: shown }),
    /** @param {Moved} moved */
    draw(moved) {
      if (moved !== "gpus" && moved !== null) slider.show(gpus);
      if (moved !== "flop" && moved !== null) run.show(typed);
      menu.show(spec.ask[flop === undefined ? 0 : 1]);
      search();
      words.textContent = told;
      list.show(values());
    },
    words: () => [`${spec.title} ${told || list.words(values()).join(". ")}`],
    /** @param {URLSearchParams} kept */
    keep(kept) {
      if (gpus !== atStart) kept.set("gpus", String(gpus));
      if (flop !== undefined) kept.set("flop", String(flop));
      return kept;
    },
    reset() {
      gpus = atStart;
      flop = undefined;
      typed = spec.flop.default;
    },
    /** @param {URLSearchParams} given */
    apply(given) {
      const value = Number(given.get("gpus"));
      gpus = value > 0 ? Math.round(clamp(value, range.low, range.high)) : atStart;
      const wanted = Number(given.get("flop"));
      flop = wanted > 0 ? clamp(wanted, compute.low, compute.high) : undefined;
      typed = flop ?? spec.flop.default;
    },
  };
}
