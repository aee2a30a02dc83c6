// A figure to take along: its drawings as one SVG or PNG file, with what it shows written below.

const STYLES = [
  "display",
  "dominant-baseline",
  "fill",
  "fill-opacity",
  "font-family",
  "font-size",
  "font-weight",
  "opacity",
  "paint-order",
  "stroke",
  "stroke-dasharray",
  "stroke-linejoin",
  "stroke-opacity",
  "stroke-width",
  "text-anchor",
];
const MARGIN = 12;
const LINE = 18; // from one line of the caption to the next
const SCALE = 3; // pixels of a PNG to one of the page

/**
 * A text in lines that fit.
 * @param {string} text
 * @param {number} width
 * @param {CanvasRenderingContext2D} pen
 */
function inLines(text, width, pen) {
  /** @type {string[]} */
  const lines = [];
  for (const word of text.split(" ")) {
    const longer = lines.length ? `${lines[lines.length - 1]} ${word}` : word;
    if (lines.length && pen.measureText(longer).width <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/**
 * A drawing that needs no style sheet.
 * @param {SVGSVGElement} drawing
 */
function alone(drawing) {
  const copy = /** @type {SVGSVGElement} */ (drawing.cloneNode(true));
  const copies = [copy, ...copy.querySelectorAll("*")];
  [drawing, ...drawing.querySelectorAll("*")].forEach((node, index) => {
    const style = getComputedStyle(node);
    const kept = STYLES.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";");
    copies[index].setAttribute("style", kept);
    for (const name of ["class", ...STYLES]) copies[index].removeAttribute(name);
  });
  return copy;
}

/**
 * The text of an SVG file, and its size in pixels of the page.
 * @param {SVGSVGElement[]} drawings one below the other
 * @param {string} title
 * @param {string[]} caption paragraphs
 */
export function asSvg(drawings, title, caption) {
  const page = getComputedStyle(drawings[0]);
  const pen = /** @type {CanvasRenderingContext2D} */ (
    document.createElement("canvas").getContext("2d")
  );
  pen.font = `13px ${page.fontFamily}`;
  const width = Math.max(...drawings.map((each) => each.viewBox.baseVal.width)) + 2 * MARGIN;
  /** @param {string} name */
  const make = (name) => document.createElementNS("http://www.w3.org/2000/svg", name);
  const root = make("svg");
  const ground = make("rect");
  root.append(ground);
  let y = MARGIN;
  /**
   * @param {string} text
   * @param {string} weight
   */
  function write(text, weight) {
    y += LINE;
    const line = make("text");
    line.textContent = text;
    line.setAttribute("x", String(MARGIN));
    line.setAttribute("y", String(y));
    line.setAttribute("fill", page.color);
    line.setAttribute("style", `font: ${weight} 13px ${page.fontFamily}`);
    root.append(line);
  }
  write(title, "600");
  y += MARGIN;
  for (const drawing of drawings) {
    const copy = alone(drawing);
    copy.setAttribute("x", String(MARGIN));
    copy.setAttribute("y", String(y));
    root.append(copy);
    y += drawing.viewBox.baseVal.height;
  }
  for (const text of caption)
    for (const line of inLines(text, width - 2 * MARGIN, pen)) write(line, "400");
  const height = y + 2 * MARGIN;
  for (const node of [root, ground]) {
    node.setAttribute("width", String(width));
    node.setAttribute("height", String(height));
  }
  root.setAttribute("viewBox", `0 0 ${width} ${height}`);
  ground.setAttribute("fill", getComputedStyle(document.body).backgroundColor);
  return { text: new XMLSerializer().serializeToString(root), width, height };
}

/**
 * An SVG file's picture as a PNG file.
 * @param {{text: string, width: number, height: number}} svg
 * @returns {Promise<Blob>}
 */
export async function asPng({ text, width, height }) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * SCALE);
  canvas.height = Math.round(height * SCALE);
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done, fail) => {
    canvas.toBlob((blob) => {
      if (blob) done(blob);
      else fail(new Error("The picture is too large."));
    });
  });
}
