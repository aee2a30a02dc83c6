"""How things are shown: numbers, plots, figures to move, widgets, the published page."""

from dmcore._lazy import on_first_use

__getattr__, __dir__ = on_first_use(__name__)
