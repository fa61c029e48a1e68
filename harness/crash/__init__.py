"""Crashes of the server: a durable server of its own, a stage on it, and who may ask for that."""

from harness.crash.stage import crashing, refuse_elsewhere

__all__ = ["crashing", "refuse_elsewhere"]
