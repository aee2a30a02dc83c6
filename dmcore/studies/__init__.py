"""What the model says when one thing is changed, doubted, or held against what was measured."""

from dmcore._lazy import on_first_use

__getattr__, __dir__ = on_first_use(__name__)
