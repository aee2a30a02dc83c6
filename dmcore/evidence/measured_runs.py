"""What large training runs reached: published throughput, with the shape and the split of each run.

Three ways of counting arithmetic are in use, and the same run looks different in each:

- **hardware FLOP**: what the GPUs did, with the forward pass done twice where activations were recomputed;
- **model FLOP**: the forward and backward pass once, attention scores included; over the peak, the *MFU*;
- **parameter FLOP**: 6 for each parameter and token, nothing else. That is what this book's model counts,
  so :func:`parameter_utilization` is the figure to hold against it.

The model's layer is one MLP of two matrices d x f. A transformer maps onto it by its parameters: see
:func:`equivalent_d_ff`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from types import MappingProxyType

import sympy as sp

from dmcore.algebra.checks import check_positive, check_positive_integer
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import symbols
from dmcore.evidence.tables import records
from dmcore.hardware.catalog import get_gpu
from dmcore.models.model import Model
from dmcore.simulator.split import Parallelism

__all__ = [
    "MEASURED_RUNS",
    "RUNS_BY_NAME",
    "MeasuredRun",
    "counted_flop_per_token",
    "equivalent_d_ff",
    "equivalent_model",
    "equivalent_parallelism",
    "equivalent_width",
    "gpt_hardware_flop_per_token",
    "gpt_model_flop_per_token",
    "gpt_parameters",
    "model_flop_per_token",
    "model_flop_utilization",
    "parameter_utilization",
    "peak_flop_per_s",
    "published_flop_per_s_per_gpu",
    "recomputation_factor",
    "shape_parameters",
    "tokens_per_s",
]

# ------------------------------------------------------------------------------------ expressions


@cache
def gpt_parameters() -> sp.Expr:
    """P of a GPT of L layers, width d, V words and S positions (Narayanan et al. 2021, equation 2)."""
    d, L, S, V = symbols("d L S V")
    return 12 * L * d**2 * (1 + sp.Rational(13, 12) / d + (V + S) / (12 * L * d))


@cache
def gpt_model_flop_per_token() -> sp.Expr:
    """Model FLOP of a GPT for each token: matrices, attention scores and the output words, once.

    Narayanan et al. (2021), equation 3, without its recomputed forward pass.
    """
    d, L, S, V = symbols("d L S V")
    return 72 * L * d**2 * (1 + S / (6 * d) + V / (12 * L * d))


@cache
def gpt_hardware_flop_per_token() -> sp.Expr:
    """Hardware FLOP of a GPT for each token, with the forward pass of every layer done twice.

    Narayanan et al. (2021), equation 3. Recomputing makes 8 FLOP of 6 for each parameter of a layer; the
    output words are not recomputed.
    """
    d, L, S, V = symbols("d L S V")
    return 96 * L * d**2 * (1 + S / (6 * d) + V / (16 * L * d))


@cache
def recomputation_factor() -> sp.Expr:
    """Model FLOP over hardware FLOP with full recomputation: a little above 3/4."""
    return sp.simplify(gpt_model_flop_per_token() / gpt_hardware_flop_per_token())


@cache
def equivalent_width() -> sp.Expr:
    """The f at which L layers of two matrices d x f have P parameters."""
    d, L, P = symbols("d L P")
    return P / (2 * d * L)


# ------------------------------------------------------------------------------------------- data


@dataclass(frozen=True)
class MeasuredRun:
    """A published run: its model, its split, and what it reached.

    One of ``measured_flop_per_s_per_gpu``, ``measured_mfu``, ``step_s`` and ``measured_tokens_per_s`` at
    least is given, and each only if the source prints it.

    Attributes
    ----------
    name : str
        Unique.
    gpu : str
        An accelerator of :mod:`dmcore.hardware.catalog`.
    n_gpu : int
        GPUs in all.
    tensor_parallel, pipeline_parallel, data_parallel, context_parallel : int
        Degrees, whose product is ``n_gpu``. Context parallelism slices a sequence.
    expert_parallel : int
        Groups that share the experts, among the data-parallel replicas.
    interleaving : int or None
        Blocks of layers for each pipeline stage; ``None`` if not published.
    microbatch : int or None
        Sequences in a microbatch of one replica; ``None`` if not published.
    batch_sequences, seq_len : int
        Sequences in a batch, tokens in a sequence.
    d_model, d_ff, layers : int
        Shape as published.
    params : float
        Parameters in all, as published.
    params_active : float or None
        Those used for a token, if there are experts.
    mlp_matrices : int
        Matrices d_model x d_ff in a layer: 2, or 3 with a gate.
    attention_width, key_width : int or None
        Channels of all query heads, and of all key heads; ``None`` for d_model.
    vocabulary : int or None
        Words, as embedded; ``None`` if not published or not confirmed.
    embeddings : int
        Matrices of d_model x vocabulary: 1 if input and output share one, else 2.
    pipeline_slots : int or None
        Places for layers on all stages, with those an embedding takes; ``None`` for ``layers``.
    measured_flop_per_s_per_gpu : float or None
        FLOP/s of a GPU, as counted by the source.
    measured_mfu : float or None
        Share of the peak, of model FLOP.
    measured_peak_share : float or None
        Share of the peak, of the FLOP that the source counts.
    step_s, measured_tokens_per_s : float or None
        Seconds of a step; tokens of the whole cluster in a second.
    counts_recomputation : bool
        Whether ``measured_flop_per_s_per_gpu`` counts the recomputed forward pass.
    year : int
        Of publication.
    source : str
        Key of the source in the bibliography.
    table : str
        Where in the source.
    notes : str
        What to know before comparing.

    Raises
    ------
    ValueError
        If a degree is out of range, they do not multiply to ``n_gpu``, the batch does not divide, nothing
        was measured, or no source is given.
    """

    name: str
    gpu: str
    n_gpu: int
    tensor_parallel: int
    pipeline_parallel: int
    data_parallel: int
    batch_sequences: int
    seq_len: int
    d_model: int
    d_ff: int
    layers: int
    params: float
    year: int
    source: str
    table: str
    context_parallel: int = 1
    expert_parallel: int = 1
    interleaving: int | None = None
    microbatch: int | None = None
    params_active: float | None = None
    mlp_matrices: int = 2
    attention_width: int | None = None
    key_width: int | None = None
    vocabulary: int | None = None
    embeddings: int = 1
    pipeline_slots: int | None = None
    measured_flop_per_s_per_gpu: float | None = None
    measured_mfu: float | None = None
    measured_peak_share: float | None = None
    step_s: float | None = None
    measured_tokens_per_s: float | None = None
    counts_recomputation: bool = False
    notes: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.type == "int":
                check_positive_integer(field.name, getattr(self, field.name))
        check_positive("params", self.params, finite=True)
        product = self.model_parallel * self.data_parallel * self.context_parallel
        if product != self.n_gpu:
            raise ValueError(f"degrees must multiply to n_gpu {self.n_gpu}, got {product}")
        if self.batch_sequences % (self.data_parallel * (self.microbatch or 1)):
            raise ValueError(
                "batch_sequences must divide into the microbatches of "
                f"{self.data_parallel} replicas, got {self.batch_sequences}"
            )
        if self.data_parallel % self.expert_parallel:
            raise ValueError(
                f"expert_parallel must divide data_parallel {self.data_parallel}, "
                f"got {self.expert_parallel}"
            )
        if not self.source:
            raise ValueError(f"source must name a source, got {self.source!r}")
        if not any((self.measured_flop_per_s_per_gpu, self.measured_mfu, self.token_rate)):
            raise ValueError(f"something must be measured, got nothing for {self.name!r}")

    @property
    def model_parallel(self) -> int:
        """GPUs that hold one copy of the model."""
        return self.tensor_parallel * self.pipeline_parallel

    @property
    def batch_tokens(self) -> int:
        """Tokens in a batch."""
        return self.batch_sequences * self.seq_len

    @property
    def active_params(self) -> float:
        """Parameters used for a token."""
        return self.params if self.params_active is None else self.params_active

    @property
    def microbatches(self) -> int:
        """Microbatches of a replica in one batch, of one sequence each where their size is not published."""
        return self.batch_sequences // (self.data_parallel * (self.microbatch or 1))

    @property
    def token_rate(self) -> float | None:
        """Tokens in a second of the whole cluster, where the source gives it or the time of a step."""
        if self.measured_tokens_per_s is not None:
            return self.measured_tokens_per_s
        return None if self.step_s is None else self.batch_tokens / self.step_s

    @property
    def gpt_shape(self) -> bool:
        """Whether a layer is that of GPT-3: four d x d matrices of attention and an MLP of 4 d."""
        return (
            self.mlp_matrices == 2
            and self.d_ff == 4 * self.d_model
            and self.attention_width is None
            and self.key_width is None
            and self.params_active is None
        )


#: The runs, a row each of ``measured_runs.csv``.
MEASURED_RUNS = records(MeasuredRun, "measured_runs.csv")

#: The same by name, read-only.
RUNS_BY_NAME: Mapping[str, MeasuredRun] = MappingProxyType({run.name: run for run in MEASURED_RUNS})


def peak_flop_per_s(run: MeasuredRun) -> float:
    """Peak of one GPU of the run at 16 bit, FLOP/s."""
    return get_gpu(run.gpu).peak_flop_per_s


def shape_parameters(run: MeasuredRun) -> float:
    """Parameters counted from the shape of a dense run: attention, MLP and embeddings.

    Biases, norms and learned positions are left out: less than 0.3 %. Without a vocabulary the
    embeddings are left out too.

    Raises
    ------
    ValueError
        If the run has experts: their number is not in the data.
    """
    _refuse_experts(run)
    queries = run.attention_width or run.d_model
    keys = run.key_width or queries
    attention = 2 * run.d_model * (queries + keys)
    mlp = run.mlp_matrices * run.d_model * run.d_ff
    words = run.embeddings * run.d_model * (run.vocabulary or 0)
    return float(run.layers * (attention + mlp) + words)


def model_flop_per_token(run: MeasuredRun) -> float:
    """Model FLOP for each token: 6 for each active parameter, and the attention scores.

    12 FLOP for each layer, channel of the queries and token of the sequence, which counts scores of later
    tokens too, as the PaLM and Megatron papers do. For a GPT it is :func:`gpt_model_flop_per_token`, which
    has no input embedding, at 51200 words where the vocabulary is not known: 1 % at the most.
    """
    if run.gpt_shape:
        return _gpt_flop(gpt_model_flop_per_token(), run)
    scores = 12 * run.layers * (run.attention_width or run.d_model) * run.seq_len
    return 6 * run.active_params + scores


def counted_flop_per_token(run: MeasuredRun) -> float:
    """FLOP for each token as the source counts them: with the second forward pass if it does.

    Raises
    ------
    ValueError
        If recomputation is counted for a shape that is no GPT's.
    """
    if not run.counts_recomputation:
        return model_flop_per_token(run)
    if not run.gpt_shape:
        raise ValueError(f"counts_recomputation must come with a GPT's shape, got {run.name!r}")
    return _gpt_flop(gpt_hardware_flop_per_token(), run)


def published_flop_per_s_per_gpu(run: MeasuredRun) -> float:
    """FLOP/s of a GPU, as the source counts: printed, or from the MFU, or from the tokens in a second."""
    if run.measured_flop_per_s_per_gpu is not None:
        return run.measured_flop_per_s_per_gpu
    if run.measured_mfu is not None:
        return run.measured_mfu * peak_flop_per_s(run)
    return tokens_per_s(run) * counted_flop_per_token(run) / run.n_gpu


def tokens_per_s(run: MeasuredRun) -> float:
    """Tokens in a second of the whole cluster: printed, or from FLOP/s and the FLOP for a token."""
    if run.token_rate is not None:
        return run.token_rate
    return published_flop_per_s_per_gpu(run) * run.n_gpu / counted_flop_per_token(run)


def model_flop_utilization(run: MeasuredRun) -> float:
    """MFU: model FLOP over the peak, without recomputation.

    As printed where it is. Otherwise from the tokens in a second, which for a source that counts
    recomputed FLOP is its rate times :func:`recomputation_factor`.
    """
    if run.measured_mfu is not None:
        return run.measured_mfu
    return tokens_per_s(run) * model_flop_per_token(run) / (run.n_gpu * peak_flop_per_s(run))


def parameter_utilization(run: MeasuredRun) -> float:
    """6 FLOP for each active parameter and token over the peak: comparable with this book's model."""
    return tokens_per_s(run) * 6 * run.active_params / (run.n_gpu * peak_flop_per_s(run))


def equivalent_d_ff(run: MeasuredRun, layers: int | None = None) -> float:
    """f* = P / (2 d L): the MLP that holds all of a layer's parameters.

    The model has no attention. Its layer of two matrices d x f* stands for a transformer's layer with as
    many parameters, so that weights, FLOP and the batch are right. For a GPT, whose layer has 4 d^2 of
    attention and 8 d^2 of MLP, f* is 6 d. With experts P is the number in all, over
    :func:`equivalent_model`'s experts.

    Parameters
    ----------
    run : MeasuredRun
        The run.
    layers : int, optional
        Layers to spread the parameters over; those of the run by default.
    """
    share = round(run.params / run.active_params)
    return float(
        evaluate(equivalent_width(), P=run.params / share, d=run.d_model, L=layers or run.layers)
    )


def equivalent_model(run: MeasuredRun) -> Model:
    """The model of this book that stands for the run: same width, parameters and batch.

    Layers are the places of the pipeline, so that they divide; d_ff is :func:`equivalent_d_ff`, rounded
    to a multiple of the tensor-parallel degree. Experts become round(P / active P) of one size, of which
    one is active.
    """
    layers = run.pipeline_slots or run.layers
    tensor = run.tensor_parallel
    return Model(
        run.d_model,
        tensor * round(equivalent_d_ff(run, layers) / tensor),
        layers,
        run.batch_sequences,
        round(run.params / run.active_params),
        run.seq_len,
    )


def equivalent_parallelism(run: MeasuredRun, interleaving: int | None = None) -> Parallelism:
    """The split of the run, placed on its network: tensor parallelism in the node, then data, then pipeline.

    Megatron's tensor parallelism slices only d_ff, so slices_of_d is 1. Context parallelism slices the
    tokens of a batch, as data parallelism does, and is counted there: the model has no attention that would
    make a difference. Microbatches have one sequence where not published.

    Parameters
    ----------
    run : MeasuredRun
        The run.
    interleaving : int, optional
        Blocks of layers for each stage of a pipeline; by default those published, or 1. With 1 the model
        is no upper bound of a run that interleaves: the places of a stage are the most there can be.

    Raises
    ------
    ValueError
        If the run has experts, which it shares out among its data-parallel replicas, unlike the model.
    """
    _refuse_experts(run)
    gpu = get_gpu(run.gpu)
    left = gpu.network[0].size or run.n_gpu
    placed = []
    for degree in (
        run.tensor_parallel,
        run.data_parallel * run.context_parallel,
        run.pipeline_parallel,
    ):
        inside = max(part for part in range(1, min(left, degree) + 1) if degree % part == 0)
        left //= inside
        placed.append((inside, degree // inside) if len(gpu.network) > 1 else (degree,))
    tensor, data, pipeline = placed
    blocks = interleaving or run.interleaving or 1
    return Parallelism(
        slices_of_f=tensor,
        data=data,
        pipeline=pipeline,
        microbatches=run.microbatches,
        interleaving=blocks if run.pipeline_parallel > 1 else 1,
    )


def _gpt_flop(flop: sp.Expr, run: MeasuredRun) -> float:
    return float(
        evaluate(flop, d=run.d_model, L=run.layers, S=run.seq_len, V=run.vocabulary or 51200)
    )


def _refuse_experts(run: MeasuredRun) -> None:
    if run.params_active is not None:
        raise ValueError(f"run must be dense, got {run.name!r}")
