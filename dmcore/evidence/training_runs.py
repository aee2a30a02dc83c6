"""Training runs: what one takes, and a few whose compute is documented.

A run is P parameters trained on D tokens with T MAC in the time t. Which part of the peak arithmetic it
sustains is its utilization eta.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import sympy as sp

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_positive, check_scalar
from dmcore.algebra.derivation import Derivation, Step
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols
from dmcore.bottlenecks.limits import QUARTER_S, TOKENS_PER_PARAMETER, nodes_needed, training_macs
from dmcore.evidence.tables import records
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.gpu import GPU

__all__ = [
    "LARGEST_ESTIMATE",
    "RUNS_WITH_BATCH",
    "TRAINING_RUNS",
    "TrainingRun",
    "busy_nodes",
    "chinchilla_model",
    "derivation",
    "gpus_needed",
    "model_size",
    "run_time",
    "training_tokens",
]


@dataclass(frozen=True)
class TrainingRun:
    """A run that was done, as its makers or others describe it.

    Attributes
    ----------
    name : str
        Name of the model.
    source : str
        Key of the source in the bibliography.
    year : float
        When it was published, as a year with its fraction.
    flop : float
        Training compute as stated by the source, FLOP.
    params, tokens : float or None
        Parameters and training tokens, where the source tells them.
    batch_tokens : float or None
        Tokens in the largest batch of the run, which need not be the critical one.
    sparsity : float
        All parameters over those that one token uses; 1 for a dense model.
    estimated : bool
        Whether the compute is an outsider's estimate rather than its makers' figure.
    landmark : bool
        Whether it was among the largest documented runs of its time.

    Raises
    ------
    ValueError
        If a figure is not positive, or no source is given.

    Examples
    --------
    >>> TRAINING_RUNS["GPT-3"].flop
    3.14e+23
    """

    name: str
    source: str
    year: float
    flop: float
    params: float | None = None
    tokens: float | None = None
    batch_tokens: float | None = None
    sparsity: float = 1.0
    estimated: bool = False
    landmark: bool = False

    def __post_init__(self) -> None:
        for name in ("year", "flop", "params", "tokens", "batch_tokens", "sparsity"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name), finite=True)
        if not self.source:
            raise ValueError(f"source must name a source, got {self.source!r}")

    @property
    def macs(self) -> float:
        """Training compute, MAC."""
        return self.flop / FLOP_PER_MAC

    @property
    def largest_batch(self) -> float:
        """Tokens in its largest batch.

        Raises
        ------
        ValueError
            If the source does not tell it.
        """
        if self.batch_tokens is None:
            raise ValueError(f"batch_tokens must be told, got a run that tells none, {self.name!r}")
        return self.batch_tokens

    @property
    def dense_batch(self) -> float:
        """Tokens of a dense model in its place, by the simulator's law: fewer by the root of the sparsity.

        Examples
        --------
        >>> round(RUNS_WITH_BATCH[2].dense_batch / 1e6, 1)
        14.8
        """
        return self.largest_batch / float(self.sparsity) ** 0.5

    @property
    def computed_flop(self) -> float | None:
        """FLOP by the rule of :func:`~dmcore.bottlenecks.limits.training_macs`.

        None if parameters or tokens are not told.
        """
        if self.params is None or self.tokens is None:
            return None
        return float(FLOP_PER_MAC * evaluate(training_macs(), P=self.params, D=self.tokens))


_RUNS = records(TrainingRun, "training_runs.toml")

#: The largest documented runs of their time by name, oldest first.
TRAINING_RUNS: Mapping[str, TrainingRun] = MappingProxyType(
    {run.name: run for run in _RUNS if run.landmark}
)

#: The largest run of all by outsiders' estimates, as of September 2025. Its makers document nothing.
LARGEST_ESTIMATE = next(run for run in _RUNS if run.name == "Grok 4")

#: Runs whose makers tell their largest batch.
RUNS_WITH_BATCH = tuple(run for run in _RUNS if run.batch_tokens is not None)


@cache
def model_size() -> sp.Expr:
    """P for T MAC, with r tokens for each parameter.

    Examples
    --------
    >>> model_size()
    sqrt(3)*sqrt(T)/(3*sqrt(r))
    """
    P, D, T, r = symbols("P D T r")
    (solution,) = sp.solve(sp.Eq(training_macs().subs(D, r * P), T), P)
    return solution


@cache
def training_tokens() -> sp.Expr:
    """D for T MAC, with r tokens for each parameter.

    Examples
    --------
    >>> training_tokens()
    sqrt(3)*sqrt(T)*sqrt(r)/3
    """
    (r,) = symbols("r")
    return sp.simplify(r * model_size())


@cache
def busy_nodes() -> sp.Expr:
    """N: nodes that do T MAC in the time t, if each sustains the share eta of its peak.

    Examples
    --------
    >>> busy_nodes()
    T/(C*eta*t)
    """
    (eta,) = symbols("eta")
    return nodes_needed() / eta


@cache
def run_time() -> sp.Expr:
    """t, seconds: how long N nodes take for T MAC, the same relation solved for time.

    Examples
    --------
    >>> run_time()
    T/(C*N*eta)
    """
    N, t = symbols("N t")
    (solution,) = sp.solve(sp.Eq(N, busy_nodes()), t)
    return solution


@cache
def derivation() -> Derivation:
    """The steps from a model and its text to a cluster.

    Examples
    --------
    >>> derivation()["eq-run-compute"].equation
    Eq(T, 3*D*P)
    """
    T, D, P, r, N = symbols("T D P r N")
    return Derivation(
        "What a run takes",
        (
            Step("eq-run-compute", sp.Eq(T, training_macs()), "one pass forward, two backward"),
            Step("eq-run-tokens", sp.Eq(D, r * P), "tokens in proportion to parameters"),
            Step("eq-run-parameters", sp.Eq(P, model_size()), "so compute fixes the model"),
            Step("eq-run-nodes", sp.Eq(N, busy_nodes()), "work over rate and time"),
        ),
    )


@checked
def gpus_needed(
    compute_flop: float,
    gpu: GPU | str,
    duration_s: float = QUARTER_S,
    utilization: float | None = None,
) -> float:
    """GPUs that end a run in time.

    Parameters
    ----------
    compute_flop
        Training compute, FLOP.
    gpu
        A :class:`~dmcore.hardware.gpu.GPU` or the name of a preset.
    duration_s
        Duration of the run, seconds.
    utilization
        Share of the peak that a GPU sustains, in (0, 1]. By default what the preset reaches in long
        runs of large matrix products, with no time lost to communication.

    Returns
    -------
    float
        Not rounded.

    Raises
    ------
    ValueError
        If the preset is unknown or a figure is out of range.

    Examples
    --------
    >>> round(gpus_needed(3.8e25, "H100 SXM", utilization=0.4))
    12170
    """
    gpu = get_gpu(gpu)
    share = gpu.efficiency if utilization is None else utilization
    check_scalar("compute_flop", compute_flop)
    check_scalar("duration_s", duration_s)
    check_scalar("utilization", share)
    if share > 1:
        raise ValueError(f"utilization must be above 0 and at most 1, got {share!r}")
    return float(
        evaluate(
            busy_nodes(),
            T=compute_flop / FLOP_PER_MAC,
            C=gpu.peak_flop_per_s / FLOP_PER_MAC,
            t=duration_s,
            eta=share,
        )
    )


@checked
def chinchilla_model(
    compute_flop: float, tokens_per_parameter: float = TOKENS_PER_PARAMETER
) -> tuple[float, float]:
    """Parameters and training tokens on which to spend that much compute.

    Parameters
    ----------
    compute_flop
        Training compute, FLOP.
    tokens_per_parameter
        Training tokens for each parameter (20 by Hoffmann et al. 2022, rounded).

    Raises
    ------
    ValueError
        If a figure is not positive.

    Examples
    --------
    >>> params, tokens = chinchilla_model(3.8e25)
    >>> f"{params:.2e} parameters, {tokens:.2e} tokens"
    '5.63e+11 parameters, 1.13e+13 tokens'
    """
    check_scalar("compute_flop", compute_flop)
    check_scalar("tokens_per_parameter", tokens_per_parameter)
    values = {"T": compute_flop / FLOP_PER_MAC, "r": tokens_per_parameter}
    return float(evaluate(model_size(), values)), float(evaluate(training_tokens(), values))
