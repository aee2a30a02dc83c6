"""The model behind the book "Data movement limits to frontier model training" (arXiv:2411.01137).

Closed forms of each bottleneck as SymPy expressions, and an exact simulator of how best to split a
training run over a cluster. The rooms of the package are in the order of the argument, and each is made
of those before it only: algebra, hardware, models, bottlenecks, simulator, prediction, evidence,
studies, show, chapters. Names are imported on first use, since SymPy alone takes half a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmcore._lazy import on_first_use

if TYPE_CHECKING:
    from dmcore.algebra.expressions import evaluate as evaluate
    from dmcore.bottlenecks.limits import critical_compute as critical_compute
    from dmcore.bottlenecks.limits import latency_limit as latency_limit
    from dmcore.hardware.catalog import GPUS as GPUS
    from dmcore.hardware.catalog import get_gpu as get_gpu
    from dmcore.hardware.catalog import load_accelerators as load_accelerators
    from dmcore.hardware.gpu import GPU as GPU
    from dmcore.hardware.gpu import NetworkLevel as NetworkLevel
    from dmcore.models.laws import BatchLaw as BatchLaw
    from dmcore.models.laws import ShapeLaw as ShapeLaw
    from dmcore.models.model import Extras as Extras
    from dmcore.models.model import Model as Model
    from dmcore.prediction.best import best_split as best_split
    from dmcore.prediction.step import predict_step as predict_step
    from dmcore.prediction.transformer import Software as Software
    from dmcore.prediction.transformer import Split as Split
    from dmcore.prediction.transformer import Transformer as Transformer
    from dmcore.simulator.matmul import matmul_time as matmul_time
    from dmcore.simulator.search import best_parallelism as best_parallelism
    from dmcore.simulator.search import smallest_cluster as smallest_cluster
    from dmcore.simulator.split import Parallelism as Parallelism
    from dmcore.simulator.step import training_step as training_step
    from dmcore.simulator.sweep import Sweep as Sweep
    from dmcore.simulator.sweep import sweep as sweep
    from dmcore.studies.planning import best_use as best_use
    from dmcore.studies.planning import largest_run as largest_run

__version__ = "0.1.0"

_HOMES = {
    "GPU": "hardware.gpu",
    "NetworkLevel": "hardware.gpu",
    "GPUS": "hardware.catalog",
    "get_gpu": "hardware.catalog",
    "load_accelerators": "hardware.catalog",
    "evaluate": "algebra.expressions",
    "critical_compute": "bottlenecks.limits",
    "latency_limit": "bottlenecks.limits",
    "matmul_time": "simulator.matmul",
    "BatchLaw": "models.laws",
    "ShapeLaw": "models.laws",
    "Extras": "models.model",
    "Model": "models.model",
    "Parallelism": "simulator.split",
    "Software": "prediction.transformer",
    "Split": "prediction.transformer",
    "Transformer": "prediction.transformer",
    "predict_step": "prediction.step",
    "best_split": "prediction.best",
    "training_step": "simulator.step",
    "best_parallelism": "simulator.search",
    "smallest_cluster": "simulator.search",
    "sweep": "simulator.sweep",
    "Sweep": "simulator.sweep",
    "best_use": "studies.planning",
    "largest_run": "studies.planning",
}

__all__ = sorted(["__version__", *_HOMES])

__getattr__, __dir__ = on_first_use(__name__, _HOMES)
