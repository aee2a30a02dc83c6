"""The four bottlenecks of a training run and the limits they set, as closed forms."""

from dmcore._lazy import on_first_use

__getattr__, __dir__ = on_first_use(__name__)
