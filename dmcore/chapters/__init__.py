"""The figures of the book, a module for each chapter. They draw what the model computes."""

from dmcore._lazy import on_first_use

__getattr__, __dir__ = on_first_use(__name__)
