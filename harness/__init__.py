"""refund-harness: a concurrency stress-test harness for money-moving PostgreSQL functions.

What an application's tests need is here: `check` and `assert_holds` (these calls, in any interleaving, and this holds),
`Harness` (any number of them on one server), `run_scenario` and `assert_no_violation` (a scenario file).
"""

from harness.api import Asked, Harness, assert_holds, assert_no_violation, check, run_scenario

__all__ = ["Asked", "Harness", "assert_holds", "assert_no_violation", "check", "run_scenario"]
__version__ = "0.1.0"
