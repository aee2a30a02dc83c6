// What a cluster of a given size can do, its largest run in time or how it does a given one: what
// dmcore/studies/planning.py does, in the same order.

import {
  ROUNDING,
  binding,
  clusterSizes,
  forGpu,
  idealSeconds,
  latencyFloor,
  levelSizes,
  makeModel,
  makeQuickest,
  mostGpus,
  oddParts,
  usedInNode,
} from "./simulator.js";

/** @import { Run, SweepSettings } from "./messages.d.ts" */
/** @import { Formulas, LaidOut, Gpu, Model } from "./simulator.js" */
/** @import { LawsSpec } from "./spec.d.ts" */

/** @typedef {LaidOut & {gpus: number, model: Model}} Use */

/**
 * Widths in order: 1, 2, ... up to `fine`, then so many to each doubling.
 * @param {number} place
 * @param {number} fine
 */
const width = (place, fine) =>
  place <= fine ? place : (fine + (place % fine)) * 2 ** (Math.floor(place / fine) - 1);

/**
 * Whether a cluster takes no more nodes than so many GPUs fill: of nodes of 72 it may use 64.
 * @param {Gpu} gpu
 * @param {number} size
 * @param {number} gpus
 */
function nodesSuffice({ network }, size, gpus) {
  if (network.length === 1) return true;
  const node = /** @type {number} */ (network[0].size);
  const [used] = levelSizes(network, size);
  return size / used <= Math.floor(gpus / node) + +(gpus % node >= used);
}

/**
 * Sizes of cluster to try, largest first: those that could end in time at the useful rate, in nodes there are.
 * @param {Gpu} gpu
 * @param {Model} model
 * @param {number} gpus
 * @param {number} seconds
 * @param {number[]} odd
 */
function sizesOf(gpu, model, gpus, seconds, odd) {
  const least = model.flop / gpu.F_useful / seconds;
  const factors = oddParts(gpu.network).flatMap((part) => odd.map((m) => part * m));
  const sizes = new Set([gpus, ...clusterSizes([1, model.experts], factors, gpus)]);
  return [...sizes]
    .filter((size) => least <= size && size <= mostGpus(model) && nodesSuffice(gpu, size, gpus))
    .sort((a, b) => b - a);
}

/**
 * How `gpus` GPUs do the run that is closest to `flop`, or, without it, their largest run in the time of the
 * settings, at last; null if there is none. What comes before are pauses, in which messages can be heard.
 * @param {Formulas} formulas
 * @param {SweepSettings} settings
 * @param {LawsSpec} laws
 * @param {number} gpus
 * @param {number} [flop]
 * @returns {Generator<undefined, Run | null>}
 */
export function* bestUse(formulas, settings, laws, gpus, flop) {
  const { f, gpu } = forGpu(formulas, settings);
  const { zeroBubbleLatency } = settings;
  const seconds = flop === undefined ? settings.seconds : Infinity;
  const { fine, coarse, odd } = laws.planning;

  /** @param {number} place */
  function made(place) {
    const model = makeModel(f, width(place, fine), settings, laws);
    return model.batch >= 1 && model.layers >= 1 ? model : undefined;
  }
  /** @param {Model} model */
  const couldEnd = (model) => latencyFloor(gpu, model) * model.steps < seconds;

  /**
   * The fastest step of these sizes that ends in time; of equally fast ones, on the fewest GPUs.
   * @param {Model} model
   * @param {number[]} sizes
   * @param {number} [most] seconds that the run may take
   * @returns {Generator<undefined, Use | undefined>}
   */
  function* fastestOf(model, sizes, most = seconds) {
    const quickest = makeQuickest(f, gpu, model, zeroBubbleLatency);
    /** @type {Use | undefined} */
    let best;
    let cutoff = most / model.steps;
    for (const size of sizes) {
      const ideal = model.flop / model.steps / gpu.F_useful / size;
      if (best && ideal > best.step) break;
      const found = quickest(size, cutoff * ROUNDING);
      if (found && found.step <= cutoff) {
        best = { ...found, gpus: size, model };
        cutoff = found.step;
      }
      yield;
    }
    return best;
  }

  /**
   * The next model of more compute that fits at all, however long it takes, and its place.
   * @param {number} place
   * @param {Use} than
   * @returns {Generator<undefined, {place: number, use: Use} | undefined>}
   */
  function* nextLarger(place, than) {
    for (let further = place + 1; further < place + fine; further++) {
      const model = made(further);
      if (!model || model.flop <= than.model.flop) continue;
      const sizes = sizesOf(gpu, model, gpus, Infinity, odd);
      const use = yield* fastestOf(model, sizes, Infinity);
      if (use) return { place: further, use };
    }
    return undefined;
  }

  /**
   * The largest run: what was found, or the next larger ones if they end in time as well.
   * @param {number} place
   * @param {Use} use
   * @returns {Generator<undefined, Run>}
   */
  function* largest(place, use) {
    for (;;) {
      const next = yield* nextLarger(place, use);
      const answer = told(f, gpu, use, gpus);
      if (!next) return answer;
      const { step, model } = next.use;
      if (step * model.steps > seconds) {
        const days = (step * model.steps) / 86400;
        return { ...answer, next_training_flop: model.flop, next_days: days };
      }
      ({ place, use } = next);
    }
  }

  /**
   * The first place whose model takes more compute than that.
   * @param {number} most
   */
  function firstAbove(most) {
    let [low, high] = [1, fine * 36];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const model = made(middle);
      if (model && model.flop > most) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  if (flop !== undefined) {
    const above = firstAbove(flop);
    /** @type {Model | undefined} */
    let model;
    /** @param {Model} of */
    const away = (of) => Math.abs(Math.log(of.flop / flop));
    for (let place = Math.max(1, above - 2); place < above + 3; place++) {
      const next = made(place);
      if (next && (!model || away(next) < away(model))) model = next;
    }
    if (!model) return null;
    const found = yield* fastestOf(model, sizesOf(gpu, model, gpus, seconds, odd));
    return found ? told(f, gpu, found, gpus) : null;
  }
  for (let place = firstAbove(gpus * gpu.F_useful * seconds); place > 0; place--) {
    if (place % coarse && place >= coarse) continue;
    const model = made(place);
    if (!model || !couldEnd(model)) continue;
    const sizes = sizesOf(gpu, model, gpus, seconds, odd);
    const found = yield* fastestOf(model, sizes);
    if (!found) continue;
    const near = sizes.filter((size) => size * 4 >= found.gpus);
    for (let finer = place + coarse - 1; finer > place; finer--) {
      const larger = made(finer);
      if (!larger || !couldEnd(larger)) continue;
      const least = larger.flop / gpu.F_useful / seconds;
      const better = yield* fastestOf(
        larger,
        near.filter((size) => size >= least),
      );
      if (better) return yield* largest(finer, better);
    }
    return yield* largest(place, found);
  }
  return null;
}

/**
 * @param {Formulas} f
 * @param {Gpu} gpu
 * @param {Use} use
 * @param {number} gpus
 * @returns {Run}
 */
function told(f, gpu, { model, way, moved, step, gpus: used, layout }, gpus) {
  const ideal = idealSeconds(f, gpu, model, used);
  return {
    training_flop: model.flop,
    params: model.params,
    d_model: model.d,
    layers: model.layers,
    experts: model.experts,
    batch_tokens: model.batch,
    n_gpu_used: used,
    n_gpu_idle: gpus - used,
    utilization: ideal / step,
    step_s: step,
    days: (step * model.steps) / 86400,
    tokens_per_s: model.batch / step,
    data_parallel: way.data,
    tensor_parallel: way.slices * way.ffSlices,
    pipeline_parallel: way.stages,
    expert_parallel: way.expert,
    microbatches: way.microbatches,
    binding: binding(f, gpu, model, way, moved, step),
    gpus_used_in_node: usedInNode(layout),
    layout,
  };
}
