"""The symbols of the book: each with a name, a description and a unit, and the algebra of those units.

Four things are counted: ``token``, ``channel`` (one component of an activation vector), ``byte`` and
``second``. The rest follows:

- an activation is one channel of one token: ``channel * token``;
- a parameter joins an input channel to an output channel: ``channel**2``;
- a multiply-accumulate (MAC) applies one parameter to one token: ``channel**2 * token``, and two FLOP
  make one MAC.

So a rate of arithmetic over a rate of parameters is a number of tokens, a rate of arithmetic over a rate
of activations is a number of channels, and a formula that mixes them up fails :func:`unit_of`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import sympy as sp
from sympy.physics import units as spu

__all__ = [
    "FLOP_PER_MAC",
    "SYMBOLS",
    "SymbolInfo",
    "activation",
    "byte",
    "channel",
    "latex",
    "mac",
    "parameter",
    "same_unit",
    "second",
    "simulator_symbols",
    "token",
    "unit_of",
    "unit_text",
]

token = spu.Quantity("token", abbrev="token")
channel = spu.Quantity("channel", abbrev="channel")
byte = spu.byte
second = spu.second
one = sp.Integer(1)

activation = channel * token
parameter = channel**2
mac = channel**2 * token

#: One multiply and one add.
FLOP_PER_MAC = 2

_BASE_UNITS = (token, channel, byte, second)
_UNIT_NAMES = MappingProxyType(
    {
        one: "",
        token: "tokens",
        channel: "channels",
        second: "s",
        byte: "bytes",
        parameter: "parameters",
        activation: "activations",
        mac: "MAC",
        mac / second: "MAC/s",
        parameter / second: "parameters/s",
        activation / second: "activations/s",
        byte / second: "bytes/s",
        byte / parameter: "bytes/parameter",
        byte / activation: "bytes/activation",
        token / parameter: "tokens/parameter",
    }
)


@dataclass(frozen=True)
class SymbolInfo:
    """What a symbol stands for.

    Attributes
    ----------
    symbol : sympy.Symbol
        Positive; an exponent may be zero, and alpha, a difference, also negative. Its name is a
        valid identifier.
    latex : str
        How a page typesets it.
    unit : sympy.Expr
        Product of powers of ``token``, ``channel``, ``byte`` and ``second``; 1 for a pure number.
    description : str
        In words, without a full stop.
    """

    symbol: sp.Symbol
    latex: str
    unit: sp.Expr
    description: str

    @property
    def unit_name(self) -> str:
        """The unit in words, empty for a pure number."""
        return unit_text(self.unit)


def _info(
    name: str, latex: str, unit: sp.Expr, description: str, *, allowed: str = "positive"
) -> SymbolInfo:
    assumption = {allowed: True}
    return SymbolInfo(sp.Symbol(name, **assumption), latex, sp.sympify(unit), description)


_INFOS = (
    # The run
    _info("T", "T", mac, "training compute of a run"),
    _info("T_0", "T_0", mac, "training compute at which the batch and depth laws are anchored"),
    _info("P", "P", parameter, "parameters of the model"),
    _info("D", "D", token, "training tokens"),
    _info("r", "r", token / parameter, "training tokens for each parameter"),
    _info("t", "t", second, "duration of the run"),
    _info("N", "N", one, "nodes in the cluster"),
    _info("eta", r"\eta", one, "share of the peak arithmetic that a run sustains"),
    _info("g", "g", one, "factor by which the compute of the largest runs grows in a year"),
    _info("y", "y", one, "calendar year, with its fraction"),
    _info("T_1", "T_1", mac, "training compute of a documented run, from which growth is counted"),
    _info("y_1", "y_1", one, "calendar year of that run"),
    # The model
    _info("d", "d", channel, "model width d_model: channels of the vector that a layer passes on"),
    _info("f", "f", channel, "inner width d_ff of a layer"),
    _info("rho", r"\rho", one, "inner width over model width, d_ff / d_model"),
    _info("L", "L", one, "layers"),
    _info("L_0", "L_0", one, "layers at the reference compute"),
    # The batch
    _info("b", "b", token, "batch size: tokens that are processed for one weight update"),
    _info("b_0", "b_0", token, "critical batch size at the reference compute"),
    _info("b_crit", r"b_{\mathrm{crit}}", token, "critical batch size"),
    _info("s", "s", one, "steps: weight updates of a run"),
    _info(
        "s_min", r"s_{\mathrm{min}}", one, "least steps to a given loss, with batches without bound"
    ),
    _info("D_min", r"D_{\mathrm{min}}", token, "least tokens to a given loss, with tiny batches"),
    _info("n", "n", token, "nanobatch: tokens that a node applies its weights to at a time"),
    _info("alpha_b", r"\alpha_b", one, "exponent of batch growth", allowed="nonnegative"),
    _info("alpha_L", r"\alpha_L", one, "exponent of depth growth", allowed="nonnegative"),
    _info("alpha", r"\alpha", one, "exponent of batch growth less that of depth", allowed="real"),
    # The hardware
    _info("G", "G", one, "GPUs in a node"),
    _info("F", "F", mac / second, "peak arithmetic rate of one GPU"),
    _info("beta_hbm", r"\beta_{\mathrm{HBM}}", byte / second, "memory bandwidth of one GPU"),
    _info(
        "beta_net",
        r"\beta_{\mathrm{net}}",
        byte / second,
        "network bandwidth of one GPU beyond its node, both directions together",
    ),
    _info("w_P", "w_P", byte / parameter, "bytes that hold one parameter"),
    _info("w_A", "w_A", byte / activation, "bytes that hold one activation"),
    _info("C", "C", mac / second, "arithmetic rate of a node"),
    _info("M", "M", parameter / second, "rate at which a node reads parameters from its memory"),
    _info("W", "W", activation / second, "rate at which a node sends activations to other nodes"),
    _info("ell", r"\ell", second, "least time of one matrix product and its messages"),
    _info("ell_kernel", r"\ell_{\mathrm{kernel}}", second, "least time of one kernel on a GPU"),
    _info("ell_hop", r"\ell_{\mathrm{hop}}", second, "least time of one network hop"),
    # The split
    _info("m", "m", one, "tensor-parallel slices of d_model"),
    _info("q", "q", one, "tensor-parallel slices of d_ff"),
    _info("N_TP", r"N_{\mathrm{TP}}", one, "tensor-parallel degree, m times q"),
    _info("N_DP", r"N_{\mathrm{DP}}", one, "data-parallel degree"),
    _info("N_PP", r"N_{\mathrm{PP}}", one, "pipeline-parallel degree"),
    _info("N_EP", r"N_{\mathrm{EP}}", one, "expert-parallel degree"),
    _info("a", "a", channel, "smallest side of a weight shard that the network can keep up with"),
    _info("P_node", r"P_{\mathrm{node}}", parameter, "parameters that one node holds"),
)

#: What each symbol of the closed forms stands for, by the symbol's name, in order of the notation page.
SYMBOLS: Mapping[str, SymbolInfo] = MappingProxyType({info.symbol.name: info for info in _INFOS})


def symbols(names: str) -> tuple[sp.Symbol, ...]:
    """The symbols of those names, separated by blanks.

    Raises
    ------
    ValueError
        If a name is none of :data:`SYMBOLS`.
    """
    unknown = [name for name in names.split() if name not in SYMBOLS]
    if unknown:
        raise ValueError(
            f"names must be of the known symbols ({' '.join(SYMBOLS)}), got {' '.join(unknown)!r}"
        )
    return tuple(SYMBOLS[name].symbol for name in names.split())


def simulator_symbols(names: str) -> tuple[sp.Symbol, ...]:
    """Positive symbols that only the simulator has, separated by blanks."""
    return tuple(sp.Symbol(name, positive=True) for name in names.split())


def latex(expr: sp.Basic) -> str:
    """LaTeX of an expression or equation, with the book's notation and no font commands."""
    names = {
        symbol: SYMBOLS[symbol.name].latex for symbol in expr.free_symbols if symbol.name in SYMBOLS
    }
    return str(sp.latex(expr, symbol_names=names, fold_short_frac=False))


def unit_of(expr: sp.Expr) -> sp.Expr:
    """The unit of an expression, as a product of powers of the base units.

    Raises
    ------
    ValueError
        If terms of different units are added or compared, an exponent has a unit, or a symbol is
        unknown.
    """
    powers = _powers(sp.sympify(expr))
    return sp.Mul(*(base ** sp.simplify(power) for base, power in powers.items()))


def same_unit(*sides: sp.Expr) -> bool:
    """Whether all the expressions have one unit."""
    first, *others = (unit_of(side) for side in sides)
    return all(other == first for other in others)


def unit_text(unit: sp.Expr) -> str:
    """A unit in words: a name of its own where it has one, else the product of base units."""
    return _UNIT_NAMES.get(sp.sympify(unit), str(unit))


def _powers(expr: sp.Expr) -> dict[spu.Quantity, sp.Expr]:
    if expr in _BASE_UNITS:
        return {expr: one}
    if expr.is_number:
        return {}
    if isinstance(expr, sp.Symbol):
        if expr.name not in SYMBOLS:
            raise ValueError(f"expr must be made of the known symbols, got {expr.name!r}")
        return _powers(SYMBOLS[expr.name].unit)
    if isinstance(expr, sp.Mul):
        return _product((_powers(factor), one) for factor in expr.args)
    if isinstance(expr, sp.Pow):
        _require_pure(expr.exp)
        return _product([(_powers(expr.base), expr.exp)])
    if isinstance(expr, (sp.Add, sp.Max, sp.Min)):
        first, *others = expr.args
        for other in others:
            if not same_unit(first, other):
                raise ValueError(
                    f"expr must join terms of one unit, got {unit_text(unit_of(first))!r} and "
                    f"{unit_text(unit_of(other))!r} in {expr}"
                )
        return _powers(first)
    for argument in expr.args:
        _require_pure(argument)
    return {}


def _product(factors: object) -> dict[spu.Quantity, sp.Expr]:
    total: dict[spu.Quantity, sp.Expr] = {}
    for powers, exponent in factors:  # type: ignore[attr-defined]
        for base, power in powers.items():
            total[base] = sp.simplify(total.get(base, 0) + power * exponent)
    return {base: power for base, power in total.items() if power != 0}


def _require_pure(expr: sp.Expr) -> None:
    if unit_of(expr) != one:
        raise ValueError(
            f"expr must have pure numbers as exponents and function arguments, "
            f"got {unit_text(unit_of(expr))!r} in {expr}"
        )
