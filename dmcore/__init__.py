"""The model behind the book "Data movement limits to frontier model training" (arXiv:2411.01137).

Closed forms of each bottleneck as SymPy expressions, and an exact simulator of how best to split a
training run over a cluster. Names are imported on first use, since SymPy alone takes half a second.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dmcore.expressions import evaluate as evaluate
    from dmcore.hardware import GPU as GPU
    from dmcore.hardware import GPUS as GPUS
    from dmcore.hardware import NetworkLevel as NetworkLevel
    from dmcore.hardware import get_gpu as get_gpu
    from dmcore.limits import critical_compute as critical_compute
    from dmcore.limits import latency_limit as latency_limit

__version__ = "0.1.0"

_HOME = {
    "GPU": "hardware",
    "GPUS": "hardware",
    "NetworkLevel": "hardware",
    "get_gpu": "hardware",
    "evaluate": "expressions",
    "critical_compute": "limits",
    "latency_limit": "limits",
    "matmul_time": "matmul",
    "Extras": "training_step",
    "Model": "training_step",
    "Parallelism": "training_step",
    "training_step": "training_step",
    "best_parallelism": "search",
    "sweep": "sweep",
    "Sweep": "sweep",
}
_MODULES = (
    "checks",
    "symbols",
    "expressions",
    "derivation",
    "hardware",
    "scaling_laws",
    "memory_bandwidth",
    "network",
    "latency",
    "critical_batch",
    "limits",
    "matmul",
    "training_step",
    "search",
    "sweep",
    "plots",
    "widgets",
)

__all__ = sorted(["__version__", *_HOME])


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"dmcore.{_HOME[name]}"), name)
    if name in _MODULES:
        return import_module(f"dmcore.{name}")
    raise AttributeError(f"module 'dmcore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES})


class _Package(ModuleType):
    """Keeps ``dmcore.sweep`` the function: importing the module of that name would put it there."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
