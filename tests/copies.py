"""Copies of parts of the checkout, which tests change."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path


def copy_writable(source: Path, copy: Path) -> None:
    """Copy a file or folder so that it can be written to, even where the checkout cannot."""
    if source.is_file():
        shutil.copyfile(source, copy)
        return
    left_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source, copy, ignore=left_out, copy_function=shutil.copyfile)
    for folder in (copy, *copy.rglob("*/")):
        folder.chmod(folder.stat().st_mode | stat.S_IWUSR)
