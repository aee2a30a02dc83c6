// Sweeps beside the page, so that a control under the reader's hand never waits. The page gets the runs one
// by one; a new message replaces the sweep under way.

import { compile, sweep } from "./simulator.js";

/** @import { Asked, Told } from "./messages.d.ts" */
/** @import { Formulas } from "./simulator.js" */
/** @import { LawsSpec } from "./spec.d.ts" */

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
  for (const found of sweep(formulas, settings, laws)) {
    tell({ job: own, run: found });
    // Messages are heard between two runs.
    await new Promise((done) => void setTimeout(done));
    if (job !== own) return;
  }
}

onmessage = ({ data }) => {
  run(data).catch((error) => tell({ job: data.job, failed: String(error) }));
};
