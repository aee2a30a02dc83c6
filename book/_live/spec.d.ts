// What Python writes into the page, as JSON: dmcore/show/page.py and dmcore/show/cluster.py make it,
// and a test holds what they make against these types.

/** A number; JSON has no infinity, so that stands as a text. */
export type Numeral = number | "Infinity" | "-Infinity";
/** A value for each of some symbols, in the symbol's unit. */
export type Table = Record<string, Numeral>;

/** A range of an axis or slider. `per` of the symbol's units make one shown unit. */
export interface RangeSpec {
  label: string;
  unit: string;
  low: number;
  high: number;
  per: number;
  log: boolean;
}

export interface SliderSpec extends RangeSpec {
  symbol: string;
  default: number;
  whole: boolean;
}

/** A menu that sets several symbols at once. */
export interface MenuSpec {
  label: string;
  options: Record<string, Table>;
  default: string;
}

export type ControlSpec = SliderSpec | MenuSpec;

/** An expression of symbols: the body of a function that takes them in this order. */
export interface ExpressionSpec {
  symbols: string[];
  js: string;
}

/** A line. `fixed` are values of its own; `color` counts the palette. */
export interface CurveSpec extends ExpressionSpec {
  label: string;
  dashed: boolean;
  fixed: Table;
  color?: number;
}

/** A shaded part of the picture, between two expressions or the edges. */
export interface BandSpec {
  label: string;
  vertical: boolean;
  color?: number;
  above?: ExpressionSpec;
  below?: ExpressionSpec;
}

export interface MarkSpec {
  x: number;
  y: number;
  label: string;
}

export interface ReadoutSpec extends ExpressionSpec {
  label: string;
  unit: string;
  per: number;
}

/** What every figure says of itself. */
export interface TitledSpec {
  name: string;
  title: string;
  alt: string;
}

/** A figure whose lines are expressions of its controls. */
export interface ExpressionsSpec extends TitledSpec {
  kind: "expressions";
  x: RangeSpec & { symbol: string };
  y: RangeSpec;
  points: number;
  constants: Table;
  controls: ControlSpec[];
  curves: CurveSpec[];
  bands: BandSpec[];
  marks: MarkSpec[];
  readouts: ReadoutSpec[];
}

/** A column of runs, or a number of them all. */
export interface ColumnSpec {
  name: string;
  label: string;
  unit: string;
  per: number;
  shown: boolean;
}

/** A column's values; of texts, the different ones and which stands at each place. */
export type PackedColumn = number[] | { texts: string[]; places: number[] };

/** Runs in order along x: their columns, a number for each fact, and why there are no more. */
export interface SeriesSpec {
  choice: number[];
  columns: PackedColumn[];
  facts: (number | null)[];
  note: string;
}

/** Columns stacked below the figure; with `powers`, their logarithms to base 2. */
export interface MixSpec {
  title: string;
  alt: string;
  columns: string[];
  colors: number[];
  powers: boolean;
  high: number;
}

/** What figures of runs have in common. */
export interface RunsSpec extends TitledSpec {
  x: RangeSpec;
  y: RangeSpec;
  xColumn: string;
  yColumn: string;
  start: number;
  endLabel: string;
  columns: ColumnSpec[];
  facts: ColumnSpec[];
  mix: MixSpec | null;
}

/** Runs that were simulated on a grid of choices. */
export interface GridSpec extends RunsSpec {
  kind: "grid";
  lines: string;
  menus: { label: string; options: string[]; default: string }[];
  series: SeriesSpec[];
}

/** A formula of the simulator: the body of a function of these arguments. */
export interface FormulaSpec {
  name: string;
  args: string[];
  body: string;
}

/** How sequences of a batch become whole, by the names of ROUNDINGS in dmcore.models.laws. */
export type Rounding =
  "multiple of the experts" | "whole sequences down" | "as told if that divides";

/** How the batch grows with compute: the formula's name, and what the law makes of settings that tell it. */
export interface BatchLawSpec {
  name: string;
  rounding: Rounding;
  told: Record<string, number>;
}

/** Attention and memory of activations: how often things are computed in a step, and what is kept. */
export interface ExtrasSpec {
  attention: boolean;
  forwardPasses: number;
  scorePasses: number;
  productsInMlp: number;
  productsInAttention: number;
  scoreKernels: number;
  activations: string | null;
}

/** What all sweeps share. */
export interface LawsSpec {
  widths: number[];
  /** The number of experts or layers that leaves it to the kind of model, or to the law. */
  asTold: number;
  minUtilization: number;
  linearScaling: number;
  /** Clusters have experts * m * 2**i GPUs with one of these m, */
  factors: number[];
  /** and the slower of two that take about the time is looked for up to these multiples of it. */
  tooLong: number[];
  leastUtilization: number;
  monthSeconds: number;
  /** What is counted besides, by whether attention counts and which memory of activations does. */
  extras: ExtrasSpec[][];
  batchLaws: BatchLawSpec[];
  toldRounding: Rounding;
  depthLaws: string[];
  /** Widths to a doubling, every so many of which are tried first; odd parts of a cluster's size. */
  planning: { fine: number; coarse: number; odd: number[] };
}

/** The question what a cluster of a given size can do, and its answer at the start. */
export interface OwnSpec {
  title: string;
  gpus: SliderSpec;
  /** What can be asked for: the largest run in the time, or a run of so much compute. */
  ask: [string, string];
  flop: SliderSpec;
  columns: ColumnSpec[];
  use: Record<string, number | string | number[][]>;
}

/** A sweep of the reader's own cluster; `fixed` are each preset's figures that no control sets. */
export interface ClusterSpec extends RunsSpec {
  kind: "cluster";
  groups: { label: string; controls: ControlSpec[] }[];
  own: OwnSpec;
  fixed: Table[];
  formulas: FormulaSpec[];
  laws: LawsSpec;
  runs: SeriesSpec;
}

export type FigureSpec = ExpressionsSpec | GridSpec | ClusterSpec;
