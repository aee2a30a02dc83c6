"""What sparse models gain, and by what: the same models with the depth, or the batch, of dense ones."""

from __future__ import annotations

from functools import cache

import sympy as sp

from dmcore.algebra.symbols import symbols
from dmcore.models import laws
from dmcore.models.laws import BATCH_LAWS, SPARSITY_LAWS, BatchLaw, ShapeLaw
from dmcore.studies.change import BASELINE, Change, Outcome, swept

__all__ = ["changes", "dense_depth", "outcomes"]


@cache
def dense_depth() -> ShapeLaw:
    """The law by which a sparse model is as deep as a dense one of equal compute.

    That compute grows with the layers, so the law is solved for them.

    Examples
    --------
    >>> laws.DEPTH_LAWS["default"](20480, 4 * 20480), dense_depth()(20480, 4 * 20480)
    (288, 448)
    """
    L, P, E, T = symbols("L P E T_FLOP")
    experts = {P: laws.parameters(), E: SPARSITY_LAWS["default"].expression}
    compute = sp.powsimp(sp.expand(laws.training_flop().subs(experts).subs(experts)))
    deep = sp.powsimp(
        sp.expand_power_base(laws.effective_alpha().layers_of_compute.subs(T, compute), force=True)
    )
    of_shape, of_layers = deep.as_independent(L)
    power = of_layers.as_base_exp()[1]
    return ShapeLaw(
        "dense depth", "as deep as a dense model of equal compute", of_shape ** (1 / (1 - power))
    )


@cache
def changes() -> tuple[Change, ...]:
    """Dense models, sparse ones by the paper's laws, and those with one law of dense ones.

    Examples
    --------
    >>> [change.name for change in changes()][-2:]
    ['sparse, as deep as dense', 'sparse, batch of dense']
    """
    (E,) = symbols("E")
    default = BATCH_LAWS["default"]
    small = BatchLaw("dense batch", "as that of dense models", default.expression.subs(E, 1))
    return (
        BASELINE,
        Change("sparse", "Experts by the paper's law.", sparse=True),
        Change("sparse, as deep as dense", dense_depth().words, sparse=True, depth=dense_depth()),
        Change("sparse, batch of dense", small.words, sparse=True, batch=small),
    )


def outcomes() -> tuple[Outcome, ...]:
    """What becomes of each of the :func:`changes` on the H100.

    Examples
    --------
    >>> [outcome.change.name for outcome in outcomes()][0]
    'as it is'
    """
    return tuple(Outcome(change, swept(change)) for change in changes())
