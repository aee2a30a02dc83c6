// What the reader's own cluster can do: the largest run that so many GPUs end in time.

import { element } from "../page/element.js";
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
  const list = readoutList(spec.columns);
  const words = element("p", { class: "dm-own" });
  const group = element(
    "details",
    { class: "dm-group", open: true },
    element("summary", {}, spec.title),
    element("div", { class: "dm-controls" }, slider.row),
    words,
    list.list,
  );

  const asked = () => JSON.stringify([gpus, settings()]);
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
      told = found === null ? NOTHING : "";
      return;
    }
    waiting = question;
    told = "Searching. The numbers are of the cluster before.";
    timer = setTimeout(() => simulation.start({ ...settings(), gpus }), REST_MS);
  }

  /** @returns {Value[]} */
  const values = () =>
    spec.columns.map(({ name, per }) => {
      const value = shown?.[name];
      return typeof value === "number" ? value / per : typeof value === "string" ? value : "none";
    });

  return {
    group,
    /** @param {Moved} moved */
    draw(moved) {
      if (moved !== "gpus" && moved !== null) slider.show(gpus);
      search();
      words.textContent = told;
      list.show(values());
    },
    words: () => [`${spec.title} ${told || list.words(values()).join(". ")}`],
    /** @param {URLSearchParams} kept */
    keep(kept) {
      if (gpus !== atStart) kept.set("gpus", String(gpus));
      return kept;
    },
    reset() {
      gpus = atStart;
    },
    /** @param {URLSearchParams} given */
    apply(given) {
      const value = Number(given.get("gpus"));
      gpus = value > 0 ? Math.round(clamp(value, range.low, range.high)) : atStart;
    },
  };
}
