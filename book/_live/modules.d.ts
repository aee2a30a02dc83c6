// worker.js with what it imports, as a text (book/_ext/live_figures.py).
declare module "dm-worker" {
  const source: string;
  export default source;
}
