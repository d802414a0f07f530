"""Many cores: a master that forks workers, watches them and replaces them, each a reactor of its own."""

from .master import StartFailed
from .running import run

__all__ = ["StartFailed", "run"]
