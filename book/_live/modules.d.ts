// worker.js with what it imports, as a text (book/_ext/live_figures.py).
declare module "dm-worker" {
  const source: string;
  export default source;
}

/** Version of dmcore that made the page (book/_ext/live_figures.py). */
declare const DMCORE_VERSION: string;
