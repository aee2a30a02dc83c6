"""Lets nbval compare notebooks that are stored without execution counts.

nbval takes a cell without a count for one that was never run, and compares nothing.
"""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say of every cell that it has been run."""
    for item in items:
        cell = getattr(item, "cell", None)
        if cell is not None:
            cell.execution_count = 1
