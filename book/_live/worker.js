// Sweeps beside the page, so that a control under the reader's hand never waits. The page gets the runs one
// by one; a new message replaces the sweep under way.

import { bestUse } from "./planning.js";
import { compile, sweep } from "./simulator.js";

/** @import { Asked, SweepSettings, Told } from "./messages.d.ts" */
/** @import { Formulas } from "./simulator.js" */
/** @import { LawsSpec } from "./spec.d.ts" */

const PAUSE_MS = 50; // a search is deaf for no longer, but for one cluster's

/** @type {Formulas} */
let formulas;
/** @type {LawsSpec} */
let laws;
/** @type {number} */
let job;

/** @param {Told} told */
const tell = (told) => postMessage(told);

/** @param {Asked} asked */
async function run({ job: own, model, settings }) {
  job = own;
  if (model) {
    formulas = compile(model.formulas);
    laws = model.laws;
  }
  if (settings.gpus !== undefined) {
    await plan(own, settings, settings.gpus);
    return;
  }
  for (const found of sweep(formulas, settings, laws)) {
    tell({ job: own, run: found });
    // Messages are heard between two runs.
    await heard();
    if (job !== own) return;
  }
}

const heard = () => new Promise((done) => void setTimeout(done));

/**
 * Tell what so many GPUs can do.
 * @param {number} own
 * @param {SweepSettings} settings
 * @param {number} gpus
 */
async function plan(own, settings, gpus) {
  const search = bestUse(formulas, settings, laws, gpus, settings.flop);
  let since = performance.now();
  for (;;) {
    const { done, value } = search.next();
    if (done) {
      tell({ job: own, run: { use: value } });
      return;
    }
    if (performance.now() - since < PAUSE_MS) continue;
    await heard();
    if (job !== own) return;
    since = performance.now();
  }
}

onmessage = ({ data }) => {
  run(data).catch((error) => tell({ job: data.job, failed: String(error) }));
};
