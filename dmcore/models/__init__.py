"""What is trained: the scaling laws, and the parameters, arithmetic and memory that they lead to."""

from dmcore._lazy import on_first_use

__getattr__, __dir__ = on_first_use(__name__)
