// Small faults that can be put into scripts: reads {file: text}, answers {file: [[start, end, instead], ...]}.
// The packages are those that check the JavaScript (book/_web/check).

const { readFileSync } = require("node:fs");
const espree = require("espree");

const SWAPPED = {
  "+": "-", "-": "+", "*": "/", "/": "*", "%": "*", "**": "*",
  "<": "<=", "<=": "<", ">": ">=", ">=": ">", "===": "!==", "!==": "===",
  "&&": "||", "||": "&&", "+=": "-=", "-=": "+=", "*=": "/=", "/=": "*=",
};
const OPPOSITE = {
  min: "max", max: "min", floor: "ceil", ceil: "floor", every: "some", some: "every", round: "floor",
  trunc: "ceil",
};

/** The faults of one node. */
function* faults(node, text) {
  const of = ({ range: [start, end] }) => text.slice(start, end);
  const [start, end] = node.range;
  switch (node.type) {
    case "BinaryExpression":
    case "LogicalExpression":
    case "AssignmentExpression": {
      const { left, right, operator } = node;
      if (!(operator in SWAPPED)) return;
      const first = text.indexOf(operator, left.range[1]);
      yield [first, first + operator.length, SWAPPED[operator]];
      if (node.type === "BinaryExpression" && "+-*/".includes(operator)) yield [start, end, of(left)];
      return;
    }
    case "Literal":
      if (typeof node.value === "number") {
        yield [start, end, String(node.value + 1)];
        if (node.value > 1) yield [start, end, String(node.value * 2)];
      } else if (typeof node.value === "boolean") yield [start, end, String(!node.value)];
      return;
    case "UnaryExpression":
      if ("!-".includes(node.operator)) yield [start, end, of(node.argument)];
      return;
    case "ConditionalExpression":
      yield [
        node.consequent.range[0],
        node.alternate.range[1],
        `${of(node.alternate)} : ${of(node.consequent)}`,
      ];
      return;
    case "CallExpression": {
      const { callee, arguments: given } = node;
      if (callee.type === "MemberExpression" && callee.property.name in OPPOSITE)
        yield [...callee.property.range, OPPOSITE[callee.property.name]];
      if (["min", "max"].includes(callee.property?.name)) return;
      for (let i = 1; i < given.length; i++)
        if (given[i - 1].type === "Identifier" && given[i].type === "Identifier")
          yield [given[i - 1].range[0], given[i].range[1], `${of(given[i])}, ${of(given[i - 1])}`];
    }
  }
}

function* walk(node) {
  yield node;
  if (node.type === "ThrowStatement") return;
  for (const [name, value] of Object.entries(node)) {
    if (name === "parent" || name === "range") continue;
    for (const child of Array.isArray(value) ? value : [value])
      if (child && typeof child.type === "string" && child.type !== "ThrowStatement") yield* walk(child);
  }
}

const files = JSON.parse(readFileSync(0, "utf8"));
const answer = Object.entries(files).map(([file, text]) => {
  const program = espree.parse(text, { ecmaVersion: "latest", sourceType: "module", range: true });
  return [file, [...walk(program)].flatMap((node) => [...faults(node, text)])];
});
console.log(JSON.stringify(Object.fromEntries(answer)));
