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

from collections.abc import Iterator, Mapping
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
    "flop",
    "latex",
    "mac",
    "parameter",
    "same_unit",
    "second",
    "symbols",
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
flop = mac / FLOP_PER_MAC

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
        flop: "FLOP",
        flop / second: "FLOP/s",
        byte / flop: "bytes/FLOP",
        byte / token: "bytes/token",
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
        Positive; an exponent may be zero, alpha also negative. Its name is a valid identifier.
    latex : str
        How a page typesets it.
    unit : sympy.Expr
        Product of powers of ``token``, ``channel``, ``byte`` and ``second``; 1 for a pure number.
    description : str
        In words, without a full stop.
    group : str
        Heading under which the notation page lists it.
    """

    symbol: sp.Symbol
    latex: str
    unit: sp.Expr
    description: str
    group: str

    @property
    def unit_name(self) -> str:
        """The unit in words, empty for a pure number."""
        return unit_text(self.unit)


# Name, unit and meaning. Closed forms count MAC, the simulator FLOP, as data sheets do.
_TABLE: Mapping[str, tuple[tuple[str, sp.Expr, str], ...]] = {
    "The run": (
        ("T", mac, "training compute of a run"),
        ("T_0", mac, "training compute at which the batch and depth laws are anchored"),
        ("T_p", mac, "training compute at which a critical batch was measured"),
        ("T_fixed", mac, "limit of the training compute if batch and depth stay those at T_0"),
        ("T_FLOP", flop, "training compute of a run in FLOP, two for each MAC"),
        ("P", parameter, "parameters of the model"),
        ("D", token, "training tokens"),
        ("r", token / parameter, "training tokens for each parameter"),
        ("t", second, "duration of the run"),
        ("N", one, "nodes in the cluster"),
        ("N_GPU", one, "GPUs in the cluster"),
        ("eta", one, "share of the peak arithmetic that a run or a long matmul sustains"),
        ("g", one, "factor by which the compute of the largest runs grows in a year"),
        ("y", one, "calendar year, with its fraction"),
        ("T_1", mac, "training compute of a documented run, from which growth is counted"),
        ("y_1", one, "calendar year of that run"),
        ("y_s", one, "calendar year in which a run starts"),
    ),
    "The model": (
        ("d", channel, "model width d_model: channels of the vector that a layer passes on"),
        ("f", channel, "inner width d_ff of a layer"),
        ("rho", one, "inner width over model width, d_ff / d_model"),
        ("L", one, "layers"),
        ("L_0", one, "layers at the reference compute"),
        ("E", one, "experts in each layer, one of them active for a token"),
        ("S", token, "tokens in a sequence"),
        ("V", one, "words of the vocabulary"),
        ("P_attention", parameter, "parameters of attention, which is not divided into experts"),
        ("F_passes", one, "how often the forward pass is computed in a step"),
        ("F_scores", one, "how often the scores of attention are computed in a forward pass"),
        ("w_mask", byte / activation, "bytes that hold one entry of a dropout mask"),
        ("c_kept", byte / token, "bytes of a layer kept for the backward pass, for each token"),
        ("c_again", byte / token, "bytes more in the layer that a stage computes again"),
    ),
    "The batch": (
        ("b", token, "batch size: tokens that are processed for one weight update"),
        ("b_0", token, "critical batch size at the reference compute"),
        ("b_p", token, "critical batch size where it was measured"),
        ("b_crit", token, "critical batch size"),
        ("b_dense", token, "batch size of a dense model of the same compute"),
        ("b_told", token, "batch size that a reader sets, at the compute it is set for"),
        ("s", one, "steps: weight updates of a run"),
        ("s_min", one, "least steps to a given loss, with batches without bound"),
        ("D_min", token, "least tokens to a given loss, with tiny batches"),
        ("epsilon", one, "learning rate of a step"),
        ("gamma", one, "squared length of the gradient of the loss"),
        ("h_grad", one, "curvature along the gradient, times its squared length"),
        ("h_noise", token, "the same for the noise of the gradient of one token"),
        ("x_gain", one, "gain of a step over that with a batch without bound"),
        ("D_0", token, "training tokens of a run at the reference compute"),
        ("n", token, "nanobatch: tokens that a node applies its weights to at a time"),
        ("K", one, "microbatches that follow each other through a pipeline in a step"),
        ("alpha_b", one, "exponent of batch growth"),
        ("alpha_L", one, "exponent of depth growth"),
        ("alpha_D", one, "exponent of batch growth in training tokens"),
        ("alpha", one, "exponent of batch growth less that of depth"),
    ),
    "A node of the closed forms": (
        ("G", one, "GPUs in a node"),
        ("F", mac / second, "peak arithmetic rate of one GPU"),
        ("beta_hbm", byte / second, "bandwidth of the main memory of one GPU"),
        (
            "beta_net",
            byte / second,
            "network bandwidth of one GPU beyond its node, both directions together",
        ),
        ("w_P", byte / parameter, "bytes that hold one parameter"),
        ("w_A", byte / activation, "bytes that hold one activation"),
        ("w_G", byte / parameter, "bytes that hold one sum of gradients"),
        ("C", mac / second, "arithmetic rate of a node"),
        ("M", parameter / second, "rate at which a node reads parameters from its memory"),
        ("W", activation / second, "rate at which a node sends activations to other nodes"),
        ("ell", second, "least time of one matmul and its messages"),
        ("ell_kernel", second, "least time of one kernel on a GPU"),
        ("ell_hop", second, "least time of one network hop"),
        ("xi", one, "share of what attention costs that a run cannot avoid"),
        ("ell_layer", second, "least time of the chain of one layer, forward and backward"),
        ("a", channel, "smallest side of a weight shard that the network can keep up with"),
        ("P_node", parameter, "parameters that one node holds"),
        ("ell_piece", second, "time in which a node applies its smallest shard to a nanobatch"),
    ),
    "The split": (
        ("m", one, "tensor-parallel slices of d_model"),
        ("q", one, "tensor-parallel slices of d_ff"),
        ("N_TP", one, "tensor-parallel degree, m times q"),
        ("N_DP", one, "data-parallel degree"),
        ("N_PP", one, "pipeline-parallel degree"),
        ("N_EP", one, "expert-parallel degree"),
        ("v", one, "blocks of layers on each pipeline stage"),
        ("x_gradients", one, "time to average gradients, over the arithmetic time of a step"),
        ("K_stage", one, "microbatches under way for each pipeline stage"),
    ),
    "One matmul of the simulator": (
        ("d_1", channel, "rows of the weight matrix: output channels"),
        ("d_2", channel, "columns of the weight matrix: input channels"),
        ("z", token, "tokens that the weight matrix is applied to"),
        ("k", one, "tiles that the weight matrix is cut into"),
        ("k_rows", one, "rows of tiles"),
        ("k_columns", one, "columns of tiles"),
        ("theta", one, "1 if the weights do not fit twice into the level below, else 0"),
        ("C_tile", byte, "room for one tile"),
        ("C_hbm", byte, "size of the main memory of one GPU"),
        ("C_L2", byte, "useful room in L2"),
        ("C_SM", byte, "useful registers of one SM"),
        ("C_reg", byte, "useful registers of one processing block"),
        ("N_SM", one, "SMs of a GPU"),
        ("N_block", one, "processing blocks of a GPU"),
        ("B_hbm", byte, "bytes between the main memory and L2"),
        ("B_L2", byte, "bytes between L2 and the SMs"),
        ("B_SM", byte, "bytes among the shared memories of the SMs"),
        ("B_reg", byte, "bytes between shared memory and registers"),
        ("beta_L2", byte / second, "bandwidth of L2"),
        ("beta_shared", byte / second, "bandwidth of the shared memories together"),
        ("sigma", byte / flop, "bytes that shared memory moves in the time of one useful FLOP"),
        ("A", flop, "FLOP of one matmul, sides rounded up"),
        ("F_peak", flop / second, "peak arithmetic rate of one GPU in FLOP, 2 F"),
        ("F_useful", flop / second, "arithmetic rate that a GPU sustains in long matmuls"),
        ("t_product", second, "time of one matmul"),
    ),
    "One step of the simulator": (
        ("t_ideal", second, "time of a step at the peak rate of all GPUs"),
        ("t_layer", second, "time of one microbatch in the matmuls of one layer"),
        ("t_attention", second, "time of one microbatch in the attention of one layer"),
        ("t_matmul", second, "time of all matmuls in a step"),
        ("t_bandwidth", second, "time that tensor, pipeline and expert traffic takes by bandwidth"),
        ("t_latency", second, "time that tensor, pipeline and expert traffic takes by latency"),
        ("t_transfer", second, "time that a network level takes for hand-overs by bandwidth"),
        ("t_hops", second, "time that a network level takes for hand-overs by latency"),
        ("t_schedule", second, "time in which the batch passes through the pipeline"),
        ("x_bubble", one, "share of the time that a pipeline stage idles"),
        ("x_busy", one, "share of the time that a pipeline stage works"),
        ("x_transfer", one, "time in transit of a microbatch, over its time in a block of layers"),
        ("B_cluster", byte, "bytes that the cluster must hold"),
        (
            "beta",
            byte / second,
            "bandwidth of one GPU at a network level, both directions together",
        ),
        ("w", byte, "bytes of one number that is handed over"),
        ("u", one, "numbers that a network level hands over in a step, one way"),
        ("p_out", one, "groups of a chain that a network level does not join"),
        ("n_out", one, "hand-overs of a chain that leave the groups of a network level"),
        ("s_out", one, "share of the tokens whose expert is outside the group of a network level"),
        ("n_cross", one, "boundaries of layers that a token crosses to leave a level's groups"),
        ("n_hand", one, "hand-overs in a row at a network level"),
    ),
    "A step as it is trained": (
        ("h", one, "attention heads"),
        ("h_kv", one, "attention heads that have keys and values of their own"),
        ("d_head", channel, "channels of one attention head"),
        (
            "d_half",
            channel,
            "channels of a head whose two products take as long as their exponential",
        ),
        ("A_tile", activation, "outputs of a matmul that one SM computes at a time"),
        ("S_keys", channel, "keys that a query meets, the rows of the matrix they form"),
        ("n_mlp", one, "matrices of an MLP: two, or three if it is gated"),
        ("k_active", one, "routed experts that are active for a token"),
        ("z_routed", token, "copies of tokens that the experts of one GPU are sent"),
        ("N_norm", one, "GPUs that share the work between tensor-parallel matmuls"),
        ("N_CP", one, "context-parallel degree: GPUs that share each sequence"),
        ("N_shard", one, "GPUs that share one copy of the weights, or of the optimizer's state"),
        ("N_nodes", one, "nodes that the experts of a layer are spread over"),
        ("N_near", one, "members of a group of GPUs that are in one node"),
        ("w_O", byte / activation, "bytes that a matmul writes for one activation"),
        ("w_state", byte / parameter, "bytes of the optimizer's state that an update moves"),
        ("beta_near", byte / second, "bandwidth of one GPU within its node, one way"),
        ("beta_far", byte / second, "bandwidth of one GPU beyond its node, one way"),
        ("beta_ring", byte / second, "bandwidth at which the GPUs of a group exchange data"),
        ("eta_attention", one, "share of the peak that attention with long heads reaches"),
        ("x_passes", one, "times each activation is moved between matmuls, over the fewest"),
        ("x_tensor", one, "share of tensor-parallel messages that no matmul hides"),
        ("x_shard", one, "share of the shorter of work and gathering that is not hidden"),
        ("x_expert", one, "share of its bandwidth that an exchange among experts reaches"),
        ("x_hand", one, "share of the hand-overs between stages that is not hidden"),
        ("x_hide", one, "share of the last microbatch's work that can hide gradients"),
        ("x_least", one, "least share of the gradients' exchange that is not hidden"),
        ("ell_call", second, "time in which the host starts one operation"),
        ("n_call", one, "operations that the host starts for a layer"),
        ("t_work", second, "time in which a GPU works on something"),
        ("t_host", second, "time in which the host starts it"),
        ("t_send", second, "time in which it is sent"),
        ("t_stage", second, "time in which a stage works on one microbatch, both ways"),
        ("t_exposed", second, "time of a step outside the pipeline's schedule"),
    ),
}
# All symbols are positive but these.
_NOT_NEGATIVE = ("alpha_b", "alpha_L", "alpha_D", "xi", "n_out", "s_out", "x_transfer")
_ALLOWED = {"alpha": "real", **dict.fromkeys(_NOT_NEGATIVE, "nonnegative")}


def _latex_of(name: str) -> str:
    """LaTeX of a name: what stands behind its underscore is an index, upright if it is a word."""
    head, _, index = name.partition("_")
    head = str(sp.latex(sp.Symbol(head)))
    if not index:
        return head
    index = "HBM" if index == "hbm" else index
    return f"{head}_{index}" if len(index) == 1 else rf"{head}_{{\mathrm{{{index}}}}}"


def _entries() -> Iterator[SymbolInfo]:
    for group, rows in _TABLE.items():
        for name, unit, description in rows:
            symbol = sp.Symbol(name, **{_ALLOWED.get(name, "positive"): True})
            yield SymbolInfo(symbol, _latex_of(name), sp.sympify(unit), description, group)


#: What each symbol stands for, by its name, in order of the notation page.
SYMBOLS: Mapping[str, SymbolInfo] = MappingProxyType(
    {entry.symbol.name: entry for entry in _entries()}
)


def symbols(names: str) -> tuple[sp.Symbol, ...]:
    """The symbols of those names, separated by blanks; a ValueError tells the known ones.

    Examples
    --------
    >>> P, n, C = symbols("P_node n C")
    >>> unit_text(unit_of(P * n / C))
    's'
    """
    unknown = [name for name in names.split() if name not in SYMBOLS]
    if unknown:
        raise ValueError(
            f"names must be of the known symbols ({' '.join(SYMBOLS)}), got {' '.join(unknown)!r}"
        )
    return tuple(SYMBOLS[name].symbol for name in names.split())


def latex(expr: sp.Basic) -> str:
    r"""LaTeX of an expression or equation, with the book's notation.

    Examples
    --------
    >>> latex(symbols("beta_hbm")[0] / 2)
    '\\frac{\\beta_{\\mathrm{HBM}}}{2}'
    """
    names = {
        symbol: SYMBOLS[symbol.name].latex for symbol in expr.free_symbols if symbol.name in SYMBOLS
    }
    return str(sp.latex(expr, symbol_names=names, fold_short_frac=False))


def unit_of(expr: sp.Expr) -> sp.Expr:
    """The unit of an expression, as a product of powers of the base units; numbers have none.

    A ValueError tells which terms of different units are added or compared, which exponent has a
    unit, or which symbol is unknown.

    Examples
    --------
    >>> d, L, b = symbols("d L b")
    >>> unit_of(8 * L * d**2) == parameter
    True
    >>> unit_of(d + b)
    Traceback (most recent call last):
    ValueError: expr must join terms of one unit, got 'tokens' and 'channels' in b + d
    """
    powers = _powers(sp.sympify(expr))
    return sp.Mul(*(base ** sp.simplify(power) for base, power in powers.items()))


def same_unit(*sides: sp.Expr) -> bool:
    """Whether all the expressions have one unit.

    Examples
    --------
    >>> same_unit(*symbols("b n D"))
    True
    """
    first, *others = (unit_of(side) for side in sides)
    return all(other == first for other in others)


def unit_text(unit: sp.Expr) -> str:
    """A unit in words: a name of its own where it has one, else the product of base units.

    Examples
    --------
    >>> unit_text(mac / second), unit_text(one)
    ('MAC/s', '')
    """
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
    if isinstance(expr, sp.sign):  # a comparison: it has no unit, but its terms must share one
        _powers(expr.args[0])
        return {}
    if isinstance(expr, sp.ceiling):  # rounds a count of whatever is counted
        return _powers(expr.args[0])
    if isinstance(expr, (sp.Add, sp.Max, sp.Min)):
        first, *others = (unit_of(term) for term in expr.args)
        for other in others:
            if other != first:
                raise ValueError(
                    f"expr must join terms of one unit, got {unit_text(first)!r} and "
                    f"{unit_text(other)!r} in {expr}"
                )
        return _powers(expr.args[0])
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
