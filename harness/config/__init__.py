"""What a project's `harness.toml`, or `[tool.refund-harness]` in its pyproject.toml, gives in place of defaults."""

from harness.config.configuration import NOTHING, Configuration
from harness.config.where import configuration, find

__all__ = ["NOTHING", "Configuration", "configuration", "find"]
