// Sweeps beside the page, so that a control under the reader's hand never waits. The page gets the runs one
// by one; a new message replaces the sweep under way.

import { compile, sweep } from "./simulator.js";

let formulas;
let laws;
let job;

onmessage = async ({ data }) => {
  if (data.formulas) {
    formulas = compile(data.formulas);
    laws = data.laws;
    return;
  }
  ({ job } = data);
  const own = job;
  for (const run of sweep(formulas, data.settings, laws)) {
    postMessage({ job, run });
    // Messages are heard between two runs.
    await new Promise((done) => setTimeout(done));
    if (job !== own) return;
  }
};
