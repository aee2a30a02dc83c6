// The simulator in a worker beside the page, for one sweep at a time.

import workerSource from "dm-worker";

/** @import { Asked, Ended, Run, SweepSettings, Told, Use } from "../messages.d.ts" */

/**
 * What starts and stops sweeps. A new one replaces that under way.
 * @param {NonNullable<Asked["model"]>} model
 * @param {(run: Run | Ended | {use: Use}) => void} take gets each run, and at last why there are no more
 * @param {(why: string) => void} fail is told that the sweep under way cannot go on
 */
export function makeSimulation(model, take, fail) {
  /** @type {Worker | undefined} */
  let worker;
  let job = 0;

  /** @param {string} why */
  function failed(why) {
    // The next sweep gets a worker of its own.
    worker?.terminate();
    worker = undefined;
    job += 1;
    console.error(why);
    fail(why);
  }

  /** @param {Asked} asked */
  function ask(asked) {
    if (worker) {
      worker.postMessage(asked);
      return;
    }
    // A page that is opened as a file may start no other file, but a text of its own.
    const url = URL.createObjectURL(new Blob([workerSource], { type: "text/javascript" }));
    const made = new Worker(url);
    made.onmessage = (/** @type {MessageEvent<Told>} */ { data }) => {
      if (data.job !== job) return; // of another sweep, still on its way
      if ("failed" in data) failed(data.failed);
      else take(data.run);
    };
    made.onerror = (event) => {
      if (made === worker) failed(event.message);
    };
    made.postMessage({ ...asked, model });
    worker = made;
  }

  return {
    /** @param {SweepSettings} settings */
    start(settings) {
      job += 1;
      try {
        ask({ job, settings });
      } catch (error) {
        failed(String(error)); // a browser may forbid workers
      }
    },
    /** Want no more runs of the sweep under way. */
    stop() {
      job += 1;
    },
  };
}

/**
 * @param {Run | Ended | {use: Use}} run
 * @returns {run is {use: Use}}
 */
export const isUse = (run) => "use" in run;
