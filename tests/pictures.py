"""What a reader sees of a figure: pixels held against tick positions and tick texts, and visible texts."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from dmcore.algebra.numbers import readable
from dmcore.show.colors import COLORS

PIXEL = 1.0  # half of one is d3's for its axes, and paths have three decimals
INK = -1  # the colour of the text, which is none of the palette
BESIDE = 20  # pixels within which a name is beside what it names
RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")

# Figures of the page, by their names. Places are in pixels from the upper left of their picture.
READ = """
(names) => {
  const probe = document.body.appendChild(document.createElement("i"));
  const palette = [1, 2, 3, 4, 5, 6].map((number) => {
    probe.style.color = `var(--dm-c${number})`;
    return getComputedStyle(probe).color;
  });
  probe.remove();
  const all = (node, what) => [...node.querySelectorAll(what)];

  function picture(svg) {
    const zero = svg.getBoundingClientRect();
    const place = (node, x, y) => {
      const at = new DOMPoint(x, y).matrixTransform(node.getScreenCTM());
      return [at.x - zero.x, at.y - zero.y];
    };
    const box = (node) => {
      const { left, right, top, bottom } = node.getBoundingClientRect();
      return [left - zero.x, top - zero.y, right - zero.x, bottom - zero.y];
    };
    const looks = (node, what) => {
      const style = getComputedStyle(node);
      return { color: palette.indexOf(style[what]), opacity: Number(style[`${what}Opacity`]) };
    };
    const pieces = (path) =>
      (path.getAttribute("d") ?? "").split("M").slice(1).map((piece) =>
        piece.replace("Z", "").split("L").map((each) => place(path, ...each.split(",").map(Number))),
      );
    const circles = (nodes) =>
      nodes
        .filter((node) => getComputedStyle(node).display !== "none")
        .map((node) => ({
          at: place(node, Number(node.getAttribute("cx")), Number(node.getAttribute("cy"))),
          ...looks(node, "fill"),
        }));
    const axes = all(svg, ".dm-axis").map((axis) => ({
      domain: box(axis.querySelector(".domain")),
      ticks: all(axis, ".tick").map((tick) => ({
        at: place(tick, 0, 0),
        text: tick.textContent,
        box: box(tick.querySelector("text")),
      })),
    }));
    const [left, , right] = axes[0].domain;
    const [, top, , bottom] = axes[1].domain;
    const across = Array.from({ length: 24 }, (_, i) => left + ((i + 0.5) / 24) * (right - left));
    const up = Array.from({ length: 16 }, (_, i) => top + ((i + 0.5) / 16) * (bottom - top));
    const probes = across.flatMap((x) => up.map((y) => [x, y]));
    const back = svg.getScreenCTM().inverse();
    const rule = svg.querySelector(".dm-probe");
    const clip = svg.querySelector("clipPath rect");
    const corner = (share) =>
      place(
        svg,
        ...["x", "y"].map((name, i) =>
          clip[name].baseVal.value + share * clip[["width", "height"][i]].baseVal.value,
        ),
      );
    return {
      origin: [zero.x, zero.y],
      words: svg.getAttribute("aria-label"),
      axes,
      titles: all(svg, ":scope > text").map((node) => node.textContent),
      clip: [...corner(0), ...corner(1)],
      lines: all(svg, "path.dm-line").map((path) => ({
        pieces: pieces(path),
        dashed: getComputedStyle(path).strokeDasharray !== "none",
        ...looks(path, "stroke"),
      })),
      probes,
      bands: all(svg, "path[fill-opacity]").map((path) => ({
        inside: probes.map(([x, y]) =>
          path.isPointInFill(new DOMPoint(x + zero.x, y + zero.y).matrixTransform(back)),
        ),
        ...looks(path, "fill"),
      })),
      marks: circles(all(svg, "circle").filter((node) => !rule.contains(node))),
      labels: all(svg, "text.dm-label").map((node) => ({
        text: node.textContent,
        box: box(node),
        ...looks(node, "fill"),
      })),
      rule:
        rule.style.display === "none"
          ? null
          : {
              at: place(rule, Number(rule.querySelector("line").getAttribute("x1")), 0)[0],
              points: circles(all(rule, "circle")),
            },
    };
  }

  return Object.fromEntries(
    names.map((name) => {
      const figure = document.getElementById(`fig-${name}`);
      const said = (what) => figure.querySelector(what)?.innerText ?? "";
      return [
        name,
        {
          pictures: all(figure, "svg.dm-drawing").map(picture),
          readouts: all(figure, ".dm-readouts > div").map((each) => [
            each.querySelector("dt").innerText,
            each.querySelector("data").innerText,
            each.querySelector(".dm-unit")?.innerText ?? "",
          ]),
          fields: Object.fromEntries(
            all(figure, ".dm-row:has([type=range])").map((row) => {
              const range = row.querySelector("[type=range]");
              return [
                range.id.split("--")[1],
                {
                  text: row.querySelector(".dm-typed input").value,
                  unit: row.querySelector(".dm-unit").innerText,
                  spoken: range.getAttribute("aria-valuetext"),
                  thumb: range.value / range.max,
                  steps: Number(range.max),
                },
              ];
            }),
          ),
          menus: all(figure, ".dm-row select").map((each) => each.selectedOptions[0].textContent),
          reading: said(".dm-reading"),
          nearest: said(".dm-nearest"),
          status: said(".dm-status"),
          table: all(figure, ".dm-details tr").map((row) => [...row.cells].map((cell) => cell.innerText)),
        },
      ];
    }),
  );
}
"""


def plain(text: str) -> str:
    """A text whose spaces and minus signs are those of a keyboard."""
    return re.sub(r"[\s\u202f\u00a0]", " ", text).replace("−", "-")


def heard(text: str) -> str:
    """A text as it is spoken: thousands without gaps, powers in words."""
    whole = re.sub(r"(?<=\d)\u202f(?=\d)", "", text).replace("\u00a0×\u00a0", " times ")
    return plain(
        re.sub(
            "[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+",
            lambda raised: f" to the {raised[0].translate(RAISED).replace('-', 'minus ')}",
            whole,
        )
    )


def value_of(text: str) -> float:
    """The number that a text such as 12 288, 8.7 × 10²⁸, 10²⁸, 2⁵ or ∞ says."""
    bare = plain(text).replace(" ", "").replace("∞", "inf")
    found = re.fullmatch(r"(?:(-?[\d.]+)×)?(10|2)([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", bare)
    if not found:
        return float(bare)
    front, base, power = found.groups()
    return float(front or 1) * float(base) ** int(power.translate(RAISED))


def shown(value: float) -> str:
    """How the page writes a number by a figure: whole ones in full, others with four digits."""
    whole = math.isfinite(value) and value.is_integer() and abs(value) < 2**53
    return f"{int(value):,}".replace(",", " ") if whole else readable(value, 4)


def says(text: str, value: float | str | None, digits: int = 0, least: float = 0) -> bool:
    """Whether a text says a value with so many digits, or as :func:`shown`, but for the rounding of sums.

    What is below ``least`` in size is zero.
    """
    if value is None or isinstance(value, str):
        return text == ("none" if value is None else value)
    value = float(value)
    if math.isnan(value):
        return text == "–"
    if abs(value) < least:
        return abs(value_of(text)) < least
    near = {value, value * (1 - 1e-12), value * (1 + 1e-12)}
    if math.isfinite(value):
        near |= {float(round(value))} if math.isclose(value, round(value), rel_tol=1e-12) else set()
    write = (lambda each: readable(each, digits)) if digits else shown
    return plain(text) in {plain(write(each)) for each in near}


@dataclass(frozen=True)
class Range:
    """An axis of a picture in the shown unit."""

    low: float
    high: float
    log: bool

    @classmethod
    def of(cls, axis: Any) -> Range:
        return cls(axis.low / axis.per_unit, axis.high / axis.per_unit, axis.log)


class Picture:
    """A picture on the page: from values to pixels by what its ticks say, not by what its script means."""

    def __init__(self, drawn: dict[str, Any], x: Range, y: Range):
        self.drawn = drawn
        across, up = drawn["axes"]
        (self.left, _, self.right, _), (_, self.top, _, self.bottom) = (
            across["domain"],
            up["domain"],
        )
        assert self.right - self.left > 200
        assert self.bottom - self.top > 100
        self.x = self._scale(across["ticks"], 0, x, (self.left, self.right))
        self.y = self._scale(up["ticks"], 1, y, (self.bottom, self.top))
        frame = [self.left, self.top, self.right, self.bottom]
        np.testing.assert_allclose(drawn["clip"], frame, atol=PIXEL)

    @staticmethod
    def _scale(ticks, along, wanted, ends):
        """From values to pixels: two ticks say where, the others and the ends of the axis have to agree."""
        values = np.array([value_of(tick["text"]) for tick in ticks])
        places = np.array([tick["at"][along] for tick in ticks])
        boxes = np.array([tick["box"] for tick in ticks])
        middles = (boxes[:, along] + boxes[:, along + 2]) / 2
        np.testing.assert_allclose(middles, places, atol=4)  # each text is at its tick,
        far = boxes[:, 1] - ticks[0]["at"][1] if along == 0 else ticks[0]["at"][0] - boxes[:, 2]
        assert np.all((far > 0) & (far < BESIDE))  # below the x axis or left of the y axis
        assert len(values) >= 2
        assert np.all(np.diff(values) > 0)
        told = np.log if wanted.log else np.asarray
        (first, *_, last), (start, *_, end) = told(values), places
        slope = (end - start) / (last - first)

        def scale(value):
            with np.errstate(divide="ignore", invalid="ignore"):
                return start + slope * (told(np.asarray(value, dtype=float)) - first)

        np.testing.assert_allclose(scale(values), places, atol=PIXEL)
        np.testing.assert_allclose(scale([wanted.low, wanted.high]), ends, atol=PIXEL)
        return scale

    def seen(self, points, beside=0.0):
        """Which of some places lie in the frame."""
        return (
            (points[:, 0] >= self.left - beside)
            & (points[:, 0] <= self.right + beside)
            & (points[:, 1] >= self.top - beside)
            & (points[:, 1] <= self.bottom + beside)
        )

    def check_line(self, index, xs, ys, label="", color=0, faint=False, dashed=False):
        """Hold a line's pixels against its values, and its looks and name; how many are seen is returned."""
        line = self.drawn["lines"][index]
        wanted = np.column_stack([self.x(xs), self.y(ys)])
        wanted = wanted[np.isfinite(wanted).all(axis=1)]
        found = np.array([point for piece in line["pieces"] for point in piece]).reshape(-1, 2)
        assert len(found) == len(wanted)
        # Far outside it does not matter where.
        low, high = self.top - 100, self.bottom + 100
        np.testing.assert_allclose(found[:, 0], wanted[:, 0], atol=PIXEL)
        np.testing.assert_allclose(
            found[:, 1].clip(low, high), wanted[:, 1].clip(low, high), atol=PIXEL
        )
        assert line["color"] == color
        assert line["dashed"] == dashed
        assert (line["opacity"] < 1) == faint
        inside = wanted[self.seen(wanted)]
        if label and len(inside):
            self.check_name(label, color, along(inside))
        return len(inside)

    def check_name(self, text, color, points):
        """One name of these words stands, in that colour, beside one of the points."""
        (label,) = [label for label in self.drawn["labels"] if label["text"] == text]
        assert label["color"] == color
        left, top, right, bottom = label["box"]
        aside = np.maximum(0, np.maximum(left - points[:, 0], points[:, 0] - right))
        above = np.maximum(0, np.maximum(top - points[:, 1], points[:, 1] - bottom))
        assert np.hypot(aside, above).min() <= BESIDE, text

    def check_names(self, known):
        """No other names than these stand in the picture; there are some."""
        names = {label["text"] for label in self.drawn["labels"]}
        assert names
        assert names <= set(known)

    def points(self, xs, ys):
        """The pixels of some values."""
        return np.column_stack([self.x(xs), self.y(ys)]).reshape(-1, 2)

    def check_points(self, found, wanted, color):
        """Points of a colour stand at those places that the frame holds, whose numbers are returned."""
        held = np.flatnonzero(self.seen(wanted, 1))
        assert {each["color"] for each in found} <= {color}
        places = np.array([each["at"] for each in found]).reshape(-1, 2)
        np.testing.assert_allclose(places, wanted[held], atol=PIXEL)
        return held

    def check_band(self, index, edges, label, color, beside=0):
        """A band covers what lies between its edges, with its name; how much it covers is returned.

        ``edges`` are a function from x to y, low and high, in pixels; nan where it does not matter.
        """
        band = self.drawn["bands"][index]
        probes = np.array(self.drawn["probes"])
        low, high = edges(probes[:, 0])
        wanted = (probes[:, 1] < low) & (probes[:, 1] > high)
        # Nearer to an edge than pixels are exact, both answers will do.
        close = np.minimum(np.abs(probes[:, 1] - low), np.abs(probes[:, 1] - high)) < 2
        sure = ~np.isnan(low + high) & ~close
        np.testing.assert_array_equal(np.array(band["inside"])[sure], wanted[sure])
        assert band["color"] == color
        assert 0 < band["opacity"] < 1
        names = [name for name in self.drawn["labels"] if name["text"] == label]
        assert len(names) <= 1
        for name in names:
            assert name["color"] == color
            left, top, right, bottom = name["box"]
            low, high = edges(np.linspace(left - beside, right + beside, 21))
            assert np.any((high < bottom) & (low > top)), label
        return np.count_nonzero(wanted & sure)


def along(points):
    """Places of a line, with more between its points."""
    parts = [points[-1:]]
    for (x, y), (next_x, next_y) in pairwise(points):
        steps = np.linspace(0, 1, max(2, int(np.hypot(next_x - x, next_y - y) / 5)))
        parts.append(np.column_stack([x + steps * (next_x - x), y + steps * (next_y - y)]))
    return np.concatenate(parts)


def color_of(color: str | None, index: int) -> int:
    """The place of a colour in the palette: its own, or that of the n-th thing drawn."""
    return index % len(COLORS) if color is None else COLORS.index(color)


# ------------------------------------------------------------------------------ outlines of bands


def between(picture, xs, low, high):
    """Edges of a band between two lines through values."""
    places = picture.x(xs)

    def edge(values, outside):
        if values is None:
            return np.full(len(places), outside)
        found = picture.y(values)
        return np.where(np.isfinite(found), found.clip(picture.top, picture.bottom), np.nan)

    below = edge(low, picture.bottom)
    above = np.minimum(edge(high, picture.top), below)
    return lambda at: (np.interp(at, places, below), np.interp(at, places, above))


def upright(picture, start, end):
    """Edges of a vertical band."""
    start = picture.left if start is None else float(picture.x(start))
    end = picture.right if end is None else float(picture.x(end))

    def edges(at):
        inside = (at > start) & (at < end)
        sure = (np.abs(at - start) > 2) & (np.abs(at - end) > 2)
        top = np.where(inside, picture.top, picture.bottom)
        return np.where(sure, picture.bottom, np.nan), top

    return edges


def stepped(picture, xs, low, high):
    """Edges of a band whose values hold near their x: up to the mean of two, or to that of their pixels."""
    places, below, above = picture.x(xs), picture.y(low), picture.y(high)
    means = np.column_stack([places[1:] + places[:-1], 2 * picture.x((xs[1:] + xs[:-1]) / 2)]) / 2

    def edges(at):
        nearest = np.searchsorted(means[:, 0], at)
        sure = np.abs(at[:, None] - [places[0], places[-1]]).min(axis=1) > 2
        for turn in means:
            sure &= (at < turn.min() - 2) | (at > turn.max() + 2)
        inside = (at > places[0]) & (at < places[-1])
        low = np.where(sure, below[nearest], np.nan)
        return low, np.where(inside, above[nearest], low)

    return edges


# -------------------------------------------------------------------------------- whole pictures


def heights_of(explorer, values):
    """The values of each curve along x, as they are shown."""
    found = (explorer.along_x(curve.expr, values, curve.fixed) for curve in explorer.curves)
    return [ys / explorer.y.per_unit for ys in found]


def check_explorer(picture, explorer, values, all_seen):
    """Lines, points and bands of an explorer, each of which is to be seen if ``all_seen``."""
    xs = explorer.x_values() / explorer.x.per_unit
    assert len(picture.drawn["lines"]) == len(explorer.curves)
    for index, (curve, ys) in enumerate(
        zip(explorer.curves, heights_of(explorer, values), strict=True)
    ):
        color = color_of(curve.color, index)
        points = picture.check_line(index, xs, ys, curve.label, color, dashed=curve.dashed)
        assert points >= 2 or not all_seen
    at = picture.points(
        [mark.x / explorer.x.per_unit for mark in explorer.marks],
        [mark.y / explorer.y.per_unit for mark in explorer.marks],
    )
    for index in picture.check_points(picture.drawn["marks"], at, INK):
        if explorer.marks[index].label:
            picture.check_name(explorer.marks[index].label, INK, at[[index]])
    named = (*explorer.curves, *explorer.marks, *explorer.bands)
    picture.check_names(each.label for each in named)
    assert len(picture.drawn["bands"]) == len(explorer.bands)
    for index, band in enumerate(explorer.bands):
        unit = (explorer.x if band.vertical else explorer.y).per_unit
        edges = [
            None if expr is None else explorer.along_x(expr, values) / unit
            for expr in (band.above, band.below)
        ]
        if band.vertical:
            outline = upright(picture, *(None if each is None else each[0] for each in edges))
        else:
            outline = between(picture, xs, *edges)
        color = color_of(band.color, len(COLORS) - 1 - index % len(COLORS))
        assert picture.check_band(index, outline, band.label, color) or not all_seen


def shown_runs(figure, runs):
    """The x and y of runs, as they are shown."""
    return (
        runs.numbers(figure.x_column) / figure.x.per_unit,
        runs.numbers(figure.y_column) / figure.y.per_unit,
    )


def check_grid_lines(picture, figure, choice):
    """A line for each option of the first menu, the chosen one in full."""
    options = figure.choices[0].options
    assert len(picture.drawn["lines"]) == len(options)
    for index, option in enumerate(options):
        runs = figure.runs[option, *choice[1:]]
        faint = option != choice[0]
        seen = picture.check_line(index, *shown_runs(figure, runs), option, index, faint)
        assert seen == len(runs)
    picture.check_names(options)


def stack_range(figure):
    """The axis of what is stacked: columns that multiply, so that their logarithms do add."""
    return Range(1, 2.0 ** figure.spec()["mix"]["high"], log=True)


def check_stack(picture, figure, runs):
    """The columns that are stacked: each on the one before, up to their product."""
    xs, _ = shown_runs(figure, runs)
    labels = {column.name: column.label for column in figure.columns}
    below = np.ones(len(runs))
    assert len(picture.drawn["bands"]) == len(figure.mix.columns)
    for index, (name, color) in enumerate(zip(figure.mix.columns, figure.mix.colors, strict=False)):
        above = below * runs.numbers(name)
        outline = stepped(picture, xs, below, above)
        picture.check_band(index, outline, labels[name], color_of(color, index), BESIDE)
        below = above
    picture.check_names(labels[name] for name in figure.mix.columns)
