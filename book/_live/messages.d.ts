// What the page and the worker of the simulator tell each other.

import type { FormulaSpec, LawsSpec } from "./spec.d.ts";

/** Numbers by symbol. */
type Values = Record<string, number>;

/** What a sweep is of. */
export interface SweepSettings {
  /** A preset's figures that no control sets, and those that the controls set. */
  gpu: { fixed: Values; figures: Values };
  /** What the controls set of the model, as SETTINGS of dmcore.show.settings. */
  model: Values;
  seconds: number;
  zeroBubbleLatency: boolean;
  /** If given, the question is what so many GPUs can do instead: their largest run, */
  gpus?: number;
  /** or how they do a run of so much compute, FLOP. */
  flop?: number;
}

/** The page asks for a sweep, which replaces one under way; a new worker needs the model first. */
export interface Asked {
  job: number;
  settings: SweepSettings;
  model?: { formulas: FormulaSpec[]; laws: LawsSpec };
}

/** A run: a value for each column, and its layout: degrees of each level, node first. */
export type Run = Record<string, number | string | number[][]>;

/** What a cluster can do, or null if nothing. */
export type Use = Run | null;

/** Why there are no more runs; `width` is that of the next model, `least` seconds that it takes. */
export type Ended =
  | { ended: "" }
  | { ended: "latency"; width: number; least: number }
  | { ended: "clusters" | "utilization"; width: number };

/** The worker answers with runs, and at last why there are no more; or with what failed. */
export type Told =
  { job: number; run: Run | Ended | { use: Use } } | { job: number; failed: string };
