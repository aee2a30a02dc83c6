// A sweep of the reader's own cluster: each change of a control is simulated anew, beside the page.

import workerSource from "dm-worker"; // worker.js with what it imports, as a text
import { makeControls, numbers } from "./controls.js";
import { element, withUnit } from "./elements.js";
import { readable, short } from "./numbers.js";
import { color } from "./plot.js";
import { runsView, unpack } from "./runs.js";

const PATIENCE_MS = 300; // how long a sweep may delay one that was asked for later
const KEPT = 100; // sweeps that are remembered

export function cluster(spec, frame) {
  const { columns, laws } = spec;
  const atStart = unpack(spec.runs);
  const fixed = spec.fixed.map(numbers);
  const controls = makeControls(
    spec.groups.flatMap((group) => group.controls),
    {},
    frame,
  );
  const { values } = controls;
  const menuOf = (symbol) => controls.menus.find((menu) => symbol in menu.options[menu.default]);
  const preset = menuOf("base");

  let series = atStart; // the last sweep that is complete
  let growing; // the one under way
  const settings = () => [
    ...controls.menus.map((menu) => [menu.key, controls.chosen(menu)]),
    ...controls.sliders.map(({ symbol }) => [symbol, values[symbol]]),
  ];
  const view = runsView(spec, frame, { current: () => series, settings });
  const progress = element("p", { class: "dm-progress" });
  frame.stage.append(progress);
  frame.stage.parentNode.classList.add("dm-tall");

  // ------------------------------------------------------------------------- the simulation

  const asked = () => JSON.stringify(settings());
  const known = new Map([[asked(), atStart]]);
  let worker;
  let job = 0;
  let busy; // what the sweep under way is of, and since when

  function simulate() {
    const question = asked();
    if (busy?.question === question) return;
    const found = known.get(question);
    if (found) {
      series = found;
      growing = undefined;
      busy = undefined;
      job += 1; // runs of another sweep that are still on their way are not wanted
      return;
    }
    if (busy && performance.now() - busy.since < PATIENCE_MS) {
      // It may end soon, and a line that never ends while a slider moves helps nobody.
      busy.next = true;
      return;
    }
    worker ??= startWorker();
    job += 1;
    busy = { question, since: performance.now() };
    setTimeout(() => busy?.next && frame.changed(null), PATIENCE_MS + 10);
    growing = { columns: columns.map(() => []), facts: [], note: "", tells: told() };
    worker.postMessage({ job, settings: sweepSettings() });
  }

  function sweepSettings() {
    return {
      gpu: { fixed: fixed[values.base], figures: values },
      sparse: values.sparse === 1,
      batchLaw: laws.batchLaws[values.law],
      depthLaw: laws.depthLaws[values.depth],
      seconds: values.months * laws.monthSeconds,
      zeroBubbleLatency: values.zero_bubble_latency === 1,
    };
  }

  function startWorker() {
    // A page that is opened as a file may start no other file, but a text of its own.
    const url = URL.createObjectURL(new Blob([workerSource], { type: "text/javascript" }));
    const made = new Worker(url);
    made.postMessage({ formulas: spec.formulas, laws });
    made.onmessage = ({ data }) => data.job === job && growing && take(data.run);
    made.onerror = (event) => {
      console.error(event.message);
      progress.textContent = "The simulation failed.";
    };
    return made;
  }

  function take(run) {
    if ("ended" in run) {
      growing.note = why(run, growing);
      growing.facts = facts(growing);
      known.set(busy.question, growing);
      if (known.size > KEPT) known.delete([...known.keys()][1]);
      series = growing;
      growing = undefined;
      busy = undefined;
    } else {
      columns.forEach(({ name }, index) => growing.columns[index].push(run[name]));
    }
    frame.changed(null);
  }

  /** What the settings of a sweep say, for what is told of it later. */
  const told = () => ({ eta: values.eta, months: values.months });

  function why({ ended, width, least }, { tells }) {
    const months = withUnit(short(tells.months), tells.months === 1 ? "month" : "months");
    const next = `The next model, ${short(width)} wide,`;
    if (ended === "latency") {
      const needs = readable(least / laws.monthSeconds, 3);
      return `${next} takes ${needs} months for the latency of its matrix products alone.`;
    }
    if (ended === "clusters") return `${next} ends in ${months} on no cluster, however large.`;
    if (ended === "utilization") {
      return `${next} would use less than ${readable(100 * laws.minUtilization, 1)} % of its GPUs.`;
    }
    return "The widths of the sweep end there.";
  }

  /** The first run that uses at most the threshold of the useful rate, and the last above it; neither
   * if the runs were never above it, or always. */
  function facts(of) {
    const column = (name) => of.columns[columns.findIndex((each) => each.name === name)];
    const flop = column("training_flop");
    const used = column("utilization");
    const below = used.map((share) => share <= laws.linearScaling * of.tells.eta);
    const named = {
      linear_end: flop[below.indexOf(true)],
      last_linear: flop[below.lastIndexOf(false)],
    };
    return spec.facts.map(({ name }) => (below.includes(true) && !below[0] ? named[name] : null));
  }

  // ------------------------------------------------------------------------------ the figure

  const name = () => controls.chosen(preset) + (controls.left(preset) ? ", changed" : "");
  const left = [...controls.rows];
  const rows = spec.groups.flatMap(({ label, controls: own }, index) => {
    const made = left.splice(0, own.length);
    if (index === 0) return [...made, view.slider];
    const inside = element("div", { class: "dm-controls" }, ...made);
    return element("details", { class: "dm-group" }, element("summary", {}, label), inside);
  });

  return {
    rows,
    buttons: view.buttons,
    draw(moved) {
      controls.show(moved);
      simulate();
      const lines = [];
      const here = { label: name(), color: color(0), at: 0.75 };
      if (series !== atStart) {
        const looks = { label: "at the start", color: color(1), faint: true, at: 0.3 };
        lines.push(view.line(atStart, looks));
      }
      if (growing) {
        lines.push(view.line(series, { label: "", color: color(0), faint: true, at: 0.5 }));
        lines.push(view.line(growing, here));
      } else {
        lines.push(view.line(series, here));
      }
      progress.textContent = growing
        ? `Simulating the sweep: ${growing.columns[0].length} runs so far. The numbers are of the one before.`
        : `Simulated: ${series.columns[0].length} runs.${series.note ? ` ${series.note}` : ""}`;
      frame.stage.setAttribute("aria-busy", String(Boolean(growing)));
      view.draw(lines, color(0), moved);
    },
    words: () => (growing ? "Simulating." : `${name()}. ${view.words()}`),
    describe: view.describe,
    settings: () => view.keep(controls.settings()),
    reset() {
      controls.reset();
      view.reset();
    },
    apply(settings) {
      controls.apply(settings);
      view.apply(settings);
    },
    table: view.table,
  };
}
