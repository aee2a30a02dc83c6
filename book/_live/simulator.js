// The simulator's search in the browser: what dmcore/simulator/search.py and sweep.py do, in the same
// order. No formula stands here. Each is made from its SymPy expression (dmcore/show/cluster.py), and
// called with its arguments in the order that is written there.

const BUBBLE_CHOICES = 4; // numbers of microbatches that are tried with a bubble,
const ZERO_BUBBLE_CHOICES = 1; // and without
export const ROUNDING = 1 + 1e-9; // times computed in another order agree to better than this
const EQUAL = 1 + 1e-12; // times whose ratio is this close to one are equal
const DEGREES = 5; // data, slices of d_model and of d_ff, pipeline, expert: in this order everywhere
const [DATA, MODEL, FF, PIPELINE, EXPERT] = [0, 1, 2, 3, 4];

/** @import { Ended, Run, SweepSettings } from "./messages.d.ts" */
/** @import { ExtrasSpec, FormulaSpec, LawsSpec, Rounding } from "./spec.d.ts" */

/**
 * Formulas by name; those of a product take the figures of the GPU as their last argument.
 * @typedef {Record<string, (...values: (number | Gpu)[]) => number>} Formulas
 */

/**
 * A level of the network: how many units it joins (the outermost joins all), bytes/s of a GPU, and the
 * latency of a hop.
 * @typedef {{size: number | undefined, beta: number, hop: number}} Level
 */

/**
 * A GPU and its network, by the symbols of the formulas.
 * @typedef {object} Gpu
 * @property {number} F_peak
 * @property {number} F_useful
 * @property {number} beta_shared
 * @property {number} beta_hbm
 * @property {number} beta_L2
 * @property {number} hbmBytes
 * @property {number} ell_kernel
 * @property {Level[]} network
 */

/** @typedef {ReturnType<typeof makeModel>} Model */

/**
 * A way to divide a step, not laid out over the network. `matmul` are seconds of its products, `bound`
 * those that no layout of it goes below; both are set once the way is looked at.
 * @typedef {object} Way
 * @property {number} data
 * @property {number} slices of d_model
 * @property {number} ffSlices
 * @property {number} stages
 * @property {number} expert
 * @property {number} microbatches
 * @property {number} interleaving
 * @property {boolean} zeroBubble
 * @property {number} tokens of a nanobatch
 * @property {number} matmul
 * @property {number} bound
 */

/** A product of a layer: how many, its kind, and the sides. @typedef {[number, "product" | "gradient", number, number]} Product */

/** Degrees of a level, in the order above. @typedef {Float64Array} Degrees */

/**
 * A way that is laid out: seconds of a step, of its traffic, of each kind of traffic, and the degrees of
 * each level.
 * @typedef {{step: number, bandwidth: number, way: Way, moved: Float64Array, layout: number[][]}} LaidOut
 */

/**
 * The page's formulas as functions, by name.
 * @param {FormulaSpec[]} formulas
 * @returns {Formulas}
 */
export const compile = (formulas) =>
  Object.fromEntries(
    formulas.map(({ name, args, body }) => [
      name,
      /** @type {Formulas[string]} */ (new Function(...args, body)),
    ]),
  );

// ------------------------------------------------------------------------------- whole numbers

/**
 * What a function of a number gives, computed once.
 * @template Made
 * @param {(value: number) => Made} make
 * @returns {(value: number) => Made}
 */
function remember(make) {
  /** @type {Map<number, Made>} */
  const known = new Map();
  return (value) => {
    if (!known.has(value)) known.set(value, make(value));
    return /** @type {Made} */ (known.get(value));
  };
}

/** @type {(a: number, b: number) => number} */
const gcd = (a, b) => (b ? gcd(b, a % b) : a);

/** Divisors in ascending order. */
const divisors = remember((n) => {
  let found = [1];
  for (let prime = 2; n > 1; prime += prime === 2 ? 1 : 2) {
    if (prime * prime > n) prime = n;
    const powers = [1];
    while (n % prime === 0) {
      n /= prime;
      powers.push(/** @type {number} */ (powers.at(-1)) * prime);
    }
    found = powers.flatMap((power) => found.map((divisor) => power * divisor));
  }
  return found.sort((a, b) => a - b);
});

/** All ways to write n as an ordered product of the degrees at one level. @type {(n: number) => Float64Array[]} */
const factorizations = remember((n) => {
  /** @type {(left: number, parts: number) => number[][]} */
  const ways = (left, parts) =>
    parts === 1
      ? [[left]]
      : divisors(left).flatMap((first) =>
          ways(left / first, parts - 1).map((way) => [first, ...way]),
        );
  return ways(n, DEGREES).map((way) => new Float64Array(way));
});

const ROUND_NUMBERS = [
  ...new Set([1, 3, 5, 7, 9].flatMap((m) => Array.from({ length: 60 }, (_, i) => m * 2 ** i))),
].sort((a, b) => a - b);

/**
 * The closest number of the form m 2**i with m one of 1, 3, 5, 7, 9; the smaller on a tie.
 * @param {number} x
 */
export function closestRound(x) {
  const found = ROUND_NUMBERS.findIndex((number) => number >= x);
  const above = found < 0 ? ROUND_NUMBERS.length - 1 : found;
  const below = Math.max(above - 1, 0);
  return x - ROUND_NUMBERS[below] <= ROUND_NUMBERS[above] - x
    ? ROUND_NUMBERS[below]
    : ROUND_NUMBERS[above];
}

/**
 * How many units each network level joins, node first: the largest divisor of what is left.
 * @param {Level[]} network
 * @param {number} gpus
 */
export function levelSizes(network, gpus) {
  let left = gpus;
  const sizes = network.slice(0, -1).map(({ size }) => {
    let joined = Math.min(/** @type {number} */ (size), left);
    while (left % joined) joined -= 1;
    left /= joined;
    return joined;
  });
  return [...sizes, left];
}

// ------------------------------------------------------------------------------------- a model

/** @type {(sequences: number, experts: number) => number} */
const shared = (sequences, experts) => experts * closestRound(sequences / experts);

/**
 * How the sequences of a batch become a whole number, by the names of ROUNDINGS in dmcore.models.laws.
 * @type {Record<Rounding, (sequences: number, experts: number) => number>}
 */
const ROUNDINGS = {
  "multiple of the experts": shared,
  "whole sequences down": (sequences) => Math.floor(sequences),
  "as told if that divides": (sequences, experts) =>
    sequences % experts ? shared(sequences, experts) : sequences,
};

/**
 * The sequences of a batch: of the law, unless the reader has told another batch.
 * @param {Formulas} f
 * @param {SweepSettings["model"]} told
 * @param {LawsSpec} laws
 * @param {number} flop
 * @param {number} experts
 */
function sequencesOf(f, told, { batchLaws, toldRounding }, flop, experts) {
  const law = batchLaws[told.law];
  if (Object.entries(law.told).every(([name, value]) => told[name] === value)) {
    const sequences = f[`batch_${law.name}`](flop, experts, told.seq_len);
    return ROUNDINGS[law.rounding](sequences, experts);
  }
  const { seq_len: length, batch_tokens: tokens, batch_exponent: exponent } = told;
  return ROUNDINGS[toldRounding](f.batchTold(flop, length, tokens, exponent), experts);
}

/**
 * The model of a width that the scaling laws make, or what the reader has told instead of them.
 * @param {Formulas} f
 * @param {number} d
 * @param {Pick<SweepSettings, "model">} settings
 * @param {LawsSpec} laws
 */
export function makeModel(f, d, { model: told }, laws) {
  const ff = told.aspect_ratio * d;
  const layers =
    told.layers === laws.asTold
      ? closestRound(f[`layers_${laws.depthLaws[told.depth]}`](d, ff))
      : told.layers;
  const extras = laws.extras[told.attention][told.activation_memory];
  const byLaw = told.sparse ? closestRound(f.experts(d, ff)) : 1;
  const experts = told.experts === laws.asTold ? byLaw : told.experts;
  const attentionParams = extras.attention ? layers * f.attentionParameters(d) : 0;
  const params = f.parameters(d, ff, layers, experts) + attentionParams;
  const tokens = f.trainingTokens(params);
  const counted = { d, ff, layers, experts, params, attentionParams, tokens, length: told.seq_len };
  const work = workOf(f, counted, extras);
  const batch = sequencesOf(f, told, laws, work.flop, experts) * told.seq_len;
  return {
    ...counted,
    ...work,
    ...sumsOf(f, d, ff, layers * batch, extras),
    extras,
    batch,
    activationBytes: keptOf(f, d, ff, told, extras),
    rounds: layers * (extras.forwardPasses + 1) * (extras.attention ? 2 : 1),
    wP: told.w_P,
    wA: told.w_A,
    wG: told.w_G,
    steps: tokens / batch,
  };
}

/**
 * Compute of a run, and P and E of what a step computes: `work` is what counts, `executed` all that is done,
 * again what was not kept.
 * @param {Formulas} f
 * @param {{d: number, ff: number, layers: number, experts: number, params: number, tokens: number, length: number}} of
 * @param {ExtrasSpec} extras
 */
function workOf(f, { d, ff, layers, experts, params, tokens, length }, extras) {
  const { attention, forwardPasses, scorePasses, activations: kept } = extras;
  const flop = f.trainingFlop(params, experts);
  const plain = { P: params, E: experts };
  if (!attention && !kept) return { flop, work: plain, executed: plain };
  if (!attention) {
    const again = f["executedMacs plain"](d, ff, layers, forwardPasses);
    return { flop, work: plain, executed: { P: again, E: 1 } };
  }
  const macs = f.forwardMacs(d, ff, layers, length);
  const executed = f["executedMacs attention"](d, ff, layers, length, forwardPasses, scorePasses);
  return {
    flop: f.flopOfMacs(macs, 1, tokens),
    work: { P: macs, E: 1 },
    executed: { P: executed, E: 1 },
  };
}

/**
 * Numbers that the slices of d_model sum up in a step, and those of d_ff.
 * @param {Formulas} f
 * @param {number} d
 * @param {number} ff
 * @param {number} times tokens of all layers
 * @param {ExtrasSpec} extras
 */
function sumsOf(f, d, ff, times, { attention, forwardPasses }) {
  const inside = attention ? f.insideReduced(d, forwardPasses) : 0;
  const outside = attention ? f.outsideReduced(d, forwardPasses) : 0;
  return {
    overD: ((forwardPasses + 1) * ff + inside) * times,
    overF: ((forwardPasses + 1) * d + outside) * times,
  };
}

/**
 * Bytes of a token in a layer that are kept for the backward pass, and that come on top where it is computed
 * again; undefined if they do not count.
 * @param {Formulas} f
 * @param {number} d
 * @param {number} ff
 * @param {SweepSettings["model"]} told
 * @param {ExtrasSpec} extras
 */
function keptOf(f, d, ff, { seq_len: length, w_A: word }, { attention, activations: kept }) {
  if (kept === null) return undefined;
  const name = `${kept} ${attention}`;
  return [f[`kept ${name}`](d, ff, length, word), f[`again ${name}`](d, ff, length, word)];
}

// -------------------------------------------------------------------------------- one training step

/**
 * Seconds of the products of one MLP: two matrices forward, as often as that is done, and backward, and two
 * gradients of weights.
 * @param {Formulas} f
 * @param {Gpu} gpu
 * @param {number} rows
 * @param {number} columns
 * @param {number} tokens
 * @param {Pick<Model, "wP" | "wG" | "extras">} words
 */
const layerSeconds = (f, gpu, rows, columns, tokens, { wP, wG, extras }) =>
  (extras.forwardPasses + 1) *
    (f.product(rows, columns, tokens, wP, wP, gpu) +
      f.product(columns, rows, tokens, wP, wP, gpu)) +
  f.gradient(rows, columns, tokens, wG, wP, gpu) +
  f.gradient(columns, rows, tokens, wG, wP, gpu);

/**
 * Products of the projections of attention: how many, whether of a gradient, and the sides.
 * @param {Model} model
 * @param {Pick<Way, "slices" | "ffSlices">} way
 * @returns {Product[]}
 */
function projections({ d, extras }, { slices, ffSlices }) {
  const [channels, heads] = [d / slices, d / ffSlices];
  const pairs = [
    [3 * heads, channels],
    [channels, heads],
  ];
  return pairs.flatMap(
    ([outputs, inputs]) =>
      /** @type {Product[]} */ ([
        [extras.forwardPasses, "product", outputs, inputs],
        [1, "product", inputs, outputs],
        [1, "gradient", outputs, inputs],
      ]),
  );
}

/**
 * Tokens of a microbatch on a GPU, of all its experts together.
 * @param {Model} model
 * @param {Pick<Way, "data" | "expert" | "microbatches">} way
 */
const tokensTogether = ({ batch }, { data, expert, microbatches }) =>
  batch / (data * expert * microbatches);

/**
 * Seconds of the arithmetic of the scores of one layer on one microbatch.
 * @param {Formulas} f
 * @param {Gpu} gpu
 * @param {Model} model
 * @param {Way} way
 */
const scoreSeconds = (f, gpu, model, way) =>
  f.scores(
    model.d,
    model.length,
    model.extras.scorePasses,
    tokensTogether(model, way),
    way.slices * way.ffSlices,
    gpu.F_useful,
  );

/**
 * Seconds of one layer's attention on one microbatch.
 * @param {Formulas} f
 * @param {Gpu} gpu
 * @param {Model} model
 * @param {Way} way
 */
function attentionSeconds(f, gpu, model, way) {
  const tokens = tokensTogether(model, way);
  const products = projections(model, way).map(([count, name, d1, d2]) => {
    const held = name === "gradient" ? model.wG : model.wP;
    return count * f[name](d1, d2, tokens, held, model.wP, gpu);
  });
  const waits = model.extras.scoreKernels * gpu.ell_kernel;
  return products.reduce((sum, each) => sum + each) + scoreSeconds(f, gpu, model, way) + waits;
}

/**
 * Seconds of one pass over the batch.
 * @param {Formulas} f
 * @param {Way} way
 * @param {number} matmul
 * @param {number} bandwidth
 * @param {number} latency
 * @param {boolean} zeroBubbleLatency
 */
function pipelineSeconds(f, way, matmul, bandwidth, latency, zeroBubbleLatency) {
  if (!way.zeroBubble) {
    return f.pipeline(way.stages, way.microbatches, way.interleaving, matmul, bandwidth, latency);
  }
  return zeroBubbleLatency
    ? f.zeroBubbleLatency(matmul, bandwidth, latency)
    : f.zeroBubble(matmul, bandwidth);
}

// Seconds of each kind of traffic in a step, as they stand in an array: all-reduces of activations and of
// gradients, transfers between stages and experts, and what each waits.
const [TENSOR, TENSOR_WAIT, GRADIENTS, GRADIENTS_WAIT, TRANSFER, TRANSFER_WAIT, KINDS] = [
  0, 1, 2, 3, 4, 5, 6,
];

/**
 * Hand-overs of a sum that a level carries: what leaves the levels inside, less what leaves its own groups.
 * @param {Formulas} f
 * @param {number} here degree of the level and all above
 * @param {number} above degree of those above
 */
const carried = (f, here, above) => f.leaving(1, here) - f.leaving(1, above);

/**
 * Add the traffic of one level to that of the levels inside it: `moved` at `from` to `moved` at `to`. The
 * level has the degrees `parts`; `left` are those of this level and all above, `above` of those above.
 * @param {Formulas} f
 * @param {Level} level
 * @param {Model} model
 * @param {number} gpus
 * @param {number} interleaving
 * @param {Degrees} parts
 * @param {Degrees} left
 * @param {Degrees} above
 * @param {Float64Array} moved
 * @param {number} from
 * @param {number} to
 */
function addLevel(
  f,
  { beta, hop },
  model,
  gpus,
  interleaving,
  parts,
  left,
  above,
  moved,
  from,
  to,
) {
  const { d, layers, params, attentionParams, batch, wA, wG, overD, overF, rounds } = model;
  const words =
    overD * carried(f, left[MODEL], above[MODEL]) + overF * carried(f, left[FF], above[FF]);
  // The gradients of attention are summed over the groups of experts as well.
  let gradients = (params - attentionParams) * carried(f, left[DATA], above[DATA]);
  let replicas = parts[DATA];
  if (attentionParams) {
    const here = left[DATA] * left[EXPERT];
    gradients += attentionParams * carried(f, here, above[DATA] * above[EXPERT]);
    replicas *= parts[EXPERT];
  }
  const waits = +(parts[MODEL] > 1) + +(parts[FF] > 1);
  let [passed, passedWaits] = [0, 0];
  if (parts[PIPELINE] > 1 || parts[EXPERT] > 1) {
    const groups = f.leaving(interleaving, left[PIPELINE]);
    const groupsAbove = f.leaving(interleaving, above[PIPELINE]);
    const [expert, expertAbove] = [left[EXPERT], above[EXPERT]];
    // Of the words a share stays inside a level; of the waits none does: the last token decides.
    passed =
      f.withExperts(layers, groups, 1 - 1 / expert) -
      f.withExperts(layers, groupsAbove, 1 - 1 / expertAbove);
    passedWaits =
      f.withExperts(layers, groups, +(expert > 1)) -
      f.withExperts(layers, groupsAbove, +(expertAbove > 1));
  }
  moved[to + TENSOR] = Math.max(moved[from + TENSOR], f.handOver(words, wA, gpus, beta));
  moved[to + TENSOR_WAIT] = moved[from + TENSOR_WAIT] + f.handOverWait(waits * rounds, hop);
  moved[to + GRADIENTS] = Math.max(moved[from + GRADIENTS], f.handOver(gradients, wG, gpus, beta));
  moved[to + GRADIENTS_WAIT] = moved[from + GRADIENTS_WAIT] + f.handOverWait(+(replicas > 1), hop);
  moved[to + TRANSFER] = moved[from + TRANSFER] + f.handOver(passed * d * batch, wA, gpus, beta);
  moved[to + TRANSFER_WAIT] = moved[from + TRANSFER_WAIT] + f.handOverWait(passedWaits, hop);
}

/**
 * Seconds of a step whose traffic is `moved` from a place on.
 * @param {Formulas} f
 * @param {Way} way
 * @param {Float64Array} moved
 * @param {number} at
 * @param {boolean} zeroBubbleLatency
 */
function stepSeconds(f, way, moved, at, zeroBubbleLatency) {
  const bandwidth = moved[at + TENSOR] + moved[at + TRANSFER];
  const latency = moved[at + TENSOR_WAIT] + moved[at + TRANSFER_WAIT];
  const pass = pipelineSeconds(f, way, way.matmul, bandwidth, latency, zeroBubbleLatency);
  return pass + moved[at + GRADIENTS] + moved[at + GRADIENTS_WAIT];
}

/**
 * The largest of pairs of name and value, the first of those that are equal but for rounding.
 * @param {[string, number][]} pairs
 */
function largest(pairs) {
  const most = Math.max(...pairs.map(([, value]) => value));
  return /** @type {[string, number]} */ (pairs.find(([, value]) => value * EQUAL >= most));
}

/**
 * The cause that takes most of a step, as dmcore.TrainingStep.binding names it.
 * @param {Formulas} f
 * @param {Gpu} gpu
 * @param {Model} model
 * @param {Way} way
 * @param {Float64Array} moved
 * @param {number} step
 */
export function binding(f, gpu, model, way, moved, step) {
  const [rows, columns] = [model.d / way.slices, model.ff / way.ffSlices];
  /** @type {Record<string, number>} */
  const layer = { arithmetic: 0, "shared memory": 0, L2: 0, HBM: 0, latency: 0 };
  const { attention, forwardPasses, scoreKernels } = model.extras;
  const experts = model.experts / way.expert;
  /** @type {(products: Product[], tokens: number) => void} */
  function add(products, tokens) {
    for (const [count, name, d1, d2] of products) {
      const held = name === "gradient" ? model.wG : model.wP;
      /** @type {[string, number][]} */
      const times = ["HBM", "L2", "shared memory", "arithmetic"].map((part) => [
        part,
        f[`${name} ${part}`](d1, d2, tokens, held, model.wP, gpu),
      ]);
      const [slowest, seconds] = largest(times);
      layer[slowest] += count * seconds;
      layer.latency += count * f[`${name} latency`](gpu);
    }
  }
  for (const [d1, d2] of [
    [rows, columns],
    [columns, rows],
  ]) {
    add([[experts * (forwardPasses + 1), "product", d1, d2]], way.tokens);
    add([[experts, "gradient", d1, d2]], way.tokens);
  }
  if (attention) {
    add(projections(model, way), tokensTogether(model, way));
    layer.arithmetic += scoreSeconds(f, gpu, model, way);
    layer.latency += scoreKernels * gpu.ell_kernel;
  }
  const total = Object.values(layer).reduce((sum, seconds) => sum + seconds);
  const bandwidth = moved[TENSOR] + moved[TRANSFER];
  const gradients = moved[GRADIENTS] + moved[GRADIENTS_WAIT];
  const busy = Math.max(way.matmul, bandwidth);
  const idle = way.zeroBubble ? 0 : f.bubble(way.stages, way.microbatches, way.interleaving);
  const withBubble = busy / (1 - idle);
  const network = "tensor, pipeline and expert";
  const hidden = bandwidth > way.matmul;
  /** @type {[string, number][]} */
  const inProducts = (hidden ? [] : Object.entries(layer)).map(([name, seconds]) => [
    `matmul ${name}`,
    (seconds * way.matmul) / total,
  ]);
  /** @type {[string, number][]} */
  const parts = [
    ...inProducts,
    [`${network} bandwidth`, hidden ? busy : 0],
    ["bubble", withBubble - busy],
    [`${network} latency`, Math.max(0, step - gradients - withBubble)],
    ["data bandwidth", moved[GRADIENTS]],
    ["data latency", moved[GRADIENTS_WAIT]],
  ];
  return largest(parts)[0];
}

// ---------------------------------------------------------------------------------- the search

/**
 * All ways to divide a step, not laid out over the network; each is given to `use`.
 * @param {Formulas} f
 * @param {Gpu} gpu
 * @param {Model} model
 * @param {number} gpus
 * @param {(way: Way) => void} use
 */
function eachWay(f, gpu, model, gpus, use) {
  const { d, ff, layers, experts, params, attentionParams, batch, wP, wG } = model;
  const expert = gcd(gpus, experts);
  const rest = gpus / expert;
  const again = (/** @type {number} */ data) =>
    attentionParams && f.expertReplicas(attentionParams, data, expert, wP);
  /** @type {(data: number) => number} */
  const room = (data) => gpus * gpu.hbmBytes - f.memory(params, wP, wG, data) - again(data);
  const replicas = divisors(gcd(rest, batch)).filter(
    (data) => data <= batch / experts && room(data) >= 0,
  );
  // The slices of d_ff are also those of the heads.
  const inside = attentionParams ? gcd(d, ff) : ff;
  const choices = replicas.map((data) => divisors(Math.floor(batch / (experts * data))));
  for (const slices of divisors(gcd(rest, d))) {
    for (const ffSlices of divisors(gcd(rest, inside))) {
      const root = Math.floor(Math.sqrt(slices * ffSlices));
      if (ffSlices < root || ffSlices > 4 * root || rest % (slices * ffSlices)) continue;
      const left = rest / (slices * ffSlices);
      replicas.forEach((data, index) => {
        const stages = left / data;
        if (left % data || stages > layers || layers % stages) return;
        const options = choices[index];
        const share = Math.floor(batch / (data * experts));
        const interleaved = stages === 1 ? 1 : layers / stages;
        for (const zeroBubble of [false, true]) {
          const first = options.findIndex(
            (count) =>
              count >= stages * (zeroBubble ? 2 : 1) &&
              activations(f, model, stages, count, interleaved, zeroBubble) <= room(data),
          );
          if (first < 0) continue;
          const tried = zeroBubble ? ZERO_BUBBLE_CHOICES : BUBBLE_CHOICES;
          for (const microbatches of options.slice(first, first + tried)) {
            const way = {
              data,
              slices,
              ffSlices,
              stages,
              expert,
              microbatches,
              interleaving: zeroBubble ? 1 : interleaved,
              zeroBubble,
              tokens: share / microbatches,
            };
            use(/** @type {Way} */ (way));
          }
        }
      });
    }
  }
}

/**
 * Bytes of activations in a cluster, 0 if they do not count. More microbatches never hold more.
 * @param {Formulas} f
 * @param {Model} model
 * @param {number} stages
 * @param {number} microbatches
 * @param {number} interleaving
 * @param {boolean} zeroBubble
 */
function activations(
  f,
  { batch, layers, activationBytes },
  stages,
  microbatches,
  interleaving,
  zeroBubble,
) {
  if (!activationBytes) return 0;
  const [kept, again] = activationBytes;
  return zeroBubble
    ? f.activationsZeroBubble(batch, layers, kept, again, stages, microbatches)
    : f.activations(batch, layers, kept, again, stages, microbatches, interleaving);
}

/**
 * Seconds of traffic that no layout of a way goes below: dmcore.simulator.bound proves it.
 * @param {Formulas} f
 * @param {Gpu} gpu
 * @param {Model} model
 * @param {number} gpus
 * @param {number[]} sizes
 * @returns {(way: Way) => Float64Array}
 */
function leastTraffic(f, gpu, model, gpus, sizes) {
  const { d, layers, params, batch, wA, wG, overD, overF, rounds } = model;
  const reach = gpu.network.map((_, i) =>
    gpu.network.slice(i).reduce((sum, level) => sum + level.beta, 0),
  );
  const widest = Math.max(...gpu.network.map((level) => level.beta));
  const hop = Math.min(...gpu.network.map((level) => level.hop));
  const moved = new Float64Array(KINDS);
  return (way) => {
    let [tensor, data, inside] = [0, 0, 1];
    for (let i = 0; i < sizes.length; i++) {
      const words =
        i === 0
          ? overD * (way.slices - 1) + overF * (way.ffSlices - 1)
          : 2 * Math.sqrt(((overD * overF) / inside) * way.slices * way.ffSlices) - overD - overF;
      const gradients = (way.data / inside - 1) * params;
      tensor = Math.max(tensor, f.handOver(words, wA, gpus, reach[i]));
      data = Math.max(data, f.handOver(gradients, wG, gpus, reach[i]));
      inside *= sizes[i];
    }
    const leaving = f.leaving(way.interleaving, way.stages);
    const passed = f.withExperts(layers, leaving, 1 - 1 / way.expert);
    const passedWaits = f.withExperts(layers, leaving, +(way.expert > 1));
    const sliced = +(way.slices > 1) + +(way.ffSlices > 1);
    moved[TENSOR] = tensor;
    moved[TENSOR_WAIT] = f.handOverWait(sliced * rounds, hop);
    moved[GRADIENTS] = data;
    moved[GRADIENTS_WAIT] = f.handOverWait(+(way.data > 1), hop);
    moved[TRANSFER] = f.handOver(passed * d * batch, wA, gpus, widest);
    moved[TRANSFER_WAIT] = f.handOverWait(passedWaits, hop);
    return moved;
  };
}

/**
 * GPUs of each node that work; 1 without nodes.
 * @param {number[][]} layout
 */
export const usedInNode = (layout) =>
  layout.length === 1 ? 1 : layout[0].reduce((product, degree) => product * degree);

/**
 * The first of equally fast layouts in the order that dmcore.simulator.search states.
 * @param {LaidOut[]} found
 */
export function firstOf(found) {
  const quickest = Math.min(...found.map(({ step }) => step));
  const quick = found.filter(({ step }) => step <= quickest * EQUAL);
  const least = Math.min(...quick.map(({ bandwidth }) => bandwidth));
  /** @type {(found: LaidOut) => number[]} */
  const keys = ({ way, layout }) => [
    way.slices * way.ffSlices,
    way.slices,
    way.stages,
    way.microbatches,
    +way.zeroBubble,
    ...layout.flatMap((degrees) =>
      [MODEL, FF, PIPELINE, EXPERT, DATA].map((degree) => -degrees[degree]),
    ),
  ];
  /** @type {(a: {keys: number[]}, b: {keys: number[]}) => boolean} */
  const before = (a, b) => {
    const i = a.keys.findIndex((key, at) => key !== b.keys[at]);
    return i >= 0 && a.keys[i] < b.keys[i];
  };
  return quick
    .filter(({ bandwidth }) => bandwidth <= least * EQUAL)
    .map((one) => ({ ...one, keys: keys(one) }))
    .reduce((first, one) => (before(one, first) ? one : first));
}

/**
 * The levels beyond one as a single level, over which no step takes longer: dmcore.simulator.bound proves it.
 * @param {Level[]} network
 * @param {number} inner
 * @returns {Level}
 */
function joinedBeyond(network, inner) {
  const beyond = network.slice(inner + 1);
  return {
    size: undefined,
    beta: beyond.reduce((sum, { beta }) => sum + beta, 0),
    hop: Math.min(...beyond.map(({ hop }) => hop)),
  };
}

/**
 * A function that lays a way out over the network levels as quickly as possible, and adds the layouts that
 * are as quick as the best so far to `found`, which has their least time in `step`. Level by level, node
 * first: the levels beyond are taken as one until they have their degrees, so that the time is a bound. What
 * has the least goes on first, and what has more than the best so far is given up.
 * @param {Formulas} f
 * @param {Gpu} gpu
 * @param {Model} model
 * @param {number} gpus
 * @param {number[]} sizes
 * @param {boolean} zeroBubbleLatency
 * @param {{step: number, layouts: LaidOut[]}} found
 * @returns {(way: Way) => void}
 */
function layouts(f, gpu, model, gpus, sizes, zeroBubbleLatency, found) {
  const last = sizes.length - 1;
  const splits = sizes.slice(0, -1).map(factorizations);
  const beyond = sizes.map((_, level) => joinedBeyond(gpu.network, level));
  const left = sizes.map(() => new Float64Array(DEGREES)); // degrees of a level and all above
  const none = new Float64Array(DEGREES).fill(1);
  /** @type {Degrees[]} */
  const parts = sizes.map(() => none);
  // Traffic inside each level and of all; what would be added to it comes after.
  const moved = new Float64Array((sizes.length + 2) * KINDS);
  const scratch = (sizes.length + 1) * KINDS;
  /** @type {Way} */
  let way;

  /**
   * Seconds of a step with the traffic inside a level and that of the level, whose degrees are `split`.
   * @param {Level} network
   * @param {number} level
   * @param {Degrees} split
   * @param {Degrees} here
   * @param {Degrees} above
   * @param {number} to
   */
  function seconds(network, level, split, here, above, to) {
    const { interleaving } = way;
    const from = level * KINDS;
    addLevel(f, network, model, gpus, interleaving, split, here, above, moved, from, to);
    return stepSeconds(f, way, moved, to, zeroBubbleLatency);
  }

  /**
   * Give the degrees that are left to a level and those above.
   * @param {number} level
   */
  function place(level) {
    const here = left[level];
    const next = (level + 1) * KINDS;
    if (level === last) {
      parts[level] = here;
      record(seconds(gpu.network[level], level, here, here, none, next), next);
      return;
    }
    const above = left[level + 1];
    /** @type {{split: Float64Array, bound: number}[]} */
    const open = [];
    for (const split of splits[level]) {
      let fits = true;
      for (let i = 0; i < DEGREES && fits; i++) fits = here[i] % split[i] === 0;
      if (!fits) continue;
      for (let i = 0; i < DEGREES; i++) above[i] = here[i] / split[i];
      const inside = seconds(gpu.network[level], level, split, here, above, next);
      if (inside > found.step * ROUNDING) continue;
      parts[level] = split;
      if (level + 1 === last) place(last);
      else {
        const bound = seconds(beyond[level], level + 1, above, above, none, scratch);
        if (bound <= found.step * ROUNDING) open.push({ split, bound });
      }
    }
    open.sort((a, b) => a.bound - b.bound);
    for (const { split, bound } of open) {
      if (bound > found.step * ROUNDING) break;
      for (let i = 0; i < DEGREES; i++) above[i] = here[i] / split[i];
      seconds(gpu.network[level], level, split, here, above, next);
      parts[level] = split;
      place(level + 1);
    }
  }

  /**
   * @param {number} step
   * @param {number} at
   */
  function record(step, at) {
    if (step > found.step * EQUAL) return;
    if (step * EQUAL < found.step) found.layouts.length = 0;
    found.step = Math.min(found.step, step);
    const bandwidth = moved[at + TENSOR] + moved[at + GRADIENTS] + moved[at + TRANSFER];
    const layout = parts.map((degrees) => [...degrees]);
    found.layouts.push({ step, bandwidth, way, moved: moved.slice(at), layout });
  }
  return (of) => {
    way = of;
    left[0].set([way.data, way.slices, way.ffSlices, way.stages, way.expert]);
    place(0);
  };
}

/**
 * The fastest way on a cluster, if its step takes at most `cutoff` seconds.
 * @param {Formulas} f
 * @param {Gpu} gpu
 * @param {Model} model
 * @param {number} gpus
 * @param {number} cutoff
 * @param {boolean} zeroBubbleLatency
 * @param {(way: Way) => [number, number]} seconds of the MLP and of the attention of a layer
 */
function fastest(f, gpu, model, gpus, cutoff, zeroBubbleLatency, seconds) {
  const sizes = levelSizes(gpu.network, gpus);
  const least = leastTraffic(f, gpu, model, gpus, sizes);
  const { extras } = model;
  const waits = extras.productsInMlp * gpu.ell_kernel;
  const attentionWaits = extras.productsInAttention * gpu.ell_kernel;
  /** @type {Way[]} */
  const possible = [];
  eachWay(f, gpu, model, gpus, (way) => {
    /** @param {number} layer */
    const allLayers = (layer) =>
      f.matmuls(model.layers, way.stages, model.experts, way.expert, way.microbatches, layer);
    /** @param {number} layer */
    const allAttention = (layer) =>
      extras.attention ? f.attention(model.layers, way.stages, way.microbatches, layer) : 0;
    const moved = least(way);
    const share = model.experts * way.data;
    const tokens = share * Math.floor(model.batch / share); // whole ones of a nanobatch
    const { P, E } = model.executed;
    const arithmetic = f.arithmetic(P, E, tokens, gpus, gpu.F_useful);
    way.matmul = arithmetic + allLayers(waits) + allAttention(attentionWaits);
    if (stepSeconds(f, way, moved, 0, zeroBubbleLatency) > cutoff * ROUNDING) return;
    const [layer, attention] = seconds(way);
    way.matmul = allLayers(layer) + allAttention(attention);
    way.bound = stepSeconds(f, way, moved, 0, zeroBubbleLatency);
    if (way.bound <= cutoff * ROUNDING) possible.push(way);
  });
  possible.sort((a, b) => a.bound - b.bound);

  /** @type {{step: number, layouts: LaidOut[]}} */
  const found = { step: cutoff, layouts: [] };
  const layOut = layouts(f, gpu, model, gpus, sizes, zeroBubbleLatency, found);
  for (const way of possible) {
    if (way.bound > found.step * ROUNDING) break;
    layOut(way);
  }
  return found.layouts.length ? firstOf(found.layouts) : undefined;
}

/**
 * The quickest way on a cluster of a size, if its step takes at most `cutoff` seconds.
 * @typedef {(gpus: number, cutoff: number) => LaidOut | undefined} Quickest
 */

/**
 * A function that finds the quickest way of a model's step.
 * @param {Formulas} f
 * @param {Gpu} gpu
 * @param {Model} model
 * @param {boolean} zeroBubbleLatency
 * @returns {Quickest}
 */
export function makeQuickest(f, gpu, model, zeroBubbleLatency) {
  const known = new Map();
  /** @param {Way} way */
  const seconds = (way) => {
    // Without attention shares that are rounded to the same tokens take as long.
    const share = model.extras.attention ? way.data * way.microbatches : way.tokens;
    const key = `${way.slices} ${way.ffSlices} ${share}`;
    let found = known.get(key);
    if (found === undefined) {
      const [rows, columns] = [model.d / way.slices, model.ff / way.ffSlices];
      found = [
        layerSeconds(f, gpu, rows, columns, way.tokens, model),
        model.extras.attention ? attentionSeconds(f, gpu, model, way) : 0,
      ];
      known.set(key, found);
    }
    return found;
  };
  return (gpus, cutoff) => fastest(f, gpu, model, gpus, cutoff, zeroBubbleLatency, seconds);
}

/**
 * Seconds that the arithmetic of a step takes at the peak of a cluster.
 * @param {Formulas} f
 * @param {Gpu} gpu
 * @param {Model} model
 * @param {number} gpus
 */
export const idealSeconds = (f, gpu, { work, batch }, gpus) =>
  f.arithmetic(work.P, work.E, batch, gpus, gpu.F_peak);

/**
 * Seconds that the products of a step wait for one another, whatever the cluster.
 * @param {Gpu} gpu
 * @param {Model} model
 */
export const latencyFloor = (gpu, { layers, extras }) =>
  (extras.productsInMlp + extras.productsInAttention) * layers * gpu.ell_kernel;

/**
 * The smallest cluster that ends a run in time, with its best step; or what keeps all from it.
 * @param {Formulas} f
 * @param {Gpu} gpu
 * @param {Model} model
 * @param {SweepSettings} settings
 * @param {number} minUtilization
 * @param {Quickest} quickest
 * @returns {(LaidOut & {gpus: number, ideal: number}) | {ended: "latency", least: number} | {ended: "clusters", gpus: number}}
 */
function smallestCluster(f, gpu, model, settings, minUtilization, quickest) {
  const floor = latencyFloor(gpu, model);
  if (settings.seconds <= floor * model.steps)
    return { ended: "latency", least: floor * model.steps };
  const needed = model.flop / (settings.seconds * gpu.F_useful);
  const cutoff = (settings.seconds / model.steps) * ROUNDING;
  let gpus = 0;
  for (gpus of clusterSizes([model.experts], oddParts(gpu.network), mostGpus(model))) {
    if (gpus < needed) continue;
    const ideal = idealSeconds(f, gpu, model, gpus);
    if (ideal < minUtilization * floor) break;
    const found = quickest(gpus, cutoff);
    if (found && found.step * model.steps <= settings.seconds) return { ...found, gpus, ideal };
  }
  return { ended: "clusters", gpus };
}

/**
 * Odd numbers m for which clusters of m 2**i GPUs fill the levels of a network, as dmcore.simulator.search.
 * @param {Level[]} network
 */
export function oddParts(network) {
  const parts = [1];
  for (const { size } of network.slice(0, -1)) {
    let odd = /** @type {number} */ (size);
    while (odd % 2 === 0) odd /= 2;
    parts.push(/** @type {number} */ (parts.at(-1)) * odd);
  }
  return parts;
}

/**
 * Sizes u m 2**i of up to so many GPUs, with u one of the units and m of the factors, in ascending order.
 * @param {number[]} units
 * @param {number[]} factors
 * @param {number} most
 */
export function clusterSizes(units, factors, most) {
  /** @type {Set<number>} */
  const sizes = new Set();
  for (const unit of units) {
    for (const m of factors) for (let size = unit * m; size <= most; size *= 2) sizes.add(size);
  }
  return [...sizes].sort((a, b) => a - b);
}

/**
 * GPUs beyond which none divide a model: entries of a weight matrix times tokens of a batch.
 * @param {Model} model
 */
export const mostGpus = ({ d, ff, batch }) => d * ff * batch;

/**
 * Share of the peak that is used on the cluster that ends a run exactly at its deadline, as
 * dmcore/simulator/deadline.py finds it; undefined if none ends it in time.
 * @param {Gpu} gpu
 * @param {Model} model
 * @param {number} deadline seconds
 * @param {LawsSpec} laws
 * @param {Quickest} quickest
 * @returns {number | undefined}
 */
function utilizationAtDeadline(gpu, model, deadline, laws, quickest) {
  const peak = model.flop / gpu.F_peak;
  const floor = latencyFloor(gpu, model) * model.steps;
  const factors = [...laws.factors, ...oddParts(gpu.network)];
  const sizes = clusterSizes([model.experts], factors, mostGpus(model));
  /** @type {Map<number, [number, number]>} */
  const known = new Map();
  /** @type {(gpus: number, atMost: number) => number} */
  const runSeconds = (gpus, atMost) => {
    const [cutoff, seconds] = known.get(gpus) ?? [0, Infinity];
    if (seconds < Infinity || cutoff >= atMost) return seconds;
    const found = (quickest(gpus, atMost / model.steps)?.step ?? Infinity) * model.steps;
    known.set(gpus, [atMost, found]);
    return found;
  };
  for (const tooLong of [...laws.tooLong, Infinity]) {
    let [late, slow] = [0, deadline * tooLong];
    const smallest = (peak * gpu.F_peak) / gpu.F_useful / Math.max(slow - floor, 1e-300);
    let ended = false;
    for (const gpus of sizes) {
      if (gpus < smallest) continue;
      if (peak / gpus < laws.leastUtilization * floor) break;
      const seconds = runSeconds(gpus, slow);
      ended = seconds <= deadline;
      if (ended && late) {
        const share = Math.log(slow / deadline) / Math.log(slow / seconds);
        return peak / deadline / (late * (gpus / late) ** share);
      }
      if (ended && slow === Infinity) return peak / gpus / seconds;
      if (ended) break;
      if (seconds * EQUAL < slow) [late, slow] = [gpus, seconds];
    }
    if (!ended) return undefined;
  }
  return undefined;
}

// ----------------------------------------------------------------------------------- the sweep

/**
 * A GPU and its network as the formulas know them, from the figures that a reader sets.
 * @param {Formulas} f
 * @param {SweepSettings["gpu"]} settings
 * @returns {Gpu}
 */
export function makeGpu(f, { fixed, figures }) {
  /** @type {(size: number | undefined, name: string) => Level} */
  const level = (size, name) => ({
    size,
    beta: figures[`beta_${name}`],
    hop: figures[`ell_${name}`],
  });
  const oneSite = figures.site_size === 1;
  // A level that joins one unit is none.
  const inner = [
    level(figures.node_size, "node"),
    level(figures.pod_size, "pod"),
    level(figures.site_size, "beyond"),
  ].filter(({ size }) => size !== 1);
  const useful = f.usefulRate(figures.F_peak, figures.eta);
  return {
    ...fixed,
    F_peak: figures.F_peak,
    F_useful: useful,
    beta_shared: f.sharedRate(useful, fixed.sigma),
    beta_hbm: figures.beta_hbm,
    beta_L2: figures.beta_L2,
    hbmBytes: figures.C_hbm,
    ell_kernel: figures.ell_kernel,
    network: [...inner, level(undefined, oneSite ? "beyond" : "sites")],
  };
}

/**
 * The formulas for the GPU of some settings, and that GPU.
 * @param {Formulas} formulas
 * @param {SweepSettings} settings
 * @returns {{f: Formulas, gpu: Gpu}}
 */
export function forGpu(formulas, settings) {
  // Of the formulas of a product, those of the GPU's kind.
  const kind = settings.gpu.fixed.distributed ? "distributed" : "plain";
  const f = { ...formulas };
  for (const name of ["product", "gradient"]) {
    f[name] = formulas[`${name} ${kind}`];
    for (const part of ["HBM", "L2", "shared memory", "arithmetic", "latency"]) {
      f[`${name} ${part}`] = formulas[`${name} ${kind} ${part}`];
    }
  }
  return { f, gpu: makeGpu(f, settings.gpu) };
}

/**
 * Runs of growing models, one at a time, and at last why there are no more. `settings` are the GPU's
 * figures and fixed values, the `model` that is told, `seconds` and `zeroBubbleLatency`; `laws`
 * are the widths and what all models share.
 * @param {Formulas} f
 * @param {SweepSettings} settings
 * @param {LawsSpec} laws
 * @returns {Generator<Run | Ended, void>}
 */
export function* sweep(f, settings, laws) {
  const { f: own, gpu } = forGpu(f, settings);
  for (const width of laws.widths) {
    const model = makeModel(own, width, settings, laws);
    const quickest = makeQuickest(own, gpu, model, settings.zeroBubbleLatency);
    const found = smallestCluster(own, gpu, model, settings, laws.minUtilization, quickest);
    if ("ended" in found) {
      yield { ...found, width };
      return;
    }
    const utilization = found.ideal / found.step;
    if (utilization < laws.minUtilization) {
      yield { ended: "utilization", width };
      return;
    }
    const { way, moved } = found;
    yield {
      d_model: model.d,
      d_ff: model.ff,
      layers: model.layers,
      experts: model.experts,
      batch_tokens: model.batch,
      params: model.params,
      training_flop: model.flop,
      n_gpu: found.gpus,
      utilization,
      utilization_at_deadline:
        utilizationAtDeadline(gpu, model, settings.seconds, laws, quickest) ?? NaN,
      months: (found.step * model.steps) / laws.monthSeconds,
      data_parallel: way.data,
      tensor_parallel: way.slices * way.ffSlices,
      slices_of_d: way.slices,
      slices_of_f: way.ffSlices,
      pipeline_parallel: way.stages,
      expert_parallel: way.expert,
      microbatches: way.microbatches,
      interleaving: way.interleaving,
      zero_bubble: way.zeroBubble ? "yes" : "no",
      binding: binding(own, gpu, model, way, moved, found.step),
      gpus_used_in_node: usedInNode(found.layout),
      layout: found.layout,
    };
  }
  yield { ended: "" };
}
