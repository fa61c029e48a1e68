"""Programs under test: callables of somebody's own as workers, from what was asked for to a result."""
