// Typesets formulas for prerender.py: one JSON request a line in, one JSON answer a line out.
"use strict";

const katex = require(process.argv[2]);
const lines = require("node:readline").createInterface({ input: process.stdin });

lines.on("line", (line) => {
  const { tex, display } = JSON.parse(line);
  let answer;
  try {
    answer = {
      html: katex.renderToString(tex, {
        displayMode: display,
        output: "htmlAndMathml",
        strict: "error",
        throwOnError: true,
      }),
    };
  } catch (error) {
    answer = { error: error instanceof Error ? error.message : String(error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
