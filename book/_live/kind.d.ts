// What a kind of figure (expressions.js, grid.js, cluster/cluster.js) gets from the page, and gives it.

/** What changed: a slider, by its symbol; null for no control; undefined for several, or all. */
export type Moved = string | null | undefined;

/** The place of a figure in the page. */
export interface Frame {
  /** The id of a part of the figure. */
  id: (part: string) => string;
  /** Where the figure draws. */
  stage: HTMLElement;
  /** A line for what the pointer or the keyboard is at; the kind says where it stands. */
  line: HTMLElement;
  /** Write that line. */
  reading: (text: string) => void;
  /** Ask for a drawing. */
  changed: (what?: Moved) => void;
}

/** Head and rows of a table. */
export interface Rows {
  head: string[];
  rows: string[][];
}

/** A figure that runs. */
export interface Kind {
  /** Its controls, in order. */
  rows: HTMLElement[];
  buttons?: HTMLElement[];
  /** Draw what the controls say; `moved` is the slider under the reader's hand, which knows. */
  draw: (moved: Moved) => void;
  /** What is shown, in words: a text for each number, the ones to hear first before the others. */
  words: () => string[];
  /** The settings in words, as pairs of name and value. */
  told: () => [string, string][];
  /** The numbers to keep in sight on a small screen while controls are moved. */
  brief: () => string[];
  /** What there is to say instead, while the numbers are not those of the settings. */
  instead?: () => string;
  /** Say in words what the picture shows. */
  describe: (words: string) => void;
  /** The settings that differ from the start, for the address. */
  settings: () => URLSearchParams;
  reset: () => void;
  /** Take settings from an address, and answer with those that cannot be taken as they stand there. */
  apply: (settings: URLSearchParams) => string[];
  table: () => Rows;
}
