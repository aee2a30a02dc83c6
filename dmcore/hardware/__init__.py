"""Accelerators and their networks, from data sheets and measurements."""

from dmcore._lazy import on_first_use

__getattr__, __dir__ = on_first_use(__name__)
