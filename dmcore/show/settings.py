"""What the controls of the cluster page set, all numbers by name, as a GPU and models of dmcore."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from dmcore.algebra.symbols import symbols
from dmcore.hardware.catalog import GPUS
from dmcore.hardware.gpu import GPU
from dmcore.hardware.variants import FIGURES, custom_gpu
from dmcore.models import laws
from dmcore.models.laws import BatchLaw
from dmcore.models.model import ACTIVATION_MEMORY, Extras, Model
from dmcore.models.told_batch import TOLD_FLOP, told_batch
from dmcore.models.words import Words
from dmcore.simulator.sweep import Sweep, sweep
from dmcore.studies.planning import ClusterUse, best_use, largest_run, nearest_model

__all__ = ["AS_TOLD", "MEMORY_CHOICES", "SETTINGS", "batch_told", "sweep_of", "use_of"]

#: Settings besides :data:`~dmcore.hardware.variants.FIGURES`: the preset, the kind of model, a batch law
#: and a depth law, which are counted in their order; experts and layers of every model, where 1 leaves
#: them to the kind and the law; d_ff / d_model; tokens in a sequence; the batch at 1e26 FLOP and the
#: exponent of its growth, which are those of the law unless a reader moves them; bytes of a weight, an
#: activation and a gradient; whether attention counts; which of :data:`MEMORY_CHOICES`; months; and the
#: rule of latency.
SETTINGS = (
    "base",
    "sparse",
    "law",
    "depth",
    "experts",
    "layers",
    "aspect_ratio",
    "seq_len",
    "batch_tokens",
    "batch_exponent",
    "w_P",
    "w_A",
    "w_G",
    "attention",
    "activation_memory",
    "months",
    "zero_bubble_latency",
)

#: What is kept of the forward pass: not counted, or one of what :class:`~dmcore.models.model.Extras` know.
MEMORY_CHOICES = (None, *ACTIVATION_MEMORY)

#: What leaves a number to the kind of model, or to the law.
AS_TOLD = 1


def sweep_of(settings: Mapping[str, float]) -> Sweep:
    """The sweep of a figure's settings: :data:`~dmcore.hardware.variants.FIGURES` and
    :data:`SETTINGS`, all numbers.

    Examples
    --------
    >>> from dmcore.chapters.your_cluster import cluster
    >>> sweep_of(cluster().defaults()).gpu.name
    'H100 SXM'
    """
    return sweep(
        _gpu_of(settings),
        **_laws_of(settings),
        duration_years=settings["months"] / 12,
        zero_bubble_latency=bool(settings["zero_bubble_latency"]),
    )


def use_of(settings: Mapping[str, float], n_gpu: int, flop: float | None = None) -> ClusterUse:
    """The largest run of so many GPUs with a figure's settings, or a run of so much compute, FLOP.

    See :func:`sweep_of`.

    Examples
    --------
    >>> from dmcore.chapters.your_cluster import cluster
    >>> use_of(cluster().defaults(), 1024).n_gpu_used
    1024
    """
    gpu = _gpu_of(settings)
    model_of = partial(Model.from_laws, **_laws_of(settings))
    latency = {"zero_bubble_latency": bool(settings["zero_bubble_latency"])}
    if flop is not None:
        return best_use(gpu, nearest_model(model_of, flop), n_gpu, **latency)
    return largest_run(gpu, n_gpu, settings["months"] / 12, model_of=model_of, **latency)


def batch_told(law: BatchLaw) -> dict[str, float]:
    """The batch of a law of a dense model at 1e26 FLOP and the exponent of its growth, as settings.

    Examples
    --------
    >>> batch_told(laws.BATCH_LAWS["none"])
    {'batch_tokens': 4194304.0, 'batch_exponent': 0.0}
    """
    growth = laws.effective_alpha(law)
    (compute,) = symbols("T_FLOP")
    tokens = growth.batch_of_compute.subs(compute, TOLD_FLOP)
    return {"batch_tokens": float(tokens), "batch_exponent": float(growth.alpha_b)}


def _gpu_of(settings: Mapping[str, float]) -> GPU:
    base = list(GPUS.values())[int(settings["base"])]
    return custom_gpu(base, **{name: settings[name] for name in FIGURES})


def _laws_of(settings: Mapping[str, float]) -> dict[str, Any]:
    law = list(laws.BATCH_LAWS.values())[int(settings["law"])]
    told = {name: settings[name] for name in ("batch_tokens", "batch_exponent")}
    experts, layers = (int(settings[name]) for name in ("experts", "layers"))
    found: dict[str, Any] = {
        "sparse": bool(settings["sparse"]),
        "batch_scaling": law if told == batch_told(law) else told_batch(*told.values()),
        "layer_law": list(laws.DEPTH_LAWS)[int(settings["depth"])],
        "aspect_ratio": settings["aspect_ratio"],
        "seq_len": int(settings["seq_len"]),
        "word_bytes": Words(*(settings[name] for name in ("w_P", "w_A", "w_G"))),
        "extras": Extras(
            bool(settings["attention"]), MEMORY_CHOICES[int(settings["activation_memory"])]
        ),
    }
    if experts != AS_TOLD:
        found |= {"sparse": True, "sparsity_law": lambda *_: experts}
    if layers != AS_TOLD:
        found["layer_law"] = lambda *_: layers
    return found
