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
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType

import sympy as sp

from dmcore.algebra.checks import check_positive, check_positive_integer
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import simulator_symbols, symbols
from dmcore.hardware.catalog import find_gpu
from dmcore.models.model import Model
from dmcore.simulator.split import Parallelism

__all__ = [
    "MEASURED_RUNS",
    "RUNS_BY_NAME",
    "SOURCES",
    "MeasuredRun",
    "RunSource",
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
    d, L = symbols("d L")
    S, V = simulator_symbols("S V")
    return 12 * L * d**2 * (1 + sp.Rational(13, 12) / d + (V + S) / (12 * L * d))


@cache
def gpt_model_flop_per_token() -> sp.Expr:
    """Model FLOP of a GPT for each token: matrices, attention scores and the output words, once.

    Narayanan et al. (2021), equation 3, without its recomputed forward pass.
    """
    d, L = symbols("d L")
    S, V = simulator_symbols("S V")
    return 72 * L * d**2 * (1 + S / (6 * d) + V / (12 * L * d))


@cache
def gpt_hardware_flop_per_token() -> sp.Expr:
    """Hardware FLOP of a GPT for each token, with the forward pass of every layer done twice.

    Narayanan et al. (2021), equation 3. Recomputing makes 8 FLOP of 6 for each parameter of a layer; the
    output words are not recomputed.
    """
    d, L = symbols("d L")
    S, V = simulator_symbols("S V")
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
class RunSource:
    """Where a run is published.

    Attributes
    ----------
    key : str
        Key in the bibliography.
    title, authors : str
        As on the paper; more than three authors are cut.
    year : int
        Of the first version.
    arxiv : str
        Identifier.
    """

    key: str
    title: str
    authors: str
    year: int
    arxiv: str


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
        A preset of :mod:`dmcore.hardware.gpu` or :mod:`dmcore.hardware.catalog`.
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
        Key into :data:`SOURCES`.
    table : str
        Where in the source.
    notes : str
        What to know before comparing.

    Raises
    ------
    ValueError
        If a degree is out of range, they do not multiply to ``n_gpu``, the batch does not divide, nothing
        was measured, or the source is unknown.
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
        for name in (
            "n_gpu",
            "tensor_parallel",
            "pipeline_parallel",
            "data_parallel",
            "context_parallel",
            "expert_parallel",
            "batch_sequences",
            "seq_len",
            "d_model",
            "d_ff",
            "layers",
        ):
            check_positive_integer(name, getattr(self, name))
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
        if self.source not in SOURCES:
            raise ValueError(f"source must be one of {tuple(SOURCES)}, got {self.source!r}")
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

    @property
    def citation(self) -> RunSource:
        """Its source."""
        return SOURCES[self.source]


#: The sources by key of the bibliography, read-only.
SOURCES: Mapping[str, RunSource] = MappingProxyType(
    {
        source.key: source
        for source in (
            RunSource(
                "narayanan2021",
                "Efficient large-scale language model training on GPU clusters using Megatron-LM",
                "Narayanan, Shoeybi, Casper and others",
                2021,
                "2104.04473",
            ),
            RunSource(
                "smith2022mtnlg",
                "Using DeepSpeed and Megatron to train Megatron-Turing NLG 530B, a large-scale generative "
                "language model",
                "Smith, Patwary, Norick and others",
                2022,
                "2201.11990",
            ),
            RunSource(
                "chowdhery2022",
                "PaLM: scaling language modeling with Pathways",
                "Chowdhery, Narang, Devlin and others",
                2022,
                "2204.02311",
            ),
            RunSource(
                "korthikanti2022",
                "Reducing activation recomputation in large transformer models",
                "Korthikanti, Casper, Lym and others",
                2022,
                "2205.05198",
            ),
            RunSource(
                "bigscience2022bloom",
                "BLOOM: a 176B-parameter open-access multilingual language model",
                "BigScience Workshop",
                2022,
                "2211.05100",
            ),
            RunSource(
                "jiang2024megascale",
                "MegaScale: scaling large language model training to more than 10,000 GPUs",
                "Jiang, Lin, Zhong and others",
                2024,
                "2402.15627",
            ),
            RunSource(
                "nvidia2024nemotron4",
                "Nemotron-4 340B technical report",
                "NVIDIA",
                2024,
                "2406.11704",
            ),
            RunSource(
                "llama2024",
                "The Llama 3 herd of models",
                "Llama Team, AI @ Meta",
                2024,
                "2407.21783",
            ),
            RunSource(
                "deepseek2024v3",
                "DeepSeek-V3 technical report",
                "DeepSeek-AI",
                2024,
                "2412.19437",
            ),
        )
    }
)

_MEGATRON = "A100 SXM 80 GB"
_TERA = 1e12


def _narayanan() -> tuple[MeasuredRun, ...]:
    """Table 1, weak scaling, and the runs of Table 2 with a growing number of GPUs."""
    weak = (
        # params/1e9, d, L, TP, PP, GPUs, batch, TFLOP/s
        (1.7, 2304, 24, 1, 1, 32, 512, 137),
        (3.6, 3072, 30, 2, 1, 64, 512, 138),
        (7.5, 4096, 36, 4, 1, 128, 512, 142),
        (18.4, 6144, 40, 8, 1, 256, 1024, 135),
        (39.1, 8192, 48, 8, 2, 512, 1536, 138),
        (76.1, 10240, 60, 8, 4, 1024, 1792, 140),
        (145.6, 12288, 80, 8, 8, 1536, 2304, 148),
        (310.1, 16384, 96, 8, 16, 1920, 2160, 155),
        (529.6, 20480, 105, 8, 35, 2520, 2520, 163),
        (1008.0, 25600, 128, 8, 64, 3072, 3072, 163),
    )
    shares = (0.44, 0.44, 0.46, 0.43, 0.44, 0.45, 0.47, 0.50, 0.52, 0.52)
    strong = (
        (174.6, 12288, 96, 8, 12, 384, 1536, 153),
        (174.6, 12288, 96, 8, 12, 768, 1536, 149),
        (174.6, 12288, 96, 8, 12, 1536, 1536, 141),
        (529.6, 20480, 105, 8, 35, 560, 2240, 171),
        (529.6, 20480, 105, 8, 35, 1120, 2240, 167),
        (529.6, 20480, 105, 8, 35, 2240, 2240, 159),
    )

    def run(
        table: str,
        billions: float,
        d: int,
        layers: int,
        tensor: int,
        pipeline: int,
        gpus: int,
        batch: int,
        tflop_per_s: float,
    ) -> MeasuredRun:
        return MeasuredRun(
            name=f"Megatron-LM {billions:g}B on {gpus}",
            gpu=_MEGATRON,
            n_gpu=gpus,
            tensor_parallel=tensor,
            pipeline_parallel=pipeline,
            data_parallel=gpus // (tensor * pipeline),
            batch_sequences=batch,
            seq_len=2048,
            d_model=d,
            d_ff=4 * d,
            layers=layers,
            params=billions * 1e9,
            vocabulary=51200,
            measured_flop_per_s_per_gpu=tflop_per_s * _TERA,
            counts_recomputation=True,
            year=2021,
            source="narayanan2021",
            table=table,
            notes="Hardware FLOP with full recomputation. A benchmark of some steps, not a whole run.",
        )

    split_note = " The table gives tensor times pipeline degree, 96 or 280; tensor degree 8."
    return (
        *(
            replace(run("Table 1", *row), measured_peak_share=share)
            for row, share in zip(weak, shares, strict=True)
        ),
        *(
            replace(whole, microbatch=1, notes=whole.notes + split_note)
            for whole in (run("Table 2", *row) for row in strong)
        ),
    )


def _mt_nlg() -> tuple[MeasuredRun, ...]:
    rows = ((2240, 60.1, 126), (2800, 50.2, 121), (3360, 44.4, 113))
    return tuple(
        MeasuredRun(
            name=f"MT-NLG 530B on {gpus}",
            gpu=_MEGATRON,
            n_gpu=gpus,
            tensor_parallel=8,
            pipeline_parallel=35,
            data_parallel=gpus // 280,
            batch_sequences=1920,
            seq_len=2048,
            d_model=20480,
            d_ff=4 * 20480,
            layers=105,
            params=530e9,
            measured_flop_per_s_per_gpu=tflop_per_s * _TERA,
            step_s=seconds,
            counts_recomputation=True,
            year=2022,
            source="smith2022mtnlg",
            table="section 2.4",
            notes=(
                "Hardware FLOP with full recomputation. The PaLM paper works out an MFU of 30.2% for the "
                "2240 GPUs (29.7% without attention scores)."
            ),
        )
        for gpus, seconds, tflop_per_s in rows
    )


def _korthikanti() -> tuple[MeasuredRun, ...]:
    rows = (
        # label, params/1e9, d, L, PP, GPUs, batch, microbatch, interleaving, seconds, MFU
        ("22B", 22, 6144, 48, 1, 8, 4, 4, 1, 1.10, 0.415),
        ("175B", 175, 12288, 96, 8, 64, 64, 1, 3, 13.75, 0.514),
        ("530B", 530, 20480, 105, 35, 280, 280, 1, 3, 37.83, 0.560),
        ("1T", 1000, 25600, 128, 64, 512, 512, 1, None, 71.49, 0.563),
    )
    return tuple(
        MeasuredRun(
            name=f"Selective recomputation {label} on {gpus}",
            gpu=_MEGATRON,
            n_gpu=gpus,
            tensor_parallel=8,
            pipeline_parallel=pipeline,
            data_parallel=1,
            interleaving=interleaving,
            microbatch=microbatch,
            batch_sequences=batch,
            seq_len=2048,
            d_model=d,
            d_ff=4 * d,
            layers=layers,
            params=billions * 1e9,
            vocabulary=51200,
            measured_mfu=mfu,
            step_s=seconds,
            year=2022,
            source="korthikanti2022",
            table="Tables 3 and 5",
            notes=(
                "Model FLOP. Sequence parallelism and selective recomputation; one replica, so no "
                "gradients cross the network. A benchmark of some steps."
            ),
        )
        for (
            label,
            billions,
            d,
            layers,
            pipeline,
            gpus,
            batch,
            microbatch,
            interleaving,
            seconds,
            mfu,
        ) in rows
    )


def _bloom() -> MeasuredRun:
    return MeasuredRun(
        name="BLOOM 176B on 384",
        gpu="A100 SXM 80 GB Jean Zay",
        n_gpu=384,
        tensor_parallel=4,
        pipeline_parallel=12,
        data_parallel=8,
        microbatch=2,
        batch_sequences=2048,
        seq_len=2048,
        d_model=14336,
        d_ff=4 * 14336,
        layers=70,
        params=176.247e9,
        vocabulary=250880,
        pipeline_slots=72,
        measured_flop_per_s_per_gpu=150 * _TERA,
        step_s=105,
        counts_recomputation=True,
        year=2022,
        source="bigscience2022bloom",
        table="section 3.4, and the training notes tr11-176B-ml",
        notes=(
            "About 150 TFLOP/s and about 105 s a step in the training notes: hardware FLOP with full "
            "recomputation. The two embeddings take one place in the pipeline each. A whole run, on a "
            "network of a quarter of a DGX's bandwidth."
        ),
    )


def _megascale() -> tuple[MeasuredRun, ...]:
    rows = (
        # batch, GPUs, seconds and MFU of Megatron-LM, seconds and MFU of MegaScale
        (768, 256, 40.0, 0.530, 32.0, 0.653),
        (768, 512, 21.2, 0.499, 16.5, 0.635),
        (768, 768, 15.2, 0.467, 11.5, 0.613),
        (768, 1024, 11.9, 0.447, 8.9, 0.590),
        (6144, 3072, 29.02, 0.487, 23.66, 0.591),
        (6144, 6144, 14.78, 0.478, 12.21, 0.573),
        (6144, 8192, 12.24, 0.433, 9.56, 0.549),
        (6144, 12288, 8.57, 0.412, 6.34, 0.552),
    )

    def run(
        system: str, batch: int, gpus: int, seconds: float, mfu: float, notes: str
    ) -> MeasuredRun:
        return MeasuredRun(
            name=f"{system} 175B on {gpus}",
            gpu=_MEGATRON,
            n_gpu=gpus,
            tensor_parallel=8,
            pipeline_parallel=8,
            data_parallel=gpus // 64,
            batch_sequences=batch,
            seq_len=2048,
            d_model=12288,
            d_ff=4 * 12288,
            layers=96,
            params=175e9,
            measured_mfu=mfu,
            step_s=seconds,
            year=2024,
            source="jiang2024megascale",
            table="Table 2",
            notes=notes,
        )

    known = "Model FLOP. The GPU is called Ampere; its arithmetic is the A100's."
    megatron = "The baseline, as the authors of MegaScale ran it. " + known
    megascale = "Sliding-window attention, parallel blocks and a large-batch optimizer. " + known
    return (
        *(
            run("MegaScale's Megatron-LM", batch, gpus, seconds, mfu, megatron)
            for batch, gpus, seconds, mfu, _, _ in rows
        ),
        *(
            run("MegaScale", batch, gpus, seconds, mfu, megascale)
            for batch, gpus, _, _, seconds, mfu in rows
        ),
    )


def _nemotron() -> tuple[MeasuredRun, ...]:
    rows = ((16, 768, 10.3, 0.424), (32, 1536, 10.3, 0.423), (64, 2304, 8.0, 0.410))
    return tuple(
        MeasuredRun(
            name=f"Nemotron-4 340B on {replicas * 96}",
            gpu="H100 SXM",
            n_gpu=replicas * 96,
            tensor_parallel=8,
            pipeline_parallel=12,
            data_parallel=replicas,
            batch_sequences=batch,
            seq_len=4096,
            d_model=18432,
            d_ff=4 * 18432,
            layers=96,
            params=341e9,
            key_width=8 * 192,
            vocabulary=256000,
            embeddings=2,
            measured_mfu=mfu,
            step_s=seconds,
            year=2024,
            source="nvidia2024nemotron4",
            table="Table 2",
            notes="Model FLOP. A whole run; the pipeline is interleaved, by how much is not said.",
        )
        for replicas, batch, seconds, mfu in rows
    )


def _llama() -> tuple[MeasuredRun, ...]:
    rows = (
        # GPUs, CP, DP, sequence, sequences for each replica, TFLOP/s, MFU
        (8192, 1, 64, 8192, 32, 430, 0.43),
        (16384, 1, 128, 8192, 16, 400, 0.41),
        (16384, 16, 8, 131072, 16, 380, 0.38),
    )
    long = (
        " At this length most of the FLOP are attention scores, which the book's model leaves out: "
        "do not compare."
    )
    return tuple(
        MeasuredRun(
            name=f"Llama 3 405B on {gpus}" + (f" at {seq_len} tokens" if context > 1 else ""),
            gpu="H100 SXM",
            n_gpu=gpus,
            tensor_parallel=8,
            pipeline_parallel=16,
            context_parallel=context,
            data_parallel=replicas,
            batch_sequences=replicas * each,
            seq_len=seq_len,
            d_model=16384,
            d_ff=53248,
            layers=126,
            params=405e9,
            mlp_matrices=3,
            key_width=8 * 128,
            vocabulary=128256,
            embeddings=2,
            pipeline_slots=128,
            measured_flop_per_s_per_gpu=tflop_per_s * _TERA,
            measured_mfu=mfu,
            year=2024,
            source="llama2024",
            table="Table 4",
            notes=(
                "Model FLOP; how attention scores are counted is not said. The first and the last stage "
                "hold a layer less. Weights are sharded over the replicas. A whole run. The first version "
                "of the report has another data-parallel degree in the last row."
                + (long if context > 1 else "")
            ),
        )
        for gpus, context, replicas, seq_len, each, tflop_per_s, mfu in rows
    )


def _palm() -> MeasuredRun:
    return MeasuredRun(
        name="PaLM 540B on 6144",
        gpu="TPU v4",
        n_gpu=6144,
        tensor_parallel=12,
        pipeline_parallel=1,
        data_parallel=512,
        batch_sequences=2048,
        seq_len=2048,
        d_model=18432,
        d_ff=4 * 18432,
        layers=118,
        params=540.35e9,
        mlp_matrices=3,
        attention_width=48 * 256,
        key_width=256,
        vocabulary=256000,
        measured_mfu=0.462,
        measured_tokens_per_s=238.3e3,
        year=2022,
        source="chowdhery2022",
        table="section 4.1",
        notes=(
            "Model FLOP (45.7% without attention scores; 57.8% of hardware FLOP, with recomputation). Two "
            "pods of 3072, in each a copy of the weights sharded over 256 replicas; no pipeline. The "
            "simulator keeps whole weights in a replica, which do not fit: closed forms only."
        ),
    )


def _deepseek() -> MeasuredRun:
    return MeasuredRun(
        name="DeepSeek-V3 671B on 2048",
        gpu="H800 SXM",
        n_gpu=2048,
        tensor_parallel=1,
        pipeline_parallel=16,
        data_parallel=128,
        expert_parallel=64,
        batch_sequences=15360,
        seq_len=4096,
        d_model=7168,
        d_ff=2048,
        layers=61,
        params=671e9,
        params_active=37e9,
        mlp_matrices=3,
        attention_width=128 * (192 + 128) // 2,  # 128 heads, 192 channels of keys and 128 of values
        pipeline_slots=64,
        measured_tokens_per_s=2048 * 1e12 / (180e3 * 3600),
        year=2024,
        source="deepseek2024v3",
        table="section 1 and Table 1",
        notes=(
            "From 180,000 GPU hours for 1e12 tokens, which is rounded, and with all pauses if there were "
            "any. Most arithmetic is at 8 bit, whose peak is twice the one here. d_ff is that of one of 256 "
            "routed experts, 8 of them active, and one shared. 61 layers on 16 stages, unevenly: 64 places "
            "are assumed."
        ),
    )


#: The runs, oldest first.
MEASURED_RUNS: tuple[MeasuredRun, ...] = (
    *_narayanan(),
    *_mt_nlg(),
    _palm(),
    *_korthikanti(),
    _bloom(),
    *_megascale(),
    *_nemotron(),
    *_llama(),
    _deepseek(),
)

#: The same by name, read-only.
RUNS_BY_NAME: Mapping[str, MeasuredRun] = MappingProxyType({run.name: run for run in MEASURED_RUNS})


# ------------------------------------------------------------------------------- what follows


def peak_flop_per_s(run: MeasuredRun) -> float:
    """Peak of one GPU of the run at 16 bit, FLOP/s."""
    return find_gpu(run.gpu).peak_flop_per_s


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
    gpu = find_gpu(run.gpu)
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
