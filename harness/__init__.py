"""refund-harness: a concurrency stress-test harness for money-moving PostgreSQL functions."""

__version__ = "0.1.0"
