"""The fault matrix: every fault at every point of every worker, and a retry after each."""

from harness.matrix.verdict import with_faults

__all__ = ["with_faults"]
