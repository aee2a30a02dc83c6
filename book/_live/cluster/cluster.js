// A sweep of the reader's own cluster: each change of a control is simulated anew, beside the page.

import { makeControls, numbers } from "../controls.js";
import { element } from "../page/element.js";
import { download } from "../page/hand_over.js";
import { key } from "../page/words.js";
import { color } from "../plot/color.js";
import { unpack } from "../runs/series.js";
import { runsView } from "../runs/view.js";
import { linearScaling, whyItEnds } from "./ends.js";
import { keptCurves } from "./kept.js";
import { ownCluster } from "./own.js";
import { isUse, makeSimulation } from "./simulation.js";

/** @import { Frame, Kind } from "../kind.d.ts" */
/** @import { Ended, Run, SweepSettings, Use } from "../messages.d.ts" */
/** @import { Series, Value } from "../runs/series.js" */
/** @import { ClusterSpec } from "../spec.d.ts" */

/**
 * A sweep under way: of which settings, since when, and the runs so far. `next` says that other settings
 * wait for its end; `eta` and `months` are settings of its own, for what is told of it later.
 * @typedef {object} Growing
 * @property {string} question
 * @property {number} since
 * @property {boolean} next
 * @property {Series} series
 * @property {number} eta
 * @property {number} months
 */

const PATIENCE_MS = 300; // how long a sweep may delay one that was asked for later
const KEPT = 100; // sweeps that are remembered

/**
 * @param {ClusterSpec} spec
 * @param {Frame} frame
 * @returns {Kind}
 */
export function cluster(spec, frame) {
  const { columns, laws } = spec;
  /** @type {Series} */
  const atStart = unpack(spec.runs);
  const fixed = spec.fixed.map(numbers);
  const controls = makeControls(
    spec.groups.flatMap((group) => group.controls),
    {},
    frame,
  );
  const { values } = controls;
  const preset = controls.menus.find((menu) => Object.hasOwn(menu.options[menu.default], "base"));

  let series = atStart; // the last sweep that is complete
  /** @type {Growing | undefined} */
  let growing; // the one under way
  /** @type {{question: string, why: string} | undefined} */
  let failure; // the last one, if it failed
  /** @returns {[string, Value][]} */
  const settings = () =>
    Object.entries({
      ...Object.fromEntries(controls.menus.map((menu) => [menu.key, controls.chosen(menu)])),
      ...Object.fromEntries(controls.sliders.map(({ symbol }) => [symbol, values[symbol]])),
    });
  const view = runsView(spec, frame, { current: () => series, settings, fits: true });
  const progress = element("p", { class: "dm-progress" });
  frame.stage.append(progress);

  // ------------------------------------------------------------------------- the simulation

  atStart.settings = settings();
  const asked = () => JSON.stringify(settings());
  const known = new Map([[asked(), atStart]]);
  const simulation = makeSimulation({ formulas: spec.formulas, laws }, take, fail);

  /** Show the sweep of the settings if it is known, or start it. */
  function simulate() {
    const question = asked();
    if (growing?.question === question || failure?.question === question) return;
    const found = known.get(question);
    if (found) {
      series = found;
      growing = undefined;
      failure = undefined;
      simulation.stop();
      return;
    }
    const now = performance.now();
    if (growing && now - growing.since < PATIENCE_MS) {
      // It may end soon, and a line that never ends while a slider moves helps nobody.
      growing.next = true;
      return;
    }
    const runs = { columns: columns.map(() => []), facts: [], note: "", settings: settings() };
    const { eta, months } = values;
    const started = { question, since: now, next: false, series: runs, eta, months };
    growing = started;
    failure = undefined;
    setTimeout(() => started.next && growing === started && frame.changed(null), PATIENCE_MS + 10);
    simulation.start(sweepSettings());
  }

  /** @returns {SweepSettings} */
  const sweepSettings = () => ({
    gpu: { fixed: fixed[values.base], figures: values },
    model: values,
    seconds: values.months * laws.monthSeconds,
    zeroBubbleLatency: values.zero_bubble_latency === 1,
  });

  /** @param {Run | Ended | {use: Use}} run */
  function take(run) {
    if (!growing || isUse(run)) return;
    if (isEnd(run)) {
      const complete = { ...growing.series, facts: facts(growing) };
      complete.note = whyItEnds(run, growing.months, laws);
      known.set(growing.question, complete);
      if (known.size > KEPT) known.delete([...known.keys()][1]);
      series = complete;
      growing = undefined;
    } else {
      const { series: runs } = growing;
      columns.forEach(({ name }, index) =>
        runs.columns[index].push(/** @type {Value} */ (run[name])),
      );
    }
    frame.changed(null);
  }

  /** @param {string} why */
  function fail(why) {
    failure = { question: growing?.question ?? asked(), why };
    growing = undefined;
    frame.changed(null);
  }

  /** @param {Growing} of */
  function facts({ series: runs, eta }) {
    /** @param {string} name */
    const column = (name) =>
      runs.columns[columns.findIndex((each) => each.name === name)].map(Number);
    const threshold = laws.linearScaling * eta;
    const used = column("utilization_at_deadline");
    return [linearScaling(column("training_flop"), used, threshold) ?? null];
  }

  const own = ownCluster(spec.own, frame, { formulas: spec.formulas, laws }, sweepSettings);

  // ------------------------------------------------------------------------------ the figure

  const name = () =>
    preset ? controls.chosen(preset) + (controls.left(preset) ? ", changed" : "") : "";
  const left = [...controls.rows];
  /** Folded groups by the names of what they set. @type {Map<string, HTMLDetailsElement>} */
  const folded = new Map();
  const rows = spec.groups.flatMap(({ label, controls: of }, index) => {
    const made = left.splice(0, of.length);
    if (index === 0) return [...made, view.slider];
    const inside = element("div", { class: "dm-controls" }, ...made);
    const group = element("details", { class: "dm-group" }, element("summary", {}, label), inside);
    for (const each of of) folded.set("symbol" in each ? each.symbol : key(each.label), group);
    return group;
  });
  rows.push(own.group);

  const kept = keptCurves(
    frame,
    [spec.endLabel, ...spec.facts.map((fact) => fact.label)].map(
      (label) => `${label} (${spec.x.unit})`,
    ),
    () => !growing && !failure,
    () => ({ name: name(), series, told: controls.told(), results: view.ends(series) }),
  );
  frame.stage.append(kept.body);

  function lines() {
    const others = kept.lines();
    if (others.length) {
      return [
        ...others.map((each, index) =>
          view.line(each.series, {
            label: each.name,
            color: each.color,
            at: 0.3 + (0.4 * index) / others.length,
          }),
        ),
        view.line((growing ?? { series }).series, { label: "now", color: color(0), at: 0.75 }),
      ];
    }
    const here = { label: name(), color: color(0), at: 0.75 };
    const before = { label: "at the start", color: color(1), faint: true, at: 0.3 };
    const last = { label: "", color: color(0), faint: true, at: 0.5 };
    return [
      ...(series === atStart ? [] : [view.line(atStart, before)]),
      ...(growing
        ? [view.line(series, last), view.line(growing.series, here)]
        : [view.line(series, here)]),
    ];
  }

  /** The settings, the runs and the own cluster's answer, for dmcore to read: dmcore/show/saved.py. */
  function saved() {
    const runs = columns.map((column, index) => [column.name, series.columns[index]]);
    const answer = {
      dmcore: DMCORE_VERSION,
      settings: values,
      runs: Object.fromEntries(runs),
      own: own.answer(),
    };
    // JSON has no infinity.
    return JSON.stringify(answer, (_key, value) => (value === Infinity ? "Infinity" : value), 1);
  }
  const save = element(
    "button",
    {
      type: "button",
      click: () => download(`${spec.name}.json`, saved(), "application/json"),
    },
    "Download JSON",
  );

  function state() {
    if (failure)
      return `The simulation failed, and the numbers are of the one before. ${failure.why}`;
    if (growing) {
      const { length } = growing.series.columns[0];
      return `Simulating the sweep: ${length} runs so far. The numbers are of the one before.`;
    }
    return `Simulated: ${series.columns[0].length} runs.${series.note ? ` ${series.note}` : ""}`;
  }

  return {
    rows,
    buttons: [kept.button, ...view.buttons, save],
    draw(moved) {
      controls.show(moved);
      simulate();
      progress.textContent = state();
      frame.stage.setAttribute("aria-busy", String(Boolean(growing)));
      view.draw(lines(), color(0), moved);
      own.draw(moved);
      save.disabled = Boolean(growing || failure || own.searching());
      kept.draw();
    },
    words: () => [name(), ...view.words(), ...own.words()],
    told: controls.told,
    brief: view.brief,
    instead: () => (failure ? "The simulation failed." : growing ? "Simulating." : ""),
    describe: view.describe,
    settings: () => own.keep(view.keep(controls.settings())),
    reset() {
      controls.reset();
      view.reset();
      own.reset();
      kept.reset();
    },
    apply(given) {
      view.apply(given);
      own.apply(given);
      // What a link has changed is seen.
      for (const symbol of given.keys()) folded.get(symbol)?.setAttribute("open", "");
      return controls.apply(given, ["x", "gpus", "flop"]);
    },
    table: view.table,
  };
}

/**
 * @param {Run | Ended} run
 * @returns {run is Ended}
 */
const isEnd = (run) => "ended" in run;
