"""How fast a real run trains: a transformer as it is trained, its constants, and what was measured."""

from dmcore._lazy import on_first_use

__getattr__, __dir__ = on_first_use(__name__)
