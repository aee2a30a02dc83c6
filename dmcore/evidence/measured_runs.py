"""What large training runs reached: published throughput, with the shape and the split of each run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType

from dmcore.algebra.checks import check_positive, check_positive_integer
from dmcore.evidence.tables import records

__all__ = ["MEASURED_RUNS", "RUNS_BY_NAME", "MeasuredRun"]


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

    Examples
    --------
    >>> run = RUNS_BY_NAME["Megatron-LM 174.6B on 384"]
    >>> run.n_gpu, run.batch_tokens, run.source
    (384, 3145728, 'narayanan2021')
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
