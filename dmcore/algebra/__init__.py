"""What every formula is written with: symbols with units, expressions, derivations, checks of input."""

from dmcore._lazy import on_first_use

__getattr__, __dir__ = on_first_use(__name__)
