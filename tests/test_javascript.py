"""The JavaScript of every expression of the book agrees with NumPy on hundreds of random points."""

from __future__ import annotations

import inspect
import json
import pkgutil
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from chapter_explorers import explorers

import dmcore
from dmcore.algebra.derivation import Derivation
from dmcore.algebra.expressions import compiled, javascript
from dmcore.algebra.numbers import readable
from dmcore.show.explorer import Explorer, Slider

LIVE = Path(__file__).parents[1] / "book" / "_live"
POINTS = 300
TOLERANCE = 1e-12
# Reads [{js, names, points}] and answers with the values; what is not finite becomes a text.
PROGRAM = """
const text = (value) => (Number.isFinite(value) ? value : String(value));
const jobs = JSON.parse(require("fs").readFileSync(0, "utf8"));
const answers = jobs.map(({ js, names, points }) => {
  const call = new Function(...names, `"use strict"; return ${js};`);
  return points.map((point) => text(call(...point.map(Number))));
});
console.log(JSON.stringify(answers));
"""


def node():
    here = str(Path(sys.executable).parent)
    program = shutil.which("node", path=here) or shutil.which("node")
    if program is None:
        pytest.skip("there is no node: pip install -r requirements.txt brings one")
    return program


def in_javascript(jobs):
    """The values of ``[(expr, points), ...]``, whose points are in order of the symbols' names."""
    sent = [
        {
            "js": javascript(expr),
            "names": compiled(expr)[0],
            "points": [[repr(float(number)) for number in point] for point in points],
        }
        for expr, points in jobs
    ]
    text = json.dumps(sent).replace('"inf"', '"Infinity"')
    done = subprocess.run(
        [node(), "-e", PROGRAM], input=text, capture_output=True, text=True, check=True
    )
    return [np.array([float(value) for value in answer]) for answer in json.loads(done.stdout)]


def in_numpy(expr, points):
    _, function = compiled(expr)
    with np.errstate(all="ignore"):
        found = function(*np.asarray(points, dtype=float).T)
    return np.broadcast_to(np.asarray(found, dtype=float), len(points))


def difference(ours, theirs):
    """Largest relative difference; infinities and what is no number have to be the same."""
    finite = np.isfinite(ours)
    np.testing.assert_array_equal(ours[~finite], theirs[~finite])
    ours, theirs = ours[finite], theirs[finite]
    scale = np.maximum(np.abs(ours), np.finfo(float).tiny)
    return float(np.max(np.abs(theirs - ours) / scale, initial=0))


def expressions_of(explorer: Explorer):
    yield from (curve.expr for curve in explorer.curves)
    yield from (readout.expr for readout in explorer.readouts)
    for band in explorer.bands:
        yield from (expr for expr in (band.above, band.below) if expr is not None)


def points_of(explorer: Explorer, expr, rng):
    """Random settings of the controls, and places along x."""
    values = {name: np.full(POINTS, value) for name, value in explorer.defaults().items()}
    for control in explorer.controls:
        if isinstance(control, Slider):
            values[control.symbol] = spread(control.low, control.high, control.log, rng)
        else:
            picked = rng.choice(list(control.options), POINTS)
            for name in control.options[control.default]:
                if name not in {slider.symbol for slider in explorer.sliders}:
                    values[name] = np.array([control.options[option][name] for option in picked])
    values[explorer.x_symbol] = spread(explorer.x.low, explorer.x.high, explorer.x.log, rng)
    return columns(expr, values)


def spread(low, high, log, rng):
    return (
        np.exp(rng.uniform(np.log(low), np.log(high), POINTS))
        if log
        else rng.uniform(low, high, POINTS)
    )


def columns(expr, values):
    return np.array([values[name] for name in compiled(expr)[0]]).T.reshape(POINTS, -1)


def modules():
    for info in pkgutil.walk_packages(dmcore.__path__, "dmcore."):
        if not info.ispkg and not info.name.startswith("dmcore.chapters."):
            yield import_module(info.name)


def model_expressions():
    """What every function without arguments of the package gives: expressions and derivations."""
    found = {}
    for module in modules():
        for name, function in vars(module).items():
            home = getattr(function, "__module__", None)
            if not callable(function) or home != module.__name__ or inspect.isclass(function):
                continue
            wrapped = inspect.unwrap(function)
            if not inspect.isfunction(wrapped) or name.startswith("_"):
                continue
            returns = str(wrapped.__annotations__.get("return", ""))
            parameters = inspect.signature(wrapped).parameters.values()
            if returns not in ("sp.Expr", "Derivation") or any(
                parameter.default is parameter.empty for parameter in parameters
            ):
                continue
            made = function()
            if isinstance(made, Derivation):
                for step in made:
                    for side in ("lhs", "rhs"):
                        found[f"{step.label} {side}"] = getattr(step.equation, side)
            else:
                found[f"{module.__name__}.{name}"] = made
    return {name: expr for name, expr in found.items() if not expr.is_Symbol}


#: Where the closed forms are used, for symbols of which a point may not be just any positive number:
#: exponents below 1/2, and pipelines that do not idle all the time, which 1 - bubble would cancel.
RANGES = {
    **dict.fromkeys(("alpha", "alpha_b", "alpha_L"), (0, 0.4)),
    **dict.fromkeys(("w_P", "w_A"), (0.5, 4)),
    **dict.fromkeys(("N_PP", "K", "v"), (1, 64)),
}


def anywhere(expr, rng):
    values = {
        name: rng.uniform(*RANGES[name], POINTS)
        if name in RANGES
        else np.exp(rng.uniform(np.log(2), np.log(1e6), POINTS))
        for name in compiled(expr)[0]
    }
    return columns(expr, values)


def compare(named):
    theirs = in_javascript([(expr, points) for expr, points in named.values()])
    wrong = {}
    for (name, (expr, points)), values in zip(named.items(), theirs, strict=True):
        found = difference(in_numpy(expr, points), values)
        if found > TOLERANCE:
            wrong[name] = found
    assert wrong == {}


def test_every_explorer():
    rng = np.random.default_rng(7)
    named = {}
    for explorer in explorers().values():
        for index, expr in enumerate(expressions_of(explorer)):
            named[f"{explorer.name} {index}"] = (expr, points_of(explorer, expr, rng))
    assert len(named) > 20
    compare(named)


def test_every_expression_of_the_model():
    rng = np.random.default_rng(8)
    found = model_expressions()
    assert len(found) > 60
    compare({name: (expr, anywhere(expr, rng)) for name, expr in found.items()})


def test_awkward_forms():
    x, y = sp.symbols("x y")
    forms = [
        sp.Mod(x, y),
        sp.sign(x) + sp.Abs(x - y) * sp.cbrt(sp.Float("0.1")),
        sp.Piecewise((x, x > y), (sp.Float(1) / 3, sp.true)),
        sp.Max(x, y, 1) - sp.Min(x, y, sp.Rational(1, 7)),
        sp.ceiling(x) * sp.floor(y) + sp.pi * sp.E ** sp.Rational(2, 3),
        sp.Mod(sp.Symbol("p", positive=True), sp.Symbol("q", positive=True)),
        sp.Integer(10) ** 30 / 3 + x,
    ]
    rng = np.random.default_rng(9)
    jobs = [(form, rng.uniform(-50, 50, (POINTS, len(form.free_symbols)))) for form in forms]
    jobs[-2] = (jobs[-2][0], np.abs(jobs[-2][1]))
    for (form, points), values in zip(jobs, in_javascript(jobs), strict=True):
        assert difference(in_numpy(form, points), values) < TOLERANCE, form


def test_infinity():
    beta, ell = sp.symbols("beta ell", positive=True)
    jobs = [(1 / beta + ell, [[np.inf, 3.0]]), (beta * ell, [[np.inf, 3.0]])]
    assert [float(values[0]) for values in in_javascript(jobs)] == [3.0, np.inf]


@pytest.mark.parametrize(
    "expr", [sp.erf(sp.Symbol("x")), sp.Function("g")(sp.Symbol("x"))], ids=["erf", "unknown"]
)
def test_what_javascript_lacks(expr):
    with pytest.raises(ValueError, match="expr must have a JavaScript form, got"):
        javascript(expr)


@pytest.mark.parametrize("name", ["in", "Math", "a b", "α"])
def test_names_that_javascript_lacks(name):
    with pytest.raises(ValueError, match="symbols that JavaScript can name"):
        javascript(2 * sp.Symbol(name))


def written(call, values):
    """What a function of the page's numbers writes, with the spaces of a keyboard."""
    program = f"""
        import * as numbers from {json.dumps((LIVE / "numbers.js").as_uri())};
        const {{ readable, shown, short }} = numbers;
        const values = {json.dumps(values).replace("Infinity", "1e999")};
        console.log(JSON.stringify(values.flatMap((value) => {call})));
    """
    done = subprocess.run(
        [node(), "--input-type=module", "-e", program], capture_output=True, text=True, check=True
    )
    return [text.replace("\u00a0", " ") for text in json.loads(done.stdout)]


def test_numbers_read_as_in_python():
    values = [0, 1, 12345.678, 999.96, 0.0012345, 9.9999e-4, 1e6, 2.345e28, 999999.6, np.inf, 0.5]
    theirs = written("[1, 3, 4].map((digits) => readable(value, digits))", values)
    assert theirs == [readable(value, digits) for value in values for digits in (1, 3, 4)]


def test_numbers_by_a_figure_and_beside_a_slider():
    """Whole numbers by a figure stand in full; a slider's have no zeros that say nothing."""
    expected = {
        24576: ("24\u202f576", "24\u202f576"),
        1234567: ("1\u202f234\u202f567", "1.235 × 10⁶"),
        -3: ("−3", "−3"),
        0.5: ("0.5000", "0.5"),
        12.5: ("12.50", "12.5"),
        99.999: ("100.0", "100"),
        1e29: ("1.000 × 10²⁹", "10²⁹"),
        2.5e28: ("2.500 × 10²⁸", "2.5 × 10²⁸"),
        2.5e-9: ("2.500 × 10⁻⁹", "2.5 × 10⁻⁹"),
    }
    texts = written("[shown(value), short(value)]", list(expected))
    assert texts == [text for pair in expected.values() for text in pair]
