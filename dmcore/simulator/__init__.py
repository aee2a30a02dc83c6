"""What one training step costs in a given split over a cluster, and the search for the best split."""

from dmcore._lazy import on_first_use

__getattr__, __dir__ = on_first_use(__name__)
