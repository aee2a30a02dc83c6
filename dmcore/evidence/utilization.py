"""How much of the peak a published run used, and which model and split of this book stand for it.

Three ways of counting arithmetic are in use, and the same run looks different in each:

- **hardware FLOP**: what the GPUs did, with the forward pass done twice where activations were recomputed;
- **model FLOP**: the forward and backward pass once, attention scores included; over the peak, the *MFU*;
- **parameter FLOP**: 6 for each parameter and token, nothing else. That is what this book's model counts,
  so :func:`parameter_utilization` is the figure to hold against it.

The model's layer is one MLP of two matrices d x f. A transformer maps onto it by its parameters: see
:func:`equivalent_d_ff`.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_positive_integer
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import symbols
from dmcore.evidence.measured_runs import MeasuredRun
from dmcore.hardware.catalog import get_gpu
from dmcore.models.model import Model
from dmcore.simulator.split import Parallelism

__all__ = [
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


@cache
def gpt_parameters() -> sp.Expr:
    """P of a GPT of L layers, width d, V words and S positions (Narayanan et al. 2021, equation 2).

    Examples
    --------
    >>> f"{evaluate(gpt_parameters(), d=12288, L=96, S=2048, V=51200):.4g}"
    '1.746e+11'
    """
    d, L, S, V = symbols("d L S V")
    return 12 * L * d**2 * (1 + sp.Rational(13, 12) / d + (V + S) / (12 * L * d))


@cache
def gpt_model_flop_per_token() -> sp.Expr:
    """Model FLOP of a GPT for each token: matrices, attention scores and the output words, once.

    Narayanan et al. (2021), equation 3, without its recomputed forward pass.

    Examples
    --------
    >>> f"{evaluate(gpt_model_flop_per_token(), d=12288, L=96, S=2048, V=51200):.3g}"
    '1.08e+12'
    """
    d, L, S, V = symbols("d L S V")
    return 72 * L * d**2 * (1 + S / (6 * d) + V / (12 * L * d))


@cache
def gpt_hardware_flop_per_token() -> sp.Expr:
    """Hardware FLOP of a GPT for each token, with the forward pass of every layer done twice.

    Narayanan et al. (2021), equation 3. Recomputing makes 8 FLOP of 6 for each parameter of a layer; the
    output words are not recomputed.

    Examples
    --------
    >>> f"{evaluate(gpt_hardware_flop_per_token(), d=12288, L=96, S=2048, V=51200):.3g}"
    '1.43e+12'
    """
    d, L, S, V = symbols("d L S V")
    return 96 * L * d**2 * (1 + S / (6 * d) + V / (16 * L * d))


@cache
def recomputation_factor() -> sp.Expr:
    """Model FLOP over hardware FLOP with full recomputation: a little above 3/4.

    Examples
    --------
    >>> f"{evaluate(recomputation_factor(), d=12288, L=96, S=2048, V=51200):.4f}"
    '0.7507'
    """
    return sp.simplify(gpt_model_flop_per_token() / gpt_hardware_flop_per_token())


@cache
def equivalent_width() -> sp.Expr:
    """The f at which L layers of two matrices d x f have P parameters.

    Examples
    --------
    >>> equivalent_width()
    P/(2*L*d)
    """
    d, L, P = symbols("d L P")
    return P / (2 * d * L)


@checked
def peak_flop_per_s(run: MeasuredRun) -> float:
    """Peak of one GPU of the run at 16 bit, FLOP/s.

    Examples
    --------
    >>> from dmcore.evidence.measured_runs import RUNS_BY_NAME
    >>> f"{peak_flop_per_s(RUNS_BY_NAME['BLOOM 176B on 384']):.2e}"
    '3.12e+14'
    """
    return get_gpu(run.gpu).peak_flop_per_s


@checked
def shape_parameters(run: MeasuredRun) -> float:
    """Parameters counted from the shape of a dense run: attention, MLP and embeddings.

    Biases, norms and learned positions are left out: less than 0.3 %. Without a vocabulary the
    embeddings are left out too.

    Raises
    ------
    ValueError
        If the run has experts: their number is not in the data.

    Examples
    --------
    >>> from dmcore.evidence.measured_runs import RUNS_BY_NAME
    >>> run = RUNS_BY_NAME["Megatron-LM 174.6B on 384"]
    >>> f"{shape_parameters(run):.4g}, printed {run.params:.4g}"
    '1.746e+11, printed 1.746e+11'
    """
    _refuse_experts(run)
    queries = run.attention_width or run.d_model
    keys = run.key_width or queries
    attention = 2 * run.d_model * (queries + keys)
    mlp = run.mlp_matrices * run.d_model * run.d_ff
    words = run.embeddings * run.d_model * (run.vocabulary or 0)
    return float(run.layers * (attention + mlp) + words)


@checked
def model_flop_per_token(run: MeasuredRun) -> float:
    """Model FLOP for each token: 6 for each active parameter, and the attention scores.

    12 FLOP for each layer, channel of the queries and token of the sequence, which counts scores of later
    tokens too, as the PaLM and Megatron papers do. For a GPT it is :func:`gpt_model_flop_per_token`, which
    has no input embedding, at 51200 words where the vocabulary is not known: 1 % at the most.

    Examples
    --------
    >>> from dmcore.evidence.measured_runs import RUNS_BY_NAME
    >>> f"{model_flop_per_token(RUNS_BY_NAME['Megatron-LM 174.6B on 384']):.3g}"
    '1.08e+12'
    """
    if run.gpt_shape:
        return _gpt_flop(gpt_model_flop_per_token(), run)
    scores = 12 * run.layers * (run.attention_width or run.d_model) * run.seq_len
    return 6 * run.active_params + scores


@checked
def counted_flop_per_token(run: MeasuredRun) -> float:
    """FLOP for each token as the source counts them: with the second forward pass if it does.

    Raises
    ------
    ValueError
        If recomputation is counted for a shape that is no GPT's.

    Examples
    --------
    >>> from dmcore.evidence.measured_runs import RUNS_BY_NAME
    >>> run = RUNS_BY_NAME["Megatron-LM 174.6B on 384"]
    >>> f"{counted_flop_per_token(run) / model_flop_per_token(run):.3f}"
    '1.332'
    """
    if not run.counts_recomputation:
        return model_flop_per_token(run)
    if not run.gpt_shape:
        raise ValueError(f"counts_recomputation must come with a GPT's shape, got {run.name!r}")
    return _gpt_flop(gpt_hardware_flop_per_token(), run)


@checked
def published_flop_per_s_per_gpu(run: MeasuredRun) -> float:
    """FLOP/s of a GPU, as the source counts: printed, or from the MFU, or from the tokens in a second.

    Examples
    --------
    >>> from dmcore.evidence.measured_runs import RUNS_BY_NAME
    >>> published_flop_per_s_per_gpu(RUNS_BY_NAME["Megatron-LM 174.6B on 384"])
    153000000000000.0
    """
    if run.measured_flop_per_s_per_gpu is not None:
        return run.measured_flop_per_s_per_gpu
    if run.measured_mfu is not None:
        return run.measured_mfu * peak_flop_per_s(run)
    return tokens_per_s(run) * counted_flop_per_token(run) / run.n_gpu


@checked
def tokens_per_s(run: MeasuredRun) -> float:
    """Tokens in a second of the whole cluster: printed, or from FLOP/s and the FLOP for a token.

    Examples
    --------
    >>> from dmcore.evidence.measured_runs import RUNS_BY_NAME
    >>> round(tokens_per_s(RUNS_BY_NAME["Megatron-LM 174.6B on 384"]))
    40971
    """
    if run.token_rate is not None:
        return run.token_rate
    return published_flop_per_s_per_gpu(run) * run.n_gpu / counted_flop_per_token(run)


@checked
def model_flop_utilization(run: MeasuredRun) -> float:
    """MFU: model FLOP over the peak, without recomputation.

    As printed where it is. Otherwise from the tokens in a second, which for a source that counts
    recomputed FLOP is its rate times :func:`recomputation_factor`.

    Examples
    --------
    >>> from dmcore.evidence.measured_runs import RUNS_BY_NAME
    >>> model_flop_utilization(RUNS_BY_NAME["Llama 3 405B on 16384"])
    0.41
    """
    if run.measured_mfu is not None:
        return run.measured_mfu
    return tokens_per_s(run) * model_flop_per_token(run) / (run.n_gpu * peak_flop_per_s(run))


@checked
def parameter_utilization(run: MeasuredRun) -> float:
    """6 FLOP for each active parameter and token over the peak: comparable with this book's model.

    Examples
    --------
    >>> from dmcore.evidence.measured_runs import RUNS_BY_NAME
    >>> f"{parameter_utilization(RUNS_BY_NAME['Llama 3 405B on 16384']):.3f}"
    '0.373'
    """
    return tokens_per_s(run) * 6 * run.active_params / (run.n_gpu * peak_flop_per_s(run))


@checked
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

    Examples
    --------
    >>> from dmcore.evidence.measured_runs import RUNS_BY_NAME
    >>> run = RUNS_BY_NAME["Megatron-LM 174.6B on 384"]
    >>> f"{equivalent_d_ff(run) / run.d_model:.2f}"
    '6.02'
    """
    if layers is not None:
        check_positive_integer("layers", layers)
    share = round(run.params / run.active_params)
    return float(
        evaluate(equivalent_width(), P=run.params / share, d=run.d_model, L=layers or run.layers)
    )


@checked
def equivalent_model(run: MeasuredRun) -> Model:
    """The model of this book that stands for the run: same width, parameters and batch.

    Layers are the places of the pipeline, so that they divide; d_ff is :func:`equivalent_d_ff`, rounded
    to a multiple of the tensor-parallel degree. Experts become round(P / active P) of one size, of which
    one is active.

    Examples
    --------
    >>> from dmcore.evidence.measured_runs import RUNS_BY_NAME
    >>> equivalent_model(RUNS_BY_NAME["Megatron-LM 174.6B on 384"]).d_ff
    74008
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


@checked
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

    Examples
    --------
    >>> from dmcore.evidence.measured_runs import RUNS_BY_NAME
    >>> equivalent_parallelism(RUNS_BY_NAME["Megatron-LM 174.6B on 384"]).pipeline
    (1, 12)
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
