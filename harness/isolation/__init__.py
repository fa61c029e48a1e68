"""The isolation matrix: a scenario at several isolation levels, each with its own verdict."""

from harness.isolation.levels import Levels
from harness.isolation.scenario import at_level

__all__ = ["Levels", "at_level"]
