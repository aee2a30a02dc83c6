// What the linter asks of the book's JavaScript; its form is prettier's, its types are tsc's.

import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["**/node_modules/**"] },
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "array-callback-return": "error",
      "default-param-last": "error",
      eqeqeq: "error",
      "no-extend-native": "error",
      "no-promise-executor-return": ["error", { allowVoid: true }],
      "no-return-assign": ["error", "always"],
      "no-self-compare": "error",
      "no-shadow": ["error", { builtinGlobals: false }],
      "no-throw-literal": "error",
      "no-unmodified-loop-condition": "error",
      "no-unreachable-loop": "error",
      "no-unused-expressions": ["error", { allowShortCircuit: true }],
      "no-useless-concat": "error",
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "require-atomic-updates": "error",
    },
  },
  {
    files: ["book/_live/**/*.js", "book/_static/*.js"],
    languageOptions: { globals: { ...globals.browser, DMCORE_VERSION: "readonly" } },
  },
  { files: ["book/_static/*.js", "book/_ext/*.cjs"], languageOptions: { sourceType: "script" } },
  // What runs beside the page knows no document.
  {
    files: ["book/_live/worker.js", "book/_live/simulator.js", "book/_live/planning.js"],
    languageOptions: {
      globals: {
        ...Object.fromEntries(Object.keys(globals.browser).map((name) => [name, "off"])),
        ...globals.worker,
      },
    },
  },
  {
    files: ["book/_ext/*.cjs"],
    languageOptions: { sourceType: "commonjs", globals: globals.node },
  },
];
